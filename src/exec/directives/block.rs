//! Finds the directive lines of a source text.
//!
//! Owns the syntax around a directive: lines, comments, where the top of a file
//! ends. It knows nothing about what directives mean.

use std::ops::Range;

/// How many lines from the first are searched for directives.
pub const PARSE_WINDOW_LINES: usize = 100;

/// The places at which JavaScript ends a line (ECMA-262, 12.3), and with it a
/// `//` comment.
const LINE_TERMINATORS: [char; 4] = ['\n', '\r', '\u{2028}', '\u{2029}'];

/// One line of a source text; offsets are bytes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    pub start: usize,
    pub text: &'a str,
    /// The terminator, with `\r\n` as one; empty at the end of the file.
    pub ending: &'a str,
}

/// A line of the form `// @name value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectiveLine<'a> {
    pub line: Line<'a>,
    /// Without the `@`.
    pub name: &'a str,
    /// The rest of the line without space at its ends.
    pub value: &'a str,
    pub value_start: usize,
}

/// The comments at the top of a file.
#[derive(Debug)]
pub struct Block<'a> {
    pub directives: Vec<DirectiveLine<'a>>,
    /// Lines that look like directives but stand behind the first code or
    /// behind the window, and have no effect.
    pub late: Vec<DirectiveLine<'a>>,
    /// Lines of block comments at the top that look like directives and are none.
    pub commented: Vec<DirectiveLine<'a>>,
    /// Where the first line that a directive may stand on starts: behind a byte
    /// order mark or a `#!` line.
    pub top: usize,
}

/// Reads the top of a source text: `//` comments before any code. A byte order
/// mark, a `#!` line, blank lines and block comments are passed over.
pub fn read(source: &str) -> Block<'_> {
    let mut block = Block {
        directives: Vec::new(),
        late: Vec::new(),
        commented: Vec::new(),
        top: 0,
    };
    let mut place = Place::Top;
    for mut line in lines(source) {
        if line.number == 1 {
            if let Some(rest) = line.text.strip_prefix('\u{feff}') {
                block.top = line.text.len() - rest.len();
                line = Line {
                    start: block.top,
                    text: rest,
                    ..line
                };
            }
            if line.text.starts_with("#!") {
                block.top = line.whole().end;
                continue;
            }
        }
        let starts_inside = matches!(place, Place::BlockComment);
        let is_commented = starts_inside || place.opens_comment(line.text);
        place = place.after(line.text);
        if is_commented && line.number <= PARSE_WINDOW_LINES {
            block.commented.extend(DirectiveLine::read_commented(line));
        }
        let directive = (!starts_inside)
            .then(|| DirectiveLine::read(line))
            .flatten();
        let Some(directive) = directive else { continue };
        if matches!(place, Place::Top) && line.number <= PARSE_WINDOW_LINES {
            block.directives.push(directive);
        } else {
            block.late.push(directive);
        }
    }
    block
}

/// Splits a text into lines.
pub fn lines(source: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        let rest = source.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find(LINE_TERMINATORS).unwrap_or(rest.len());
        let (text, behind) = rest.split_at(length);
        let ending = if behind.starts_with("\r\n") {
            2
        } else {
            behind.chars().next().map_or(0, char::len_utf8)
        };
        number += 1;
        let line = Line {
            number,
            start,
            text,
            ending: &behind[..ending],
        };
        start = line.whole().end;
        Some(line)
    })
}

/// Whether a text fits on one line.
pub fn is_one_line(text: &str) -> bool {
    !text.contains(LINE_TERMINATORS)
}

/// Whether a new line starts behind a text.
pub fn ends_a_line(text: &str) -> bool {
    text.is_empty() || text == "\u{feff}" || text.ends_with(LINE_TERMINATORS)
}

impl Line<'_> {
    /// The bytes of the line with its ending.
    pub fn whole(&self) -> Range<usize> {
        self.start..self.start + self.text.len() + self.ending.len()
    }

    /// The bytes of the line without its ending.
    pub fn inner(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }
}

impl<'a> DirectiveLine<'a> {
    fn read(line: Line<'a>) -> Option<DirectiveLine<'a>> {
        DirectiveLine::of(line, line.text.trim_start().strip_prefix("//")?)
    }

    /// The same of a line of a block comment, ` * @name value` or `/** @name value */`.
    fn read_commented(line: Line<'a>) -> Option<DirectiveLine<'a>> {
        let text = line.text.trim_start().trim_start_matches(['/', '*']);
        let mut found = DirectiveLine::of(line, text)?;
        found.value = found.value.trim_end_matches(['*', '/']).trim_end();
        Some(found)
    }

    /// What a comment says that `text`, the end of the line, is in.
    fn of(line: Line<'a>, text: &'a str) -> Option<DirectiveLine<'a>> {
        let rest = text.trim_start().strip_prefix('@')?;
        let (name, value) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        // A colon is no part of a name; it is let through to be reported.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
        if name.is_empty() || !name.chars().all(fits) {
            return None;
        }
        let before_value = line.text.len() - value.trim_start().len();
        let value = value.trim();
        Some(DirectiveLine {
            line,
            name,
            value,
            value_start: line.start + before_value,
        })
    }
}

/// Where in the file a line starts.
#[derive(Debug, Clone, Copy)]
enum Place {
    Top,
    BlockComment,
    Code,
}

impl Place {
    fn opens_comment(self, line: &str) -> bool {
        matches!(self, Place::Top) && line.trim_start().starts_with("/*")
    }

    /// The place behind a line.
    fn after(self, line: &str) -> Place {
        let mut rest = match self {
            Place::Code => return Place::Code,
            Place::Top => line.trim_start(),
            Place::BlockComment => match line.split_once("*/") {
                Some((_, rest)) => rest.trim_start(),
                None => return Place::BlockComment,
            },
        };
        while let Some(comment) = rest.strip_prefix("/*") {
            match comment.split_once("*/") {
                Some((_, behind)) => rest = behind.trim_start(),
                None => return Place::BlockComment,
            }
        }
        if rest.is_empty() || rest.starts_with("//") {
            Place::Top
        } else {
            Place::Code
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `name=value` of the directives, then of the late ones.
    fn found(source: &str) -> (Vec<String>, Vec<String>) {
        let block = read(source);
        let show = |lines: &[DirectiveLine<'_>]| {
            lines
                .iter()
                .map(|directive| format!("{}={}", directive.name, directive.value))
                .collect()
        };
        (show(&block.directives), show(&block.late))
    }

    #[test]
    fn directives_stand_before_any_code() {
        let cases: [(&str, &[&str], &[&str]); 17] = [
            ("", &[], &[]),
            ("// @mode worker", &["mode=worker"], &[]),
            (
                "//@mode worker\r\n  //   @ai   true  \r\nreturn 1",
                &["mode=worker", "ai=true"],
                &[],
            ),
            ("// @rawBody\nreturn 1", &["rawBody="], &[]),
            ("\u{feff}// @a b", &["a=b"], &[]),
            ("#!/usr/bin/env node\n// @a b", &["a=b"], &[]),
            ("\n\n// words\n\n// @a b\n", &["a=b"], &[]),
            (
                "/* a licence\n// @no directive\n */\n// @a b",
                &["a=b"],
                &[],
            ),
            ("/* x */ /* y */ // z\n// @a b", &["a=b"], &[]),
            ("/* x */ let y;\n// @a b", &[], &["a=b"]),
            ("import x from './x.ts'\n// @a b", &[], &["a=b"]),
            ("'use strict';\n// @a b", &[], &["a=b"]),
            ("/* open\n// @a b", &[], &[]),
            (
                "/// @a b\n// a @b\n// @é x\n// @(a) x\n// @ a\n# @a b",
                &[],
                &[],
            ),
            ("// @a b\u{2028}return 1", &["a=b"], &[]),
            ("// @a b\r// @c d\rreturn 1", &["a=b", "c=d"], &[]),
            ("// @mode: worker", &["mode:=worker"], &[]),
        ];
        for (source, directives, late) in cases {
            let (found, found_late) = found(source);
            assert_eq!(
                (found.as_slice(), found_late.as_slice()),
                (strings(directives).as_slice(), strings(late).as_slice()),
                "{source:?}"
            );
        }
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_window_ends() {
        let at = |line: usize| format!("{}// @a b\n", "//\n".repeat(line - 1));
        assert_eq!(found(&at(PARSE_WINDOW_LINES)), (strings(&["a=b"]), vec![]));
        assert_eq!(
            found(&at(PARSE_WINDOW_LINES + 1)),
            (vec![], strings(&["a=b"]))
        );
    }

    #[test]
    fn the_top_is_behind_what_must_come_first() {
        let cases = [
            ("", 0),
            ("x", 0),
            ("\u{feff}x", 3),
            ("#!x\ny", 4),
            ("#!x", 3),
            ("\u{feff}#!x\r\ny", 8),
        ];
        for (source, top) in cases {
            assert_eq!(read(source).top, top, "{source:?}");
        }
    }

    proptest! {
        #[test]
        fn lines_lose_nothing(source in "(\\PC|\n|\r|\u{2028}){0,60}") {
            let whole: String = lines(&source).map(|line| [line.text, line.ending].concat()).collect();
            prop_assert_eq!(&whole, &source);
            for line in lines(&source) {
                prop_assert_eq!(&source[line.inner()], line.text);
                prop_assert!(is_one_line(line.text));
            }
        }

        #[test]
        fn values_are_where_they_are_said_to_be(source in "(// @[a-z]{1,3}|[ \tx\r\n]|\u{feff}|/\\*|\\*/|#!){0,20}") {
            let block = read(&source);
            for directive in block.directives.iter().chain(&block.late) {
                let start = directive.value_start;
                prop_assert_eq!(&source[start..start + directive.value.len()], directive.value);
            }
        }
    }
}
