//! An entry: what is to be done, when, for whom, and under which policies; and
//! the checks of what a caller wants of one. It must not know clocks or stores.

mod wanted;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::calendar;
use super::command::{self, Command};
use super::error::CronError;
use crate::model::schedule::Schedule;
use crate::store::{Kind, Stored};
pub use wanted::Wanted;
use wanted::change;

/// The longest name, in characters.
pub const NAME_CHARS_MAX: usize = 120;
/// The longest comment, in characters.
pub const COMMENT_CHARS_MAX: usize = 500;
/// How many times an attempt may be repeated.
pub const RETRIES_MAX: u32 = 10;
/// The longest that an attempt may take: a day.
pub const TIMEOUT_SECONDS_MAX: u32 = 86_400;
/// The most that `misfire: all` makes up for.
pub const MISFIRE_RUNS_MAX: u32 = 100;
/// The longest wait between two attempts.
pub const BACKOFF_SECONDS_MAX: u32 = 3_600;

/// What happens when an occurrence is due while a run is still under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It is left out: `skipped:overlap`.
    #[default]
    Forbid,
    /// Both run.
    Allow,
    /// It waits, if none waits yet.
    Queue,
    /// The run under way is ended.
    Replace,
}

/// What happens with occurrences that nobody was there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Misfire {
    /// The last of them runs, late.
    #[default]
    Once,
    /// None runs.
    Skip,
    /// All run, the last `misfire_runs_max` at most.
    All,
}

/// The policies of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub overlap: Overlap,
    pub misfire: Misfire,
    /// Of `misfire: all`.
    pub misfire_runs_max: u32,
    /// Later than this an occurrence is not started any more.
    pub deadline_seconds: Option<u32>,
    /// How often a failed attempt is repeated.
    pub retries: u32,
    /// The wait before the first repetition; it doubles each time.
    pub retry_backoff_seconds: u32,
    /// Of one attempt.
    pub timeout_seconds: u32,
    /// Starts are spread over this long, by the entry's name.
    pub jitter_seconds: u32,
}

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    pub id: String,
    pub user: String,
    pub name: Option<String>,
    pub comment: Option<String>,
    pub schedule: String,
    pub command: String,
    pub enabled: bool,
    /// Its IANA name.
    pub timezone: String,
    pub policy: Policy,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Grows with each change; the entity tag.
    pub revision: u64,
    /// It came as a line of a crontab without metadata.
    #[serde(default)]
    pub raw_line: Option<String>,
    /// The script whose `@schedule` this is.
    #[serde(default)]
    pub script: Option<String>,
}

impl Stored for EntryRecord {
    const KIND: Kind = Kind {
        number: 30,
        version: 1,
    };
}

/// An entry with what its texts mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub record: EntryRecord,
    pub schedule: Schedule,
    pub zone: Tz,
    /// None for a script's `@schedule`.
    pub command: Option<Command>,
}

/// What the configuration says about entries.
#[derive(Debug, Clone)]
pub struct Terms {
    pub timezone: Tz,
    pub timeout_seconds: u32,
    /// Commands other than `curl` are allowed.
    pub shell: bool,
}

impl Entry {
    /// Reads the texts of a stored entry.
    pub fn of(record: EntryRecord, shell: bool) -> Result<Entry, CronError> {
        let schedule = Schedule::parse(&record.schedule)?;
        let command = match record.script {
            Some(_) => None,
            None => Some(command::parse(&record.command, shell)?),
        };
        Ok(Entry {
            zone: zone_of(&record.timezone)?,
            record,
            schedule,
            command,
        })
    }

    /// A new entry of a user.
    pub fn create(
        user: &str,
        wanted: Wanted,
        terms: &Terms,
        now: DateTime<Utc>,
    ) -> Result<Entry, CronError> {
        if wanted.schedule.is_none() {
            return Err(CronError::NoSchedule);
        }
        let empty = EntryRecord {
            id: uuid::Uuid::new_v4().to_string(),
            user: user.to_owned(),
            name: None,
            comment: None,
            schedule: String::new(),
            command: String::new(),
            enabled: true,
            timezone: terms.timezone.name().to_owned(),
            policy: Policy {
                overlap: Overlap::default(),
                misfire: Misfire::default(),
                misfire_runs_max: MISFIRE_RUNS_MAX,
                deadline_seconds: None,
                retries: 0,
                retry_backoff_seconds: 1,
                timeout_seconds: terms.timeout_seconds,
                jitter_seconds: 0,
            },
            expires_at: None,
            created_at: now,
            updated_at: now,
            revision: 0,
            raw_line: None,
            script: None,
        };
        change(empty, wanted, terms, now)
    }

    /// The entry with what is wanted changed.
    pub fn update(
        &self,
        wanted: Wanted,
        terms: &Terms,
        now: DateTime<Utc>,
    ) -> Result<Entry, CronError> {
        change(self.record.clone(), wanted, terms, now)
    }

    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        calendar::next_after(&self.schedule, self.zone, after)
    }

    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.record.expires_at.is_some_and(|expires| expires <= now)
    }
}

/// The zone of this name.
pub fn zone_of(name: &str) -> Result<Tz, CronError> {
    name.parse()
        .map_err(|_| CronError::Timezone(name.chars().take(64).collect()))
}

#[cfg(test)]
mod tests;
