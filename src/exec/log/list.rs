//! `logs/list`: which files there are.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::LogError;
use super::file_name::{LogFileName, LogKind};
use super::timestamp;

/// Files that a listing holds when the request does not say, and at most.
pub const LIST_LIMIT_DEFAULT: usize = 100;
pub const LIST_LIMIT_MAX: usize = 1000;

/// The query of `logs/list`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRequest {
    /// `access` or `executions`; both if absent.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// 1 to 1000; 100 if absent.
    pub limit: Option<usize>,
}

/// The answer of `logs/list`.
#[derive(Debug, Serialize)]
pub struct LogList {
    /// The folder that the names are relative to.
    pub directory: &'static str,
    pub count: usize,
    /// Newest first within each log.
    pub logs: Vec<LogFile>,
}

#[derive(Debug, Serialize)]
pub struct LogFile {
    pub name: LogFileName,
    /// Bytes.
    pub size: u64,
    #[serde(serialize_with = "timestamp::serialize")]
    pub modified: DateTime<Utc>,
}

/// The log files in this folder.
pub fn list(dir: &Path, request: &ListRequest) -> Result<LogList, LogError> {
    let limit = within("limit", request.limit, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX)?;
    let kinds = match &request.kind {
        Some(name) => vec![LogKind::from_name(name)?],
        None => LogKind::ALL.to_vec(),
    };
    let mut logs = Vec::new();
    for kind in kinds {
        let folder = dir.join(kind.name());
        let names =
            LogFileName::existing(dir, kind).map_err(|error| LogError::of(&folder, error))?;
        // A file that has gone since is not listed.
        logs.extend(names.into_iter().filter_map(|name| {
            let about = fs::symlink_metadata(name.path(dir)).ok()?;
            Some(LogFile {
                name,
                size: about.len(),
                modified: about.modified().ok()?.into(),
            })
        }));
    }
    logs.truncate(limit);
    Ok(LogList {
        directory: "logs",
        count: logs.len(),
        logs,
    })
}

/// The number that a request gives for a field, if it is possible.
pub(super) fn within(
    field: &str,
    given: Option<usize>,
    default: usize,
    max: usize,
) -> Result<usize, LogError> {
    match given.unwrap_or(default) {
        number if (1..=max).contains(&number) => Ok(number),
        _ => Err(LogError::Invalid(format!(
            "{field} must be from 1 to {max}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::file_name::tests::folder;
    use super::*;

    #[test]
    fn files_are_listed() {
        let dir = folder(&[
            ("access/access.log", "abc"),
            ("access/access.log.1", "d"),
            ("executions/executions.log", ""),
            ("executions/other", ""),
        ]);
        let names = |kind: Option<&str>, limit| {
            let kind = kind.map(str::to_owned);
            list(dir.path(), &ListRequest { kind, limit })
                .map(|list| {
                    assert_eq!(list.count, list.logs.len());
                    let sizes = list.logs.iter().map(|log| (log.name.to_string(), log.size));
                    sizes.collect::<Vec<_>>()
                })
                .map_err(|error| error.to_string())
        };
        let log = |name: &str, size| (name.to_owned(), size);
        let all = [
            log("access/access.log", 3),
            log("access/access.log.1", 1),
            log("executions/executions.log", 0),
        ];
        assert_eq!(names(None, None).unwrap(), all);
        assert_eq!(names(Some("access"), None).unwrap(), all[..2]);
        assert_eq!(names(None, Some(1)).unwrap(), all[..1]);
        assert!(names(Some("cron"), None).unwrap_err().contains("cron"));
        assert!(names(None, Some(0)).unwrap_err().contains("limit"));
        let shown = serde_json::to_value(list(dir.path(), &ListRequest::default()).unwrap());
        let first = &shown.unwrap()["logs"][0];
        assert_eq!(first["name"], "access/access.log");
        assert!(first["modified"].as_str().unwrap().ends_with('Z'));
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(
            list(empty.path(), &ListRequest::default()).unwrap().count,
            0
        );
    }
}
