//! The durable key-value store of handlers: one key space per deployment.
//!
//! Values are bytes to the store and JSON text to handlers; an integer is
//! stored as its decimal text, so `increment` and `get` agree. This file must
//! not know who may use which deployment.

use super::{Change, Kind, Page, Record, Store, StoreError};

/// The longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;
/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// The most keys of one listing.
pub const LIST_ENTRIES_MAX: usize = 1000;

const KIND: Kind = Kind {
    number: 1,
    version: 1,
};
/// The longest deployment name that still leaves room for the longest key.
const DEPLOYMENT_BYTES_MAX: usize = 256;

/// What went wrong with a call of a handler. Only `Store` is not the caller's doing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    #[error("a key must have 1 to {KEY_BYTES_MAX} bytes, this one has {bytes}")]
    KeyLength { bytes: usize },
    #[error("a value may have at most {VALUE_BYTES_MAX} bytes, this one has {bytes}")]
    ValueTooLarge { bytes: usize },
    #[error("the value of {key:?} is not an integer, so it cannot be incremented")]
    NotAnInteger { key: String },
    #[error("incrementing {key:?} would leave the range of a signed 64-bit integer")]
    Overflow { key: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a compare-and-set ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompareAndSet {
    Done,
    /// The key held this instead; nothing was written.
    Conflict(Option<Vec<u8>>),
}

/// The key space of one deployment. Every write is durable when it returns.
#[derive(Debug, Clone)]
pub struct Kv {
    store: Store,
    prefix: String,
}

impl Kv {
    /// The key space of `deployment`, whose name may have up to 256 bytes.
    pub fn new(store: Store, deployment: &str) -> Result<Kv, StoreError> {
        if deployment.is_empty() || deployment.len() > DEPLOYMENT_BYTES_MAX {
            return Err(StoreError::BadKey {
                key: deployment[..deployment.floor_char_boundary(80)].to_owned(),
                reason: "a deployment's name has 1 to 256 bytes",
            });
        }
        // Without this, key "b/c" of deployment "a" were key "c" of deployment "a/b".
        let name = deployment.replace('%', "%25").replace('/', "%2F");
        let prefix = format!("kv/{name}/");
        Ok(Kv { store, prefix })
    }

    /// The value of `key`. May block on the disk.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        let key = self.key(key)?;
        Ok(self.store.get(&key)?.map(|record| record.payload))
    }

    /// Writes `key`.
    pub async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KvError> {
        let record = record(value)?;
        Ok(self.store.put(&self.key(key)?, record).await?)
    }

    /// Deletes `key`; says whether it was there.
    pub async fn delete(&self, key: &str) -> Result<bool, KvError> {
        Ok(self.store.delete(&self.key(key)?).await?)
    }

    /// The keys that start with `prefix`, after `cursor`, in the order of their
    /// bytes. At most [`LIST_ENTRIES_MAX`], also when `limit` is larger.
    pub fn list(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, KvError> {
        let limit = limit.clamp(1, LIST_ENTRIES_MAX);
        let cursor = cursor.map(|cursor| format!("{}{cursor}", self.prefix));
        let prefix = format!("{}{prefix}", self.prefix);
        let page = self.store.keys(&prefix, cursor.as_deref(), limit)?;
        let own = |key: String| key[self.prefix.len()..].to_owned();
        Ok(Page {
            entries: page.entries.into_iter().map(own).collect(),
            next: page.next.map(own),
        })
    }

    /// Adds `delta` to the integer at `key`, which counts as 0 when missing.
    /// Returns the new value. Concurrent increments all count.
    pub async fn increment(&self, key: &str, delta: i64) -> Result<i64, KvError> {
        let name = key.to_owned();
        let increment = move |old: Option<Record>| match add(name, old.as_ref(), delta) {
            Ok(sum) => (Change::Put(integer(sum)), Ok(sum)),
            Err(error) => (Change::Keep, Err(error)),
        };
        self.store.update(&self.key(key)?, increment).await?
    }

    /// Writes `new` (`None` deletes) if the key holds `expected` (`None`: is not there).
    pub async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> Result<CompareAndSet, KvError> {
        let new = new.map(record).transpose()?;
        let compare = move |old: Option<Record>| {
            let current = old.map(|record| record.payload);
            if current != expected {
                return (Change::Keep, CompareAndSet::Conflict(current));
            }
            (new.map_or(Change::Delete, Change::Put), CompareAndSet::Done)
        };
        Ok(self.store.update(&self.key(key)?, compare).await?)
    }

    fn key(&self, key: &str) -> Result<String, KvError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(KvError::KeyLength { bytes: key.len() });
        }
        Ok(format!("{}{key}", self.prefix))
    }
}

fn record(value: Vec<u8>) -> Result<Record, KvError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(KvError::ValueTooLarge { bytes: value.len() });
    }
    Ok(Record {
        kind: KIND,
        payload: value,
    })
}

fn integer(value: i64) -> Record {
    Record {
        kind: KIND,
        payload: value.to_string().into_bytes(),
    }
}

fn add(key: String, old: Option<&Record>, delta: i64) -> Result<i64, KvError> {
    let current = match old {
        None => 0,
        Some(record) => match std::str::from_utf8(&record.payload).map(str::parse::<i64>) {
            Ok(Ok(current)) => current,
            _ => return Err(KvError::NotAnInteger { key }),
        },
    };
    current.checked_add(delta).ok_or(KvError::Overflow { key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn deployments_do_not_see_each_other() {
        let (_dir, store) = open();
        let names = ["1", "10", "a", "a/b", "a%2Fb"];
        for name in names {
            let kv = Kv::new(store.clone(), name).unwrap();
            kv.set("b/c", name.into()).await.unwrap();
        }
        for name in names {
            let kv = Kv::new(store.clone(), name).unwrap();
            assert_eq!(kv.list("", None, 10).unwrap().entries, ["b/c"]);
            assert_eq!(kv.get("b/c").unwrap().unwrap(), name.as_bytes());
        }
    }

    #[tokio::test]
    async fn listing_goes_on_at_its_cursor() {
        let (_dir, store) = open();
        let kv = Kv::new(store, "1").unwrap();
        for key in ["a/1", "a/2", "a/3", "a\0", "b"] {
            kv.set(key, vec![]).await.unwrap();
        }
        let first = kv.list("a/", None, 2).unwrap();
        assert_eq!(first.entries, ["a/1", "a/2"]);
        let second = kv.list("a/", first.next.as_deref(), 2).unwrap();
        assert_eq!(second.entries, ["a/3"]);
        assert_eq!(second.next, None);
        assert_eq!(kv.list("", Some("a/3"), 9).unwrap().entries, ["b"]);
        assert_eq!(kv.list("", Some(""), 9).unwrap().entries.len(), 5);
        assert_eq!(kv.list("a", Some("zzz"), 9).unwrap().entries.len(), 0);
    }

    #[tokio::test]
    async fn a_listing_has_at_most_its_maximum() {
        let (_dir, store) = open();
        let kv = Kv::new(store, "1").unwrap();
        let sets = (0..LIST_ENTRIES_MAX + 5).map(|index| {
            let kv = kv.clone();
            async move { kv.set(&format!("{index:05}"), vec![]).await.unwrap() }
        });
        futures_util::future::join_all(sets).await;
        let page = kv.list("", None, usize::MAX).unwrap();
        assert_eq!(page.entries.len(), LIST_ENTRIES_MAX);
        assert_eq!(
            kv.list("", page.next.as_deref(), 99).unwrap().entries.len(),
            5
        );
    }

    #[tokio::test]
    async fn concurrent_increments_all_count() {
        let (_dir, store) = open();
        let kv = Kv::new(store, "1").unwrap();
        let increments = (0..200).map(|_| kv.increment("n", 1));
        let mut seen: Vec<i64> = futures_util::future::try_join_all(increments)
            .await
            .unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (1..=200).collect::<Vec<i64>>());
        assert_eq!(kv.get("n").unwrap().unwrap(), b"200");
    }

    #[tokio::test]
    async fn increment_refuses_what_is_no_integer_or_overflows() {
        let (_dir, store) = open();
        let kv = Kv::new(store, "1").unwrap();
        for text in ["\"x\"", "1.5", "", "9223372036854775808"] {
            kv.set("n", text.into()).await.unwrap();
            let refused = kv.increment("n", 1).await;
            assert!(
                matches!(refused, Err(KvError::NotAnInteger { .. })),
                "{text}"
            );
        }
        kv.set("n", i64::MAX.to_string().into_bytes())
            .await
            .unwrap();
        assert!(matches!(
            kv.increment("n", 1).await,
            Err(KvError::Overflow { .. })
        ));
        assert_eq!(kv.increment("n", -1).await, Ok(i64::MAX - 1));
    }

    #[tokio::test]
    async fn compare_and_set_creates_changes_and_deletes() {
        let (_dir, store) = open();
        let kv = Kv::new(store, "1").unwrap();
        let one = || Some(b"1".to_vec());
        let two = || Some(b"2".to_vec());
        assert_eq!(
            kv.compare_and_set("k", None, one()).await,
            Ok(CompareAndSet::Done)
        );
        assert_eq!(
            kv.compare_and_set("k", None, two()).await,
            Ok(CompareAndSet::Conflict(one()))
        );
        assert_eq!(
            kv.compare_and_set("k", one(), two()).await,
            Ok(CompareAndSet::Done)
        );
        assert_eq!(
            kv.compare_and_set("k", two(), None).await,
            Ok(CompareAndSet::Done)
        );
        assert_eq!(kv.get("k"), Ok(None));
    }

    #[tokio::test]
    async fn limits_are_exact() {
        let (_dir, store) = open();
        let kv = Kv::new(store, &"d".repeat(DEPLOYMENT_BYTES_MAX)).unwrap();
        let long = "k".repeat(KEY_BYTES_MAX);
        kv.set(&long, vec![7; VALUE_BYTES_MAX]).await.unwrap();
        assert_eq!(kv.get(&long).unwrap().unwrap(), vec![7; VALUE_BYTES_MAX]);
        let refused = kv.set("k", vec![0; VALUE_BYTES_MAX + 1]).await;
        assert!(matches!(refused, Err(KvError::ValueTooLarge { .. })));
        for key in [String::new(), "k".repeat(KEY_BYTES_MAX + 1)] {
            assert!(matches!(kv.get(&key), Err(KvError::KeyLength { .. })));
        }
    }
}
