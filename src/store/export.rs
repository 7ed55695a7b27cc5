//! Exports: every record of the store in one file that proves itself whole.
//!
//! ```text
//! header   "footpath-export\n", format version u16, created (ms since 1970) i64
//! record*  0x01, key length u32, payload length u32, kind u16, kind version u16,
//!          key, payload, CRC-32 of this frame u32
//! trailer  0xFF, number of records u64, SHA-256 of everything before it
//! ```
//!
//! Numbers are little-endian. An import reads the whole file once to check it
//! and only then a second time to apply it. This file must not know how
//! records are laid out in the database.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::{
    Operation, StoreError,
    chunks::FIRST_RECORD_KEY,
    files::AtomicFile,
    frame::{self, Frame},
    values::{self, Applier},
};

const MAGIC: &[u8] = b"footpath-export\n";
const FORMAT_VERSION: u16 = 1;
const FOLDER: &str = "exports";
const EXTENSION: &str = "footpath-export";
/// Sorts by time as text.
pub(super) const STAMP_FORMAT: &str = "%Y%m%dT%H%M%S%3fZ";
/// An import is applied in batches of about this size.
const BATCH_BYTES: usize = 1024 * 1024;

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub created: DateTime<Utc>,
    pub records: u64,
    /// Sum of the payloads.
    pub payload_bytes: u64,
}

/// Writes every record to `writer`. A damaged record stops the export, because
/// an export must never look better than it is.
pub(super) fn write(
    tree: &sled::Tree,
    writer: impl Write,
    now: DateTime<Utc>,
) -> Result<Summary, StoreError> {
    let failed = |error: io::Error| StoreError::io("writing the export", &error);
    let mut writer = Hashing::new(BufWriter::new(writer));
    let mut summary = Summary {
        created: now,
        records: 0,
        payload_bytes: 0,
    };
    writer.write_all(&header(now)).map_err(failed)?;
    for entry in tree.range(FIRST_RECORD_KEY..) {
        let (key, stored) = entry.map_err(|error| values::sled_error("", &error))?;
        let key = String::from_utf8_lossy(&key).into_owned();
        let record = values::decode(tree, &key, &stored)?;
        summary.records += 1;
        summary.payload_bytes += record.payload.len() as u64;
        frame::write_record(&mut writer, &key, &record).map_err(failed)?;
    }
    frame::write_end(&mut writer, summary.records).map_err(failed)?;
    let digest = writer.digest();
    let mut writer = writer.inner;
    writer.write_all(&digest).map_err(failed)?;
    writer.flush().map_err(failed)?;
    Ok(summary)
}

/// Checks a whole export without keeping any of it.
pub fn verify(reader: impl Read) -> Result<Summary, StoreError> {
    visit(reader, |_| Ok(()))
}

/// Checks the whole file, then hands its records to `apply` in batches.
pub(super) fn read(
    mut reader: impl Read + Seek,
    mut apply: impl FnMut(&[Operation]) -> Result<(), StoreError>,
) -> Result<Summary, StoreError> {
    let summary = verify(&mut reader)?;
    reader.rewind().map_err(|error| bad(&error.to_string()))?;
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    visit(reader, |operation| {
        if let Operation::Put { key, record } = &operation {
            batch_bytes += key.len() + record.payload.len();
        }
        batch.push(operation);
        if batch_bytes >= BATCH_BYTES {
            apply(&batch)?;
            batch.clear();
            batch_bytes = 0;
        }
        Ok(())
    })?;
    apply(&batch)?;
    Ok(summary)
}

fn visit(
    reader: impl Read,
    mut each: impl FnMut(Operation) -> Result<(), StoreError>,
) -> Result<Summary, StoreError> {
    let mut reader = Hashing::new(BufReader::new(reader));
    let created = read_header(&mut reader)?;
    let (mut records, mut payload_bytes) = (0, 0);
    loop {
        match frame::read(&mut reader).map_err(|reason| bad(&reason))? {
            Frame::Record { key, record } => {
                super::check_key(&key).map_err(|error| bad(&error.to_string()))?;
                records += 1;
                payload_bytes += record.payload.len() as u64;
                each(Operation::Put { key, record })?;
            }
            Frame::End { records: written } if written != records => {
                return Err(bad(&format!("it has {records} records and says {written}")));
            }
            Frame::End { .. } => break,
        }
    }
    let digest = reader.digest();
    let mut expected = Vec::new();
    let mut rest = reader.inner.take(digest.len() as u64 + 1);
    rest.read_to_end(&mut expected)
        .map_err(|error| bad(&error.to_string()))?;
    if expected != digest {
        return Err(bad("its checksum does not match its content"));
    }
    Ok(Summary {
        created,
        records,
        payload_bytes,
    })
}

fn header(created: DateTime<Utc>) -> Vec<u8> {
    let version = FORMAT_VERSION.to_le_bytes();
    let created = created.timestamp_millis().to_le_bytes();
    [MAGIC, &version, &created].concat()
}

fn read_header(reader: &mut impl Read) -> Result<DateTime<Utc>, StoreError> {
    let mut header = [0; MAGIC.len() + 2 + 8];
    reader
        .read_exact(&mut header)
        .map_err(|_| bad("it is too short"))?;
    let (magic, rest) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(bad("it is not an export of Footpath"));
    }
    let version = u16::from_le_bytes([rest[0], rest[1]]);
    if version != FORMAT_VERSION {
        return Err(bad(&format!(
            "it has format version {version}, this program reads version {FORMAT_VERSION}"
        )));
    }
    let millis = i64::from_le_bytes(
        rest[2..]
            .try_into()
            .expect("eight bytes follow the version"),
    );
    DateTime::from_timestamp_millis(millis).ok_or_else(|| bad("its date is out of range"))
}

fn bad(reason: &str) -> StoreError {
    StoreError::BadExport {
        reason: reason.to_owned(),
    }
}

/// Writes an export to the exports folder and removes all but the newest `keep`.
pub(super) fn write_kept(
    tree: &sled::Tree,
    dir: &Path,
    keep: usize,
    now: DateTime<Utc>,
) -> Result<(PathBuf, Summary), StoreError> {
    let failed = |error: io::Error| StoreError::io("keeping an export", &error);
    let folder = dir.join(FOLDER);
    fs::create_dir_all(&folder).map_err(failed)?;
    let path = folder.join(format!("{}.{EXTENSION}", now.format(STAMP_FORMAT)));
    let mut file = AtomicFile::create(&path).map_err(failed)?;
    let summary = write(tree, &mut file, now)?;
    file.replace().map_err(failed)?;
    for old in kept(dir).into_iter().skip(keep) {
        fs::remove_file(old).map_err(failed)?;
    }
    Ok((path, summary))
}

/// The kept exports, newest first.
fn kept(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(FOLDER))
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == EXTENSION)
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}

/// The newest kept export that is whole.
pub(super) fn newest_good(dir: &Path) -> Option<PathBuf> {
    kept(dir).into_iter().find(|path| {
        let verified = File::open(path)
            .map_err(|error| bad(&error.to_string()))
            .and_then(verify);
        if let Err(error) = &verified {
            tracing::warn!(export = %path.display(), %error, "skipping an export");
        }
        verified.is_ok()
    })
}

/// Fills an empty database from an export.
pub(super) fn restore(db: &sled::Db, path: &Path) -> Result<Summary, StoreError> {
    let file = File::open(path).map_err(|error| StoreError::io("opening the export", &error))?;
    let mut applier = Applier::new((**db).clone())?;
    let summary = read(file, |batch| applier.apply(batch))?;
    db.flush().map_err(|error| values::sled_error("", &error))?;
    Ok(summary)
}

/// Passes bytes on and remembers their SHA-256.
struct Hashing<T> {
    inner: T,
    hasher: Sha256,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Hashing<T> {
        Hashing {
            inner,
            hasher: Sha256::new(),
        }
    }

    fn digest(&self) -> Vec<u8> {
        self.hasher.clone().finalize().to_vec()
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
