//! `/users/{user}/entries`: create, read, change, delete.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::view::{EntryView, revision};
use super::{precondition, user};
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::reply::Answer;
use crate::cron::crontab::Line;
use crate::cron::entry::{Entry, Wanted};
use crate::cron::error::CronError;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 200;

#[derive(Debug, Deserialize, ToSchema)]
pub struct PageQuery {
    /// From 1.
    pub page: Option<i64>,
    /// 1 to 200; 50 by default.
    pub limit: Option<i64>,
}

impl PageQuery {
    /// Page, limit, and how many entries come before.
    pub fn read(&self) -> Result<(usize, usize, usize), CronError> {
        let limit_max = LIMIT_MAX;
        let bad = || CronError::Pagination { limit_max };
        let page = usize::try_from(self.page.unwrap_or(1)).map_err(|_| bad())?;
        let limit = self
            .limit
            .map_or(Ok(LIMIT_DEFAULT), usize::try_from)
            .map_err(|_| bad())?;
        match page >= 1 && (1..=limit_max).contains(&limit) {
            true => Ok((page, limit, (page - 1).saturating_mul(limit))),
            false => Err(bad()),
        }
    }
}

/// Absent fields stay as they are, or take their defaults.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct EntryRequest {
    /// Five fields such as `0 4 * * 0`, or a macro such as `@weekly`.
    pub schedule: Option<String>,
    /// Such as `curl /scripts/certs/renew`.
    pub command: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub comment: Option<Option<String>>,
    pub enabled: Option<bool>,
    /// RFC 3339, in the future; null for no end.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Option<String>>,
    /// Takes the end away, whatever `expires_at` says.
    pub clear_expiration: Option<bool>,
    /// IANA name; null for the configuration's.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub timezone: Option<Option<String>>,
    /// `forbid` (the default), `allow`, `queue` or `replace`.
    pub overlap: Option<String>,
    /// `once` (the default), `skip` or `all`.
    pub misfire: Option<String>,
    /// Of `misfire: all`; 1 to 100.
    pub misfire_runs_max: Option<u32>,
    /// Later than this nothing is started; null for no such limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    pub deadline_seconds: Option<Option<u32>>,
    /// 0 to 10.
    pub retries: Option<u32>,
    /// The wait before the first repetition; it doubles each time.
    pub retry_backoff_seconds: Option<u32>,
    /// Of one attempt.
    pub timeout_seconds: Option<u32>,
    /// Starts are spread over this long.
    pub jitter_seconds: Option<u32>,
}

/// Tells null from absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl EntryRequest {
    pub fn into_wanted(self) -> Result<Wanted, CronError> {
        Ok(Wanted {
            overlap: choice("overlap", self.overlap)?,
            misfire: choice("misfire", self.misfire)?,
            schedule: self.schedule,
            command: self.command,
            name: self.name,
            comment: self.comment,
            enabled: self.enabled,
            expires_at: self.expires_at,
            clear_expiration: self.clear_expiration.unwrap_or(false),
            timezone: self.timezone,
            misfire_runs_max: self.misfire_runs_max,
            deadline_seconds: self.deadline_seconds,
            retries: self.retries,
            retry_backoff_seconds: self.retry_backoff_seconds,
            timeout_seconds: self.timeout_seconds,
            jitter_seconds: self.jitter_seconds,
        })
    }
}

fn choice<T: DeserializeOwned>(name: &str, text: Option<String>) -> Result<Option<T>, CronError> {
    let read = |text: String| serde_json::from_value(Value::String(text));
    text.map(read)
        .transpose()
        .map_err(|error| CronError::Policy(format!("{name}: {error}")))
}

fn answer(entry: &Entry, status: StatusCode) -> Answer<EntryView> {
    Answer {
        status,
        body: EntryView::of(entry, Utc::now()),
        etag: Some(format!("\"{}\"", revision(&entry.record))),
    }
}

/// The list's schema: entries that are managed, and lines that are not.
pub fn list_shape() -> Value {
    json!({
        "user": "string", "page": "integer", "limit": "integer", "total": "integer",
        "entries": ["object"],
    })
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Listed {
    Managed(Box<EntryView>),
    Raw {
        #[serde(rename = "type")]
        kind: &'static str,
        line: String,
        /// None for comments and variables.
        #[serde(flatten)]
        entry: Option<Box<RawEntry>>,
    },
}

/// What a line without metadata is besides its text.
#[derive(Debug, Serialize)]
struct RawEntry {
    id: String,
    schedule: String,
    schedule_human: String,
    timezone: String,
    command: String,
    enabled: bool,
    next_run: Option<String>,
    next_runs: Vec<String>,
}

impl Listed {
    fn of(line: Line, now: DateTime<Utc>) -> Listed {
        let raw = |line, entry| Listed::Raw {
            kind: "raw",
            line,
            entry,
        };
        let entry = match line {
            Line::Text(line) => return raw(line, None),
            Line::Entry(entry) => entry,
        };
        let view = EntryView::of(&entry, now);
        let Some(line) = entry.record.raw_line.clone() else {
            return Listed::Managed(Box::new(view.in_list()));
        };
        let more = RawEntry {
            id: view.id,
            schedule: view.schedule,
            schedule_human: view.schedule_human,
            timezone: view.timezone,
            command: view.command,
            enabled: view.enabled,
            next_run: view.next_run,
            next_runs: view.next_runs,
        };
        raw(line, Some(Box::new(more)))
    }
}

pub async fn list(call: Call<PageQuery>) -> Result<Response, ApiError> {
    let user = user(&call)?;
    let (page, limit, before) = call.query.read()?;
    let now = Utc::now();
    let lines = call.api.cron.lines(&user).await?;
    let total = lines.len();
    let entries: Vec<Listed> = lines
        .into_iter()
        .skip(before)
        .take(limit)
        .map(|line| Listed::of(line, now))
        .collect();
    let body = json!({
        "user": user, "page": page, "limit": limit, "total": total, "entries": entries,
    });
    Ok(axum::Json(body).into_response())
}

pub async fn create(call: Call<Nothing, EntryRequest>) -> Result<Answer<EntryView>, ApiError> {
    let user = user(&call)?;
    let wanted = call.body.into_wanted()?;
    let dry_run = call.scope.dry_run;
    let entry = call
        .api
        .cron
        .create(&user, wanted, dry_run, Utc::now())
        .await?;
    let status = if dry_run {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(answer(&entry, status))
}

pub async fn read(call: Call<Nothing>) -> Result<Answer<EntryView>, ApiError> {
    let user = user(&call)?;
    let id = call.parameter("id");
    let entry = call.api.cron.entry(&user, id).await?;
    Ok(answer(&entry, StatusCode::OK))
}

pub async fn update(call: Call<Nothing, EntryRequest>) -> Result<Answer<EntryView>, ApiError> {
    let user = user(&call)?;
    let check = precondition(&call);
    let id = call.parameter("id").to_owned();
    let wanted = call.body.into_wanted()?;
    let (cron, dry_run) = (call.api.cron, call.scope.dry_run);
    let entry = cron
        .update(&user, &id, wanted, &check, dry_run, Utc::now())
        .await?;
    Ok(answer(&entry, StatusCode::OK))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// False in a dry run.
    pub deleted: bool,
}

pub async fn delete(call: Call<Nothing>) -> Result<Answer<Deleted>, ApiError> {
    let user = user(&call)?;
    let check = precondition(&call);
    let (id, dry_run) = (call.parameter("id"), call.scope.dry_run);
    call.api.cron.delete(&user, id, &check, dry_run).await?;
    Ok(Answer::ok(Deleted { deleted: !dry_run }))
}
