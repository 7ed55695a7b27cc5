//! The names of log files. A name that can be held is a name inside the log
//! folder, so nothing that comes from outside can lead out of it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::error::LogError;

/// The highest number of a rotated file. All numbers up to the highest that
/// exists are tried when files are read.
pub const ROTATION_MAX: u32 = 9999;

/// One of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogKind {
    Access,
    Executions,
}

impl LogKind {
    pub const ALL: [LogKind; 2] = [LogKind::Access, LogKind::Executions];

    /// The log's folder, which is also its name.
    pub fn name(self) -> &'static str {
        match self {
            LogKind::Access => "access",
            LogKind::Executions => "executions",
        }
    }

    /// The current file.
    pub fn file(self) -> &'static str {
        match self {
            LogKind::Access => "access/access.log",
            LogKind::Executions => "executions/executions.log",
        }
    }

    pub fn from_name(name: &str) -> Result<LogKind, LogError> {
        let known = LogKind::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| {
            LogError::Invalid(format!(
                "there is no log type {name:?}: use `access` or `executions`"
            ))
        })
    }
}

/// One file of a log: the current one, or one that was rotated away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFileName {
    pub kind: LogKind,
    /// 0 is the current file; the higher, the older.
    pub rotation: u32,
}

impl LogFileName {
    /// Reads a name as [`fmt::Display`] writes it, such as `access/access.log.2`.
    pub fn parse(name: &str) -> Result<LogFileName, LogError> {
        let outside = |segment: &str| segment == ".." || segment == ".";
        if name.starts_with('/') || name.contains(['\\', '\0']) || name.split('/').any(outside) {
            return Err(LogError::Outside);
        }
        let known = LogKind::ALL.into_iter().find_map(|kind| {
            let rest = name.strip_prefix(kind.file())?;
            let rotation = match rest.strip_prefix('.') {
                None => rest.is_empty().then_some(0),
                // Only the usual spelling of a number, so that a file has one name.
                Some(digits) => digits
                    .parse()
                    .ok()
                    .filter(|number| (1..=ROTATION_MAX).contains(number))
                    .filter(|number: &u32| number.to_string() == digits),
            }?;
            Some(LogFileName { kind, rotation })
        });
        known.ok_or(LogError::NotFound)
    }

    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(self.to_string())
    }

    /// The files of a log that exist, newest first.
    pub fn existing(dir: &Path, kind: LogKind) -> io::Result<Vec<LogFileName>> {
        let entries = match fs::read_dir(dir.join(kind.name())) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = format!("{}/{}", kind.name(), name.to_string_lossy());
            let Ok(name) = LogFileName::parse(&name) else {
                continue;
            };
            if entry.file_type()?.is_file() {
                found.push(name);
            }
        }
        found.sort();
        Ok(found)
    }
}

impl fmt::Display for LogFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rotation {
            0 => f.write_str(self.kind.file()),
            rotation => write!(f, "{}.{rotation}", self.kind.file()),
        }
    }
}

impl Serialize for LogFileName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// A log folder with these files.
    pub fn folder(files: &[(&str, &str)]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    #[test]
    fn names_are_those_of_log_files_and_nothing_else() {
        for name in [
            "access/access.log",
            "access/access.log.1",
            "executions/executions.log.42",
        ] {
            assert_eq!(LogFileName::parse(name).unwrap().to_string(), name);
        }
        for name in [
            "",
            "access.log",
            "access",
            "access/executions.log",
            "access/access.log.",
            "access/access.log.0",
            "access/access.log.01",
            "access/access.log.10000",
            "access/access.log.+1",
            "access/access.log.-1",
            "access/access.log.99999999999",
            "access/access.log1",
            "access//access.log",
            "Access/access.log",
            "cron/fires.log",
        ] {
            let error = LogFileName::parse(name).unwrap_err();
            assert!(matches!(error, LogError::NotFound), "{name}: {error}");
        }
        for name in [
            "/etc/passwd",
            "..",
            "../secret",
            "access/../../secret",
            "./access/access.log",
            "access\\access.log",
            "access/access.log\0",
        ] {
            let error = LogFileName::parse(name).unwrap_err();
            assert!(matches!(error, LogError::Outside), "{name}: {error}");
        }
    }

    #[test]
    fn only_plain_files_of_the_log_exist() {
        let dir = tempfile::tempdir().unwrap();
        let existing = || LogFileName::existing(dir.path(), LogKind::Access).unwrap();
        assert_eq!(existing(), []);
        let access = dir.path().join("access");
        fs::create_dir(&access).unwrap();
        for name in ["access.log", "access.log.2", "access.log.10", "other.txt"] {
            fs::write(access.join(name), "x").unwrap();
        }
        fs::create_dir(access.join("access.log.3")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", access.join("access.log.1")).unwrap();
        let rotations: Vec<_> = existing().iter().map(|name| name.rotation).collect();
        assert_eq!(rotations, [0, 2, 10]);
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_folder(name in "(access|\\.\\.|/|\\.log|\\.1|\\PC){0,6}") {
            if let Ok(file) = LogFileName::parse(&name) {
                prop_assert_eq!(file.to_string(), name);
            }
        }
    }
}
