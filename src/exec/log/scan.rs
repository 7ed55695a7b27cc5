//! Going through log files line by line in bounded memory.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Take};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::error::LogError;
use super::file_name::{LogFileName, LogKind};

/// A longer line is read as several. The writer makes none as long (two bodies
/// of 1 MiB take six times that if every byte is escaped): this is for files
/// that something else has written into.
pub const LINE_BYTES_MAX: u64 = 16 << 20;
/// All lines of one answer. What is over it is left out.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Opens a log file for reading. A symbolic link is refused, and what is no
/// plain file is not there.
pub fn open(dir: &Path, name: LogFileName) -> Result<File, LogError> {
    let path = name.path(dir);
    // Without NONBLOCK, opening a named pipe would wait for a writer.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).expect("open flags are an int");
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&path);
    match file {
        Ok(file) if file.metadata().is_ok_and(|about| !about.is_file()) => Err(LogError::NotFound),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Err(LogError::Outside)
        }
        file => file.map_err(|error| LogError::of(&path, error)),
    }
}

/// What tells a file from all others while it is open.
pub fn identity(file: &File) -> io::Result<(u64, u64)> {
    let about = file.metadata()?;
    Ok((about.dev(), about.ino()))
}

/// Opens all files of a log, newest first, each once.
///
/// Rotations meanwhile only raise numbers, so that trying every number upwards
/// from 0 meets a file twice at times, but misses none. Names from a listing do
/// not do: files that are being renamed may be absent from it.
pub fn open_all(dir: &Path, kind: LogKind) -> Result<Vec<(LogFileName, File)>, LogError> {
    let folder = dir.join(kind.name());
    let names = LogFileName::existing(dir, kind).map_err(|error| LogError::of(&folder, error))?;
    let mut last = names.last().map_or(0, |name| name.rotation);
    let mut files: Vec<((u64, u64), LogFileName, File)> = Vec::new();
    let mut rotation = 0;
    // Between two renamings one number is free, and its file is at the next.
    while rotation <= last + 2 {
        let name = LogFileName { kind, rotation };
        rotation += 1;
        let file = match open(dir, name) {
            Ok(file) => file,
            Err(LogError::NotFound | LogError::Outside) => continue,
            Err(error) => return Err(error),
        };
        last = last.max(name.rotation);
        let identity = identity(&file).map_err(|error| LogError::of(&name.path(dir), error))?;
        // Only where it is met last it stands between its neighbours.
        files.retain(|(known, _, _)| *known != identity);
        files.push((identity, name, file));
    }
    let named = |(_, name, file)| (name, file);
    Ok(files.into_iter().map(named).collect())
}

/// The lines of a file up to where it ended when reading began.
pub struct Lines {
    reader: BufReader<Take<File>>,
    line: Vec<u8>,
}

impl Lines {
    pub fn new(file: File) -> io::Result<Lines> {
        let size = file.metadata()?.len();
        Ok(Lines {
            reader: BufReader::with_capacity(64 << 10, file.take(size)),
            line: Vec::new(),
        })
    }

    /// The next line without its end, or none behind the last.
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let mut reader = (&mut self.reader).take(LINE_BYTES_MAX);
        if reader.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        Ok(Some(&self.line))
    }
}

/// Which of the lines that qualify are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    First,
    Last,
}

/// The first or the last so many of a sequence, and so many bytes of them.
pub struct Window<T> {
    keep: Keep,
    items_max: usize,
    bytes_max: usize,
    bytes: usize,
    items: VecDeque<(usize, T)>,
    /// A first one was left out: none behind it may come in.
    full: bool,
}

impl<T> Window<T> {
    pub fn new(keep: Keep, items_max: usize, bytes_max: usize) -> Window<T> {
        Window {
            keep,
            items_max,
            bytes_max,
            bytes: 0,
            items: VecDeque::new(),
            full: false,
        }
    }

    /// Offers an item that takes so many bytes in an answer.
    pub fn push(&mut self, bytes: usize, item: impl FnOnce() -> T) {
        if self.keep == Keep::First {
            self.full |= self.items.len() >= self.items_max || self.bytes + bytes > self.bytes_max;
            if self.full {
                return;
            }
        }
        self.items.push_back((bytes, item()));
        self.bytes += bytes;
        while self.items.len() > self.items_max || self.bytes > self.bytes_max {
            let Some((bytes, _)) = self.items.pop_front() else {
                return;
            };
            self.bytes -= bytes;
        }
    }

    /// Bytes of what it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn into_items(self) -> Vec<T> {
        self.items.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn lines(content: &[u8]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, content).unwrap();
        let mut lines = Lines::new(File::open(path).unwrap()).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(String::from_utf8_lossy(line).into_owned());
        }
        all
    }

    #[test]
    fn lines_are_taken_apart() {
        let cases: [(&str, &[&str]); 5] = [
            ("", &[]),
            ("a\nb\n", &["a", "b"]),
            ("a\nb", &["a", "b"]),
            ("\n\na", &["", "", "a"]),
            ("é\n", &["é"]),
        ];
        for (content, expected) in cases {
            assert_eq!(lines(content.as_bytes()), expected, "{content:?}");
        }
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let long = vec![b'x'; 2 * LINE_BYTES_MAX as usize + 1];
        let lengths: Vec<_> = lines(&long).iter().map(String::len).collect();
        assert_eq!(
            lengths,
            [LINE_BYTES_MAX as usize, LINE_BYTES_MAX as usize, 1]
        );
    }

    #[test]
    fn what_is_written_while_reading_is_left_for_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "a\n").unwrap();
        let mut lines = Lines::new(File::open(&path).unwrap()).unwrap();
        fs::write(&path, "a\nb\n").unwrap();
        assert_eq!(lines.next().unwrap(), Some(&b"a"[..]));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn only_plain_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("access")).unwrap();
        let name = LogFileName::parse("access/access.log").unwrap();
        assert!(matches!(open(dir.path(), name), Err(LogError::NotFound)));
        std::os::unix::fs::symlink("/etc/passwd", name.path(dir.path())).unwrap();
        assert!(matches!(open(dir.path(), name), Err(LogError::Outside)));
        fs::remove_file(name.path(dir.path())).unwrap();
        fs::create_dir(name.path(dir.path())).unwrap();
        assert!(matches!(open(dir.path(), name), Err(LogError::NotFound)));
        assert_eq!(open_all(dir.path(), name.kind).unwrap().len(), 0);
    }

    #[test]
    fn an_answer_is_bounded_in_bytes() {
        for keep in [Keep::First, Keep::Last] {
            let mut window = Window::new(keep, 100, 20);
            for number in 0..5 {
                window.push(10, || number);
            }
            let expected = if keep == Keep::First { [0, 1] } else { [3, 4] };
            assert_eq!(window.into_items(), expected);
        }
        let mut window = Window::new(Keep::First, 100, 20);
        window.push(15, || "first");
        window.push(10, || "too large");
        window.push(1, || "behind it");
        assert_eq!(window.into_items(), ["first"]);
    }

    proptest! {
        #[test]
        fn a_window_holds_the_first_or_the_last(items in 0usize..40, max in 0usize..20) {
            for keep in [Keep::First, Keep::Last] {
                let mut window = Window::new(keep, max, 1000);
                for number in 0..items {
                    window.push(1, || number);
                }
                let count = items.min(max);
                let expected: Vec<_> = match keep {
                    Keep::First => (0..count).collect(),
                    Keep::Last => (items - count..items).collect(),
                };
                prop_assert_eq!(window.into_items(), expected);
            }
        }
    }
}
