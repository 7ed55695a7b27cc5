//! An entry: what is to be done, when, for whom, and under which policies; and
//! the checks of what a caller wants of one. It must not know clocks or stores.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::calendar;
use super::command::{self, Command};
use super::error::CronError;
use super::schedule::Schedule;
use crate::store::{Kind, Stored};

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

fn change(
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

/// The zone of this name.
pub fn zone_of(name: &str) -> Result<Tz, CronError> {
    name.parse()
        .map_err(|_| CronError::Timezone(name.chars().take(64).collect()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            timezone: Tz::UTC,
            timeout_seconds: 60,
            shell: false,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn wanted() -> Wanted {
        Wanted {
            schedule: Some("0 4 * * 0".to_owned()),
            command: Some("curl /x".to_owned()),
            ..Wanted::default()
        }
    }

    #[test]
    fn what_may_not_be_in_an_entry() {
        let create = |wanted| Entry::create("a", wanted, &terms(), now());
        let check = |wanted: Wanted, expected: &str| {
            let error = create(wanted).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        for sign in [
            '\n', '\r', '\0', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
        ] {
            let text = Some(Some(format!("a{sign}b")));
            check(
                Wanted {
                    comment: text.clone(),
                    ..wanted()
                },
                "comment must be one line",
            );
            check(
                Wanted {
                    name: text,
                    ..wanted()
                },
                "name must be one line",
            );
            check(
                Wanted {
                    command: Some(format!("curl /x{sign}")),
                    ..wanted()
                },
                "one line",
            );
        }
        check(
            Wanted {
                name: Some(Some("é".repeat(121))),
                ..wanted()
            },
            "120",
        );
        check(
            Wanted {
                comment: Some(Some("é".repeat(501))),
                ..wanted()
            },
            "500",
        );
        check(
            Wanted {
                schedule: None,
                ..wanted()
            },
            "schedule is required",
        );
        check(
            Wanted {
                command: None,
                ..wanted()
            },
            "command",
        );
        check(
            Wanted {
                timezone: Some(Some("Mars/Base".into())),
                ..wanted()
            },
            "Mars/Base",
        );
        check(
            Wanted {
                timeout_seconds: Some(0),
                ..wanted()
            },
            "1 to 86400",
        );
        check(
            Wanted {
                retries: Some(11),
                ..wanted()
            },
            "0 to 10",
        );
        for (time, expected) in [
            ("soon", "RFC 3339"),
            ("2027-01-15T08:00:00Z", "future"),
            ("2027-01-15T09:00:00+01:00", "future"),
        ] {
            let expires_at = Some(Some(time.to_owned()));
            check(
                Wanted {
                    expires_at,
                    ..wanted()
                },
                expected,
            );
        }
        let entry = create(Wanted {
            name: Some(Some("é".repeat(120))),
            ..wanted()
        })
        .unwrap();
        assert_eq!(entry.record.revision, 1);
    }

    #[test]
    fn clearing_the_end_wins() {
        let later = Some(Some("2027-01-15T08:00:01Z".to_owned()));
        let entry = Entry::create(
            "a",
            Wanted {
                expires_at: later.clone(),
                ..wanted()
            },
            &terms(),
            now(),
        );
        let entry = entry.unwrap();
        assert!(!entry.is_expired(now()));
        let at = now() + chrono::TimeDelta::seconds(1);
        assert!(entry.is_expired(at));
        let both = Wanted {
            expires_at: later,
            clear_expiration: true,
            ..Wanted::default()
        };
        let cleared = entry.update(both, &terms(), now()).unwrap();
        assert_eq!(
            (cleared.record.expires_at, cleared.record.revision),
            (None, 2)
        );
        assert!(!cleared.is_expired(at));
    }
}
