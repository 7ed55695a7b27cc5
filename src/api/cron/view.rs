//! Entries and runs as the API shows them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::exec::view::iso;
use crate::cron::entry::{Entry, EntryRecord};
use crate::cron::run::Run;
use crate::model::schedule;

/// How many of the next runs are shown.
const NEXT_RUNS: usize = 5;

/// A managed entry. In lists it has `type` and no `user`.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryView {
    /// Always `managed`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub name: Option<String>,
    pub comment: Option<String>,
    pub schedule: String,
    /// The schedule in words, which may change.
    pub schedule_human: String,
    /// IANA name.
    pub timezone: String,
    pub command: String,
    pub enabled: bool,
    pub expired: bool,
    pub expires_at: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    /// When it is due next, in its time zone.
    pub next_run: Option<String>,
    /// The next five times, in its time zone.
    pub next_runs: Vec<String>,
    /// `forbid`, `allow`, `queue` or `replace`.
    pub overlap: String,
    /// `once`, `skip` or `all`.
    pub misfire: String,
    pub misfire_runs_max: u32,
    pub deadline_seconds: Option<u32>,
    pub retries: u32,
    pub retry_backoff_seconds: u32,
    pub timeout_seconds: u32,
    pub jitter_seconds: u32,
}

impl EntryView {
    pub fn of(entry: &Entry, now: DateTime<Utc>) -> Self {
        let record = &entry.record;
        let policy = &record.policy;
        let expired = entry.is_expired(now);
        let next_runs = next_runs(entry, now);
        Self {
            kind: None,
            id: record.id.clone(),
            user: Some(record.user.clone()),
            name: record.name.clone(),
            comment: record.comment.clone(),
            schedule: record.schedule.clone(),
            schedule_human: schedule::describe(&entry.schedule),
            timezone: record.timezone.clone(),
            command: record.command.clone(),
            enabled: record.enabled,
            expired,
            expires_at: record.expires_at.map(iso),
            created_at: iso(record.created_at),
            updated_at: iso(record.updated_at),
            next_run: next_runs.first().cloned(),
            next_runs,
            overlap: word(&policy.overlap),
            misfire: word(&policy.misfire),
            misfire_runs_max: policy.misfire_runs_max,
            deadline_seconds: policy.deadline_seconds,
            retries: policy.retries,
            retry_backoff_seconds: policy.retry_backoff_seconds,
            timeout_seconds: policy.timeout_seconds,
            jitter_seconds: policy.jitter_seconds,
        }
    }

    pub fn in_list(self) -> Self {
        Self {
            kind: Some("managed"),
            user: None,
            ..self
        }
    }
}

/// None for an entry that is disabled; none after its end.
fn next_runs(entry: &Entry, now: DateTime<Utc>) -> Vec<String> {
    if !entry.record.enabled {
        return Vec::new();
    }
    let next = std::iter::successors(entry.next_after(now), |at| entry.next_after(*at));
    let expires = entry.record.expires_at;
    next.take_while(|at| expires.is_none_or(|expires| *at < expires))
        .take(NEXT_RUNS)
        .map(|at| {
            at.with_timezone(&entry.zone)
                .to_rfc3339_opts(SecondsFormat::Secs, false)
        })
        .collect()
}

/// The name of a value that is one word on the wire.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// The entity tag of an entry, without quotes.
pub fn revision(record: &EntryRecord) -> String {
    format!(
        "{}-{}",
        record.revision,
        record.updated_at.timestamp_micros()
    )
}

/// A run: one occurrence and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunView {
    pub id: String,
    pub entry_id: String,
    pub user: String,
    /// `schedule`, `manual` or `catch-up`.
    pub trigger: String,
    /// `waiting`, `running`, `ok`, `error`, `timeout`, `interrupted`, `skipped:overlap`,
    /// `skipped:missed`, `skipped:disabled`, `skipped:capacity` or `expired`.
    pub outcome: &'static str,
    /// When it was due.
    pub scheduled_at: String,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub duration_ms: Option<i64>,
    /// It makes up for an occurrence that was missed.
    pub late: bool,
    /// How many attempts there were.
    pub attempt: u32,
    pub command: String,
    /// The entry's schedule at that time.
    pub schedule: String,
    /// The token that asked for a manual run.
    pub asked_by: Option<String>,
    /// Of the HTTP answer.
    pub status: Option<u16>,
    /// Of the program.
    pub exit_code: Option<i32>,
    pub output: Option<OutputView>,
    pub error: Option<String>,
    pub fuel_used: Option<u64>,
    pub memory_peak_bytes: Option<u64>,
    /// The request's name in the access and execution logs.
    pub request_id: Option<String>,
}

/// The first and the last 4 KiB.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutputView {
    pub first: String,
    pub last: String,
    /// Of all of it.
    pub bytes: u64,
}

impl RunView {
    pub fn of(run: Run) -> Self {
        let duration = run.started_at.zip(run.ended_at);
        let result = run.result;
        Self {
            trigger: word(&run.trigger),
            outcome: run.outcome.name(),
            scheduled_at: iso(run.scheduled_at),
            started_at: run.started_at.map(iso),
            ended_at: run.ended_at.map(iso),
            duration_ms: duration.map(|(start, end)| (end - start).num_milliseconds()),
            late: run.late,
            attempt: run.attempt,
            command: run.command,
            schedule: run.schedule,
            asked_by: run.asked_by,
            id: run.id,
            entry_id: run.entry_id,
            user: run.user,
            status: result.status,
            exit_code: result.exit_code,
            output: result.output.map(|output| OutputView {
                first: output.first,
                last: output.last,
                bytes: output.bytes,
            }),
            error: result.error,
            fuel_used: result.fuel_used,
            memory_peak_bytes: result.memory_peak_bytes,
            request_id: result.request_id,
        }
    }
}
