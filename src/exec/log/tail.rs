//! The end of a log and what follows, for a reader in another process than the
//! server: it sees files only, and asks again for what has been written since.

use std::collections::VecDeque;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::error::LogError;
use super::file_name::{LogFileName, LogKind};
use super::place::Place;
use crate::sandbox::services::LogLevel;

/// Which lines are wanted; every condition that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct LineFilter {
    /// A script with its deployment, such as `1/api/users/[id].ts`, or only a part
    /// of it, such as `users`.
    pub script: Option<String>,
    /// This level and worse. Of an access line: error for statuses from 500, warn
    /// from 400, else info.
    pub level: Option<LogLevel>,
    /// The whole id of a request, or its start.
    pub request_id: Option<String>,
}

/// What both kinds of lines have in common, as far as a filter looks at it.
#[derive(Debug, Deserialize)]
struct Common {
    #[serde(alias = "execution_id")]
    request_id: Option<String>,
    script: Option<String>,
    level: Option<String>,
    status: Option<u16>,
}

impl LineFilter {
    pub fn keeps(&self, line: &str) -> bool {
        if self.script.is_none() && self.level.is_none() && self.request_id.is_none() {
            return true;
        }
        // What is no line of ours matches nothing.
        let Ok(line) = serde_json::from_str::<Common>(line) else {
            return false;
        };
        let script = line.script.as_deref().unwrap_or_default();
        let id = line.request_id.as_deref().unwrap_or_default();
        self.script
            .as_deref()
            .is_none_or(|part| script.contains(part))
            && self
                .request_id
                .as_deref()
                .is_none_or(|start| id.starts_with(start))
            && self.level.is_none_or(|least| line.level() >= least)
    }
}

impl Common {
    fn level(&self) -> LogLevel {
        match (self.level.as_deref().and_then(level), self.status) {
            (Some(level), _) => level,
            (None, Some(500..)) => LogLevel::Error,
            (None, Some(400..)) => LogLevel::Warn,
            (None, _) => LogLevel::Info,
        }
    }
}

/// A level by its name in the logs.
pub fn level(name: &str) -> Option<LogLevel> {
    Some(match name {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        _ => return None,
    })
}

/// A reader of one log.
pub struct Tail {
    filter: LineFilter,
    place: Option<Place>,
    first: VecDeque<String>,
}

impl Tail {
    /// Reads the whole log, rotated files too, for its last `lines` wanted lines.
    pub fn open(
        dir: &Path,
        kind: LogKind,
        filter: LineFilter,
        lines: usize,
    ) -> Result<Self, LogError> {
        let mut tail = Self {
            filter,
            place: None,
            first: VecDeque::new(),
        };
        let failed = |error| LogError::of(&dir.join(kind.name()), error);
        let Some(oldest) = LogFileName::existing(dir, kind).map_err(failed)?.pop() else {
            return Ok(tail);
        };
        tail.place = Some(Place::open(dir.to_owned(), oldest, None)?);
        let mut last = VecDeque::new();
        loop {
            let more = tail.read()?;
            if more.is_empty() {
                break;
            }
            last.extend(more.into_iter().filter(|line| tail.filter.keeps(line)));
            last.drain(..last.len().saturating_sub(lines));
        }
        tail.first = last;
        Ok(tail)
    }

    /// Whether there is a log at all yet.
    pub fn exists(&self) -> bool {
        self.place.is_some()
    }

    /// The wanted lines that were written since the last time.
    pub fn take_new(&mut self) -> Result<Vec<String>, LogError> {
        let mut lines: Vec<String> = std::mem::take(&mut self.first).into();
        loop {
            let more = self.read()?;
            if more.is_empty() {
                return Ok(lines);
            }
            lines.extend(more.into_iter().filter(|line| self.filter.keeps(line)));
        }
    }

    fn read(&mut self) -> Result<Vec<String>, LogError> {
        self.place
            .as_mut()
            .map_or_else(|| Ok(Vec::new()), |place| place.read(true))
    }
}

/// A line as people read it; what is no line of ours stays as it is.
pub fn readable(line: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    let text = |name: &str| value[name].as_str().unwrap_or("-");
    let time = text("ts").parse::<DateTime<Utc>>().map_or_else(
        |_| text("ts").to_owned(),
        |ts| ts.format("%F %T%.3f").to_string(),
    );
    if value.get("status").is_some() {
        let error = value["error"].as_str().map(|code| format!(" {code}"));
        return format!(
            "{time} {} {} {} {} {} ms {}{}",
            value["status"],
            text("method"),
            text("path"),
            text("script"),
            value["duration_ms"],
            text("request_id"),
            error.unwrap_or_default(),
        );
    }
    let level = text("level").to_uppercase();
    let mut shown = format!(
        "{time} {level:5} {} {} {}",
        text("script"),
        text("execution_id"),
        text("message")
    );
    if let Some(stack) = value["stack"].as_str() {
        for frame in stack.lines() {
            shown += &format!("\n    {}", frame.trim_start());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"{"ts":"2026-11-22T17:49:17.123Z","execution_id":"0190-a","script":"1/a.ts","level":"warn","message":"hm","stack":"Error: hm\n    at f (a.ts:1:2)"}"#;
    const REQUEST: &str = r#"{"ts":"2026-11-22T17:49:17.123Z","request_id":"0190-b","method":"GET","path":"/x","script":"1/b.ts","status":503,"duration_ms":1.5,"error":"LIMIT_INSTANCES"}"#;

    fn filter(script: Option<&str>, least: Option<&str>, id: Option<&str>) -> LineFilter {
        LineFilter {
            script: script.map(str::to_owned),
            level: least.map(|name| level(name).unwrap()),
            request_id: id.map(str::to_owned),
        }
    }

    #[test]
    fn every_condition_has_to_hold() {
        let cases = [
            (filter(None, None, None), true, true),
            (filter(Some("1/a.ts"), None, None), true, false),
            (filter(Some(".ts"), None, None), true, true),
            (filter(None, Some("warn"), None), true, true),
            (filter(None, Some("error"), None), false, true),
            (filter(None, None, Some("0190-a")), true, false),
            (filter(None, None, Some("0190")), true, true),
            (
                filter(Some("b"), Some("error"), Some("0190-b")),
                false,
                true,
            ),
            (filter(Some("b"), Some("error"), Some("0191")), false, false),
        ];
        for (filter, printed, request) in cases {
            assert_eq!(filter.keeps(PRINTED), printed, "{filter:?}");
            assert_eq!(filter.keeps(REQUEST), request, "{filter:?}");
        }
        assert!(filter(None, None, None).keeps("not ours"));
        assert!(!filter(None, Some("trace"), None).keeps("not ours"));
        assert!(level("loud").is_none());
    }

    #[test]
    fn lines_are_readable() {
        assert_eq!(
            readable(PRINTED),
            "2026-11-22 17:49:17.123 WARN  1/a.ts 0190-a hm\n    Error: hm\n    at f (a.ts:1:2)"
        );
        assert_eq!(
            readable(REQUEST),
            "2026-11-22 17:49:17.123 503 GET /x 1/b.ts 1.5 ms 0190-b LIMIT_INSTANCES"
        );
        assert_eq!(readable("not ours"), "not ours");
    }
}
