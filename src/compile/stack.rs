//! Positions in the JavaScript that ran, back to the TypeScript that was
//! written.
//!
//! Reads stacks as QuickJS prints them, a frame a line:
//!
//! ```text
//!     at name (api/users/[id].ts:3:5)
//!     at api/users/[id].ts:3:5
//!     at <anonymous> (typescript:runtime/helpers/decorate:1:1)
//!     at map (native)
//! ```
//!
//! Frames of modules that are not the script's own are dropped. QuickJS counts
//! lines from 1 and columns in bytes, from 1, but on the first line from 0.
//! This file must not fail: a stack is whatever a handler threw.

use std::collections::BTreeMap;

use oxc_sourcemap::{SourceMap, Token};
use serde::{Deserialize, Serialize};

use super::bundle::Bundle;
use crate::model::diagnostic::{code_frame, source_line};

/// A stack has at most 64 frames; what a handler throws as one can be anything.
const STACK_LINES_MAX: usize = 100;

/// The source maps of a script's modules, to be kept with its version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceMaps {
    /// By module path. Source maps, JSON, version 3, with the sources inside;
    /// generated columns are in bytes, as the engine counts them.
    maps: BTreeMap<String, String>,
}

/// A place in a source file of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    pub path: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
}

impl SourceMaps {
    pub fn of(bundle: &Bundle) -> Self {
        let maps = bundle.modules.iter().filter_map(|module| {
            let map = module.source_map.as_deref()?;
            Some((module.path.clone(), with_byte_columns(map, &module.code)))
        });
        Self {
            maps: maps.collect(),
        }
    }

    /// The stack with positions in the sources. Lines that are no frames (the
    /// error's message, if it is there) stay as they are.
    pub fn map_stack(&self, stack: &str) -> String {
        let mut decoded = Decoded::new(self);
        let mut mapped = String::new();
        for line in stack.lines().take(STACK_LINES_MAX) {
            if !line.trim_start().starts_with("at ") {
                mapped.push_str(line);
                mapped.push('\n');
            } else if let Some((frame, location)) = decoded.frame(line) {
                mapped.push_str(&frame.at(&location));
                mapped.push('\n');
            }
        }
        mapped
    }

    /// A text with stacks in it, such as what a script prints of an error: its frames
    /// in the sources, everything else as it is.
    pub fn map_text(&self, text: &str) -> String {
        let mut decoded = Decoded::new(self);
        let lines = text.split('\n').map(|line| {
            let frame = line.trim_start().starts_with("at ");
            match frame.then(|| decoded.frame(line)).flatten() {
                Some((frame, location)) => frame.at(&location),
                None => line.to_owned(),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Where the innermost frame of the script's own code is, in the sources.
    pub fn first_frame(&self, stack: &str) -> Option<Location> {
        let mut decoded = Decoded::new(self);
        let mut lines = stack.lines().take(STACK_LINES_MAX);
        lines
            .find_map(|line| decoded.frame(line))
            .map(|(_, location)| location)
    }

    /// The source around a place, with a caret.
    pub fn code_frame(&self, location: &Location) -> Option<String> {
        let map = SourceMap::from_json_string(self.maps.get(&location.path)?).ok()?;
        let source = map.get_source_content(0)?;
        Some(code_frame(source, location.line, location.column))
    }
}

/// One line of a stack: `path`, `line` and `column` as the engine counts them.
#[derive(Debug, PartialEq)]
struct Frame<'s> {
    name: Option<&'s str>,
    path: &'s str,
    line: u32,
    column: u32,
}

impl Frame<'_> {
    /// The line of a stack with the frame at this place.
    fn at(&self, location: &Location) -> String {
        let Location { path, line, column } = location;
        match self.name {
            Some(name) => format!("    at {name} ({path}:{line}:{column})"),
            None => format!("    at {path}:{line}:{column}"),
        }
    }
}

/// Source maps, decoded when a frame first needs them.
struct Decoded<'m> {
    maps: &'m SourceMaps,
    decoded: BTreeMap<&'m str, SourceMap<'m>>,
}

impl<'m> Decoded<'m> {
    fn new(maps: &'m SourceMaps) -> Self {
        Self {
            maps,
            decoded: BTreeMap::new(),
        }
    }

    fn frame<'s>(&mut self, line: &'s str) -> Option<(Frame<'s>, Location)> {
        let frame = parse_frame(line, |path| self.maps.maps.contains_key(path))?;
        let location = self.locate(&frame)?;
        Some((frame, location))
    }

    fn locate(&mut self, frame: &Frame) -> Option<Location> {
        let (path, json) = self.maps.maps.get_key_value(frame.path)?;
        if !self.decoded.contains_key(path.as_str()) {
            self.decoded
                .insert(path, SourceMap::from_json_string(json).ok()?);
        }
        let map = self.decoded.get(path.as_str())?;
        let line = frame.line.checked_sub(1)?;
        let column = if line == 0 {
            frame.column
        } else {
            frame.column.saturating_sub(1)
        };
        let token = nearest(map, line, column)?;
        let line = token.get_src_line() + 1;
        let text = source_line(map.get_source_content(0)?, line);
        let column = chars_before(text, token.get_src_col()) + 1;
        Some(Location {
            path: path.clone(),
            line,
            column,
        })
    }
}

/// The last token at or before a position on its line, else the first after it:
/// what the compiler added around a statement belongs to that statement.
fn nearest(map: &SourceMap, line: u32, column: u32) -> Option<Token> {
    let mut on_line = map
        .get_tokens()
        .filter(|token| token.get_dst_line() == line);
    let first = on_line.next()?;
    let before = on_line
        .take_while(|token| token.get_dst_col() <= column)
        .last();
    Some(before.unwrap_or(first))
}

/// Reads `at name (path:line:column)` or `at path:line:column`. A path can
/// itself contain ` (`, so that only one that is known decides where it starts.
fn parse_frame(line: &str, is_known: impl Fn(&str) -> bool) -> Option<Frame<'_>> {
    let text = line.trim().strip_prefix("at ")?;
    if let Some((path, line, column)) = parse_position(text).filter(|(path, ..)| is_known(path)) {
        return Some(Frame {
            name: None,
            path,
            line,
            column,
        });
    }
    let inside = text.strip_suffix(')')?;
    inside.match_indices(" (").find_map(|(at, _)| {
        let (path, line, column) = parse_position(&inside[at + 2..])?;
        is_known(path).then_some(Frame {
            name: Some(&inside[..at]),
            path,
            line,
            column,
        })
    })
}

fn parse_position(text: &str) -> Option<(&str, u32, u32)> {
    let (rest, column) = text.rsplit_once(':')?;
    let (path, line) = rest.rsplit_once(':')?;
    Some((path, line.parse().ok()?, column.parse().ok()?))
}

/// Source maps count columns in UTF-16 units (ECMA-426), the engine in bytes.
fn with_byte_columns(map: &str, code: &str) -> String {
    if code.is_ascii() {
        return map.to_owned();
    }
    let Ok(decoded) = SourceMap::from_json_string(map) else {
        return map.to_owned();
    };
    let lines: Vec<&str> = code.split('\n').collect();
    let mut parts = decoded.into_parts();
    let in_bytes = |token: &Token| {
        let line = lines
            .get(token.get_dst_line() as usize)
            .copied()
            .unwrap_or_default();
        Token::new(
            token.get_dst_line(),
            bytes_before(line, token.get_dst_col()),
            token.get_src_line(),
            token.get_src_col(),
            token.get_source_id(),
            token.get_name_id(),
        )
    };
    parts.tokens = parts.tokens.iter().map(in_bytes).collect();
    SourceMap::from_parts(parts).to_json_string()
}

/// Bytes of a line before a column in UTF-16 units.
fn bytes_before(line: &str, units: u32) -> u32 {
    before(line, units, char::len_utf8)
}

/// Characters of a line before a column in UTF-16 units.
fn chars_before(line: &str, units: u32) -> u32 {
    before(line, units, |_| 1)
}

fn before(line: &str, units: u32, size: impl Fn(char) -> usize) -> u32 {
    let mut left = units as usize;
    let mut sum = 0;
    for c in line.chars() {
        if left < c.len_utf16() {
            break;
        }
        left -= c.len_utf16();
        sum += size(c);
    }
    u32::try_from(sum).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
