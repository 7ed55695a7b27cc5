//! What outlives a request: ordered keys, values that are checksummed records,
//! and an acknowledgement only after the disk has them. Nothing else knows sled.
//!
//! Keys are text such as `exec/version/...`; the part before the first slash
//! belongs to one part of the program, and keys are ordered by their bytes.
//! A read may see a write that is not durable yet; a write is never
//! acknowledged before it is. This module must not know what the records mean.
//!
//! One data folder:
//!
//! ```text
//! footpath.lock   the process that has it open
//! sled/           the database
//! exports/        the newest exports, to restore from
//! damaged/        what a repair moved out of the way
//! ```

use std::{
    fs::DirBuilder,
    io::{Read, Seek, Write},
    ops::Bound,
    os::unix::fs::DirBuilderExt,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

mod chunks;
mod error;
mod export;
pub mod files;
mod frame;
#[cfg(test)]
mod kill;
pub mod kv;
mod lock;
mod record;
mod repair;
pub mod sealed;
#[cfg(test)]
mod tests;
mod values;
mod watch;
mod writer;

pub use error::StoreError;
pub use export::{Summary, verify as verify_export};
pub use record::{Kind, RECORD_BYTES_MAX, Record, Stored};
pub use repair::Repair;
pub use values::Operation;
pub use watch::{Event, Watch};

/// The longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 2048;
/// How many exports are kept in the data folder.
pub const EXPORTS_KEPT: usize = 3;

/// The open store. Clones share it; the last one to go closes it, which waits
/// for the writes that are under way.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// Fields are dropped in this order: first the writer ends, then the database
/// closes, then the next process may have the folder.
#[derive(Debug)]
struct Shared {
    writer: writer::Writer,
    events: broadcast::Sender<Event>,
    db: sled::Db,
    repair: Repair,
    dir: PathBuf,
    _lock: lock::DataLock,
}

/// One key of a listing. A damaged record does not hide its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub record: Result<Record, StoreError>,
}

/// A part of a listing. `next` is the cursor of the part after it, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub entries: Vec<T>,
    pub next: Option<String>,
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    Done,
    /// The key held this instead; nothing was written.
    Conflict(Option<Record>),
}

/// What an [`Store::update`] does with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Keep,
    Put(Record),
    Delete,
}

impl Store {
    /// Opens the store in `dir`, which is created if it is missing. Blocks, and
    /// repairs what can be repaired; [`Store::repair`] says what was done.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open_with(dir, writer::FREE_BYTES_MIN)
    }

    /// Whether there is a store in `dir`, for whoever does not want one made.
    pub fn exists(dir: &Path) -> bool {
        dir.join(repair::DATABASE_FOLDER).is_dir()
    }

    fn open_with(dir: &Path, free_bytes_min: u64) -> Result<Store, StoreError> {
        // Tokens' hashes and certificates' keys are nobody else's business.
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| StoreError::io(&format!("creating {}", dir.display()), &error))?;
        let lock = lock::acquire(dir)?;
        let (db, repair) = repair::open(dir)?;
        let (events, _) = broadcast::channel(watch::EVENTS_MAX);
        let database = dir.join(repair::DATABASE_FOLDER);
        let writer = writer::Writer::start(db.clone(), &database, events.clone(), free_bytes_min)?;
        Ok(Store {
            shared: Arc::new(Shared {
                writer,
                events,
                db,
                repair,
                dir: dir.to_owned(),
                _lock: lock,
            }),
        })
    }

    /// What opening had to mend.
    pub fn repair(&self) -> &Repair {
        &self.shared.repair
    }

    /// The value of `key`. May block on the disk when its page is not in memory.
    pub fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        values::read(&self.shared.db, key)
    }

    /// The value of `key` as the type that was stored.
    pub fn get_json<T: Stored>(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.get(key)?
            .map(|record| from_record(key, &record))
            .transpose()
    }

    /// Writes `key`. Returns once the disk has it.
    pub async fn put(&self, key: &str, record: Record) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.batch(vec![Operation::Put { key, record }]).await
    }

    /// Writes `value` as JSON under its kind.
    pub async fn put_json<T: Stored>(&self, key: &str, value: &T) -> Result<(), StoreError> {
        self.put(key, to_record(key, value)?).await
    }

    /// Deletes `key`; says whether it was there.
    pub async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        self.update(key, |old| match old {
            Some(_) => (Change::Delete, true),
            None => (Change::Keep, false),
        })
        .await
    }

    /// Writes `new` (`None` deletes) if the key holds `expected` (`None`: is not there).
    pub async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Record>,
        new: Option<Record>,
    ) -> Result<Swap, StoreError> {
        self.update(key, move |old| {
            if old != expected {
                return (Change::Keep, Swap::Conflict(old));
            }
            (new.map_or(Change::Delete, Change::Put), Swap::Done)
        })
        .await
    }

    /// Reads, decides and writes `key` with no other write in between.
    pub async fn update<T: Send + 'static>(
        &self,
        key: &str,
        decide: impl FnOnce(Option<Record>) -> (Change, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        check_key(key)?;
        let key = key.to_owned();
        let update = move |edit: &mut writer::Edit| {
            let old = values::read(edit.tree(), &key)?;
            // A mistake of the caller must not look like one of the database.
            let decided = std::panic::catch_unwind(AssertUnwindSafe(|| decide(old)));
            let (change, result) = decided.map_err(|_| StoreError::Unavailable {
                reason: format!("deciding about {key:?} panicked; nothing was written"),
            })?;
            let operation = match change {
                Change::Keep => return Ok(result),
                Change::Put(record) => Operation::Put { key, record },
                Change::Delete => Operation::Delete { key },
            };
            check_size(&operation)?;
            edit.apply(&[operation])?;
            Ok(result)
        };
        self.shared.writer.submit(update).await
    }

    /// Applies all operations or none.
    pub async fn batch(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        for operation in &operations {
            check_key(operation.key())?;
            check_size(operation)?;
        }
        let batch = move |edit: &mut writer::Edit| edit.apply(&operations);
        self.shared.writer.submit(batch).await
    }

    /// Up to `limit` records whose keys start with `prefix`, after `cursor`, in the order of their keys.
    pub fn range(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Entry>, StoreError> {
        let tree = &self.shared.db;
        self.list(prefix, cursor, limit, |key, stored| Entry {
            record: values::decode(tree, &key, &stored),
            key,
        })
    }

    /// As [`Store::range`], but the keys only.
    pub fn keys(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, StoreError> {
        self.list(prefix, cursor, limit, |key, _| key)
    }

    fn list<T>(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
        entry: impl Fn(String, sled::IVec) -> T,
    ) -> Result<Page<T>, StoreError> {
        let prefix_bytes = prefix.as_bytes().max(chunks::FIRST_RECORD_KEY);
        let start = match cursor {
            Some(cursor) if cursor.as_bytes() >= prefix_bytes => Bound::Excluded(cursor.as_bytes()),
            _ => Bound::Included(prefix_bytes),
        };
        let mut entries = Vec::new();
        let mut last = None;
        for found in self.shared.db.range::<&[u8], _>((start, Bound::Unbounded)) {
            let (key, stored) = found.map_err(|error| values::sled_error(prefix, &error))?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            if entries.len() == limit {
                return Ok(Page {
                    entries,
                    next: last,
                });
            }
            let key = String::from_utf8_lossy(&key).into_owned();
            last = Some(key.clone());
            entries.push(entry(key, stored));
        }
        Ok(Page {
            entries,
            next: None,
        })
    }

    /// The changes, from now on, of keys that start with `prefix`. The queue is
    /// bounded: a slow watcher gets [`Event::Missed`] and never delays a write.
    pub fn watch(&self, prefix: &str) -> Watch {
        Watch::new(prefix, self.shared.events.subscribe())
    }

    /// Bytes that the database takes on the disk.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        let size = self.shared.db.size_on_disk();
        size.map_err(|error| values::sled_error("", &error))
    }

    /// Writes every record to `writer`, as of one moment: writes wait meanwhile.
    pub async fn export(
        &self,
        writer: impl Write + Send + 'static,
        now: DateTime<Utc>,
    ) -> Result<Summary, StoreError> {
        let export = move |edit: &mut writer::Edit| export::write(edit.tree(), writer, now);
        self.shared.writer.submit(export).await
    }

    /// Writes an export to the data folder, to restore from, and keeps the
    /// newest [`EXPORTS_KEPT`]. To be called once at each start, when ready.
    pub async fn keep_export(&self, now: DateTime<Utc>) -> Result<(PathBuf, Summary), StoreError> {
        let dir = self.shared.dir.clone();
        let export =
            move |edit: &mut writer::Edit| export::write_kept(edit.tree(), &dir, EXPORTS_KEPT, now);
        self.shared.writer.submit(export).await
    }

    /// Writes every record of an export, leaving other keys alone. A damaged
    /// export changes nothing. One that is interrupted may be run again.
    pub async fn import(
        &self,
        reader: impl Read + Seek + Send + 'static,
    ) -> Result<Summary, StoreError> {
        let import = move |edit: &mut writer::Edit| export::read(reader, |batch| edit.apply(batch));
        self.shared.writer.submit(import).await
    }
}

fn check_key(key: &str) -> Result<(), StoreError> {
    let reason = if key.len() > KEY_BYTES_MAX {
        "it has more than 2048 bytes"
    } else if !key.starts_with(|first: char| first.is_ascii_lowercase()) {
        "it must start with a lower-case letter"
    } else {
        return Ok(());
    };
    let key = key[..key.floor_char_boundary(80)].to_owned();
    Err(StoreError::BadKey { key, reason })
}

fn check_size(operation: &Operation) -> Result<(), StoreError> {
    match operation {
        Operation::Put { key, record } if record.payload.len() > RECORD_BYTES_MAX => {
            Err(StoreError::TooLarge {
                key: key.clone(),
                bytes: record.payload.len(),
                max_bytes: RECORD_BYTES_MAX,
            })
        }
        Operation::Put { .. } | Operation::Delete { .. } => Ok(()),
    }
}

/// The record that holds `value` as JSON, for a [`Store::batch`].
pub fn to_record<T: Stored>(key: &str, value: &T) -> Result<Record, StoreError> {
    let payload = serde_json::to_vec(value).map_err(|error| wrong_shape(key, &error))?;
    Ok(Record {
        kind: T::KIND,
        payload,
    })
}

/// The value of a record from [`Store::range`] or [`Store::get`].
pub fn from_record<T: Stored>(key: &str, record: &Record) -> Result<T, StoreError> {
    let found = record.kind;
    if found.number != T::KIND.number || found.version > T::KIND.version {
        return Err(StoreError::WrongKind {
            key: key.to_owned(),
            kind: T::KIND.number,
            version: T::KIND.version,
            found_kind: found.number,
            found_version: found.version,
        });
    }
    serde_json::from_slice(&record.payload).map_err(|error| wrong_shape(key, &error))
}

fn wrong_shape(key: &str, error: &serde_json::Error) -> StoreError {
    StoreError::WrongShape {
        key: key.to_owned(),
        reason: error.to_string(),
    }
}
