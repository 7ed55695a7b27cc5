//! `/users/{user}/runs` and those of one entry, and runs that are asked for.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::view::RunView;
use super::{token, user};
use crate::api::endpoint::Call;
use crate::api::error::ApiError;
use crate::api::reply::Answer;
use crate::cron::Cron;
use crate::cron::command::{Command, Target};
use crate::cron::entry::Entry;
use crate::cron::error::CronError;
use crate::cron::history::{Filter, LIMIT_MAX, Listed};
use crate::cron::run::Outcome;

const LIMIT_DEFAULT: usize = 50;

#[derive(Debug, Deserialize, ToSchema)]
pub struct RunsQuery {
    /// Due at this time or later (RFC 3339).
    pub since: Option<String>,
    /// Due before this time (RFC 3339).
    pub until: Option<String>,
    /// Outcomes with commas between, such as `error,timeout`; `skipped` for all of its kind.
    pub outcome: Option<String>,
    /// `next_cursor` of an earlier answer.
    pub cursor: Option<String>,
    /// 1 to 200; 50 by default.
    pub limit: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RunList {
    pub user: String,
    /// Newest first.
    pub runs: Vec<RunView>,
    pub limit: usize,
    /// To go on with; null at the end.
    pub next_cursor: Option<String>,
}

pub async fn of_entry(call: Call<RunsQuery>) -> Result<Answer<RunList>, ApiError> {
    let user = user(&call)?;
    let filter = filter(&call.query)?;
    let id = call.parameter("id");
    let listed = call.api.cron.runs_of_entry(&user, id, &filter).await?;
    Ok(list(user, filter.limit, listed))
}

pub async fn of_user(call: Call<RunsQuery>) -> Result<Answer<RunList>, ApiError> {
    let user = user(&call)?;
    let filter = filter(&call.query)?;
    let listed = call.api.cron.runs_of_user(&user, &filter)?;
    Ok(list(user, filter.limit, listed))
}

fn list(user: String, limit: usize, listed: Listed) -> Answer<RunList> {
    Answer::ok(RunList {
        user,
        runs: listed.runs.into_iter().map(RunView::of).collect(),
        limit,
        next_cursor: listed.next,
    })
}

fn filter(query: &RunsQuery) -> Result<Filter, CronError> {
    let limit = usize::try_from(query.limit.unwrap_or(LIMIT_DEFAULT as i64)).unwrap_or_default();
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(CronError::Pagination {
            limit_max: LIMIT_MAX,
        });
    }
    let mut outcomes = Vec::new();
    for name in query.outcome.iter().flat_map(|text| text.split(',')) {
        let before = outcomes.len();
        let of_kind = |outcome: &&Outcome| {
            let kind = outcome.name().split(':').next();
            outcome.name() == name || kind == Some(name)
        };
        outcomes.extend(Outcome::ALL.iter().filter(of_kind));
        if outcomes.len() == before {
            let known: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
            let message = format!(
                "there is no outcome `{name}`; there are {}",
                known.join(", ")
            );
            return Err(CronError::Filter(message));
        }
    }
    Ok(Filter {
        since: time(query.since.as_deref(), "since")?,
        until: time(query.until.as_deref(), "until")?,
        outcomes,
        cursor: query.cursor.clone(),
        limit,
    })
}

fn time(text: Option<&str>, name: &str) -> Result<Option<DateTime<Utc>>, CronError> {
    let read = |text| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    text.map(read).transpose().map_err(|_| {
        CronError::Filter(format!(
            "{name} must be an RFC 3339 time such as 2027-01-31T00:00:00Z"
        ))
    })
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct StartQuery {
    /// Answer when the run has ended.
    pub wait: Option<bool>,
}

/// A run as in the lists, or in a dry run `{ dry_run, entry_id, would }`.
pub fn start_shape() -> Value {
    json!("object")
}

pub async fn start(call: Call<StartQuery>) -> Result<Response, ApiError> {
    let user = user(&call)?;
    let (id, cron, now) = (call.parameter("id"), &call.api.cron, Utc::now());
    if call.scope.dry_run {
        let entry = cron.entry(&user, id).await?;
        let body = json!({ "dry_run": true, "entry_id": id, "would": would(cron, &entry) });
        return Ok(axum::Json(body).into_response());
    }
    let asked_by = token(&call)?.alias.clone();
    let asked = cron.trigger(&user, id, Some(asked_by), now).await?;
    let (status, run) = match asked.end {
        Some(end) if call.query.wait == Some(true) => match end.await {
            Ok(run) => (StatusCode::OK, run),
            Err(_) => (StatusCode::ACCEPTED, asked.run),
        },
        _ if !asked.run.outcome.is_open() => (StatusCode::OK, asked.run),
        _ => (StatusCode::ACCEPTED, asked.run),
    };
    Ok((status, axum::Json(RunView::of(run))).into_response())
}

/// What a run would call. Headers and bodies may hold secrets and are only counted.
fn would(cron: &Cron, entry: &Entry) -> Value {
    match &entry.command {
        Some(Command::Curl(curl)) => {
            let (Target::Own(url) | Target::Url(url)) = &curl.target;
            let kind = match cron.is_own(&curl.target) {
                true => "route",
                false => "url",
            };
            let of_entry = Duration::from_secs(entry.record.policy.timeout_seconds.into());
            let timeout = curl.timeout(of_entry).as_millis() as u64;
            let headers: Vec<&str> = curl.headers.keys().map(|name| name.as_str()).collect();
            json!({
                "call": kind, "method": curl.method.as_str(), "url": url, "headers": headers,
                "body_bytes": curl.body.len(), "timeout_seconds": seconds(timeout),
            })
        }
        Some(Command::Shell(line)) => json!({ "call": "shell", "command": line }),
        None => json!({ "call": "script", "script": entry.record.script }),
    }
}

/// Whole seconds as a whole number.
fn seconds(ms: u64) -> Value {
    match ms % 1000 {
        0 => json!(ms / 1000),
        _ => json!(ms as f64 / 1000.0),
    }
}
