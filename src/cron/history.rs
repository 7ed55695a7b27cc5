//! The rows in the store: written when an occurrence is claimed, closed when it
//! ended, listed newest first, and pruned by number and age.
//!
//! ```text
//! cron/run/<entry>/<place>        the row
//! cron/user-run/<user>/<place>    the entry that has the row
//! cron/open/<run>                 the key of a row that is not closed yet
//! ```
//!
//! A place is the time, counted down so that the newest comes first, and the run's id.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::error::CronError;
use super::run::{Outcome, Run};
use crate::store::{Kind, Operation, Store, StoreError, Stored, from_record, to_record};

const RUNS: &str = "cron/run/";
const USER_RUNS: &str = "cron/user-run/";
const OPEN: &str = "cron/open/";

/// Places count down from here, in milliseconds; 13 digits until the year 2286.
const LAST_MILLISECOND: i64 = 9_999_999_999_999;
/// Rows that are read at once.
const PAGE: usize = 200;
/// Rows that one listing looks at; what a filter leaves out counts too.
const SCANNED_MAX: usize = 20_000;
/// The most rows of one listing.
pub const LIMIT_MAX: usize = 200;

/// Points to a row.
#[derive(Debug, Serialize, Deserialize)]
struct Pointer(String);

impl Stored for Pointer {
    const KIND: Kind = Kind {
        number: 32,
        version: 1,
    };
}

/// What is kept of the rows.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Of one entry.
    pub runs_max: usize,
    pub age_max: TimeDelta,
}

/// Which rows to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Due at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Due before this time.
    pub until: Option<DateTime<Utc>>,
    pub outcomes: Vec<Outcome>,
    /// Of an earlier listing.
    pub cursor: Option<String>,
    /// 1 to [`LIMIT_MAX`].
    pub limit: usize,
}

/// Some rows, newest first. With `next` the listing goes on.
#[derive(Debug)]
pub struct Listed {
    pub runs: Vec<Run>,
    pub next: Option<String>,
}

#[derive(Debug, Clone)]
pub struct History {
    store: Store,
    pub kept: Kept,
}

impl History {
    pub fn new(store: Store, kept: Kept) -> Self {
        Self { store, kept }
    }

    /// What writes a new row.
    pub fn claim(&self, run: &Run) -> Result<Vec<Operation>, StoreError> {
        let place = place(run);
        let key = format!("{RUNS}{}/{place}", run.entry_id);
        let index = format!("{USER_RUNS}{}/{place}", run.user);
        let mut operations = vec![
            put(&index, &Pointer(run.entry_id.clone()))?,
            put(&key, run)?,
        ];
        if run.outcome.is_open() {
            operations.push(put(&format!("{OPEN}{}", run.id), &Pointer(key))?);
        }
        Ok(operations)
    }

    /// Writes what became of a row; closes it unless it is still open.
    pub async fn save(&self, run: &Run) -> Result<(), StoreError> {
        self.store.batch(self.closing(run)?).await
    }

    /// What writes what became of a row.
    pub fn closing(&self, run: &Run) -> Result<Vec<Operation>, StoreError> {
        let key = format!("{RUNS}{}/{}", run.entry_id, place(run));
        let mut operations = vec![put(&key, run)?];
        if !run.outcome.is_open() {
            let key = format!("{OPEN}{}", run.id);
            operations.push(Operation::Delete { key });
        }
        Ok(operations)
    }

    /// The rows that an earlier process left open.
    pub fn open_runs(&self) -> Result<Vec<Run>, StoreError> {
        let mut runs = Vec::new();
        for entry in self.store.range(OPEN, None, usize::MAX)?.entries {
            let Pointer(key) = from_record(&entry.key, &entry.record?)?;
            runs.extend(self.store.get_json::<Run>(&key)?);
        }
        Ok(runs)
    }

    /// Rows of one entry.
    pub fn of_entry(&self, entry_id: &str, filter: &Filter) -> Result<Listed, CronError> {
        self.list(&format!("{RUNS}{entry_id}/"), filter, |key, record| {
            from_record(key, record).map(Some)
        })
    }

    /// Rows of all entries of a user.
    pub fn of_user(&self, user: &str, filter: &Filter) -> Result<Listed, CronError> {
        let prefix = format!("{USER_RUNS}{user}/");
        self.list(&prefix, filter, |key, record| {
            let Pointer(entry_id) = from_record(key, record)?;
            let place = &key[prefix.len()..];
            self.store.get_json(&format!("{RUNS}{entry_id}/{place}"))
        })
    }

    fn list(
        &self,
        prefix: &str,
        filter: &Filter,
        read: impl Fn(&str, &crate::store::Record) -> Result<Option<Run>, StoreError>,
    ) -> Result<Listed, CronError> {
        let mut cursor = match &filter.cursor {
            Some(cursor) if is_place(cursor) => Some(format!("{prefix}{cursor}")),
            Some(_) => return Err(CronError::Filter("cursor is not one of ours".to_owned())),
            None => None,
        };
        if let Some(until) = filter.until {
            // The last place that is too new: places of that moment and later come before it.
            let newest = format!("{prefix}{}~", countdown(until));
            cursor = cursor.max(Some(newest));
        }
        let mut runs = Vec::new();
        let mut scanned = 0;
        loop {
            let page = self.store.range(prefix, cursor.as_deref(), PAGE)?;
            for entry in page.entries {
                scanned += 1;
                cursor = Some(entry.key.clone());
                let Some(run) = read(&entry.key, &entry.record?)? else {
                    continue;
                };
                if filter.since.is_some_and(|since| run.scheduled_at < since) {
                    return Ok(Listed { runs, next: None });
                }
                if filter.outcomes.is_empty() || filter.outcomes.contains(&run.outcome) {
                    runs.push(run);
                }
                if runs.len() == filter.limit || scanned == SCANNED_MAX {
                    let next = cursor.map(|key| key[prefix.len()..].to_owned());
                    return Ok(Listed { runs, next });
                }
            }
            if page.next.is_none() {
                return Ok(Listed { runs, next: None });
            }
        }
    }

    /// Deletes the oldest rows of an entry beyond those that are kept.
    pub async fn prune_entry(&self, entry_id: &str, user: &str) -> Result<usize, StoreError> {
        let prefix = format!("{RUNS}{entry_id}/");
        let keys = self.store.keys(&prefix, None, usize::MAX)?.entries;
        let old = keys.iter().skip(self.kept.runs_max);
        let places = old.map(|key| (entry_id.to_owned(), key[prefix.len()..].to_owned()));
        self.delete(user, places.collect()).await
    }

    /// Deletes rows that are too old, of all users.
    pub async fn prune_old(&self, now: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut deleted = 0;
        let oldest = countdown(now - self.kept.age_max);
        for user in self.users()? {
            let prefix = format!("{USER_RUNS}{user}/");
            let mut cursor = Some(format!("{prefix}{oldest}~"));
            loop {
                let page = self.store.range(&prefix, cursor.as_deref(), PAGE)?;
                let mut places = Vec::new();
                for entry in page.entries {
                    let Pointer(entry_id) = from_record(&entry.key, &entry.record?)?;
                    places.push((entry_id, entry.key[prefix.len()..].to_owned()));
                }
                deleted += self.delete(&user, places).await?;
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    /// Everybody who has rows.
    pub fn users(&self) -> Result<Vec<String>, StoreError> {
        let mut users = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.store.keys(USER_RUNS, cursor.as_deref(), 1)?;
            let Some(key) = page.entries.into_iter().next() else {
                return Ok(users);
            };
            let user = key[USER_RUNS.len()..].split('/').next().unwrap_or_default();
            cursor = Some(format!("{USER_RUNS}{user}/~"));
            users.push(user.to_owned());
        }
    }

    async fn delete(&self, user: &str, places: Vec<(String, String)>) -> Result<usize, StoreError> {
        let count = places.len();
        let operations: Vec<Operation> = places
            .into_iter()
            .flat_map(|(entry_id, place)| {
                [
                    format!("{RUNS}{entry_id}/{place}"),
                    format!("{USER_RUNS}{user}/{place}"),
                ]
            })
            .map(|key| Operation::Delete { key })
            .collect();
        if !operations.is_empty() {
            self.store.batch(operations).await?;
        }
        Ok(count)
    }
}

fn put<T: Stored>(key: &str, value: &T) -> Result<Operation, StoreError> {
    Ok(Operation::Put {
        record: to_record(key, value)?,
        key: key.to_owned(),
    })
}

fn countdown(at: DateTime<Utc>) -> String {
    let left = LAST_MILLISECOND - at.timestamp_millis().clamp(0, LAST_MILLISECOND);
    format!("{left:013}")
}

fn place(run: &Run) -> String {
    format!("{}-{}", countdown(run.scheduled_at), run.id)
}

fn is_place(text: &str) -> bool {
    text.len() <= 64
        && text.len() > 14
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests;
