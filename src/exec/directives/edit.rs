//! Changes directives in a source text and leaves every other line as it is,
//! byte for byte.

mod lines;
mod wanted;

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::block::{self, Block, DirectiveLine};
use super::fields::{self, Field};
use super::parse;
use lines::Edits;

/// A changed source text and what changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    pub source: String,
    /// All directives before and after, as the API shows them.
    pub previous: Map<String, Value>,
    pub updated: Map<String, Value>,
    /// Directives whose lines differ, in the order of the request.
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub key: String,
    /// With the `@`.
    pub directive: String,
    /// Null where there was no line.
    pub from: Value,
    /// Null where no line is left.
    pub to: Value,
}

/// Why directives cannot be changed; nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    #[error("`{0}` is not a directive{hint}", hint = suggestion(.0))]
    Unknown(String),
    #[error("`{0}` is given twice, by its key and by its name")]
    Twice(String),
    #[error("`{directive}`: the value {message}")]
    BadValue { directive: String, message: String },
    /// 422.
    #[error(
        "`{0}`: a [REDACTED] stands for the secret at the same place in the list that magic-comments/read gives, and \
         there is none; write the secret itself"
    )]
    Unresolved(String),
    #[error(
        "there is no room for `{0}`: directives stand in the first {limit} lines, shorten the comments there",
        limit = block::PARSE_WINDOW_LINES
    )]
    NoRoom(String),
}

/// Applies `{ key: value }` to a source text. Keys are those of the JSON view
/// or names of directives; null removes a directive. A value is what the view
/// shows, or the text as it stands in a file. Bad values are errors here, since
/// somebody is there to mend them.
///
/// A directive that the file has keeps its line; a new one follows the last, or
/// comes first in the file. `token` and `remoteToken` take the whole list, in
/// which a placeholder keeps the line at the same place; lines that stay keep
/// their notes.
pub fn apply(source: &str, changes: &Map<String, Value>) -> Result<Edited, EditError> {
    let block = block::read(source);
    let mut edits = Edits::default();
    let mut touched: Vec<(&'static Field, Vec<String>)> = Vec::new();
    for (key, value) in changes {
        let field = fields::by_key(key).ok_or_else(|| EditError::Unknown(key.clone()))?;
        if touched
            .iter()
            .any(|(earlier, _)| earlier.name == field.name)
        {
            return Err(EditError::Twice(field.directive()));
        }
        let present = values_of(&block, field);
        let wanted = wanted::values(field, value, &present)?;
        wanted::check(field, &wanted)?;
        edits.change(field, &present, &wanted);
        touched.push((field, wanted));
    }
    let edited = edits.applied_to(source, &block);
    let after = block::read(&edited);
    let (previous, updated) = (parse(source).comments, parse(&edited).comments);
    let mut changes = Vec::new();
    for (field, wanted) in touched {
        let lines = |block: &Block<'_>| -> Vec<String> {
            values_of(block, field)
                .iter()
                .map(|line| line.value.to_owned())
                .collect()
        };
        let (mut before, mut found, mut expected) = (lines(&block), lines(&after), wanted);
        let changed = before != found;
        [&mut before, &mut found, &mut expected]
            .into_iter()
            .for_each(|list| list.sort());
        if found != expected {
            return Err(EditError::NoRoom(field.directive()));
        }
        if changed {
            let of = |view: &Map<String, Value>| view.get(field.key).cloned().unwrap_or_default();
            let (from, to) = (of(&previous), of(&updated));
            changes.push(Change {
                key: field.key.to_owned(),
                directive: field.directive(),
                from,
                to,
            });
        }
    }
    Ok(Edited {
        source: edited,
        previous,
        updated,
        changes,
    })
}

fn values_of<'a>(block: &Block<'a>, field: &Field) -> Vec<DirectiveLine<'a>> {
    block
        .directives
        .iter()
        .copied()
        .filter(|line| line.name == field.name)
        .collect()
}

fn suggestion(key: &str) -> String {
    fields::nearest(key).map_or_else(String::new, |field| {
        format!("; did you mean `{}`?", field.key)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edit(source: &str, changes: Value) -> Result<Edited, EditError> {
        apply(source, changes.as_object().unwrap())
    }

    #[test]
    fn what_changed_is_told() {
        let source = "// @mode worker\n// @timeout 5s\n// @token A\n";
        let edited = edit(
            source,
            json!({"timeout": "1m", "mode": "worker", "label": "x", "token": ["B"]}),
        )
        .unwrap();
        assert_eq!(
            json!(edited.previous),
            json!({"mode": "worker", "timeout": 5000, "token": ["[REDACTED]"]})
        );
        let updated =
            json!({"mode": "worker", "timeout": 60000, "token": ["[REDACTED]"], "label": "x"});
        assert_eq!(json!(edited.updated), updated);
        let expected = json!([
            {"key": "timeout", "directive": "@timeout", "from": 5000, "to": 60000},
            {"key": "label", "directive": "@label", "from": null, "to": "x"},
            {"key": "token", "directive": "@token", "from": ["[REDACTED]"], "to": ["[REDACTED]"]},
        ]);
        assert_eq!(json!(edited.changes), expected);
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        let error = |source: &str, changes: Value| edit(source, changes).unwrap_err().to_string();
        let cases = [
            ("", json!({"nonsense": 1}), "`nonsense` is not a directive"),
            (
                "",
                json!({"Mode": 1}),
                "`Mode` is not a directive; did you mean `mode`?",
            ),
            (
                "",
                json!({"logLevel": "none", "log-level": "full"}),
                "`@log-level` is given twice",
            ),
            ("", json!({"mode": "fast"}), "`@mode`: the value is none of"),
            ("", json!({"mode": {}}), "`@mode`: the value is neither"),
            ("", json!({"tags": []}), "`@tags`: the value is neither"),
            ("", json!({"token": []}), "`@token`: the value is neither"),
            ("", json!({"label": ""}), "`@label`: the value has no value"),
            (
                "",
                json!({"label": "a\nb"}),
                "`@label`: the value is longer than one line",
            ),
            (
                "",
                json!({"label": "a\u{2028}b"}),
                "`@label`: the value is longer than one line",
            ),
            (
                "",
                json!({"label": "a\0b"}),
                "`@label`: the value is longer than",
            ),
            (
                "",
                json!({"token": ["[REDACTED]"]}),
                "`@token`: a [REDACTED]",
            ),
            (
                "// @token A",
                json!({"token": ["B", "[REDACTED]"]}),
                "`@token`: a [REDACTED]",
            ),
            (
                "",
                json!({"aiKey": "[REDACTED]"}),
                "`@ai-key`: a [REDACTED]",
            ),
        ];
        for (source, changes, expected) in cases {
            let message = error(source, changes.clone());
            assert!(message.starts_with(expected), "{changes}: {message}");
        }
        let full = format!(
            "{}// @ai true\n",
            "//\n".repeat(block::PARSE_WINDOW_LINES - 1)
        );
        assert!(
            error(&full, json!({"mode": "worker"})).starts_with("there is no room for `@mode`")
        );
        let seventeen: Vec<String> = (0..17).map(|n| format!("t{n}")).collect();
        assert!(
            error("", json!({ "token": seventeen }))
                .starts_with("`@token`: the value is not among the first 16")
        );
    }
}
