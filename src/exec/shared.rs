//! The `shared` object of a deployment: JSON values by key, in memory only. The
//! last write of a key wins; `kv` is for what must not be lost or counted wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All keys and values of a deployment together, as JSON.
pub const SHARED_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
pub struct Shared {
    values: Mutex<BTreeMap<String, String>>,
}

impl Shared {
    pub fn load(&self) -> Vec<(String, String)> {
        self.lock()
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    pub fn get(&self, key: &str) -> Option<String> {
        self.lock().get(key).cloned()
    }

    /// Sets keys, or deletes those without a value: all, or none when the whole
    /// would be too large. The error is the size it would have.
    pub fn store(&self, changes: Vec<(String, Option<String>)>) -> Result<(), u64> {
        let mut values = self.lock();
        let mut next = values.clone();
        for (key, value) in changes {
            match value {
                Some(value) => next.insert(key, value),
                None => next.remove(&key),
            };
        }
        let size: usize = next
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if size > SHARED_BYTES_MAX {
            return Err(size as u64);
        }
        *values = next;
        Ok(())
    }

    /// Deletes everything; says how many keys there were.
    pub fn clear(&self) -> usize {
        std::mem::take(&mut *self.lock()).len()
    }

    // The map is replaced whole, so a panic elsewhere leaves it sound.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
