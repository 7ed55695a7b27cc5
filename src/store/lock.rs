//! One process per data folder: a locked file that names its holder.
//!
//! The kernel drops the lock when the process ends, however it ends, so a
//! leftover file from a crash never keeps anybody out.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
    time::Duration,
};

use super::StoreError;

const LOCK_FILE: &str = "footpath.lock";
/// A store that this very process has closed may seem to be open: a program that it is just
/// starting has a copy of the lock from its fork to its exec. So that is looked at again.
const OWN_TRIES_MAX: u32 = 20;
const OWN_PAUSE: Duration = Duration::from_millis(10);

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
    for tries_left in (0..OWN_TRIES_MAX).rev() {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                let pid = holder(&mut file);
                if pid != Some(std::process::id()) || tries_left == 0 {
                    let dir = dir.to_owned();
                    return Err(StoreError::Locked { dir, pid });
                }
                std::thread::sleep(OWN_PAUSE);
            }
            Err(TryLockError::Error(error)) => return Err(describe(error)),
        }
    }
    file.rewind().map_err(describe)?;
    file.set_len(0).map_err(describe)?;
    writeln!(file, "{}", std::process::id()).map_err(describe)?;
    Ok(DataLock { _file: file })
}

/// The process that wrote itself into the file. It may be missing for the
/// instant between taking the lock and writing the number.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
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
    fn a_copy_that_a_starting_program_has_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let first = acquire(dir.path()).unwrap();
        let copy = first._file.try_clone().unwrap();
        drop(first);
        let starting = std::thread::spawn(move || {
            std::thread::sleep(2 * OWN_PAUSE);
            drop(copy);
        });
        acquire(dir.path()).unwrap();
        starting.join().unwrap();
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
