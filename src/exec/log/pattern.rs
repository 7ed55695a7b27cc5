//! Patterns that lines are matched against. Matching takes linear time whatever
//! the pattern is, and its memory is bounded.

use regex::bytes::{Regex, RegexBuilder};

use super::error::LogError;

/// Longest text or expression, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1000;
/// Memory of a compiled expression, and of what matching caches.
const REGEX_BYTES_MAX: usize = 1 << 20;
const REGEX_CACHE_BYTES_MAX: usize = 2 << 20;

/// Matches a text as it is.
pub fn text(text: &str, case_sensitive: bool) -> Result<Regex, LogError> {
    check_length(text)?;
    compile(&regex::escape(text), case_sensitive)
}

/// Matches an expression in the syntax of the `regex` crate.
pub fn expression(regex: &str, case_sensitive: bool) -> Result<Regex, LogError> {
    check_length(regex)?;
    compile(regex, case_sensitive)
}

fn check_length(pattern: &str) -> Result<(), LogError> {
    match pattern.len() {
        1..=PATTERN_BYTES_MAX => Ok(()),
        0 => Err(LogError::Invalid("the text to search for is empty".into())),
        length => Err(LogError::Invalid(format!(
            "the text to search for has {length} bytes: at most {PATTERN_BYTES_MAX} are allowed"
        ))),
    }
}

fn compile(pattern: &str, case_sensitive: bool) -> Result<Regex, LogError> {
    let built = RegexBuilder::new(pattern)
        .case_insensitive(!case_sensitive)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_CACHE_BYTES_MAX)
        .build();
    built.map_err(|error| LogError::Regex(error.to_string()))
}
