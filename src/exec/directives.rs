//! Magic comments: the `// @name value` lines at the top of a script.
//!
//! Owns how they are written (`block`), which there are and what values they
//! take (`fields`, `value`), and how the API shows, edits and hides them
//! (`schema`, `edit`, `redact`). What they mean for a request is for others to
//! act on; their values are `model::directives`.
//!
//! # Rules
//!
//! Directives stand before any code or import, one a line, within the first
//! [`block::PARSE_WINDOW_LINES`] lines; a `#!` line, blank lines and other
//! comments may stand between. Names are case-sensitive. A bad value is a
//! warning and leaves the default; two fail closed instead: a `@token` line
//! that cannot be read admits nobody, and a bad `@log-*-body` is `redacted`.
//! Of a directive that may stand once the last counts. Unknown names are
//! ignored, but for a warning when a known one is near.
//!
//! # Names in JSON
//!
//! `magicComments` and `comments` hold the directives that the file has, by
//! camel-case key (`@cors-max-age` is `corsMaxAge`), as typed values: times in
//! milliseconds or `"unlimited"`, sizes in bytes, lists as arrays. Secrets are
//! `[REDACTED]`. Edits take keys and names alike.

pub mod block;
pub mod caps;
pub mod edit;
pub mod fields;
pub mod redact;
pub mod schema;
pub mod value;

use serde::Serialize;
use serde_json::{Map, Value};

use self::block::DirectiveLine;
use self::fields::{Category, Effect, Field};
use crate::model::directives::{Concurrency, CorsPolicy, Directives, Mode, Secret};

/// How many warnings one file can give.
const MAX_WARNINGS: usize = 50;
/// How much of a bad value a warning repeats, in characters.
const SHOWN_VALUE_CHARS: usize = 100;

/// What the top of a file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub directives: Directives,
    /// The directives that the file has, in its order, as the API shows them.
    pub comments: Map<String, Value>,
    pub warnings: Vec<Warning>,
}

/// Something in the comments that has another effect than it seems, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// With the `@`.
    pub directive: String,
    /// The value as written, cut after 100 characters; secrets are hidden.
    pub value: String,
    pub message: String,
}

/// Reads the directives of a source text. It cannot fail: what is wrong is a
/// warning.
pub fn parse(source: &str) -> Parsed {
    let block = block::read(source);
    let mut directives = Directives::default();
    let mut seen: Vec<&'static Field> = Vec::new();
    let mut warnings = Vec::new();
    for line in &block.directives {
        let Some(field) = fields::by_name(line.name) else {
            warnings.extend(nearly_known(line));
            continue;
        };
        let mut warn = |message: String| warnings.push(Warning::new(field, line.value, message));
        let again = seen.iter().any(|earlier| earlier.name == field.name);
        if again && !field.is_repeatable() {
            warn("stands more than once; the last line counts".to_owned());
        }
        if let Err(message) = field.read(&mut directives, line.value) {
            warn(message);
        }
        if field.effect == Effect::Later {
            warn("is not available yet and has no effect".to_owned());
        }
        if !again {
            seen.push(field);
        }
    }
    warnings.extend(without_effect(&directives, &seen));
    warnings.extend(block.late.iter().filter_map(late));
    warnings.extend(block.commented.iter().filter_map(commented));
    warnings.truncate(MAX_WARNINGS);
    let comments = seen
        .iter()
        .map(|field| (field.key.to_owned(), (field.get)(&directives)))
        .collect();
    Parsed {
        directives,
        comments,
        warnings,
    }
}

impl Warning {
    fn new(field: &Field, value: &str, message: String) -> Warning {
        let value = match field.is_secret() && !value.is_empty() {
            true => Secret::PLACEHOLDER.to_owned(),
            false => value.chars().take(SHOWN_VALUE_CHARS).collect(),
        };
        Warning {
            directive: field.directive(),
            value,
            message,
        }
    }
}

/// An unknown name is somebody else's, unless a known one was probably meant.
fn nearly_known(line: &DirectiveLine<'_>) -> Option<Warning> {
    let field = fields::nearest(line.name)?;
    let message = format!(
        "is not a directive and has no effect; did you mean `@{}`?",
        field.name
    );
    let warning = Warning::new(field, line.value, message);
    Some(Warning {
        directive: format!("@{}", line.name),
        ..warning
    })
}

/// A known directive where none is read.
fn late(line: &DirectiveLine<'_>) -> Option<Warning> {
    let field = fields::by_name(line.name)?;
    let message = format!(
        "stands on line {} and has no effect: directives stand before any code, in the first {} lines",
        line.line.number,
        block::PARSE_WINDOW_LINES
    );
    Some(Warning::new(field, line.value, message))
}

/// Directives whose loss matters and that are no words of JSDoc.
const MISSED_IN_BLOCK_COMMENTS: [&str; 6] =
    ["token", "enabled", "schedule", "mode", "ai", "concurrent"];

/// A directive in a block comment, as JSDoc has its tags.
fn commented(line: &DirectiveLine<'_>) -> Option<Warning> {
    let field = fields::by_name(line.name)?;
    if !MISSED_IN_BLOCK_COMMENTS.contains(&field.name) {
        return None;
    }
    let message = format!(
        "stands in a block comment on line {} and has no effect: write `// @{} …` on a line of its own",
        line.line.number, field.name
    );
    Some(Warning::new(field, line.value, message))
}

/// Directives that others switch off.
fn without_effect(directives: &Directives, seen: &[&'static Field]) -> Vec<Warning> {
    let reason = |field: &Field| {
        if field.category == Category::Cors
            && field.name != "cors"
            && directives.cors.policy == CorsPolicy::None
        {
            return Some("has no effect without `@cors reflective` or `@cors <origin>`");
        }
        let limited = field.name == "concurrent" && directives.concurrent != Concurrency::Unlimited;
        if limited && directives.mode == Mode::Worker {
            return Some("has no effect in worker mode, where calls run one at a time");
        }
        None
    };
    let warning = |field: &&Field| Some(Warning::new(field, "", reason(field)?.to_owned()));
    seen.iter().filter_map(warning).collect()
}

#[cfg(test)]
mod tests;
