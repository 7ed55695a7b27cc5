//! A place in a log, from which lines are read on as they are written: across
//! rotations, clearings and cuts.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::error::LogError;
use super::file_name::LogFileName;
use super::scan::{self, LINE_BYTES_MAX};

/// Read from a file at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Looks for a file among those of its log before it counts as moved elsewhere.
const LOOKS_MAX: usize = 50;

/// A place in a log.
pub struct Place {
    dir: PathBuf,
    name: LogFileName,
    file: File,
    /// The start of a line whose end is not written yet.
    partial: Vec<u8>,
}

impl Place {
    /// Opens a file at its start, or before its last so many lines.
    pub fn open(dir: PathBuf, name: LogFileName, last: Option<usize>) -> Result<Self, LogError> {
        let mut file = scan::open(&dir, name)?;
        if let Some(lines) = last {
            start_of_last(&mut file, lines)
                .and_then(|start| file.seek(SeekFrom::Start(start)))
                .map_err(|error| LogError::of(&name.path(&dir), error))?;
        }
        Ok(Place {
            dir,
            name,
            file,
            partial: Vec::new(),
        })
    }

    /// The next whole lines; none at the end of what is written. When following,
    /// the file that came after this one goes on where this one ends.
    pub fn read(&mut self, follow: bool) -> Result<Vec<String>, LogError> {
        loop {
            let lines = self.read_file()?;
            if !lines.is_empty() || !follow {
                return Ok(lines);
            }
            self.start_again_if_cut()?;
            let Some(newer) = self.newer_file()? else {
                return self.read_file();
            };
            // The writer had left the file before it made the newer one, so that
            // its end is final now.
            let mut lines = self.read_file()?;
            if lines.is_empty() {
                lines.extend(self.rest());
                self.file = newer;
            }
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    /// The line at the end that was never ended.
    pub fn rest(&mut self) -> Option<String> {
        let partial = std::mem::take(&mut self.partial);
        (!partial.is_empty()).then(|| text(&partial))
    }

    /// The next whole lines of this file.
    fn read_file(&mut self) -> Result<Vec<String>, LogError> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = self.file.read(&mut chunk).map_err(|e| self.error(e))?;
            let mut lines = Vec::new();
            for part in chunk[..length].split_inclusive(|byte| *byte == b'\n') {
                self.partial.extend_from_slice(part);
                let whole = self.partial.last() == Some(&b'\n');
                if whole {
                    self.partial.pop();
                }
                if whole || self.partial.len() as u64 >= LINE_BYTES_MAX {
                    lines.push(text(&self.partial));
                    self.partial.clear();
                }
            }
            if length == 0 || !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    /// Somebody else may have emptied the file in its place.
    fn start_again_if_cut(&mut self) -> Result<(), LogError> {
        let cut = |file: &mut File| {
            if file.metadata()?.len() < file.stream_position()? {
                file.seek(SeekFrom::Start(0))?;
            }
            Ok(())
        };
        cut(&mut self.file).map_err(|error| self.error(error))
    }

    /// The file that was begun after this one. After a clearing, or when so many
    /// were begun that this one is gone, it is the oldest there is.
    fn newer_file(&self) -> Result<Option<File>, LogError> {
        let failed = |error| self.error(error);
        let own = scan::identity(&self.file).map_err(failed)?;
        let mut newer = None;
        for _ in 0..LOOKS_MAX {
            newer = None;
            for (_, file) in scan::open_all(&self.dir, self.name.kind)? {
                if scan::identity(&file).map_err(failed)? == own {
                    return Ok(newer);
                }
                newer = Some(file);
            }
            let deleted = self.file.metadata().map_err(failed)?.nlink() == 0;
            if deleted {
                break;
            }
            // It is there, but rotations were quicker than this look.
        }
        Ok(newer)
    }

    fn error(&self, error: io::Error) -> LogError {
        LogError::of(&self.name.path(&self.dir), error)
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// Where the last so many lines of a file begin.
fn start_of_last(file: &mut File, lines: usize) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut ends_wanted = lines;
    let mut at_end = true;
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES as u64);
        let part = &mut chunk[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        for (at, byte) in part.iter().enumerate().rev() {
            // The end of the last line is none between two lines.
            if *byte == b'\n' && !std::mem::take(&mut at_end) {
                if ends_wanted <= 1 {
                    return Ok(start + at as u64 + 1);
                }
                ends_wanted -= 1;
            }
            at_end = false;
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    struct Log(TempDir);

    impl Log {
        fn new(content: &str) -> Log {
            let log = Log(tempfile::tempdir().unwrap());
            fs::create_dir(log.0.path().join("access")).unwrap();
            log.append(content);
            log
        }

        fn path(&self, rotation: u32) -> PathBuf {
            name(rotation).path(self.0.path())
        }

        fn append(&self, text: &str) {
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true).open(self.path(0));
            file.unwrap().write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self) {
            let exists = |rotation: &u32| self.path(*rotation).exists();
            let files = (0..).take_while(exists).count() as u32;
            for rotation in (0..files).rev() {
                fs::rename(self.path(rotation), self.path(rotation + 1)).unwrap();
            }
        }

        fn open(&self, rotation: u32, last: Option<usize>) -> Place {
            Place::open(self.0.path().to_owned(), name(rotation), last).unwrap()
        }
    }

    fn name(rotation: u32) -> LogFileName {
        let kind = super::super::file_name::LogKind::Access;
        LogFileName { kind, rotation }
    }

    /// All lines there are now.
    fn all(place: &mut Place) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let lines = place.read(true).unwrap();
            if lines.is_empty() {
                return all;
            }
            all.extend(lines);
        }
    }

    #[test]
    fn lines_come_whole_and_once() {
        let log = Log::new("one\ntwo\nthr");
        let mut place = log.open(0, None);
        assert_eq!(all(&mut place), ["one", "two"]);
        log.append("ee\nfour\n");
        assert_eq!(all(&mut place), ["three", "four"]);
        assert!(all(&mut place).is_empty());
        assert_eq!(place.rest(), None);
    }

    #[test]
    fn rotations_lose_nothing() {
        let log = Log::new("1\n");
        let mut place = log.open(0, None);
        assert_eq!(all(&mut place), ["1"]);
        // Written before the rotation, but not read yet; then two more files.
        log.append("2\n");
        log.rotate();
        log.append("3\n");
        log.rotate();
        log.append("4\n");
        assert_eq!(all(&mut place), ["2", "3", "4"]);
        log.rotate();
        assert!(all(&mut place).is_empty(), "no new file yet");
        log.append("5\n");
        assert_eq!(all(&mut place), ["5"]);
    }

    #[test]
    fn a_writer_in_full_flight_is_followed() {
        let log = Log::new("");
        let mut reading = log.open(0, None);
        let mut seen = Vec::new();
        let numbers: Vec<String> = (0..900).map(|number| number.to_string()).collect();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in &numbers {
                    log.append(&format!("{number}\n"));
                    if number.ends_with('9') {
                        log.rotate();
                    }
                }
            });
            while !writer.is_finished() {
                seen.extend(all(&mut reading));
            }
        });
        seen.extend(all(&mut reading));
        assert!(seen == numbers, "{seen:?}");
    }

    #[test]
    fn a_rotated_file_leads_to_the_current_one() {
        let log = Log::new("1\n");
        log.rotate();
        log.append("2\n");
        assert_eq!(all(&mut log.open(1, None)), ["1", "2"]);
        assert_eq!(log.open(1, None).read(false).unwrap(), ["1"]);
    }

    #[test]
    fn it_goes_on_after_a_clearing_and_after_a_cut() {
        let log = Log::new("1\n2\n");
        let mut place = log.open(0, None);
        assert_eq!(all(&mut place), ["1", "2"]);
        fs::remove_file(log.path(0)).unwrap();
        assert!(all(&mut place).is_empty());
        log.append("3\n");
        assert_eq!(all(&mut place), ["3"]);
        fs::write(log.path(0), "").unwrap();
        assert!(all(&mut place).is_empty());
        log.append("4\n");
        assert_eq!(all(&mut place), ["4"]);
    }

    #[test]
    fn a_line_that_a_rotation_cut_short_comes_by_itself() {
        let log = Log::new("torn");
        let mut place = log.open(0, None);
        assert!(all(&mut place).is_empty());
        log.rotate();
        log.append("next\n");
        assert_eq!(all(&mut place), ["torn", "next"]);
    }

    #[test]
    fn following_starts_at_the_last_lines() {
        let cases: [(&str, usize, &[&str]); 6] = [
            ("a\nb\nc\n", 2, &["b", "c"]),
            ("a\nb\nc\n", 1, &["c"]),
            ("a\nb\nc\n", 3, &["a", "b", "c"]),
            ("a\nb\nc\n", 9, &["a", "b", "c"]),
            ("\n\n", 1, &[""]),
            ("", 5, &[]),
        ];
        for (content, last, expected) in cases {
            let log = Log::new(content);
            let lines = all(&mut log.open(0, Some(last)));
            assert_eq!(lines, expected, "{content:?} {last}");
        }
        let long = "x".repeat(CHUNK_BYTES);
        let log = Log::new(&format!("{long}\n{long}\n{long}\n"));
        assert_eq!(all(&mut log.open(0, Some(2))).len(), 2);
        let log = Log::new("a\nb\nto come");
        let mut place = log.open(0, Some(2));
        assert_eq!(all(&mut place), ["b"]);
        assert_eq!(place.rest().unwrap(), "to come");
    }

    proptest! {
        #[test]
        fn every_line_comes_once_whatever_happens(
            steps in prop::collection::vec(prop_oneof![
                4 => "[ab]{0,3}\n".prop_map(Some),
                2 => "[ab]{1,2}".prop_map(Some),
                1 => Just(None),
            ], 0..20),
            read_at in prop::collection::vec(any::<bool>(), 20),
        ) {
            let log = Log::new("");
            let mut place = log.open(0, None);
            let mut written = String::new();
            let mut seen = Vec::new();
            for (step, read) in steps.iter().zip(read_at) {
                match step {
                    Some(text) => {
                        log.append(text);
                        written.push_str(text);
                    }
                    // The writer rotates between whole lines.
                    None if written.ends_with('\n') => log.rotate(),
                    None => {}
                }
                if read {
                    seen.extend(all(&mut place));
                }
            }
            seen.extend(all(&mut place));
            seen.extend(place.rest());
            prop_assert_eq!(seen, written.lines().collect::<Vec<_>>());
        }
    }
}
