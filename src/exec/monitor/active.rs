//! Requests that are running now. A guard is in the list from its making until
//! it is dropped, so that no way out of a request leaves it there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::exec::log::line::RequestInfo;
use crate::model::script::ScriptPath;

const SHARDS: usize = 16;

/// A request that runs.
#[derive(Debug, Clone)]
pub struct Active {
    pub request: Arc<RequestInfo>,
    /// None while, or because, no route is known.
    pub script: Option<ScriptPath>,
}

type Shard = HashMap<u64, Active>;

/// The list.
#[derive(Debug, Default)]
pub struct ActiveRequests {
    shards: [Mutex<Shard>; SHARDS],
    next: AtomicU64,
}

/// A place in the list.
#[derive(Debug)]
pub struct ActiveGuard {
    list: Arc<ActiveRequests>,
    number: u64,
}

impl ActiveRequests {
    pub fn insert(self: &Arc<Self>, active: Active) -> ActiveGuard {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.shard(number).insert(number, active);
        ActiveGuard {
            list: self.clone(),
            number,
        }
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// All that run, in no order.
    pub fn all(&self) -> Vec<Active> {
        let requests = |shard| lock(shard).values().cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(requests).collect()
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[number as usize % SHARDS])
    }
}

// A map is whole between two calls of it, so that a panic elsewhere while its
// lock was held does no harm.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        let active = self.list.shard(self.number).remove(&self.number);
        // Freed when the lock is not held any more.
        drop(active);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;

    fn active(path: &str) -> Active {
        Active {
            request: Arc::new(request(path)),
            script: None,
        }
    }

    #[test]
    fn a_request_is_listed_while_it_runs() {
        let list = Arc::new(ActiveRequests::default());
        let first = list.insert(active("/first"));
        let others: Vec<_> = (0..40).map(|_| list.insert(active("/other"))).collect();
        assert_eq!(list.count(), 41);
        drop(others);
        let left = list.all();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].request.path.to_string(), "/first");
        drop(first);
        assert_eq!(list.count(), 0);
    }

    #[test]
    fn a_panic_takes_its_request_along() {
        let list = Arc::new(ActiveRequests::default());
        let guarded = list.clone();
        let panicked = std::thread::spawn(move || {
            let _guard = guarded.insert(active("/"));
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert_eq!(list.count(), 0);
    }
}
