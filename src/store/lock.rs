//! One process per data folder: a locked file that names its holder.
//!
//! The kernel drops the lock when the process ends, however it ends, so a
//! leftover file from a crash never keeps anybody out.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::Path,
};

use super::StoreError;

const LOCK_FILE: &str = "footpath.lock";

/// Holds the data folder until dropped.
#[derive(Debug)]
pub(super) struct DataLock {
    _file: File,
}

pub(super) fn acquire(dir: &Path) -> Result<DataLock, StoreError> {
    let path = dir.join(LOCK_FILE);
    let describe = |error: std::io::Error| StoreError::io(&format!("{}", path.display()), &error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(describe)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Locked {
                dir: dir.to_owned(),
                pid: holder(&mut file),
            });
        }
        Err(TryLockError::Error(error)) => return Err(describe(error)),
    }
    file.set_len(0).map_err(describe)?;
    writeln!(file, "{}", std::process::id()).map_err(describe)?;
    Ok(DataLock { _file: file })
}

/// The process that wrote itself into the file. It may be missing for the
/// instant between taking the lock and writing the number.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_holder_learns_the_first_ones_pid() {
        let dir = tempfile::tempdir().unwrap();
        let first = acquire(dir.path()).unwrap();
        let refused = acquire(dir.path()).unwrap_err();
        assert_eq!(
            refused,
            StoreError::Locked {
                dir: dir.path().to_owned(),
                pid: Some(std::process::id()),
            }
        );
        assert!(
            refused
                .to_string()
                .contains(&std::process::id().to_string())
        );
        drop(first);
        acquire(dir.path()).unwrap();
    }

    #[test]
    fn a_leftover_file_with_a_longer_pid_does_not_confuse() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK_FILE), "99999999999\n").unwrap();
        let _first = acquire(dir.path()).unwrap();
        let StoreError::Locked { pid, .. } = acquire(dir.path()).unwrap_err() else {
            panic!("expected to be locked out");
        };
        assert_eq!(pid, Some(std::process::id()));
    }
}
