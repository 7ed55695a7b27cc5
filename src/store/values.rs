//! Records in the sled tree: one key each, or a head and chunks.
//!
//! sled splits a page by the number of its entries, not by their size, and
//! writes a page over 128 KiB to a file of its own that it never flushes. Small
//! records keep every page below that: a payload over [`INLINE_BYTES_MAX`] is
//! cut into chunks. A head and its chunks change in one atomic batch.

use std::collections::BTreeMap;

use sled::{Batch, Tree};

use super::{
    Record, StoreError,
    chunks::{CHUNK_BYTES, Chunks, FIRST_RECORD_KEY},
    record::{HEADER_BYTES, Header, Layout},
};

/// A page holds up to 26 entries before sled splits it, and 26 of these with
/// the longest key stay below 128 KiB.
const INLINE_BYTES_MAX: usize = 2048;

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Put { key: String, record: Record },
    Delete { key: String },
}

impl Operation {
    pub fn key(&self) -> &str {
        match self {
            Operation::Put { key, .. } | Operation::Delete { key } => key,
        }
    }
}

/// Reads one record. It may block on the disk for a page that is not cached.
pub(super) fn read(tree: &Tree, key: &str) -> Result<Option<Record>, StoreError> {
    let mut stored = tree.get(key).map_err(|error| sled_error(key, &error))?;
    while let Some(bytes) = stored {
        match decode(tree, key, &bytes) {
            Ok(record) => return Ok(Some(record)),
            Err(damage) => {
                // A writer may have replaced the head, and so removed the
                // chunks, between our two reads. Then the head has changed.
                let now = tree.get(key).map_err(|error| sled_error(key, &error))?;
                if now.as_ref() == Some(&bytes) {
                    return Err(damage);
                }
                stored = now;
            }
        }
    }
    Ok(None)
}

/// Turns the stored bytes of a key into its record, fetching chunks if it has any.
pub(super) fn decode(tree: &Tree, key: &str, stored: &[u8]) -> Result<Record, StoreError> {
    let corrupt = |reason: &str| corrupt(key, reason);
    let (header, rest) = Header::decode(stored).map_err(corrupt)?;
    let payload = match header.layout {
        Layout::Inline => rest.to_vec(),
        Layout::Chunked => {
            let chunks =
                Chunks::decode(key, rest).ok_or_else(|| corrupt("unreadable chunk list"))?;
            chunks.read(tree, key, header.payload_bytes as usize)?
        }
    };
    header.verify(key, payload).map_err(corrupt)
}

/// Applies changes on the writer thread, the only one that writes.
pub(super) struct Applier {
    tree: Tree,
    next_chunks_id: u64,
}

impl Applier {
    pub fn new(tree: Tree) -> Result<Applier, StoreError> {
        let last = tree
            .get_lt(FIRST_RECORD_KEY)
            .map_err(|error| sled_error("", &error))?;
        let last_id =
            last.and_then(|(key, _)| Some(u64::from_be_bytes(*key.get(1..)?.first_chunk()?)));
        Ok(Applier {
            tree,
            next_chunks_id: last_id.map_or(0, |id| id + 1),
        })
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Applies all operations or none. Of several for one key the last counts.
    pub fn apply(&mut self, operations: &[Operation]) -> Result<(), StoreError> {
        let last_per_key: BTreeMap<&str, &Operation> = operations
            .iter()
            .map(|operation| (operation.key(), operation))
            .collect();
        let mut writes = Writes::new();
        for operation in last_per_key.into_values() {
            self.remove_chunks(&mut writes, operation.key())?;
            match operation {
                Operation::Put { key, record } => self.put(&mut writes, key, record),
                Operation::Delete { key } => {
                    writes.insert(key.as_bytes().into(), None);
                }
            }
        }
        self.write(writes).map_err(|error| sled_error("", &error))
    }

    /// A single write is atomic as it is; sled's batches cost it a log write each.
    fn write(&self, mut writes: Writes) -> sled::Result<()> {
        if writes.len() > 1 {
            let mut batch = Batch::default();
            for (key, value) in writes {
                match value {
                    Some(value) => batch.insert(key, value),
                    None => batch.remove(key),
                }
            }
            return self.tree.apply_batch(batch);
        }
        match writes.pop_first() {
            Some((key, Some(value))) => self.tree.insert(key, value).map(drop),
            Some((key, None)) => self.tree.remove(key).map(drop),
            None => Ok(()),
        }
    }

    fn put(&mut self, writes: &mut Writes, key: &str, record: &Record) {
        let payload = &record.payload;
        if payload.len() <= INLINE_BYTES_MAX {
            let header = Header::new(key, Layout::Inline, record.kind, payload);
            let stored = [&header.encode()[..], payload].concat();
            writes.insert(key.as_bytes().into(), Some(stored));
            return;
        }
        let chunks = Chunks {
            id: self.next_chunks_id,
            count: u32::try_from(payload.len().div_ceil(CHUNK_BYTES))
                .expect("RECORD_BYTES_MAX is far below 4 GiB"),
        };
        self.next_chunks_id += 1;
        for (index, chunk) in (0..).zip(payload.chunks(CHUNK_BYTES)) {
            writes.insert(chunks.key(index).into(), Some(chunk.to_vec()));
        }
        let header = Header::new(key, Layout::Chunked, record.kind, payload);
        let stored = [&header.encode()[..], &chunks.encode(key)].concat();
        writes.insert(key.as_bytes().into(), Some(stored));
    }

    /// A head that cannot be read leaves its chunks behind: lost space, never a wrong value.
    fn remove_chunks(&self, writes: &mut Writes, key: &str) -> Result<(), StoreError> {
        let failed = |error| sled_error(key, &error);
        let Some(old) = self.tree.get(key).map_err(failed)? else {
            return Ok(());
        };
        if let Ok((header, rest)) = Header::decode(&old)
            && header.layout == Layout::Chunked
            && let Some(chunks) = Chunks::decode(key, rest)
        {
            for entry in self.tree.scan_prefix(chunks.prefix()) {
                let (chunk_key, _) = entry.map_err(failed)?;
                writes.insert(chunk_key.to_vec(), None);
            }
        }
        Ok(())
    }
}

/// What goes to sled in one step: a value, or `None` to remove the key.
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

pub(super) fn corrupt(key: &str, reason: &str) -> StoreError {
    StoreError::Corrupt {
        key: key.to_owned(),
        reason: reason.to_owned(),
    }
}

/// What sled reports while working on `key`.
pub(super) fn sled_error(key: &str, error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => corrupt(key, &error.to_string()),
        sled::Error::Io(error) => StoreError::io("the database", error),
        other => StoreError::Unavailable {
            reason: other.to_string(),
        },
    }
}

/// How many bytes a record of this payload takes at most, for the free-space check.
pub(super) fn stored_bytes_max(operations: &[Operation]) -> u64 {
    operations
        .iter()
        .map(|operation| match operation {
            Operation::Put { key, record } => {
                (HEADER_BYTES + key.len() + record.payload.len()) as u64
            }
            Operation::Delete { key } => key.len() as u64,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Kind;

    const KIND: Kind = Kind {
        number: 1,
        version: 1,
    };

    fn applier(dir: &std::path::Path) -> Applier {
        // A program that another test starts has a copy of the last one's lock for a moment.
        let config = sled::Config::new().path(dir).flush_every_ms(None);
        let db = (0..100).find_map(|_| match config.open() {
            Ok(db) => Some(db),
            Err(_) => {
                std::thread::sleep(std::time::Duration::from_millis(20));
                None
            }
        });
        let db = db.expect("the database opens");
        Applier::new((*db).clone()).unwrap()
    }

    fn put(key: &str, bytes: usize, fill: u8) -> Operation {
        Operation::Put {
            key: key.to_owned(),
            record: Record {
                kind: KIND,
                payload: vec![fill; bytes],
            },
        }
    }

    #[test]
    fn replacing_and_deleting_large_values_leaves_no_chunk() {
        let dir = tempfile::tempdir().unwrap();
        let mut applier = applier(dir.path());
        let sizes = [
            0,
            INLINE_BYTES_MAX,
            INLINE_BYTES_MAX + 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            1 << 20,
            10,
            50_000,
        ];
        for (fill, bytes) in (0..).zip(sizes) {
            applier.apply(&[put("k", bytes, fill)]).unwrap();
            let record = read(applier.tree(), "k").unwrap().unwrap();
            assert_eq!(record.payload, vec![fill; bytes]);
            let chunks = if bytes > INLINE_BYTES_MAX {
                bytes.div_ceil(CHUNK_BYTES)
            } else {
                0
            };
            assert_eq!(applier.tree().len(), chunks + 1);
        }
        applier
            .apply(&[Operation::Delete {
                key: "k".to_owned(),
            }])
            .unwrap();
        assert_eq!(applier.tree().len(), 0);
    }

    #[test]
    fn a_key_twice_in_one_batch_ends_as_the_last_says() {
        let dir = tempfile::tempdir().unwrap();
        let mut applier = applier(dir.path());
        applier
            .apply(&[put("k", 9000, 1), put("k", 5000, 2)])
            .unwrap();
        let record = read(applier.tree(), "k").unwrap().unwrap();
        assert_eq!(record.payload, vec![2; 5000]);
        assert_eq!(applier.tree().len(), 3, "a head and two chunks");
    }

    #[test]
    fn replacing_a_damaged_value_does_not_touch_others() {
        let dir = tempfile::tempdir().unwrap();
        let mut applier = applier(dir.path());
        applier
            .apply(&[put("a", 9000, 1), put("b", 9000, 2)])
            .unwrap();
        // The damage makes b's head point at a's chunks.
        let mut head = applier.tree().get("b").unwrap().unwrap().to_vec();
        head[HEADER_BYTES] ^= 1;
        applier.tree().insert("b", head).unwrap();
        assert!(read(applier.tree(), "b").is_err());
        applier.apply(&[put("b", 10, 3)]).unwrap();
        assert_eq!(
            read(applier.tree(), "a").unwrap().unwrap().payload,
            vec![1; 9000]
        );
        assert_eq!(
            read(applier.tree(), "b").unwrap().unwrap().payload,
            vec![3; 10]
        );
    }

    #[test]
    fn ids_go_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = applier(dir.path());
        first.apply(&[put("a", 9000, 1)]).unwrap();
        drop(first);
        let mut second = applier(dir.path());
        second.apply(&[put("b", 9000, 2)]).unwrap();
        assert_eq!(
            read(second.tree(), "a").unwrap().unwrap().payload,
            vec![1; 9000]
        );
        assert_eq!(
            read(second.tree(), "b").unwrap().unwrap().payload,
            vec![2; 9000]
        );
    }

    #[test]
    fn any_flipped_bit_on_the_disk_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut applier = applier(dir.path());
        applier.apply(&[put("k", 9000, 1)]).unwrap();
        let tree = applier.tree().clone();
        for entry in tree.iter().collect::<Vec<_>>() {
            let (key, value) = entry.unwrap();
            for at in (0..value.len()).step_by(97).chain(0..value.len().min(30)) {
                let mut bytes = value.to_vec();
                bytes[at] ^= 0x10;
                tree.insert(&key, bytes).unwrap();
                assert!(
                    matches!(read(&tree, "k"), Err(StoreError::Corrupt { key, .. }) if key == "k")
                );
            }
            tree.insert(&key, value).unwrap();
        }
        assert_eq!(read(&tree, "k").unwrap().unwrap().payload, vec![1; 9000]);
    }
}
