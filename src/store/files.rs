//! Writing a file so that a reader, or a crash, never sees half of it.
//!
//! A file is written under a temporary name beside its target, flushed to the
//! disk, renamed, and the folder flushed too. All calls block.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Temporary names start and end like this. Folder watchers skip names that
/// start with a dot.
const TEMPORARY_PREFIX: &str = ".";
const TEMPORARY_SUFFIX: &str = ".footpath-tmp";

/// Writes `bytes` to `path`, replacing what was there and keeping its permissions.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.replace()
}

/// Writes `bytes` to `path` if nothing is there, else fails with
/// [`io::ErrorKind::AlreadyExists`]. Of several concurrent calls exactly one succeeds.
pub fn create_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.persist_new()
}

/// A file that appears under its name only when it is complete. Dropped
/// unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
}

impl AtomicFile {
    /// Starts a file that will become `target`, whose folder must exist.
    pub fn create(target: &Path) -> io::Result<AtomicFile> {
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?
            .to_string_lossy();
        let unique: u64 = rand::random();
        let temporary = target.with_file_name(format!(
            "{TEMPORARY_PREFIX}{}-{unique:016x}{TEMPORARY_SUFFIX}",
            shorten(&name)
        ));
        let file = File::create_new(&temporary)?;
        Ok(AtomicFile {
            file,
            temporary,
            target: target.to_owned(),
        })
    }

    /// Puts the file in the place of whatever has its name.
    pub fn replace(self) -> io::Result<()> {
        if let Ok(old) = fs::metadata(&self.target) {
            fs::set_permissions(&self.temporary, old.permissions())?;
        }
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.target)?;
        sync_folder_of(&self.target)
    }

    /// Puts the file in its place if nothing is there. A hard link is the
    /// portable way to create a name that fails when the name exists.
    pub fn persist_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::hard_link(&self.temporary, &self.target)?;
        fs::remove_file(&self.temporary)?;
        sync_folder_of(&self.target)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A file name may have 255 bytes, and ours adds to it.
fn shorten(name: &str) -> &str {
    &name[..name.floor_char_boundary(100)]
}

/// A new name is only durable when its folder is.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::PermissionsExt, sync::Barrier};

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn replacing_keeps_permissions_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ts");
        write_atomic(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(names(dir.path()), ["a.ts"]);
    }

    #[test]
    fn of_many_concurrent_creates_exactly_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("once");
        let start = Barrier::new(8);
        let results: Vec<io::Result<()>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8u8)
                .map(|writer| {
                    let (path, start) = (&path, &start);
                    scope.spawn(move || {
                        start.wait();
                        create_atomic(path, &[writer; 100])
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let winners: Vec<usize> = (0..8).filter(|writer| results[*writer].is_ok()).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(
            fs::read(&path).unwrap(),
            [u8::try_from(winners[0]).unwrap(); 100]
        );
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(names(dir.path()), ["once"]);
    }

    #[test]
    fn an_abandoned_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::create(&dir.path().join("x")).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn a_name_of_the_longest_legal_length_works() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("é".repeat(127));
        write_atomic(&path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write_atomic(&dir.path().join("no/such/file"), b"x").is_err());
    }
}
