//! Hides secrets in a source text, and puts them back when the text returns.

use std::ops::Range;

use thiserror::Error;

use super::block::{self, DirectiveLine};
use super::fields::{self, Kind};
use crate::model::directives::Secret;

/// A placeholder for which no stored secret can be told (`REDACTED_SECRET_UNRESOLVED`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "line {line}: it cannot be told which stored secret this `@{directive} [REDACTED]` stands for; \
     write the secret itself, or change the others through magic-comments/update"
)]
pub struct Unresolved {
    /// Without the `@`.
    pub directive: String,
    /// From 1.
    pub line: usize,
}

/// The source with `[REDACTED]` for every secret in its directives, also in
/// those with a bad value. References such as `env:NAME` are no secrets, and
/// lines behind the first code are no directives.
pub fn redact(source: &str) -> String {
    let edits = secrets(source)
        .into_iter()
        .map(|secret| (secret.at, Secret::PLACEHOLDER.to_owned()));
    replace(source, edits.collect())
}

/// Puts the secrets of `stored` where `new` has placeholders, for each
/// directive by itself: first where the rest of the line (the note behind a
/// token, the name of a remote token) is the same and tells them apart; then,
/// if as many placeholders as secrets are left, in order. Anything else would
/// be a guess about which secret was taken out, and is refused.
pub fn restore(new: &str, stored: &str) -> Result<String, Unresolved> {
    let wanted: Vec<SecretAt<'_>> = secrets(new)
        .into_iter()
        .filter(SecretAt::is_placeholder)
        .collect();
    let kept: Vec<SecretAt<'_>> = secrets(stored)
        .into_iter()
        .filter(|secret| !secret.is_placeholder())
        .collect();
    let mut edits = Vec::new();
    for name in fields::all()
        .filter(|field| field.is_secret())
        .map(|field| field.name)
    {
        let wanted: Vec<_> = wanted
            .iter()
            .filter(|secret| secret.line.name == name)
            .collect();
        let kept: Vec<_> = kept
            .iter()
            .filter(|secret| secret.line.name == name)
            .collect();
        edits.extend(pair(&wanted, &kept)?);
    }
    Ok(replace(new, edits))
}

/// One directive's placeholders and the secrets they stand for.
fn pair(
    wanted: &[&SecretAt<'_>],
    kept: &[&SecretAt<'_>],
) -> Result<Vec<(Range<usize>, String)>, Unresolved> {
    let only = |list: &[&SecretAt<'_>], rest: &(String, String)| {
        let mut same = list
            .iter()
            .enumerate()
            .filter(|(_, secret)| secret.rest() == *rest);
        same.next()
            .filter(|_| same.next().is_none())
            .map(|(at, _)| at)
    };
    let mut open = Vec::new();
    let mut taken = vec![false; kept.len()];
    let mut edits = Vec::new();
    for placeholder in wanted {
        let rest = placeholder.rest();
        match only(wanted, &rest).and_then(|_| only(kept, &rest)) {
            Some(at) => {
                taken[at] = true;
                edits.push((placeholder.at.clone(), kept[at].text.to_owned()));
            }
            None => open.push(placeholder),
        }
    }
    let left: Vec<_> = kept
        .iter()
        .zip(taken)
        .filter(|(_, taken)| !taken)
        .map(|(secret, _)| secret)
        .collect();
    if let Some(first) = open.first().filter(|_| open.len() != left.len()) {
        return Err(Unresolved {
            directive: first.line.name.to_owned(),
            line: first.line.line.number,
        });
    }
    let in_order = open
        .iter()
        .zip(left)
        .map(|(placeholder, secret)| (placeholder.at.clone(), secret.text.to_owned()));
    edits.extend(in_order);
    Ok(edits)
}

/// A secret in a source text, or the placeholder of one.
struct SecretAt<'a> {
    line: DirectiveLine<'a>,
    text: &'a str,
    /// Bytes in the source.
    at: Range<usize>,
}

impl SecretAt<'_> {
    fn is_placeholder(&self) -> bool {
        self.text == Secret::PLACEHOLDER
    }

    /// What stands before and behind the secret in its value.
    fn rest(&self) -> (String, String) {
        let start = self.at.start - self.line.value_start;
        let (before, behind) = (
            &self.line.value[..start],
            &self.line.value[start + self.text.len()..],
        );
        (before.trim().to_owned(), behind.trim().to_owned())
    }
}

fn secrets(source: &str) -> Vec<SecretAt<'_>> {
    block::read(source)
        .directives
        .into_iter()
        .filter_map(secret)
        .collect()
}

fn secret(line: DirectiveLine<'_>) -> Option<SecretAt<'_>> {
    let mut words = line.value.split_whitespace();
    let text = match fields::by_name(line.name)?.kind {
        Kind::Token => words.next(),
        // Also what is no word, and so no valid value, was meant to be secret.
        Kind::SecretWord(_) => Some(line.value).filter(|value| !value.is_empty()),
        Kind::RemoteToken => {
            let only = words.next();
            words
                .next()
                .or(only)
                .filter(|word| !word.starts_with("env:"))
        }
        _ => None,
    }?;
    // Words lie in their order in the value, so the offset is a difference of
    // addresses inside one text.
    let start = line.value_start + (text.as_ptr() as usize - line.value.as_ptr() as usize);
    Some(SecretAt {
        line,
        text,
        at: start..start + text.len(),
    })
}

/// Replaces parts of a text that do not overlap.
fn replace(source: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(at, _)| at.start);
    let mut text = String::with_capacity(source.len());
    let mut done = 0;
    for (at, with) in edits {
        text.push_str(&source[done..at.start]);
        text.push_str(&with);
        done = at.end;
    }
    text.push_str(&source[done..]);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        let source = "// @mode worker\r\n//  @token  one  the phone\n// @token two\n// @ai-key sk-1\n\
                      // @remote-token ci three call\n// @remote-token x env:CI\n// @token\nlet t = 'one'; // @token one\n";
        let expected = "// @mode worker\r\n//  @token  [REDACTED]  the phone\n// @token [REDACTED]\n// @ai-key [REDACTED]\n\
                        // @remote-token ci [REDACTED] call\n// @remote-token x env:CI\n// @token\nlet t = 'one'; // @token one\n";
        assert_eq!(redact(source), expected);
        assert_eq!(restore(expected, source).as_deref(), Ok(source));
    }

    #[test]
    fn a_secret_with_a_mistake_is_hidden_too() {
        assert_eq!(
            redact("// @ai-key sk 1\n// @remote-token hush"),
            "// @ai-key [REDACTED]\n// @remote-token [REDACTED]"
        );
    }

    #[test]
    fn placeholders_get_their_secrets_back() {
        let cases = [
            // Code changed, nothing else.
            (
                "// @token A\n1",
                "// @token [REDACTED]\n2",
                "// @token A\n2",
            ),
            // One added before, one behind.
            (
                "// @token A",
                "// @token N\n// @token [REDACTED]\n// @token M",
                "// @token N\n// @token A\n// @token M",
            ),
            // In order when nothing tells them apart.
            (
                "// @token A\n// @token B",
                "// @token [REDACTED]\n// @token [REDACTED]",
                "// @token A\n// @token B",
            ),
            // By their notes, in whatever order and number.
            (
                "// @token A a\n// @token B b",
                "// @token [REDACTED] b",
                "// @token B b",
            ),
            (
                "// @token A a\n// @token B b",
                "// @token [REDACTED] b\n// @token [REDACTED] a",
                "// @token B b\n// @token A a",
            ),
            (
                "// @token A a\n// @token B b",
                "// @token [REDACTED] new\n// @token [REDACTED] b",
                "// @token A new\n// @token B b",
            ),
            // Each directive by itself.
            (
                "// @token A\n// @ai-key K",
                "// @ai-key [REDACTED]\n// @token [REDACTED]",
                "// @ai-key K\n// @token A",
            ),
            (
                "// @remote-token x A\n// @remote-token y B",
                "// @remote-token y [REDACTED]",
                "// @remote-token y B",
            ),
            // Taken out altogether, or never there.
            ("// @token A", "return 1", "return 1"),
            (
                "// @token A",
                "let x = '[REDACTED]'",
                "let x = '[REDACTED]'",
            ),
        ];
        for (stored, new, expected) in cases {
            assert_eq!(
                restore(new, stored).as_deref(),
                Ok(expected),
                "{stored} | {new}"
            );
        }
    }

    #[test]
    fn a_placeholder_is_never_guessed() {
        let cases = [
            ("return 1", "// @token [REDACTED]", 1),
            (
                "// @token A",
                "\n// @token [REDACTED]\n// @token [REDACTED]",
                2,
            ),
            ("// @token A\n// @token B", "// @token [REDACTED]", 1),
            (
                "// @token A\n// @token B",
                "// @token [REDACTED]\n// @token N",
                1,
            ),
            ("// @token A a\n// @token B a", "// @token [REDACTED] a", 1),
            ("// @token [REDACTED]", "// @token [REDACTED]", 1),
        ];
        for (stored, new, line) in cases {
            assert_eq!(
                restore(new, stored),
                Err(Unresolved {
                    directive: "token".into(),
                    line
                }),
                "{stored} | {new}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_hidden_comes_back(
            lines in prop::collection::vec("// @(token|ai-key|remote-token|mode)( {1,2}[a-zé:]{1,4}){0,3}(\r)?", 0..8),
            code in "\\PC{0,20}",
        ) {
            let source = format!("{}\n{code}", lines.join("\n"));
            let hidden = redact(&source);
            prop_assert_eq!(restore(&hidden, &source), Ok(source));
        }
    }
}
