//! The negative cache: paths whose making failed are not tried again for a while,
//! longer with each failure. A first failure costs nothing but itself, since most
//! are the provider's and pass.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::store::{Kind, Store, StoreError, Stored, from_record};

/// Paths that are remembered; the oldest go first.
pub const ENTRIES_MAX: usize = 10_000;

/// A path that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    pub exec_id: String,
    pub method: String,
    pub path: String,
    /// One after the other, without a success between.
    pub failures: u32,
    /// The code of the last error.
    pub code: String,
    pub last_at: DateTime<Utc>,
    /// It is not tried before.
    pub until: DateTime<Utc>,
}

impl Stored for Failed {
    const KIND: Kind = Kind {
        number: 62,
        version: 1,
    };
}

/// How long to wait after so many failures.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// After the second failure.
    pub first: TimeDelta,
    pub max: TimeDelta,
}

impl Delays {
    fn after(&self, failures: u32) -> TimeDelta {
        if failures < 2 {
            return TimeDelta::zero();
        }
        let factor = 1i32 << (failures - 2).min(20);
        self.first
            .checked_mul(factor)
            .map_or(self.max, |delay| delay.min(self.max))
    }
}

pub struct Backoff {
    store: Store,
    delays: Delays,
    entries: Mutex<BTreeMap<String, Failed>>,
}

fn store_key(key: &str) -> String {
    format!("author/failed/{key}")
}

impl Backoff {
    pub fn open(store: Store, delays: Delays) -> Result<Self, StoreError> {
        let page = store.range("author/failed/", None, ENTRIES_MAX)?;
        let mut entries = BTreeMap::new();
        for entry in page.entries {
            let failed: Failed = from_record(&entry.key, &entry.record?)?;
            let key = entry.key.trim_start_matches("author/failed/").to_owned();
            entries.insert(key, failed);
        }
        Ok(Self {
            store,
            delays,
            entries: Mutex::new(entries),
        })
    }

    /// The entry that forbids a try now.
    pub fn forbids(&self, key: &str, now: DateTime<Utc>) -> Option<Failed> {
        let entries = self.entries();
        entries.get(key).filter(|entry| entry.until > now).cloned()
    }

    /// The making of a path failed.
    pub async fn failed(&self, key: &str, mut failed: Failed) -> Result<(), StoreError> {
        let oldest = {
            let mut entries = self.entries();
            let before = entries.get(key).map_or(0, |entry| entry.failures);
            failed.failures = before.saturating_add(1);
            failed.until = failed.last_at + self.delays.after(failed.failures);
            entries.insert(key.to_owned(), failed.clone());
            let excess = entries.len() > ENTRIES_MAX;
            let oldest = excess.then(|| {
                let oldest = entries.iter().min_by_key(|(_, entry)| entry.last_at);
                oldest.map(|(key, _)| key.clone())
            });
            let oldest = oldest.flatten();
            if let Some(oldest) = &oldest {
                entries.remove(oldest);
            }
            oldest
        };
        if let Some(oldest) = oldest {
            self.store.delete(&store_key(&oldest)).await?;
        }
        self.store.put_json(&store_key(key), &failed).await
    }

    /// The path works now.
    pub async fn forget(&self, key: &str) -> Result<bool, StoreError> {
        let known = self.entries().remove(key).is_some();
        if known {
            self.store.delete(&store_key(key)).await?;
        }
        Ok(known)
    }

    /// All entries with their keys, the newest failure first.
    pub fn all(&self) -> Vec<(String, Failed)> {
        let entries = self.entries();
        let mut all: Vec<_> = entries
            .iter()
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect();
        all.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.last_at));
        all
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Failed>> {
        // Entries go in and out whole; a panic elsewhere leaves it sound.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_after_the_first_doubles_the_wait() {
        let delays = Delays {
            first: TimeDelta::seconds(30),
            max: TimeDelta::seconds(3600),
        };
        let waits: Vec<i64> = (0..6).map(|n| delays.after(n).num_seconds()).collect();
        assert_eq!(waits, [0, 0, 30, 60, 120, 240]);
        assert_eq!(delays.after(40).num_seconds(), 3600);
        assert_eq!(delays.after(u32::MAX).num_seconds(), 3600);
    }
}
