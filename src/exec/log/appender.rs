//! One log on disk: whole lines at the end of its current file, which is rotated
//! when full.
//!
//! The file is opened anew for each batch. That costs microseconds ten times a
//! second, and makes a file that somebody moved or deleted, and a disk that was
//! full for a while, no special cases.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::OFlags;
use serde::Serialize;

use super::LogConfig;
use super::file_name::{LogFileName, LogKind, ROTATION_MAX};

/// Readable for the server's user and group: lines hold addresses of people.
const FILE_MODE: u32 = 0o640;

/// A batch is written at this size, even if more lines wait.
const BATCH_BYTES: usize = 256 << 10;

pub struct Appender {
    config: LogConfig,
    kind: LogKind,
    /// Whole lines that are not on disk yet.
    batch: Vec<u8>,
}

/// A batch that did not get onto the disk in whole.
#[derive(Debug, thiserror::Error)]
#[error("{lines} lines of the log {path} are lost: {error}; free some disk space or check the folder's permissions", path = path.display())]
pub struct LinesLost {
    pub lines: u64,
    path: PathBuf,
    error: io::Error,
}

impl Appender {
    pub fn new(config: &LogConfig, kind: LogKind) -> Appender {
        Appender {
            config: LogConfig {
                rotated_files_max: config.rotated_files_max.min(ROTATION_MAX),
                ..config.clone()
            },
            kind,
            batch: Vec::new(),
        }
    }

    /// Deletes rotated files that are too many by now.
    pub fn prune(&self) -> io::Result<()> {
        for name in LogFileName::existing(&self.config.dir, self.kind)? {
            if name.rotation > self.config.rotated_files_max {
                remove(name.path(&self.config.dir))?;
            }
        }
        Ok(())
    }

    /// Adds a line to the batch, and writes the batch when it is large.
    pub fn push(&mut self, line: &impl Serialize) -> Result<(), LinesLost> {
        // Writing JSON to memory fails only for maps whose keys are no texts.
        let start = self.batch.len();
        if serde_json::to_writer(&mut self.batch, line).is_err() {
            self.batch.truncate(start);
            return Ok(());
        }
        self.batch.push(b'\n');
        match self.batch.len() >= BATCH_BYTES {
            true => self.flush().map(|_| ()),
            false => Ok(()),
        }
    }

    /// Writes the batch; true if there was one. It is empty afterwards in any
    /// case, so that a broken disk does not fill the memory.
    pub fn flush(&mut self) -> Result<bool, LinesLost> {
        if self.batch.is_empty() {
            return Ok(false);
        }
        let mut batch = std::mem::take(&mut self.batch);
        let mut done = 0;
        let result = self.write(&batch, &mut done);
        let lost = batch[done..].iter().filter(|byte| **byte == b'\n').count();
        batch.clear();
        if batch.capacity() <= 2 * BATCH_BYTES {
            self.batch = batch;
        }
        match result {
            Ok(()) => Ok(true),
            Err(error) => Err(LinesLost {
                lines: lost as u64,
                path: self.path(0),
                error,
            }),
        }
    }

    /// Counts in `done` how many bytes are written.
    fn write(&self, batch: &[u8], done: &mut usize) -> io::Result<()> {
        while *done < batch.len() {
            let rest = &batch[*done..];
            let (mut file, size) = self.open()?;
            let room = self.config.file_bytes_max.saturating_sub(size);
            let mut fits = whole_lines(rest, usize::try_from(room).unwrap_or(usize::MAX));
            if fits == 0 && size > 0 {
                self.rotate()?;
                continue;
            }
            if fits == 0 {
                // A line larger than a file gets one of its own.
                let end = rest.iter().position(|byte| *byte == b'\n');
                fits = end.map_or(rest.len(), |end| end + 1);
            }
            append(&mut file, size, &rest[..fits])?;
            *done += fits;
        }
        Ok(())
    }

    /// The current file and its size. A line that a crash cut short is ended.
    fn open(&self) -> io::Result<(File, u64)> {
        let path = self.path(0);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).expect("open flags are an int");
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(FILE_MODE)
            .custom_flags(no_follow)
            .open(&path)?;
        let mut size = file.metadata()?.len();
        if size > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != [b'\n'] {
                file.write_all(b"\n")?;
                size += 1;
            }
        }
        Ok((file, size))
    }

    /// Gives every file the next number and the last one up.
    fn rotate(&self) -> io::Result<()> {
        let kept = self.config.rotated_files_max;
        if kept == 0 {
            return remove(self.path(0));
        }
        for rotation in (0..kept).rev() {
            match fs::rename(self.path(rotation), self.path(rotation + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, rotation: u32) -> PathBuf {
        let kind = self.kind;
        LogFileName { kind, rotation }.path(&self.config.dir)
    }
}

/// Length of the whole lines among the first so many bytes.
fn whole_lines(lines: &[u8], bytes_max: usize) -> usize {
    if lines.len() <= bytes_max {
        return lines.len();
    }
    let end = lines[..bytes_max].iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |end| end + 1)
}

/// Appends all or nothing, as far as the disk allows.
fn append(file: &mut File, size: u64, lines: &[u8]) -> io::Result<()> {
    file.write_all(lines).inspect_err(|_| {
        // The start of a line must not stay. If that fails too, the next batch
        // ends the line.
        let _ = file.set_len(size);
    })
}

fn remove(path: PathBuf) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn appender(dir: &TempDir, file_bytes_max: u64, rotated_files_max: u32) -> Appender {
        let config = LogConfig {
            dir: dir.path().to_owned(),
            file_bytes_max,
            rotated_files_max,
        };
        Appender::new(&config, LogKind::Access)
    }

    fn content(appender: &Appender, rotation: u32) -> Option<String> {
        fs::read_to_string(appender.path(rotation)).ok()
    }

    /// Writes numbers, each as one line of 5 bytes.
    fn write(appender: &mut Appender, numbers: std::ops::Range<u32>) {
        for number in numbers {
            appender.push(&format!("{number:02}")).unwrap();
        }
        appender.flush().unwrap();
    }

    #[test]
    fn lines_are_appended_and_files_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = appender(&dir, 12, 2);
        assert!(!log.flush().unwrap(), "nothing to write");
        assert_eq!(content(&log, 0), None);
        write(&mut log, 0..1);
        write(&mut log, 1..2);
        assert_eq!(content(&log, 0).unwrap(), "\"00\"\n\"01\"\n");
        write(&mut log, 2..7);
        assert_eq!(content(&log, 0).unwrap(), "\"06\"\n");
        assert_eq!(content(&log, 1).unwrap(), "\"04\"\n\"05\"\n");
        assert_eq!(content(&log, 2).unwrap(), "\"02\"\n\"03\"\n");
        assert_eq!(content(&log, 3), None);
    }

    #[test]
    fn without_rotated_files_the_current_one_starts_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = appender(&dir, 12, 0);
        write(&mut log, 0..3);
        assert_eq!(content(&log, 0).unwrap(), "\"02\"\n");
        assert_eq!(content(&log, 1), None);
    }

    #[test]
    fn a_line_larger_than_a_file_gets_one_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = appender(&dir, 12, 9);
        log.push(&"01").unwrap();
        log.push(&"x".repeat(20)).unwrap();
        log.push(&"02").unwrap();
        log.flush().unwrap();
        assert_eq!(content(&log, 0).unwrap(), "\"02\"\n");
        assert_eq!(content(&log, 1).unwrap().len(), 23);
        assert_eq!(content(&log, 2).unwrap(), "\"01\"\n");
    }

    #[test]
    fn a_torn_line_of_a_crash_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = appender(&dir, 1000, 1);
        fs::create_dir(dir.path().join("access")).unwrap();
        fs::write(log.path(0), "{\"ts\":").unwrap();
        write(&mut log, 0..1);
        assert_eq!(content(&log, 0).unwrap(), "{\"ts\":\n\"00\"\n");
    }

    #[test]
    fn a_file_that_somebody_takes_away_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = appender(&dir, 1000, 1);
        write(&mut log, 0..1);
        fs::rename(log.path(0), dir.path().join("elsewhere")).unwrap();
        write(&mut log, 1..2);
        assert_eq!(content(&log, 0).unwrap(), "\"01\"\n");
        fs::remove_dir_all(dir.path().join("access")).unwrap();
        write(&mut log, 2..3);
        assert_eq!(content(&log, 0).unwrap(), "\"02\"\n");
    }

    #[test]
    fn lost_lines_are_counted_and_the_log_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = appender(&dir, 1000, 1);
        // A file where the folder should be: nothing can be written.
        fs::write(dir.path().join("access"), "").unwrap();
        log.push(&"00").unwrap();
        log.push(&"01").unwrap();
        assert_eq!(log.flush().unwrap_err().lines, 2);
        fs::remove_file(dir.path().join("access")).unwrap();
        write(&mut log, 2..3);
        assert_eq!(content(&log, 0).unwrap(), "\"02\"\n");
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = appender(&dir, 1000, 1);
        fs::create_dir(dir.path().join("access")).unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, log.path(0)).unwrap();
        log.push(&"00").unwrap();
        assert_eq!(log.flush().unwrap_err().lines, 1);
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_no_more() {
        let mut full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let error = append(&mut full, 0, b"x\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn fewer_files_are_kept_after_a_change_of_mind() {
        let dir = tempfile::tempdir().unwrap();
        write(&mut appender(&dir, 5, 4), 0..5);
        let log = appender(&dir, 5, 1);
        log.prune().unwrap();
        let left: Vec<_> = (0..5).map(|n| content(&log, n).is_some()).collect();
        assert_eq!(left, [true, true, false, false, false]);
    }

    proptest! {
        #[test]
        fn no_line_is_lost_or_torn_and_no_file_too_large(
            lengths in prop::collection::vec(prop::collection::vec(0usize..30, 0..8), 0..8),
            file_bytes_max in 1u64..80,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut log = appender(&dir, file_bytes_max, 70);
            let mut written = String::new();
            for batch in lengths {
                for length in batch {
                    let line = "x".repeat(length);
                    written.push_str(&format!("\"{line}\"\n"));
                    log.push(&line).unwrap();
                }
                log.flush().unwrap();
            }
            let files: Vec<String> = (0..=70).map_while(|n| content(&log, n)).collect();
            for file in &files {
                let one_line = file.lines().count() == 1;
                prop_assert!(one_line || file.len() as u64 <= file_bytes_max);
                prop_assert!(file.ends_with('\n'));
            }
            prop_assert_eq!(files.into_iter().rev().collect::<String>(), written);
        }
    }
}
