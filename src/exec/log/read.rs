//! `logs/read`: the lines of one file or of one execution.

use std::fs::File;
use std::path::Path;

use chrono::{DateTime, Utc};
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use super::error::LogError;
use super::file_name::{LogFileName, LogKind};
use super::list::within;
use super::pattern;
use super::scan::{self, ANSWER_BYTES_MAX, Keep, Lines, Window};
use super::timestamp;

/// Lines that an answer holds when the request does not say, and at most.
pub const READ_LINES_DEFAULT: usize = 100;
pub const READ_LINES_MAX: usize = 10_000;
/// Longest name of an execution; ours are UUIDs.
const EXECUTION_ID_BYTES_MAX: usize = 64;

/// The body of `logs/read`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadRequest {
    /// As `logs/list` names it.
    pub file: Option<String>,
    /// Only the lines of this execution; without `file` from all logs, those of
    /// the execution log first.
    pub execution_id: Option<String>,
    /// 1 to 10000; 100 if absent.
    pub lines: Option<usize>,
    /// The last lines, which is the default, or the first.
    pub tail: Option<bool>,
    /// Only lines that hold this text, in any case.
    pub search: Option<String>,
}

/// The answer of `logs/read`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadAnswer {
    /// The file, or the first of `files`.
    pub file: LogFileName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Where the lines of the execution were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<LogFileName>>,
    /// Lines of the file or the execution.
    pub total_lines: usize,
    /// Those of them that hold the search text.
    pub filtered_lines: usize,
    pub returned_lines: usize,
    /// At most 16 MiB of them, whatever was asked for.
    pub lines: Vec<String>,
    /// Bytes of the file, or of the execution's lines.
    pub size: u64,
    /// Of the newest file.
    #[serde(serialize_with = "timestamp::serialize")]
    pub modified: DateTime<Utc>,
}

/// The lines of a file or of an execution.
pub fn read(dir: &Path, request: &ReadRequest) -> Result<ReadAnswer, LogError> {
    let lines = within("lines", request.lines, READ_LINES_DEFAULT, READ_LINES_MAX)?;
    let keep = match request.tail.unwrap_or(true) {
        true => Keep::Last,
        false => Keep::First,
    };
    let text = request.search.as_deref().filter(|text| !text.is_empty());
    let mut reading = Reading {
        dir,
        execution: request
            .execution_id
            .as_deref()
            .map(Execution::new)
            .transpose()?,
        text: text.map(|text| pattern::text(text, false)).transpose()?,
        total_lines: 0,
        filtered_lines: 0,
        bytes: 0,
        window: Window::new(keep, lines, ANSWER_BYTES_MAX),
    };
    let Some(file) = &request.file else {
        if reading.execution.is_none() {
            return Err(LogError::Invalid("file or executionId is required".into()));
        }
        return reading.whole_execution(request.execution_id.clone());
    };
    let name = LogFileName::parse(file)?;
    let file = scan::open(dir, name)?;
    let (size, modified) = reading.about(name, &file)?;
    reading.file(name, file)?;
    Ok(reading.answer(name, request.execution_id.clone(), None, size, modified))
}

/// What has been read so far.
struct Reading<'a> {
    dir: &'a Path,
    execution: Option<Execution<'a>>,
    text: Option<Regex>,
    total_lines: usize,
    filtered_lines: usize,
    /// Of the lines that count as total, ends included.
    bytes: u64,
    window: Window<String>,
}

impl Reading<'_> {
    fn file(&mut self, name: LogFileName, file: File) -> Result<(), LogError> {
        self.scan(file)
            .map_err(|error| LogError::of(&name.path(self.dir), error))
    }

    fn scan(&mut self, file: File) -> std::io::Result<()> {
        let mut lines = Lines::new(file)?;
        while let Some(line) = lines.next()? {
            if self.execution.as_ref().is_some_and(|one| !one.owns(line)) {
                continue;
            }
            self.total_lines += 1;
            self.bytes += line.len() as u64 + 1;
            if self.text.as_ref().is_some_and(|text| !text.is_match(line)) {
                continue;
            }
            self.filtered_lines += 1;
            self.window
                .push(line.len(), || String::from_utf8_lossy(line).into_owned());
        }
        Ok(())
    }

    fn about(&self, name: LogFileName, file: &File) -> Result<(u64, DateTime<Utc>), LogError> {
        let about = file
            .metadata()
            .and_then(|about| Ok((about.len(), about.modified()?.into())));
        about.map_err(|error| LogError::of(&name.path(self.dir), error))
    }

    /// The lines of an execution from all files, each log oldest first.
    fn whole_execution(mut self, id: Option<String>) -> Result<ReadAnswer, LogError> {
        let mut found = Vec::new();
        let mut newest = DateTime::UNIX_EPOCH;
        for kind in [LogKind::Executions, LogKind::Access] {
            for (name, file) in scan::open_all(self.dir, kind)?.into_iter().rev() {
                let (_, modified) = self.about(name, &file)?;
                let before = self.total_lines;
                self.file(name, file)?;
                if self.total_lines > before {
                    found.push(name);
                    newest = newest.max(modified);
                }
            }
        }
        let first = *found.first().ok_or(LogError::NotFound)?;
        let bytes = self.bytes;
        Ok(self.answer(first, id, Some(found), bytes, newest))
    }

    fn answer(
        self,
        file: LogFileName,
        execution_id: Option<String>,
        files: Option<Vec<LogFileName>>,
        size: u64,
        modified: DateTime<Utc>,
    ) -> ReadAnswer {
        let lines = self.window.into_items();
        ReadAnswer {
            file,
            execution_id,
            files,
            total_lines: self.total_lines,
            filtered_lines: self.filtered_lines,
            returned_lines: lines.len(),
            lines,
            size,
            modified,
        }
    }
}

/// Tells the lines of one execution.
struct Execution<'a> {
    id: &'a str,
    /// Finds lines that may be its, far quicker than reading each as JSON.
    mention: Regex,
}

/// The one field that either log names an execution by.
#[derive(Deserialize)]
struct Owner<'a> {
    #[serde(borrow, alias = "request_id")]
    execution_id: std::borrow::Cow<'a, str>,
}

impl<'a> Execution<'a> {
    fn new(id: &'a str) -> Result<Execution<'a>, LogError> {
        let shaped = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if id.is_empty() || id.len() > EXECUTION_ID_BYTES_MAX || !id.bytes().all(shaped) {
            return Err(LogError::Invalid(
                "executionId must be the UUID of an execution".into(),
            ));
        }
        let mention = pattern::text(id, true)?;
        Ok(Execution { id, mention })
    }

    /// Whether the line is the execution's. A line that only mentions it, such
    /// as one that another handler printed, is not.
    fn owns(&self, line: &[u8]) -> bool {
        self.mention.is_match(line)
            && serde_json::from_slice::<Owner<'_>>(line)
                .is_ok_and(|owner| owner.execution_id == self.id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::super::file_name::tests::folder;
    use super::super::line::tests::execution;
    use super::*;

    fn answer(dir: &TempDir, body: Value) -> Result<Value, String> {
        let request = serde_json::from_value(body).map_err(|error| error.to_string())?;
        let answer = read(dir.path(), &request).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(answer).unwrap())
    }

    #[test]
    fn lines_of_a_file_are_read_from_either_end() {
        let dir = folder(&[("access/access.log", "one\ntwo\nThree\n")]);
        let cases = [
            (json!({}), 3, json!(["one", "two", "Three"])),
            (json!({"lines": 2}), 3, json!(["two", "Three"])),
            (json!({"lines": 2, "tail": false}), 3, json!(["one", "two"])),
            (json!({"search": "T"}), 2, json!(["two", "Three"])),
            (json!({"search": "t", "lines": 1}), 2, json!(["Three"])),
            (json!({"search": ".*"}), 0, json!([])),
            (json!({"search": ""}), 3, json!(["one", "two", "Three"])),
        ];
        for (mut body, filtered, lines) in cases {
            body["file"] = "access/access.log".into();
            let what = answer(&dir, body.clone()).unwrap();
            assert_eq!(what["totalLines"], 3, "{body}");
            assert_eq!(what["filteredLines"], filtered, "{body}");
            assert_eq!(what["returnedLines"], lines.as_array().unwrap().len());
            assert_eq!(what["lines"], lines, "{body}");
            assert_eq!(what["size"], 14, "{body}");
            assert_eq!(what.get("executionId"), None);
        }
    }

    #[test]
    fn the_lines_of_an_execution_are_found_in_all_files() {
        let line = |id: &str, message: &str| {
            serde_json::to_string(&execution(id, message)).unwrap() + "\n"
        };
        let access = |id: &str| format!("{{\"request_id\":\"{id}\",\"status\":200}}\n");
        let dir = folder(&[
            ("access/access.log", &(access("a-1") + &access("b-2"))),
            ("executions/executions.log.1", &line("a-1", "old")),
            (
                "executions/executions.log",
                &(line("b-2", "mentions a-1") + &line("a-1", "new") + "torn a-1"),
            ),
        ]);
        let what = answer(&dir, json!({"executionId": "a-1"})).unwrap();
        let names = [
            "executions/executions.log.1",
            "executions/executions.log",
            "access/access.log",
        ];
        assert_eq!(what["files"], json!(names));
        assert_eq!(what["file"], names[0]);
        assert_eq!(what["executionId"], "a-1");
        assert_eq!(what["totalLines"], 3);
        let lines = what["lines"].as_array().unwrap();
        for (line, part) in lines.iter().zip(["old", "new", "\"status\":200"]) {
            assert!(line.as_str().unwrap().contains(part), "{line}");
        }
        let bytes: usize = lines.iter().map(|l| l.as_str().unwrap().len() + 1).sum();
        assert_eq!(what["size"], bytes);
        let body = json!({"executionId": "a-1", "file": "executions/executions.log"});
        let what = answer(&dir, body).unwrap();
        assert_eq!(what["totalLines"], 1);
        assert_eq!(what.get("files"), None);
    }

    #[test]
    fn bad_requests_say_what_is_wrong() {
        let dir = folder(&[("access/access.log", "x\n")]);
        let cases = [
            (json!({}), "file or executionId is required"),
            (json!({"file": "access/access.log.9"}), "Log file not found"),
            (json!({"file": "../secret"}), "Invalid path"),
            (json!({"executionId": "a-1"}), "Log file not found"),
            (json!({"executionId": "../a"}), "executionId"),
            (json!({"executionId": ""}), "executionId"),
            (json!({"file": "access/access.log", "lines": 0}), "lines"),
            (
                json!({"file": "access/access.log", "lines": 10_001}),
                "lines",
            ),
            (json!({"path": "x"}), "unknown field `path`"),
        ];
        for (body, message) in cases {
            let error = answer(&dir, body.clone()).unwrap_err();
            assert!(error.contains(message), "{body}: {error}");
        }
    }
}
