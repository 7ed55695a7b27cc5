//! oxc's errors as our own diagnostics.
//!
//! Translates only. What counts as an error is decided where it is found.

use oxc::diagnostics::OxcDiagnostic;
use oxc::span::Span;

use crate::model::diagnostic::Diagnostic;

/// More than this many problems in one file help nobody.
pub const DIAGNOSTICS_MAX: usize = 20;

pub fn from_oxc(
    path: &str,
    source: &str,
    errors: impl IntoIterator<Item = OxcDiagnostic>,
) -> Vec<Diagnostic> {
    errors
        .into_iter()
        .take(DIAGNOSTICS_MAX)
        .map(|error| one(path, source, &error))
        .collect()
}

fn one(path: &str, source: &str, error: &OxcDiagnostic) -> Diagnostic {
    // Of several places the last is where it went wrong; the others tell why.
    let offset = error
        .labels
        .iter()
        .map(|label| label.offset() as usize)
        .max()
        .unwrap_or(0);
    let message = in_our_words(&error.message);
    let hint = error.help.as_deref().or(error.note.as_deref());
    let diagnostic = Diagnostic::at(path, source, offset, message);
    match hint {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

/// oxc's message, but where it speaks of itself.
fn in_our_words(message: &str) -> String {
    if message.starts_with("Namespaces exporting non-const") {
        return "a namespace can export constants, functions and classes, but no variables"
            .to_owned();
    }
    lower_first(message.trim_end_matches('.'))
}

/// A problem of our own at a place in the syntax tree.
pub fn at_span(path: &str, source: &str, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::at(path, source, span.start as usize, message)
}

/// `Unexpected token` as `unexpected token`, to follow `path:line:column: `;
/// but `JSX …` and `'readonly' …` stay.
fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second))
            if first.is_ascii_uppercase() && second.is_ascii_lowercase() =>
        {
            format!("{}{}", first.to_ascii_lowercase(), &message[1..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_message_and_hint_survive() {
        let error = OxcDiagnostic::error("Unexpected token.")
            .with_help("Try this")
            .with_label(Span::new(4, 5));
        let diagnostics = from_oxc("a.ts", "let ;", [error]);
        insta::assert_snapshot!(diagnostics[0], @r"
        a.ts:1:5: unexpected token
        > 1 | let ;
            |     ^
        hint: Try this
        ");
    }

    #[test]
    fn only_the_first_problems_are_kept() {
        let errors = (0..100).map(|_| OxcDiagnostic::error("x"));
        assert_eq!(from_oxc("a.ts", "", errors).len(), DIAGNOSTICS_MAX);
    }

    #[test]
    fn a_message_starts_in_lower_case_unless_it_starts_with_a_name() {
        let table = [
            ("Unexpected token", "unexpected token"),
            ("JSX is", "JSX is"),
            ("'a' is", "'a' is"),
            ("", ""),
            ("É", "É"),
        ];
        for (message, expected) in table {
            assert_eq!(lower_first(message), expected);
        }
    }
}
