//! One order at a time for a name. It must not know what is ordered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// A lock per name, made when it is first taken.
#[derive(Default)]
pub struct Locks(StdMutex<HashMap<String, Arc<Mutex<()>>>>);

impl Locks {
    /// Waits for the locks of all these names. Everybody takes them in one order,
    /// so that nobody waits for somebody who waits for him.
    pub async fn take_all(&self, names: &[String]) -> Vec<OwnedMutexGuard<()>> {
        let mut names: Vec<&String> = names.iter().collect();
        names.sort();
        names.dedup();
        let mut held = Vec::with_capacity(names.len());
        for name in names {
            held.push(self.take(name).await);
        }
        held
    }

    /// Waits for the lock of this name.
    pub async fn take(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            // A map of locks is never half changed.
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody holds or waits for are not worth keeping.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(name.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_name_one_at_a_time_and_no_lock_is_kept() {
        let locks = Locks::default();
        let held = locks.take("a").await;
        let _other = locks.take("b").await;
        let again = locks.take("a");
        tokio::pin!(again);
        assert!(futures_util::poll!(&mut again).is_pending());
        drop(held);
        let _held = again.await;
        drop(_other);
        let _c = locks.take("c").await;
        assert_eq!(locks.0.lock().unwrap().len(), 2);
    }
}
