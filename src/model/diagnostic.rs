//! A problem in a source file: where it is, what is wrong, how to mend it.
//!
//! This file only turns byte offsets into lines, columns and code frames. It
//! knows no language and finds no problems.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Lines of context above and below the line in question.
const FRAME_CONTEXT_LINES: usize = 2;
/// A longer source line (minified code) is cut to this many characters.
const FRAME_LINE_CHARS_MAX: usize = 120;

/// One problem in one source file.
///
/// `Display` writes `path:line:column: message`, then the frame and the hint
/// on lines of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, relative to its deployment, with `/`.
    pub path: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters (not bytes, not UTF-16 units).
    pub column: u32,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The line with its neighbours and a caret under the column. Empty when
    /// there is no text to show.
    pub frame: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A problem at a byte `offset` into `source`. An offset beyond the end or
    /// inside a character is moved back to the nearest character.
    pub fn at(path: &str, source: &str, offset: usize, message: impl Into<String>) -> Self {
        let (line, column) = line_and_column(source, offset);
        Self {
            path: path.to_owned(),
            line,
            column,
            message: message.into(),
            frame: code_frame(source, line, column),
            hint: None,
        }
    }

    /// A problem with the file as a whole, such as its size.
    pub fn whole_file(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: 1,
            column: 1,
            message: message.into(),
            frame: String::new(),
            hint: None,
        }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.path, self.line, self.column, self.message
        )?;
        if !self.frame.is_empty() {
            write!(f, "\n{}", self.frame)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// The line and column of a byte offset, both counted from 1, the column in
/// characters. Lines end where ECMAScript ends them (ECMA-262 section 12.3).
pub fn line_and_column(source: &str, offset: usize) -> (u32, u32) {
    let offset = source.floor_char_boundary(offset);
    let before = &source[..offset];
    let mut line = 1;
    let mut line_start = 0;
    for (end, length) in line_ends(before) {
        line += 1;
        line_start = end + length;
    }
    let column = before[line_start..].chars().count() + 1;
    (line, u32::try_from(column).unwrap_or(u32::MAX))
}

/// A line of the source, counted from 1, without its end. Empty beyond the last.
pub fn source_line(source: &str, line: u32) -> &str {
    split_lines(source)
        .get(line.max(1) as usize - 1)
        .copied()
        .unwrap_or_default()
}

/// The text around a position, for people:
///
/// ```text
///   1 | const a = 1;
/// > 2 | const b = ;
///     |           ^
///   3 | return a;
/// ```
///
/// `line` and `column` are counted from 1. Control characters are replaced, so
/// that a hostile source cannot steer the terminal that shows the frame.
pub fn code_frame(source: &str, line: u32, column: u32) -> String {
    let mut lines = split_lines(source);
    let at = line.max(1) as usize - 1;
    // A position after the last line's end has an empty line to itself.
    if at >= lines.len() {
        lines.push("");
    }
    let at = at.min(lines.len() - 1);
    let first = at.saturating_sub(FRAME_CONTEXT_LINES);
    let last = (at + FRAME_CONTEXT_LINES).min(lines.len() - 1);
    let width = (last + 1).to_string().len();
    // All lines are cut at the same place, so that they stay aligned.
    let column = column.max(1) as usize - 1;
    let cut = if lines[at].chars().count() > FRAME_LINE_CHARS_MAX {
        column.saturating_sub(FRAME_LINE_CHARS_MAX / 2)
    } else {
        0
    };

    let mut frame = String::new();
    for (index, text) in lines.iter().enumerate().take(last + 1).skip(first) {
        let shown = shown(text, cut);
        let mark = if index == at { '>' } else { ' ' };
        frame.push_str(format!("{mark} {:width$} | {shown}", index + 1).trim_end());
        frame.push('\n');
        if index == at {
            let indent: String = shown
                .chars()
                .take(column - cut)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            frame.push_str(&format!("  {:width$} | {indent}^\n", ""));
        }
    }
    frame.pop();
    frame
}

/// One source line as the frame shows it, from character `cut` on.
fn shown(line: &str, cut: usize) -> String {
    line.chars()
        .skip(cut)
        .take(FRAME_LINE_CHARS_MAX)
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{FFFD}'
            } else {
                c
            }
        })
        .collect()
}

fn split_lines(source: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (end, length) in line_ends(source) {
        lines.push(&source[start..end]);
        start = end + length;
    }
    // Nothing follows the last line's end, unless there is nothing else.
    if start < source.len() || lines.is_empty() {
        lines.push(&source[start..]);
    }
    lines
}

/// Where each line ends and how many bytes its terminator has.
fn line_ends(source: &str) -> impl Iterator<Item = (usize, usize)> {
    source.char_indices().filter_map(|(at, c)| match c {
        // The `\n` of `\r\n` ends the line, so that the pair counts once.
        '\r' if source[at + 1..].starts_with('\n') => None,
        '\n' if source[..at].ends_with('\r') => Some((at - 1, 2)),
        '\n' | '\r' => Some((at, 1)),
        '\u{2028}' | '\u{2029}' => Some((at, 3)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let table = [
            ("", 0, (1, 1)),
            ("abc", 0, (1, 1)),
            ("abc", 2, (1, 3)),
            ("abc", 99, (1, 4)),
            ("a\nb", 2, (2, 1)),
            ("a\r\nb", 3, (2, 1)),
            ("a\rb", 2, (2, 1)),
            ("a\n\nb", 3, (3, 1)),
            ("a\u{2028}b", 4, (2, 1)),
            ("日本x", 6, (1, 3)),
            // Inside the second character.
            ("日本x", 4, (1, 2)),
            ("😀x", 4, (1, 2)),
        ];
        for (source, offset, expected) in table {
            assert_eq!(
                line_and_column(source, offset),
                expected,
                "{source:?} at {offset}"
            );
        }
    }

    #[test]
    fn a_frame_shows_two_lines_of_context_and_a_caret() {
        let source = "one\ntwo\nthree\nfour\nfive\nsix\n";
        insta::assert_snapshot!(code_frame(source, 3, 4), @r"
          1 | one
          2 | two
        > 3 | three
            |    ^
          4 | four
          5 | five
        ");
    }

    #[test]
    fn a_frame_keeps_tabs_and_line_numbers_aligned() {
        let source = "1\n2\n3\n4\n5\n6\n7\n8\n9\n\tx = ;\n";
        insta::assert_snapshot!(code_frame(source, 10, 6), @"
           8 | 8
           9 | 9
        > 10 | 	x = ;
             | 	    ^
        ");
        insta::assert_snapshot!(code_frame("a(\n", 2, 1), @r"
          1 | a(
        > 2 |
            | ^
        ");
    }

    #[test]
    fn a_frame_of_a_minified_line_is_cut_around_the_column() {
        let source = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let frame = code_frame(&source, 1, 5001);
        let lines: Vec<&str> = frame.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].len() < 140);
        assert_eq!(lines[0].find("HERE"), lines[1].find('^'));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let frame = code_frame("a\u{1b}[31mb\0", 1, 1);
        assert!(!frame.contains('\u{1b}') && !frame.contains('\0'));
    }

    #[test]
    fn display_is_position_then_message_then_frame_then_hint() {
        let diagnostic = Diagnostic::at("api/x.ts", "let a = ;", 8, "expected an expression")
            .with_hint("write a value");
        insta::assert_snapshot!(diagnostic, @r"
        api/x.ts:1:9: expected an expression
        > 1 | let a = ;
            |         ^
        hint: write a value
        ");
    }

    #[test]
    fn serializes_without_an_absent_hint() {
        let value = serde_json::to_value(Diagnostic::whole_file("a.ts", "too large")).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"path": "a.ts", "line": 1, "column": 1, "message": "too large", "frame": ""})
        );
    }
}
