//! What is known of each script since the start: counters, the last errors, and
//! when it was called. Requests only read the table; a script's first request
//! adds its row.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use super::counters::{Counters, Finished};
use crate::model::script::ScriptPath;

/// Rows in all, about 3 KB each. Beyond that the script that was idle longest
/// loses its row.
pub const SCRIPTS_MAX: usize = 10_000;
const SHARDS: usize = 16;
/// Errors that are kept of each script.
pub const RECENT_ERRORS_MAX: usize = 10;
/// How much of an error's message is kept.
const MESSAGE_CHARS_MAX: usize = 500;

/// An answer with a status of 500 or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentError {
    pub at: DateTime<Utc>,
    pub status: u16,
    pub message: String,
    pub execution_id: String,
}

/// One script.
#[derive(Debug)]
pub struct ScriptStats {
    pub path: ScriptPath,
    pub counters: Counters,
    pub first_seen: DateTime<Utc>,
    last_activity_ms: AtomicI64,
    recent_errors: Mutex<VecDeque<RecentError>>,
}

impl ScriptStats {
    fn new(path: ScriptPath, now: DateTime<Utc>) -> ScriptStats {
        ScriptStats {
            path,
            counters: Counters::default(),
            first_seen: now,
            last_activity_ms: AtomicI64::new(now.timestamp_millis()),
            recent_errors: Mutex::default(),
        }
    }

    pub fn record(&self, finished: &Finished, now: DateTime<Utc>) {
        self.counters.record(finished);
        self.last_activity_ms
            .fetch_max(now.timestamp_millis(), Ordering::Relaxed);
    }

    /// Keeps an error among the last ones.
    pub fn record_error(&self, error: RecentError) {
        let message = error.message.chars().take(MESSAGE_CHARS_MAX).collect();
        // What panicked while it held this lock left a whole list behind.
        let errors = self.recent_errors.lock();
        let mut errors = errors.unwrap_or_else(PoisonError::into_inner);
        errors.push_back(RecentError { message, ..error });
        if errors.len() > RECENT_ERRORS_MAX {
            errors.pop_front();
        }
    }

    /// The newest first.
    pub fn recent_errors(&self) -> Vec<RecentError> {
        let errors = self.recent_errors.lock();
        let errors = errors.unwrap_or_else(PoisonError::into_inner);
        errors.iter().rev().cloned().collect()
    }

    pub fn last_activity(&self) -> DateTime<Utc> {
        let millis = self.last_activity_ms.load(Ordering::Relaxed);
        DateTime::from_timestamp_millis(millis).unwrap_or(self.first_seen)
    }
}

type Shard = RwLock<HashMap<ScriptPath, Arc<ScriptStats>>>;

/// All scripts that were called.
#[derive(Debug, Default)]
pub struct Scripts {
    shards: [Shard; SHARDS],
    dropped: AtomicU64,
}

impl Scripts {
    /// The script's row, which is made now if it has none.
    pub fn get_or_add(&self, path: &ScriptPath, now: DateTime<Utc>) -> Arc<ScriptStats> {
        if let Some(stats) = self.get(path) {
            return stats;
        }
        let mut rows = write(self.shard(path));
        if let Some(stats) = rows.get(path) {
            return stats.clone();
        }
        if rows.len() >= SCRIPTS_MAX / SHARDS {
            let idle = rows.values().min_by_key(|stats| stats.last_activity());
            if let Some(path) = idle.map(|stats| stats.path.clone()) {
                rows.remove(&path);
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        let stats = Arc::new(ScriptStats::new(path.clone(), now));
        rows.insert(path.clone(), stats.clone());
        stats
    }

    pub fn get(&self, path: &ScriptPath) -> Option<Arc<ScriptStats>> {
        read(self.shard(path)).get(path).cloned()
    }

    /// Forgets a script that was deleted.
    pub fn remove(&self, path: &ScriptPath) {
        write(self.shard(path)).remove(path);
    }

    /// All rows, in no order.
    pub fn all(&self) -> Vec<Arc<ScriptStats>> {
        let rows = |shard| read(shard).values().cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(rows).collect()
    }

    /// Scripts that lost their row for others.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn shard(&self, path: &ScriptPath) -> &Shard {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        &self.shards[hasher.finish() as usize % SHARDS]
    }
}

type Rows = HashMap<ScriptPath, Arc<ScriptStats>>;

// A map is whole between two calls of it, so that a panic elsewhere while its
// lock was held does no harm.
fn read(shard: &Shard) -> std::sync::RwLockReadGuard<'_, Rows> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &Shard) -> std::sync::RwLockWriteGuard<'_, Rows> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::counters::Outcome;
    use super::super::counters::tests::finished;
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn path(number: usize) -> ScriptPath {
        ScriptPath::parse(&format!("1/{number}.ts")).unwrap()
    }

    #[test]
    fn a_script_has_one_row() {
        let scripts = Scripts::default();
        assert!(scripts.get(&path(1)).is_none());
        let first = scripts.get_or_add(&path(1), at(0));
        let second = scripts.get_or_add(&path(1), at(9));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(second.first_seen, at(0));
        second.record(&finished(200, Outcome::Ok), at(5));
        second.record(&finished(200, Outcome::Ok), at(4));
        assert_eq!(first.last_activity(), at(5));
        assert_eq!(first.counters.total(), 2);
        assert_eq!(scripts.all().len(), 1);
        scripts.remove(&path(1));
        assert!(scripts.all().is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_the_idle_go_first() {
        let scripts = Scripts::default();
        let busy = scripts.get_or_add(&path(0), at(0));
        for number in 1..2 * SCRIPTS_MAX {
            let now = at(number as i64);
            busy.record(&finished(200, Outcome::Ok), now);
            scripts.get_or_add(&path(number), now);
        }
        let rows = scripts.all().len();
        assert!(rows <= SCRIPTS_MAX && rows > SCRIPTS_MAX * 9 / 10, "{rows}");
        assert_eq!(scripts.dropped() as usize, 2 * SCRIPTS_MAX - rows);
        assert!(scripts.get(&path(0)).is_some());
        assert!(scripts.get(&path(1)).is_none());
        assert!(scripts.get(&path(2 * SCRIPTS_MAX - 1)).is_some());
    }

    #[test]
    fn the_last_errors_are_kept_and_cut() {
        let scripts = Scripts::default();
        let stats = scripts.get_or_add(&path(1), at(0));
        for number in 0..RECENT_ERRORS_MAX as u16 + 3 {
            stats.record_error(RecentError {
                at: at(number.into()),
                status: 500 + number,
                message: "é".repeat(1000),
                execution_id: "a-1".into(),
            });
        }
        let errors = stats.recent_errors();
        let statuses: Vec<_> = errors.iter().map(|error| error.status).collect();
        assert_eq!(statuses, (503..=512).rev().collect::<Vec<_>>());
        assert_eq!(errors[0].message, "é".repeat(MESSAGE_CHARS_MAX));
    }
}
