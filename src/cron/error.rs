//! What may be wrong with a request to cron. Which status that is, is decided by `api`.

use thiserror::Error;

use super::command::CommandError;
use crate::model::schedule::ScheduleError;
use crate::store::StoreError;

#[derive(Debug, Error)]
pub enum CronError {
    #[error("`{0}` cannot be a user: use 1 to 32 of A-Z a-z 0-9 `_` `.` `-`, with no `-` in front")]
    InvalidUser(String),
    #[error("there is no user `{0}`")]
    UserNotFound(String),
    #[error("there is no such entry")]
    EntryNotFound,
    #[error("there is no such run")]
    RunNotFound,
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error("schedule is required, such as \"0 4 * * 0\" or \"@weekly\"")]
    NoSchedule,
    #[error("`{0}` is no time zone; names are those of IANA, such as Europe/Berlin")]
    Timezone(String),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("{0}")]
    Name(String),
    #[error("{0}")]
    Comment(String),
    #[error("{0}")]
    Policy(String),
    #[error("expires_at must be an RFC 3339 time such as 2027-01-31T00:00:00Z")]
    InvalidExpiresAt,
    #[error("expires_at must be in the future")]
    ExpiresInPast,
    #[error("page is 1 or more, and limit 1 to {limit_max}")]
    Pagination { limit_max: usize },
    #[error("{0}")]
    Filter(String),
    #[error(
        "If-Match does not name the entry's present state: read it again and repeat the change on it"
    )]
    Changed,
    #[error("the crontab has more than {max} {unit}")]
    CrontabTooLarge { max: usize, unit: &'static str },
    #[error("line {line}: {error}")]
    CrontabLine {
        /// Counted from 1.
        line: usize,
        error: Box<CronError>,
    },
    #[error("{0}")]
    Metadata(String),
    #[error("there may be only {max} entries; delete some, or raise cron.entries_max")]
    TooManyEntries { max: usize },
    #[error("as many runs wait as may; try again later, or raise cron.waiting_runs_max")]
    Capacity,
    #[error(transparent)]
    Store(#[from] StoreError),
}
