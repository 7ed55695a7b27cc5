//! From the values of a request to the values that lines shall have.

use serde_json::Value;

use super::EditError;
use crate::exec::directives::block::{self, DirectiveLine};
use crate::exec::directives::fields::Field;
use crate::model::directives::{Directives, Secret};

/// The values that the lines of a directive shall have; none removes it.
pub fn values(
    field: &Field,
    value: &Value,
    present: &[DirectiveLine<'_>],
) -> Result<Vec<String>, EditError> {
    let bad = || {
        EditError::BadValue {
        directive: field.directive(),
        message: "is neither text, a number, true, false, a list of them, nor null to remove the directive".to_owned(),
    }
    };
    let texts = match value {
        Value::Null => Vec::new(),
        Value::Array(items) if items.is_empty() => return Err(bad()),
        Value::Array(items) => items
            .iter()
            .map(text)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(bad)?,
        value => vec![text(value).ok_or_else(bad)?],
    };
    if !field.is_secret() {
        return Ok(if value.is_array() {
            vec![texts.join(", ")]
        } else {
            texts
        });
    }
    let readable: Vec<_> = present
        .iter()
        .filter_map(|line| Some((line, shown(field, line.value)?)))
        .collect();
    let resolve = |(at, text): (usize, String)| {
        if let Some((line, _)) = readable.get(at).filter(|(_, shown)| *shown == text) {
            return Ok(line.value.to_owned());
        }
        if text.contains(Secret::PLACEHOLDER) {
            return Err(EditError::Unresolved(field.directive()));
        }
        // A token that is there already keeps its line, and so its note.
        let same = readable
            .iter()
            .find(|(line, _)| line.value.split_whitespace().next() == Some(&text));
        Ok(same
            .filter(|_| field.is_repeatable())
            .map_or(text, |(line, _)| line.value.to_owned()))
    };
    texts.into_iter().enumerate().map(resolve).collect()
}

/// A secret's line as the view shows it, if it can be read.
fn shown(field: &Field, value: &str) -> Option<String> {
    let mut one = Directives::default();
    field.read(&mut one, value).ok()?;
    match (field.get)(&one) {
        Value::Array(shown) => shown.first().and_then(text),
        shown => text(&shown),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Refuses what the parser would not take.
pub fn check(field: &Field, wanted: &[String]) -> Result<(), EditError> {
    let bad = |message: String| EditError::BadValue {
        directive: field.directive(),
        message,
    };
    if wanted.len() > 1 && !field.is_repeatable() {
        return Err(bad("is a list, and the directive takes one".to_owned()));
    }
    let mut scratch = Directives::default();
    for text in wanted {
        if !block::is_one_line(text) {
            return Err(bad("is longer than one line".to_owned()));
        }
        field.read(&mut scratch, text).map_err(bad)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exec::directives::edit::apply;

    fn edit(source: &str, changes: Value) -> String {
        apply(source, changes.as_object().unwrap()).unwrap().source
    }

    #[test]
    fn tokens_keep_their_lines_and_notes() {
        let source = "// @token A phone\n//  @token B\nx";
        let placeholder = Secret::PLACEHOLDER;
        let cases = [
            (
                json!([placeholder, placeholder, "C"]),
                "// @token A phone\n//  @token B\n// @token C\nx",
            ),
            (json!(["A", "B"]), source),
            (json!([placeholder]), "// @token A phone\nx"),
            (json!(["B"]), "//  @token B\nx"),
            (json!(["C", placeholder]), "// @token C\n//  @token B\nx"),
            (json!("C for CI"), "// @token C for CI\nx"),
            (json!(null), "x"),
        ];
        for (tokens, expected) in cases {
            assert_eq!(
                edit(source, json!({ "token": tokens })),
                expected,
                "{tokens}"
            );
        }
        let remote = "// @remote-token ci S call\n// @remote-token env env:CI\n";
        let changes = json!({"remoteToken": ["ci [REDACTED] call", "env env:CI", "x Y"]});
        assert_eq!(
            edit(remote, changes),
            format!("{remote}// @remote-token x Y\n")
        );
        assert_eq!(
            edit("// @ai-key K", json!({"aiKey": placeholder})),
            "// @ai-key K"
        );
    }
}
