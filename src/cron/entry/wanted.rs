//! What a caller wants of an entry, checked and put into one.

use chrono::{DateTime, Utc};

use super::{
    BACKOFF_SECONDS_MAX, COMMENT_CHARS_MAX, Entry, EntryRecord, MISFIRE_RUNS_MAX, Misfire,
    NAME_CHARS_MAX, Overlap, RETRIES_MAX, TIMEOUT_SECONDS_MAX, Terms, zone_of,
};
use crate::cron::command;
use crate::cron::error::CronError;
use crate::model::schedule::Schedule;

/// What a caller wants an entry to be. `None` leaves a field, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub schedule: Option<String>,
    pub command: Option<String>,
    pub name: Option<Option<String>>,
    pub comment: Option<Option<String>>,
    pub enabled: Option<bool>,
    pub expires_at: Option<Option<String>>,
    pub clear_expiration: bool,
    pub timezone: Option<Option<String>>,
    pub overlap: Option<Overlap>,
    pub misfire: Option<Misfire>,
    pub misfire_runs_max: Option<u32>,
    pub deadline_seconds: Option<Option<u32>>,
    pub retries: Option<u32>,
    pub retry_backoff_seconds: Option<u32>,
    pub timeout_seconds: Option<u32>,
    pub jitter_seconds: Option<u32>,
}

/// The entry that is wanted.
pub fn change(
    mut record: EntryRecord,
    wanted: Wanted,
    terms: &Terms,
    now: DateTime<Utc>,
) -> Result<Entry, CronError> {
    if let Some(schedule) = wanted.schedule {
        record.schedule = Schedule::parse(&schedule)?.text().to_owned();
    }
    if let Some(command) = wanted.command {
        record.command = command;
    }
    if let Some(name) = wanted.name {
        record.name = text(name, "name", NAME_CHARS_MAX).map_err(CronError::Name)?;
    }
    if let Some(comment) = wanted.comment {
        record.comment = text(comment, "comment", COMMENT_CHARS_MAX).map_err(CronError::Comment)?;
    }
    if let Some(zone) = wanted.timezone {
        record.timezone = match zone {
            None => terms.timezone,
            Some(name) => zone_of(&name)?,
        }
        .name()
        .to_owned();
    }
    record.enabled = wanted.enabled.unwrap_or(record.enabled);
    record.expires_at = match (wanted.clear_expiration, wanted.expires_at) {
        (true, _) | (false, Some(None)) => None,
        (false, None) => record.expires_at,
        (false, Some(Some(text))) => Some(expiry(&text, now)?),
    };
    let policy = &mut record.policy;
    let seconds = |value: Option<u32>, old, max, name| limited(value, old, 0, max, name);
    policy.overlap = wanted.overlap.unwrap_or(policy.overlap);
    policy.misfire = wanted.misfire.unwrap_or(policy.misfire);
    policy.misfire_runs_max = limited(
        wanted.misfire_runs_max,
        policy.misfire_runs_max,
        1,
        MISFIRE_RUNS_MAX,
        "misfire_runs_max",
    )?;
    policy.deadline_seconds = wanted.deadline_seconds.unwrap_or(policy.deadline_seconds);
    policy.retries = seconds(wanted.retries, policy.retries, RETRIES_MAX, "retries")?;
    policy.retry_backoff_seconds = seconds(
        wanted.retry_backoff_seconds,
        policy.retry_backoff_seconds,
        BACKOFF_SECONDS_MAX,
        "retry_backoff_seconds",
    )?;
    policy.timeout_seconds = limited(
        wanted.timeout_seconds,
        policy.timeout_seconds,
        1,
        TIMEOUT_SECONDS_MAX,
        "timeout_seconds",
    )?;
    policy.jitter_seconds = seconds(
        wanted.jitter_seconds,
        policy.jitter_seconds,
        BACKOFF_SECONDS_MAX,
        "jitter_seconds",
    )?;
    record.updated_at = now;
    record.revision += 1;
    record.raw_line = None;
    Entry::of(record, terms.shell)
}

fn expiry(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, CronError> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| CronError::InvalidExpiresAt)?;
    match time.to_utc() > now {
        true => Ok(time.to_utc()),
        false => Err(CronError::ExpiresInPast),
    }
}

fn limited(value: Option<u32>, old: u32, min: u32, max: u32, name: &str) -> Result<u32, CronError> {
    match value {
        None => Ok(old),
        Some(value) if (min..=max).contains(&value) => Ok(value),
        Some(_) => Err(CronError::Policy(format!("{name} must be {min} to {max}"))),
    }
}

/// A text of one line, or none.
fn text(text: Option<String>, what: &str, chars_max: usize) -> Result<Option<String>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.chars().count() > chars_max {
        return Err(format!("{what} may have at most {chars_max} characters"));
    }
    match text.chars().find(|sign| command::breaks_line(*sign)) {
        Some(sign) => Err(format!(
            "{what} must be one line: U+{:04X} is not allowed",
            u32::from(sign)
        )),
        None => Ok(Some(text)),
    }
}
