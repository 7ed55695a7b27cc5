//! `schedules/*` of the exec API: the scripts that say `@schedule`. They are
//! entries of the scheduler like all others, in the exec API's words.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::exec::view::iso;
use crate::api::reply::Answer;
use crate::cron::entry::Entry;
use crate::cron::history::{Filter, LIMIT_MAX};
use crate::cron::run::{Outcome, Run};
use crate::cron::scripts::{SCRIPTS_USER, Scheduled, entry_id};
use crate::exec::Exec;
use crate::model::directives::Timeout;
use crate::model::exec_id::SUBDOMAIN;
use crate::model::script::ScriptPath;

/// Of a script that names none (contract of the exec API).
const TIMEOUT_SECONDS: u32 = 30;
/// The longest that a script may ask for.
const TIMEOUT_SECONDS_MAX: u32 = 3_600;
/// The most entries of one history.
const HISTORY_MAX: usize = 1_000;
/// What is read at most for one history; the rows of deployments for which a token
/// does not count are read too.
const HISTORY_READS_MAX: usize = 20;
/// What a history shows of an answer, in characters.
const PREVIEW_CHARS: usize = 500;

/// What the live scripts say about schedules.
pub fn scheduled(exec: &Exec) -> Vec<Scheduled> {
    let deployments = exec.live.all();
    let scripts = deployments
        .values()
        .flat_map(|deployment| deployment.scripts.values());
    let mut scheduled: Vec<Scheduled> = scripts
        .filter(|script| !script.is_library() && !script.is_markdown())
        .filter_map(|script| {
            let directives = &script.directives;
            let timeout = match directives.schedule.timeout {
                Timeout::Default => directives.timeout,
                own => own,
            };
            let timeout_seconds = match timeout {
                Timeout::Default => TIMEOUT_SECONDS,
                Timeout::After(time) => u32::try_from(time.as_secs()).unwrap_or(u32::MAX),
                Timeout::Unlimited => TIMEOUT_SECONDS_MAX,
            };
            Some(Scheduled {
                script: script.path.to_string(),
                expression: directives.schedule.expression.clone()?,
                timeout_seconds: timeout_seconds.clamp(1, TIMEOUT_SECONDS_MAX),
                enabled: directives.enabled,
            })
        })
        .collect();
    scheduled.sort_by(|a, b| a.script.cmp(&b.script));
    scheduled
}

/// Scripts that say `@schedule` and have none, and why.
fn unreadable(exec: &Exec) -> Vec<(String, String)> {
    let deployments = exec.live.all();
    let scripts = deployments
        .values()
        .flat_map(|deployment| deployment.scripts.values())
        .filter(|script| script.comments.contains_key("schedule"))
        .filter(|script| script.directives.schedule.expression.is_none());
    let warnings = scripts.flat_map(|script| {
        let warnings = script.warnings.iter();
        warnings.map(|warning| (script.path.to_string(), warning))
    });
    let mut unreadable: Vec<(String, String)> = warnings
        .filter(|(_, warning)| warning.directive == "@schedule")
        .map(|(path, warning)| (path, format!("`{}` {}", warning.value, warning.message)))
        .collect();
    unreadable.sort();
    unreadable
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleList {
    pub total: usize,
    pub schedules: Vec<ScheduleView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    /// With its deployment.
    pub script_path: String,
    /// Without.
    pub script_rel: String,
    pub subdomain: &'static str,
    pub exec_id: String,
    pub vm_cache_key: String,
    /// In UTC.
    pub expression: String,
    pub timeout_ms: u64,
    pub registered_at: String,
    pub next_fire: Option<String>,
    pub last_fire_at: Option<String>,
    pub last_fire_status: Option<String>,
    pub last_fire_run_id: Option<String>,
}

pub async fn list(call: Call<Nothing>) -> Result<Answer<ScheduleList>, ApiError> {
    let cron = &call.api.cron;
    let now = Utc::now();
    let mut schedules = Vec::new();
    for entry in cron.scheduled_scripts() {
        let Some(script) = script_of(&entry).filter(|script| is_seen(&call, script)) else {
            continue;
        };
        let last = Filter {
            limit: 1,
            ..Filter::default()
        };
        let id = &entry.record.id;
        let last = cron.runs_of_entry(SCRIPTS_USER, id, &last).await?;
        schedules.push(ScheduleView::of(&entry, &script, last.runs.first(), now));
    }
    schedules.sort_by(|a, b| a.script_path.cmp(&b.script_path));
    Ok(Answer::ok(ScheduleList {
        total: schedules.len(),
        schedules,
    }))
}

impl ScheduleView {
    fn of(entry: &Entry, script: &ScriptPath, last: Option<&Run>, now: DateTime<Utc>) -> Self {
        let record = &entry.record;
        let next = entry.next_after(now).filter(|_| record.enabled);
        Self {
            script_path: script.to_string(),
            script_rel: script.relative().to_owned(),
            subdomain: SUBDOMAIN,
            exec_id: script.exec_id().to_string(),
            vm_cache_key: format!("{SUBDOMAIN}/{}", script.exec_id()),
            expression: record.schedule.clone(),
            timeout_ms: u64::from(record.policy.timeout_seconds) * 1000,
            registered_at: iso(record.created_at),
            next_fire: next.map(iso),
            last_fire_at: last.map(|run| iso(run.started_at.unwrap_or(run.scheduled_at))),
            last_fire_status: last.map(|run| status(run.outcome).to_owned()),
            last_fire_run_id: last.map(|run| run.id.clone()),
        }
    }
}

/// Whether the caller's token counts for the script's deployment.
fn is_seen<Q, B>(call: &Call<Q, B>, script: &ScriptPath) -> bool {
    let exec_id = script.exec_id().as_str();
    let token = call.token.as_ref();
    token.is_none_or(|token| token.bounds.allow_deployment(exec_id))
}

fn script_of(entry: &Entry) -> Option<ScriptPath> {
    ScriptPath::parse(entry.record.script.as_deref()?).ok()
}

/// The exec API's word for an outcome.
fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::SkippedDisabled => "disabled",
        Outcome::SkippedCapacity | Outcome::SkippedOverlap => "skipped_overload",
        Outcome::Waiting
        | Outcome::Running
        | Outcome::Ok
        | Outcome::Error
        | Outcome::Timeout
        | Outcome::Interrupted
        | Outcome::SkippedMissed
        | Outcome::Expired => outcome.name(),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriggerRequest {
    pub script_path: String,
    /// Run it although it is disabled.
    pub force: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Triggered {
    pub triggered: bool,
    pub script_path: String,
    pub run_id: Option<String>,
    pub status: String,
    pub duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

pub async fn trigger(call: Call<Nothing, TriggerRequest>) -> Result<Answer<Triggered>, ApiError> {
    let script = call.scope.script(&call.body.script_path)?;
    let cron = &call.api.cron;
    let id = entry_id(&script.to_string());
    let entries = cron.scheduled_scripts();
    let entry = entries.iter().find(|entry| entry.record.id == id);
    let untouched = |status: &str| {
        Answer::ok(Triggered {
            triggered: false,
            script_path: script.to_string(),
            run_id: None,
            status: status.to_owned(),
            duration_ms: None,
            error: None,
        })
    };
    let Some(entry) = entry else {
        return Ok(untouched("unregistered"));
    };
    if !entry.record.enabled && call.body.force != Some(true) {
        return Ok(untouched("disabled"));
    }
    if call.scope.dry_run {
        return Ok(untouched("ok"));
    }
    let asked_by = call.token.as_ref().map(|token| token.alias.clone());
    let asked = cron
        .trigger(SCRIPTS_USER, &id, asked_by, Utc::now())
        .await?;
    let run = match asked.end {
        Some(end) => end.await.unwrap_or(asked.run),
        None => asked.run,
    };
    let times = run.started_at.zip(run.ended_at);
    Ok(Answer::ok(Triggered {
        triggered: run.started_at.is_some(),
        script_path: script.to_string(),
        status: status(run.outcome).to_owned(),
        duration_ms: times.map(|(start, end)| (end - start).num_milliseconds()),
        error: run.result.error,
        run_id: Some(run.id),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryQuery {
    pub script_path: Option<String>,
    /// RFC 3339, or milliseconds since 1970.
    pub since: Option<String>,
    /// 1 to 1000; 100 by default.
    pub limit: Option<usize>,
    /// All are in one place; it changes nothing.
    pub include_rotated: Option<bool>,
    pub cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    pub total: usize,
    pub limit: usize,
    pub include_rotated: bool,
    pub entries: Vec<HistoryEntry>,
    /// To go on with; null at the end.
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// When it was due.
    pub ts: String,
    pub script_path: String,
    /// As it was then.
    pub expression: String,
    pub run_id: String,
    pub status: String,
    pub trigger: String,
    pub duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_preview: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Of the request, in the other logs.
    pub request_id: Option<String>,
}

pub async fn history(call: Call<HistoryQuery>) -> Result<Answer<History>, ApiError> {
    let (query, cron) = (&call.query, &call.api.cron);
    let limit = query.limit.unwrap_or(100).clamp(1, HISTORY_MAX);
    let since = query.since.as_deref().map(since).transpose()?;
    let script = query.script_path.as_deref();
    let script = script.map(|path| call.scope.script(path)).transpose()?;
    let id = script.map(|script| entry_id(&script.to_string()));
    let mut cursor = query.cursor.clone();
    let mut runs = Vec::new();
    for _ in 0..HISTORY_READS_MAX {
        let filter = Filter {
            since,
            cursor: cursor.take(),
            limit: LIMIT_MAX.min(limit - runs.len()),
            ..Filter::default()
        };
        let listed = match &id {
            Some(id) => cron.runs_of_entry(SCRIPTS_USER, id, &filter).await?,
            None => cron.runs_of_user(SCRIPTS_USER, &filter)?,
        };
        let is_seen = |run: &Run| {
            ScriptPath::parse(script_text(run)).is_ok_and(|script| is_seen(&call, &script))
        };
        runs.extend(listed.runs.into_iter().filter(is_seen));
        cursor = listed.next;
        if cursor.is_none() || runs.len() >= limit {
            break;
        }
    }
    let entries: Vec<HistoryEntry> = runs.into_iter().map(HistoryEntry::of).collect();
    Ok(Answer::ok(History {
        total: entries.len(),
        limit,
        include_rotated: query.include_rotated.unwrap_or(false),
        entries,
        next_cursor: cursor,
    }))
}

fn since(text: &str) -> Result<DateTime<Utc>, ApiError> {
    let milliseconds = || DateTime::from_timestamp_millis(text.parse().ok()?);
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    let time = time.ok().or_else(milliseconds);
    time.ok_or_else(|| ApiError::bad_request("since must be an RFC 3339 time or milliseconds"))
}

/// Which script a run was of, with its deployment.
fn script_text(run: &Run) -> &str {
    run.command.trim_start_matches("@schedule ")
}

impl HistoryEntry {
    fn of(run: Run) -> Self {
        let preview = |text: String| text.chars().take(PREVIEW_CHARS).collect();
        let times = run.started_at.zip(run.ended_at);
        let trigger = serde_json::to_value(run.trigger).unwrap_or_default();
        Self {
            ts: iso(run.scheduled_at),
            script_path: script_text(&run).to_owned(),
            expression: run.schedule,
            run_id: run.id,
            status: status(run.outcome).to_owned(),
            trigger: trigger.as_str().unwrap_or_default().to_owned(),
            duration_ms: times.map(|(start, end)| (end - start).num_milliseconds()),
            return_preview: run.result.output.map(|output| preview(output.first)),
            error: run.result.error,
            request_id: run.result.request_id,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Reloaded {
    pub dry_run: bool,
    pub added: Vec<String>,
    pub kept: Vec<String>,
    pub removed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    pub script_path: String,
    pub error: String,
}

pub async fn reload(call: Call<Nothing>) -> Result<Answer<Reloaded>, ApiError> {
    let dry_run = call.scope.dry_run;
    let scripts = scheduled(call.exec());
    let reloaded = call
        .api
        .cron
        .follow_scripts(scripts, dry_run, Utc::now())
        .await?;
    let is_seen =
        |path: &String| ScriptPath::parse(path).is_ok_and(|script| is_seen(&call, &script));
    let seen = |paths: Vec<String>| paths.into_iter().filter(&is_seen).collect();
    let failed = reloaded.failed.into_iter().chain(unreadable(call.exec()));
    let failed = failed.filter(|(path, _)| is_seen(path));
    Ok(Answer::ok(Reloaded {
        dry_run,
        added: seen(reloaded.added),
        kept: seen(reloaded.kept),
        removed: seen(reloaded.removed),
        failed: failed
            .map(|(script_path, error)| Failed { script_path, error })
            .collect(),
    }))
}
