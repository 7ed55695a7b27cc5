//! Keeps the folder of compiled code under its size: what was not used for the
//! longest time goes first. It knows files and their ages, not what is in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// After an eviction the folder holds at most this share of its size, so that
/// not every new component leads to the next one.
const KEPT_PERCENT: u64 = 90;
/// A temporary file of this age was left behind by a process that died.
const ABANDONED: Duration = Duration::from_secs(3600);
/// What compiled files end with.
pub const EXTENSION: &str = "cwasm";

/// The size of a folder, and what it may be.
pub struct Budget {
    bytes_max: u64,
    /// Guessed upwards between looks at the folder: files may be replaced.
    bytes: AtomicU64,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Budget {
    /// Looks at the folder, and makes room if it is too large already. `keep`
    /// names files that stay whatever their age.
    pub fn new(dir: &Path, bytes_max: u64, keep: impl Fn(&str) -> bool) -> Self {
        let budget = Self {
            bytes_max,
            bytes: AtomicU64::new(u64::MAX),
        };
        budget.make_room(dir, keep);
        budget
    }

    /// A file was written: makes room if the folder is too large now.
    pub fn written(&self, dir: &Path, bytes: u64, keep: impl Fn(&str) -> bool) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.bytes_max {
            self.make_room(dir, keep);
        }
    }

    fn make_room(&self, dir: &Path, keep: impl Fn(&str) -> bool) {
        let (files, kept_bytes) = match files(dir, SystemTime::now(), keep) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "the size of the component cache is unknown");
                return;
            }
        };
        let mut bytes = kept_bytes + files.iter().map(|file| file.bytes).sum::<u64>();
        for file in evicted(files, bytes, self.bytes_max) {
            // A process that has mapped it goes on using it.
            if fs::remove_file(&file.path).is_ok() {
                bytes -= file.bytes;
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// Marks a file as used now. That it cannot be marked costs a compilation at most.
pub fn touch(path: &Path) {
    let marked = fs::File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = marked {
        tracing::debug!(path = %path.display(), %error, "not marked as used");
    }
}

/// The files that may go, and the bytes of those that stay. Deletes what was
/// abandoned.
fn files(
    dir: &Path,
    now: SystemTime,
    keep: impl Fn(&str) -> bool,
) -> io::Result<(Vec<Stored>, u64)> {
    let (mut found, mut kept_bytes) = (Vec::new(), 0);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Another server may have deleted it meanwhile.
        let Ok(about) = entry.metadata() else {
            continue;
        };
        if !about.is_file() {
            continue;
        }
        let path = entry.path();
        let used = about.modified().unwrap_or(now);
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension == Some("tmp") {
            if now.duration_since(used).is_ok_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(&path);
            }
        } else if extension == Some(EXTENSION) {
            if keep(&entry.file_name().to_string_lossy()) {
                kept_bytes += about.len();
            } else {
                let bytes = about.len();
                found.push(Stored { path, bytes, used });
            }
        }
    }
    Ok((found, kept_bytes))
}

/// What has to go from a folder of so many bytes: the least recently used.
fn evicted(mut files: Vec<Stored>, bytes: u64, bytes_max: u64) -> Vec<Stored> {
    if bytes <= bytes_max {
        return Vec::new();
    }
    files.sort_by_key(|file| file.used);
    let mut left = bytes;
    let wanted = bytes_max / 100 * KEPT_PERCENT;
    files
        .into_iter()
        .take_while(|file| {
            let goes = left > wanted;
            left = left.saturating_sub(file.bytes);
            goes
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, bytes: usize, seconds_ago: u64) {
        let path = dir.join(name);
        fs::write(&path, vec![0; bytes]).unwrap();
        let used = SystemTime::now() - Duration::from_secs(seconds_ago);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(used).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_least_recently_used_goes_and_the_engine_stays() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, "engine.cwasm", 4000, 9_000_000);
        for (name, age) in [("a", 30), ("b", 20), ("c", 10)] {
            write(dir, &format!("{name}.cwasm"), 2000, age);
        }
        write(dir, "old.1.tmp", 10, 2 * ABANDONED.as_secs());
        write(dir, "new.2.tmp", 10, 1);
        write(dir, "readme.txt", 50_000, 9_000_000);
        let keep = |name: &str| name.starts_with("engine");
        let budget = Budget::new(dir, 10_000, keep);
        let all = [
            "a.cwasm",
            "b.cwasm",
            "c.cwasm",
            "engine.cwasm",
            "new.2.tmp",
            "readme.txt",
        ];
        assert_eq!(names(dir), all, "it is as large as it may be");
        touch(&dir.join("a.cwasm"));
        write(dir, "d.cwasm", 2000, 0);
        budget.written(dir, 2000, keep);
        let left = [
            "a.cwasm",
            "d.cwasm",
            "engine.cwasm",
            "new.2.tmp",
            "readme.txt",
        ];
        assert_eq!(
            names(dir),
            left,
            "b and c were not used for the longest time"
        );
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 8000);
    }

    #[test]
    fn a_folder_that_was_left_too_large_shrinks_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        for age in 0..10 {
            write(dir.path(), &format!("{age}.cwasm"), 1000, 10 * age);
        }
        Budget::new(dir.path(), 3500, |_| false);
        assert_eq!(names(dir.path()), ["0.cwasm", "1.cwasm", "2.cwasm"]);
    }
}
