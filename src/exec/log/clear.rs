//! `logs/clear`: which files go. Done by the writer's thread between two
//! batches, so that no line is written into a file that is being deleted.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::error::LogError;
use super::file_name::{LogFileName, LogKind};

/// Most days that a request may name: ten years.
const DAYS_MAX: u64 = 3650;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The query of `logs/clear`; all files if nothing is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClearRequest {
    /// As `logs/list` names it.
    pub file: Option<String>,
    /// `access` or `executions`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Only files that have not been written to for so many days.
    pub older_than_days: Option<u64>,
    /// True, or nothing is deleted.
    pub confirm: Option<bool>,
}

/// The answer of `logs/clear`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClearAnswer {
    /// Files.
    pub deleted: usize,
    /// Their bytes.
    pub total_size: u64,
    pub message: String,
}

/// Which files go.
#[derive(Debug, Clone, Default)]
pub struct ClearFilter {
    file: Option<LogFileName>,
    kind: Option<LogKind>,
    older_than: Duration,
}

/// What went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    pub files: usize,
    pub bytes: u64,
}

impl ClearRequest {
    pub(super) fn filter(&self) -> Result<ClearFilter, LogError> {
        if self.confirm != Some(true) {
            let message = "confirm=true parameter required for safety";
            return Err(LogError::Invalid(message.into()));
        }
        let days = self.older_than_days.unwrap_or(0);
        if days > DAYS_MAX {
            let message = format!("olderThanDays must be from 0 to {DAYS_MAX}");
            return Err(LogError::Invalid(message));
        }
        let file = self.file.as_deref().map(LogFileName::parse);
        let kind = self.kind.as_deref().map(LogKind::from_name);
        Ok(ClearFilter {
            file: file.transpose()?,
            kind: kind.transpose()?,
            // `days` is small enough for 32 bits.
            older_than: DAY * u32::try_from(days).unwrap_or(u32::MAX),
        })
    }
}

impl From<Cleared> for ClearAnswer {
    fn from(cleared: Cleared) -> ClearAnswer {
        let files = if cleared.files == 1 { "file" } else { "files" };
        ClearAnswer {
            deleted: cleared.files,
            total_size: cleared.bytes,
            message: format!("{} log {files} deleted", cleared.files),
        }
    }
}

/// Deletes the files that the filter names.
pub(super) fn clear(dir: &Path, filter: &ClearFilter, now: SystemTime) -> io::Result<Cleared> {
    let mut cleared = Cleared::default();
    for kind in LogKind::ALL {
        for name in LogFileName::existing(dir, kind)? {
            let path = name.path(dir);
            let about = fs::symlink_metadata(&path)?;
            // A file from the future counts as new.
            let age = now.duration_since(about.modified()?).unwrap_or_default();
            let wanted = filter.file.is_none_or(|file| file == name)
                && filter.kind.is_none_or(|wanted| wanted == kind)
                && age >= filter.older_than;
            if wanted {
                fs::remove_file(&path)?;
                cleared.files += 1;
                cleared.bytes += about.len();
            }
        }
    }
    Ok(cleared)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_files_that_were_named_go() {
        let cases = [
            (json!({}), vec![]),
            (json!({"type": "access"}), vec!["executions/executions.log"]),
            (
                json!({"file": "access/access.log.1"}),
                vec!["access/access.log", "executions/executions.log"],
            ),
            (
                json!({"olderThanDays": 1}),
                vec!["access/access.log", "executions/executions.log"],
            ),
            (
                json!({"olderThanDays": 1, "type": "executions"}),
                vec![
                    "access/access.log",
                    "access/access.log.1",
                    "executions/executions.log",
                ],
            ),
        ];
        for (mut body, left) in cases {
            let dir = tempfile::tempdir().unwrap();
            let now = SystemTime::now();
            for (name, days) in [
                ("access/access.log", 0),
                ("access/access.log.1", 2),
                ("executions/executions.log", 0),
                ("executions/notes.txt", 9),
            ] {
                let path = dir.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, "abc").unwrap();
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(now - DAY * days).unwrap();
            }
            body["confirm"] = true.into();
            let request: ClearRequest = serde_json::from_value(body.clone()).unwrap();
            let cleared = clear(dir.path(), &request.filter().unwrap(), now).unwrap();
            let kept: Vec<_> = LogKind::ALL
                .into_iter()
                .flat_map(|kind| LogFileName::existing(dir.path(), kind).unwrap())
                .map(|name| name.to_string())
                .collect();
            assert_eq!(kept, left, "{body}");
            let files = 3 - left.len();
            let bytes = 3 * files as u64;
            assert_eq!(cleared, Cleared { files, bytes }, "{body}");
            assert!(dir.path().join("executions/notes.txt").exists());
        }
    }

    #[test]
    fn nothing_goes_without_confirmation_or_with_a_mistake() {
        let cases = [
            (json!({}), "confirm=true"),
            (json!({"confirm": false}), "confirm=true"),
            (json!({"confirm": true, "type": "cron"}), "cron"),
            (json!({"confirm": true, "file": "../x"}), "Invalid path"),
            (json!({"confirm": true, "olderThanDays": 3651}), "3650"),
        ];
        for (body, message) in cases {
            let request: ClearRequest = serde_json::from_value(body.clone()).unwrap();
            let error = request.filter().unwrap_err().to_string();
            assert!(error.contains(message), "{body}: {error}");
        }
    }

    #[test]
    fn the_answer_has_the_contract_shape() {
        let cleared = Cleared { files: 1, bytes: 7 };
        let shown = serde_json::to_value(ClearAnswer::from(cleared)).unwrap();
        let message = "1 log file deleted";
        assert_eq!(
            shown,
            json!({"deleted": 1, "totalSize": 7, "message": message})
        );
    }
}
