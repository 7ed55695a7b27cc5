//! A run: one occurrence of an entry and what became of it. The row of the cron
//! log. It must not know how rows are kept; `history` does.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::output::Output;
use crate::store::{Kind, Stored};

/// What led to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    Schedule,
    /// Somebody asked for it.
    Manual,
    /// It makes up for what nobody was there for.
    CatchUp,
}

/// Declares the outcomes with their names on the wire.
macro_rules! outcomes {
    ($($(#[$about:meta])* $variant:ident = $name:literal,)+) => {
        /// How far a run is, or how it ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Outcome { $($(#[$about])* #[serde(rename = $name)] $variant,)+ }

        impl Outcome {
            pub const ALL: &'static [Outcome] = &[$(Outcome::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $(Outcome::$variant => $name,)+ }
            }

            pub fn from_name(name: &str) -> Option<Outcome> {
                match name { $($name => Some(Outcome::$variant),)+ _ => None }
            }
        }
    };
}

outcomes! {
    /// It waits for its turn.
    Waiting = "waiting",
    Running = "running",
    Ok = "ok",
    /// It failed, or answered 400 or more.
    Error = "error",
    Timeout = "timeout",
    /// The server ended before the run did.
    Interrupted = "interrupted",
    /// An earlier run was still under way.
    SkippedOverlap = "skipped:overlap",
    /// Nobody was there when it was due.
    SkippedMissed = "skipped:missed",
    /// The entry was disabled.
    SkippedDisabled = "skipped:disabled",
    /// The server had too much to do.
    SkippedCapacity = "skipped:capacity",
    /// The entry had expired.
    Expired = "expired",
}

impl Outcome {
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }
}

/// One occurrence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: String,
    pub entry_id: String,
    pub user: String,
    pub trigger: Trigger,
    pub outcome: Outcome,
    /// When it was due; of a manual run, when it was asked for.
    pub scheduled_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// It was started well after it was due.
    pub late: bool,
    /// The last attempt, from 1; 0 if there was none.
    pub attempt: u32,
    pub command: String,
    /// The entry's schedule at that time.
    #[serde(default)]
    pub schedule: String,
    /// The name of the token that asked for a manual run.
    pub asked_by: Option<String>,
    #[serde(flatten)]
    pub result: RunResult,
}

/// What an attempt left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunResult {
    /// Of the HTTP answer.
    pub status: Option<u16>,
    /// Of the program.
    pub exit_code: Option<i32>,
    pub output: Option<Output>,
    /// Why it is no success.
    pub error: Option<String>,
    /// Of the route that ran.
    pub fuel_used: Option<u64>,
    pub memory_peak_bytes: Option<u64>,
    /// The request's name in the access and execution logs.
    pub request_id: Option<String>,
}

impl Stored for Run {
    const KIND: Kind = Kind {
        number: 31,
        version: 1,
    };
}

impl Run {
    /// A row for an occurrence of the entry.
    pub fn new(
        entry: &Entry,
        trigger: Trigger,
        scheduled_at: DateTime<Utc>,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Run {
        Run {
            id: uuid::Uuid::new_v4().to_string(),
            entry_id: entry.record.id.clone(),
            user: entry.record.user.clone(),
            trigger,
            outcome,
            scheduled_at,
            started_at: (outcome == Outcome::Running).then_some(now),
            ended_at: (!outcome.is_open()).then_some(now),
            late: false,
            attempt: 0,
            command: entry.record.command.clone(),
            schedule: entry.record.schedule.clone(),
            asked_by: None,
            result: RunResult::default(),
        }
    }

    pub fn close(&mut self, outcome: Outcome, error: Option<String>, now: DateTime<Utc>) {
        self.outcome = outcome;
        self.ended_at = Some(now);
        if error.is_some() {
            self.result.error = error;
        }
    }
}
