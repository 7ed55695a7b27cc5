//! A map for tables that are replaced, not changed: a copy shares all with the
//! original but the part that a change is in. So one change of ten thousand entries
//! costs as much as one of forty. It must not know what it holds.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

const SHARDS: u64 = 256;

type Shard<T> = HashMap<Box<str>, T>;

#[derive(Debug, Clone)]
pub struct Shards<T> {
    shards: Vec<Arc<Shard<T>>>,
    count: usize,
}

impl<T> Default for Shards<T> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Arc::default()).collect();
        Self { shards, count: 0 }
    }
}

impl<T: Clone> Shards<T> {
    pub fn get(&self, key: &str) -> Option<&T> {
        self.shards[place(key)].get(key)
    }

    /// What was there before.
    pub fn insert(&mut self, key: &str, value: T) -> Option<T> {
        let before = self.shard(key).insert(key.into(), value);
        self.count += usize::from(before.is_none());
        before
    }

    pub fn remove(&mut self, key: &str) -> Option<T> {
        let removed = self.shard(key).remove(key);
        self.count -= usize::from(removed.is_some());
        removed
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// In no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    fn shard(&mut self, key: &str) -> &mut Shard<T> {
        Arc::make_mut(&mut self.shards[place(key)])
    }
}

fn place(key: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() % SHARDS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_the_original_and_shares_the_rest() {
        let mut original = Shards::default();
        for number in 0..1000 {
            original.insert(&format!("n{number}"), number);
        }
        let mut changed = original.clone();
        assert_eq!(changed.insert("n7", 8), Some(7));
        assert_eq!(changed.remove("n9"), Some(9));
        assert_eq!(
            (original.get("n7"), changed.get("n7")),
            (Some(&7), Some(&8))
        );
        assert_eq!((original.count(), changed.count()), (1000, 999));
        assert_eq!(changed.values().count(), 999);
        let both = original.shards.iter().zip(&changed.shards);
        let copied = both.filter(|(one, other)| !Arc::ptr_eq(one, other)).count();
        assert!(copied <= 2, "{copied}");
    }
}
