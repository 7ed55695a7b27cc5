//! Opening the database, also a damaged one.
//!
//! What can be mended, from cheap to costly: leftover half-written snapshots
//! are removed; a damaged snapshot is moved aside (sled rebuilds it from its
//! log, no key is lost); a damaged log is moved aside and the newest good
//! export is imported. Nothing is ever deleted that could hold data, and an
//! empty store never silently takes the place of a damaged one.

use std::{
    fs, io,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{StoreError, export};

/// Memory for pages that have been read.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// A store that this process dropped a moment ago may still be letting go of its file.
const RELEASE_WAIT: Duration = Duration::from_secs(5);

pub(super) const DATABASE_FOLDER: &str = "sled";
const DAMAGED_FOLDER: &str = "damaged";
const SNAPSHOT_PREFIX: &str = "snap.";
const UNFINISHED_SUFFIX: &str = ".generating";

/// What opening had to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    None,
    /// A damaged snapshot was moved to this folder. No key was lost.
    Snapshot {
        moved_to: PathBuf,
    },
    /// The database was moved to this folder and what the export holds was
    /// restored. Later writes are lost.
    Restored {
        moved_to: PathBuf,
        export: PathBuf,
    },
}

/// Opens the database below `dir`, mending what can be mended.
pub(super) fn open(dir: &Path) -> Result<(sled::Db, Repair), StoreError> {
    let database = dir.join(DATABASE_FOLDER);
    remove_unfinished_snapshots(&database)
        .map_err(|error| StoreError::io("reading the database folder", &error))?;
    let damage = match open_database(&database)? {
        Ok(db) => return Ok((db, Repair::None)),
        Err(damage) => damage,
    };
    tracing::error!(
        damage,
        "the database does not open, moving its snapshot aside"
    );
    let aside = Aside::create(dir)?;
    if aside.take_snapshots(&database)? {
        if let Ok(db) = open_database(&database)? {
            tracing::warn!(moved_to = %aside.folder.display(), "the database opens without its snapshot, nothing is lost");
            let moved_to = aside.folder;
            return Ok((db, Repair::Snapshot { moved_to }));
        }
        tracing::error!("the database does not open without its snapshot either");
    }
    restore(dir, &database, aside, damage)
}

/// The newest export that is whole replaces the damaged database.
fn restore(
    dir: &Path,
    database: &Path,
    aside: Aside,
    reason: String,
) -> Result<(sled::Db, Repair), StoreError> {
    let Some(path) = export::newest_good(dir) else {
        return Err(StoreError::Damaged {
            dir: dir.to_owned(),
            reason,
        });
    };
    aside.take(database)?;
    let db = open_database(database)?.map_err(|reason| StoreError::Damaged {
        dir: dir.to_owned(),
        reason,
    })?;
    let summary = export::restore(&db, &path)?;
    tracing::warn!(
        export = %path.display(),
        records = summary.records,
        moved_to = %aside.folder.display(),
        "the database was damaged and is restored from an export; what was written after that export is lost"
    );
    let repair = Repair::Restored {
        moved_to: aside.folder,
        export: path,
    };
    Ok((db, repair))
}

/// The inner error is damage that a repair may mend; the outer is not.
fn open_database(database: &Path) -> Result<Result<sled::Db, String>, StoreError> {
    let started = Instant::now();
    loop {
        let config = sled::Config::new()
            .path(database)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        // A damaged file can also make sled panic.
        let error = match std::panic::catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(Ok(db)),
            Ok(Err(error)) => error,
            Err(_) => return Ok(Err("the database panicked while opening".to_owned())),
        };
        match error {
            sled::Error::Io(error) if is_own_lock(&error) => {
                if started.elapsed() > RELEASE_WAIT {
                    return Err(StoreError::io("opening the database", &error));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            sled::Error::Io(error) if !is_damage(&error) => {
                return Err(StoreError::io("opening the database", &error));
            }
            sled::Error::Unsupported(reason) => return Err(StoreError::Unavailable { reason }),
            damage => return Ok(Err(damage.to_string())),
        }
    }
}

/// We hold the data folder's lock, so the holder of sled's can only be a store
/// of this process that has not quite ended. sled gives the error no kind.
fn is_own_lock(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("could not acquire lock")
}

fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotFound
    )
}

/// sled takes the newest file that starts with `snap.` for its snapshot, also
/// one that a crash left half-written under its temporary name.
fn remove_unfinished_snapshots(database: &Path) -> io::Result<()> {
    for path in snapshots(database)? {
        if path.to_string_lossy().ends_with(UNFINISHED_SUFFIX) {
            tracing::warn!(path = %path.display(), "removing a snapshot that was never finished");
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn snapshots(database: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(database) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(SNAPSHOT_PREFIX)
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A folder of its own for what one repair moves out of the way.
struct Aside {
    folder: PathBuf,
}

impl Aside {
    fn create(dir: &Path) -> Result<Aside, StoreError> {
        let stamp = chrono::Utc::now().format(export::STAMP_FORMAT);
        let folder = dir.join(DAMAGED_FOLDER).join(stamp.to_string());
        fs::create_dir_all(&folder)
            .map_err(|error| StoreError::io("making room for damaged files", &error))?;
        Ok(Aside { folder })
    }

    /// Whether there was a snapshot to move.
    fn take_snapshots(&self, database: &Path) -> Result<bool, StoreError> {
        let found = snapshots(database)
            .map_err(|error| StoreError::io("reading the database folder", &error))?;
        for path in &found {
            self.take(path)?;
        }
        Ok(!found.is_empty())
    }

    fn take(&self, path: &Path) -> Result<(), StoreError> {
        let name = path
            .file_name()
            .expect("paths of a folder's entries have names");
        fs::rename(path, self.folder.join(name))
            .map_err(|error| StoreError::io("moving a damaged file aside", &error))
    }
}
