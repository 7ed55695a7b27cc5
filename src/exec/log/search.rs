//! `logs/search`: lines that match a text or a regular expression.

use std::path::Path;
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use super::error::LogError;
use super::file_name::{LogFileName, LogKind};
use super::list::within;
use super::pattern;
use super::scan::{self, ANSWER_BYTES_MAX, Keep, Lines, Window};

/// Matches that an answer holds when the request does not say, and at most.
pub const SEARCH_LIMIT_DEFAULT: usize = 1000;
pub const SEARCH_LIMIT_MAX: usize = 10_000;
/// How long one search may take. Matching takes linear time whatever the
/// expression is, but that time may be long in a large log.
pub const SEARCH_TIME_MAX: Duration = Duration::from_secs(10);
/// Lines between two looks at the clock.
const LINES_PER_LOOK: usize = 256;

/// The body of `logs/search`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchRequest {
    /// A text. Exactly one of `query` and `regex` is given.
    pub query: Option<String>,
    /// An expression in the syntax of the `regex` crate: no look-around, no
    /// back-references.
    pub regex: Option<String>,
    /// As `logs/list` names them; all if absent or empty.
    pub files: Option<Vec<String>>,
    /// 1 to 10000; 1000 if absent.
    pub limit: Option<usize>,
    /// False if absent.
    pub case_sensitive: Option<bool>,
}

/// The answer of `logs/search`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchAnswer {
    /// The text or the expression.
    pub query: String,
    /// `text` or `regex`.
    pub search_type: &'static str,
    pub files_searched: usize,
    /// All matches, also those beyond the limit.
    pub matches_found: usize,
    /// The matches of the newest files, older files first; at most 16 MiB.
    pub results: Vec<Match>,
    /// The time was over before all files were searched.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    pub file: LogFileName,
    /// From 1.
    pub line_number: usize,
    pub line: String,
}

/// Searches the files in this folder, the newest first.
pub fn search(
    dir: &Path,
    request: &SearchRequest,
    deadline: Instant,
) -> Result<SearchAnswer, LogError> {
    let limit = within(
        "limit",
        request.limit,
        SEARCH_LIMIT_DEFAULT,
        SEARCH_LIMIT_MAX,
    )?;
    let case_sensitive = request.case_sensitive.unwrap_or(false);
    let (query, search_type, wanted) = match (&request.query, &request.regex) {
        (Some(query), None) => (query, "text", pattern::text(query, case_sensitive)?),
        (None, Some(regex)) => (regex, "regex", pattern::expression(regex, case_sensitive)?),
        (None, None) => return Err(LogError::Invalid("query or regex is required".into())),
        (Some(_), Some(_)) => {
            let message = "query and regex exclude each other: give one of them";
            return Err(LogError::Invalid(message.into()));
        }
    };
    let mut files = match request.files.as_deref() {
        None | Some([]) => open_all(dir)?,
        Some(names) => open_named(dir, names)?,
    };
    // The newest files first, so that time and limit leave out the oldest.
    files.sort_by_key(|(name, _)| (name.rotation, name.kind));
    let mut answer = SearchAnswer {
        query: query.clone(),
        search_type,
        files_searched: 0,
        matches_found: 0,
        results: Vec::new(),
        timed_out: false,
    };
    let mut parts = Vec::new();
    let (mut left, mut bytes_left) = (limit, ANSWER_BYTES_MAX);
    for (name, file) in files {
        let mut part = Part {
            name,
            found: 0,
            window: Window::new(Keep::Last, left, bytes_left),
        };
        let ended = part.scan(file, &wanted, deadline);
        let ended = ended.map_err(|error| LogError::of(&name.path(dir), error))?;
        answer.matches_found += part.found;
        bytes_left -= part.window.bytes();
        let matches = part.window.into_items();
        left -= matches.len();
        parts.push(matches);
        if !ended {
            answer.timed_out = true;
            break;
        }
        answer.files_searched += 1;
    }
    answer.results = parts.into_iter().rev().flatten().collect();
    Ok(answer)
}

/// The search of one file.
struct Part {
    name: LogFileName,
    found: usize,
    window: Window<Match>,
}

impl Part {
    /// False if the time was over first.
    fn scan(
        &mut self,
        file: std::fs::File,
        wanted: &Regex,
        deadline: Instant,
    ) -> std::io::Result<bool> {
        let file_name = self.name;
        let mut lines = Lines::new(file)?;
        let mut number = 0;
        while let Some(line) = lines.next()? {
            if number % LINES_PER_LOOK == 0 && Instant::now() >= deadline {
                return Ok(false);
            }
            number += 1;
            if wanted.is_match(line) {
                self.found += 1;
                self.window.push(line.len(), || Match {
                    file: file_name,
                    line_number: number,
                    line: String::from_utf8_lossy(line).into_owned(),
                });
            }
        }
        Ok(true)
    }
}

type Opened = Vec<(LogFileName, std::fs::File)>;

fn open_all(dir: &Path) -> Result<Opened, LogError> {
    let mut files = Vec::new();
    for kind in LogKind::ALL {
        files.extend(scan::open_all(dir, kind)?);
    }
    Ok(files)
}

fn open_named(dir: &Path, names: &[String]) -> Result<Opened, LogError> {
    let mut parsed = names
        .iter()
        .map(|name| LogFileName::parse(name))
        .collect::<Result<Vec<_>, _>>()?;
    parsed.sort();
    parsed.dedup();
    let open = |name| Ok((name, scan::open(dir, name)?));
    parsed.into_iter().map(open).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::super::file_name::tests::folder;
    use super::super::pattern::PATTERN_BYTES_MAX;
    use super::*;

    fn answer(dir: &TempDir, body: Value) -> Result<SearchAnswer, String> {
        let request = serde_json::from_value(body).map_err(|error| error.to_string())?;
        let deadline = Instant::now() + SEARCH_TIME_MAX;
        search(dir.path(), &request, deadline).map_err(|error| error.to_string())
    }

    fn found(answer: &SearchAnswer) -> Vec<String> {
        let one = |one: &Match| format!("{}:{}:{}", one.file, one.line_number, one.line);
        answer.results.iter().map(one).collect()
    }

    fn some_logs() -> TempDir {
        folder(&[
            ("access/access.log", "new GET\nnew POST\nnewer get\n"),
            ("access/access.log.1", "old GET\nold PUT"),
            ("executions/executions.log", "hello\n"),
        ])
    }

    #[test]
    fn texts_and_expressions_are_found() {
        let dir = some_logs();
        let new = |line: &str| format!("access/access.log:{line}");
        let old = |line: &str| format!("access/access.log.1:{line}");
        let gets = vec![old("1:old GET"), new("1:new GET"), new("3:newer get")];
        let cases = [
            (json!({"query": "get"}), gets.clone(), 3),
            (json!({"query": "get", "limit": 2}), gets[1..].to_vec(), 3),
            (
                json!({"query": "GET", "caseSensitive": true}),
                gets[..2].to_vec(),
                3,
            ),
            (json!({"query": "g.t"}), vec![], 3),
            (json!({"regex": "^new+ g.t$"}), gets[1..2].to_vec(), 3),
            (
                json!({"regex": "P(OS|U)T", "files": ["access/access.log.1", "access/access.log.1"]}),
                vec![old("2:old PUT")],
                1,
            ),
            (
                json!({"query": "hello", "files": []}),
                vec!["executions/executions.log:1:hello".into()],
                3,
            ),
        ];
        for (body, expected, files) in cases {
            let answer = answer(&dir, body.clone()).unwrap();
            assert_eq!(found(&answer), expected, "{body}");
            assert_eq!(answer.files_searched, files, "{body}");
            assert!(!answer.timed_out);
        }
        let what = answer(&dir, json!({"query": "get", "limit": 1})).unwrap();
        assert_eq!(what.matches_found, 3);
    }

    #[test]
    fn the_answer_has_the_contract_shape() {
        let dir = folder(&[("access/access.log", "a\n")]);
        let shown = serde_json::to_value(answer(&dir, json!({"regex": "A"})).unwrap()).unwrap();
        let expected = json!({
            "query": "A",
            "searchType": "regex",
            "filesSearched": 1,
            "matchesFound": 1,
            "results": [{"file": "access/access.log", "lineNumber": 1, "line": "a"}],
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn bad_requests_say_what_is_wrong() {
        let dir = some_logs();
        let long = "x".repeat(PATTERN_BYTES_MAX + 1);
        let cases = [
            (json!({}), "query or regex is required"),
            (json!({"query": "a", "regex": "a"}), "exclude"),
            (json!({"query": ""}), "empty"),
            (json!({"query": long}), "1001 bytes"),
            (json!({"regex": "("}), "Invalid regex"),
            (json!({"regex": "(\\w{100}){100}"}), "Invalid regex"),
            (
                json!({"regex": "(".repeat(900) + &")".repeat(100)}),
                "Invalid regex",
            ),
            (json!({"regex": "a(?=b)"}), "look-around"),
            (json!({"query": "a", "files": ["../x"]}), "Invalid path"),
            (
                json!({"query": "a", "files": ["access/access.log.7"]}),
                "not found",
            ),
            (json!({"query": "a", "limit": 0}), "limit"),
            (json!({"query": "a", "max": 1}), "unknown field"),
        ];
        for (body, message) in cases {
            let error = answer(&dir, body.clone()).unwrap_err();
            assert!(error.contains(message), "{body}: {error}");
        }
    }

    #[test]
    fn a_search_ends_in_its_time() {
        let dir = some_logs();
        let request = SearchRequest {
            query: Some("get".into()),
            ..SearchRequest::default()
        };
        let over = Instant::now();
        let answer = search(dir.path(), &request, over).unwrap();
        assert!(answer.timed_out);
        assert_eq!((answer.files_searched, answer.matches_found), (0, 0));
        let shown = serde_json::to_value(answer).unwrap();
        assert_eq!(shown["timedOut"], true);
    }

    proptest! {
        #[test]
        fn a_text_is_found_where_it_stands(
            lines in prop::collection::vec("[ab.*\\[]{0,6}", 0..9),
            query in "[ab.*\\[]{1,3}",
        ) {
            let dir = folder(&[("access/access.log", &lines.join("\n"))]);
            let answer = answer(&dir, json!({"query": query, "caseSensitive": true})).unwrap();
            let expected: Vec<_> = lines
                .iter()
                .enumerate()
                .filter(|(_, line)| line.contains(&query))
                .map(|(at, line)| format!("access/access.log:{}:{line}", at + 1))
                .collect();
            prop_assert_eq!(found(&answer), expected);
        }
    }
}
