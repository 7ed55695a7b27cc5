//! Says so when a syntax error comes from JSX.
//!
//! JSX is not supported, and the parser reports it as whatever it trips over.
//! This file only looks at text that did not parse.

use crate::model::diagnostic::Diagnostic;

const HINT: &str = "return HTML as a string, for example with a template literal";

/// Replaces the errors of a file that uses JSX by one that says it; other errors
/// stay as they are.
pub fn explain(path: &str, source: &str, errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let Some(offset) = first_element(source) else {
        return errors;
    };
    let jsx = unsupported(path, source, offset);
    let explains = |error: &Diagnostic| (error.line, error.column) >= (jsx.line, jsx.column);
    if errors.first().is_some_and(explains) {
        vec![jsx]
    } else {
        errors
    }
}

pub fn unsupported(path: &str, source: &str, offset: usize) -> Diagnostic {
    Diagnostic::at(path, source, offset, "JSX is not supported").with_hint(HINT)
}

/// The first `<` that starts an element in a place for a value, if the text has
/// anything that ends one.
fn first_element(source: &str) -> Option<usize> {
    if !source.contains("/>") && !source.contains("</") {
        return None;
    }
    source.match_indices('<').map(|(at, _)| at).find(|&at| {
        let starts = source[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '>');
        let before = source[..at].trim_end();
        starts
            && (before.ends_with(['(', ',', '=', '?', ':', '&', '|', '>', '[', '{', ';'])
                || before.ends_with("return")
                || before.ends_with("default")
                || before.is_empty())
    })
}
