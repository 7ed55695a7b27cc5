//! Whether a write, move or delete may go on, by what the caller believes is
//! stored (RFC 9110, section 13).

use thiserror::Error;

/// What the caller asked for. `None` of a header is that it was not sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Precondition<'a> {
    /// `If-Match`: `*`, or entity tags with commas between.
    pub if_match: Option<&'a str>,
    /// `If-None-Match`, the same.
    pub if_none_match: Option<&'a str>,
    /// `ifNotExists` of the exec API: create, and never replace.
    pub if_not_exists: bool,
}

/// Why a change is refused; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PreconditionError {
    /// 409, with the text of the exec API.
    #[error("File already exists")]
    Exists,
    /// 412.
    #[error(
        "the script is not the version that `If-Match` names: read it again and repeat the change on it"
    )]
    Changed,
    /// 412.
    #[error("the script is a version that `If-None-Match` rules out")]
    Unchanged,
    /// 400.
    #[error("`{0}` is neither `*` nor a list of entity tags in double quotes")]
    Malformed(&'static str),
}

/// The entity tag of a version: its content hash in double quotes. It is strong,
/// since equal hashes mean equal bytes (RFC 9110, section 8.8.3).
pub fn etag(hash: &str) -> String {
    format!("\"{hash}\"")
}

/// Checks a precondition against the hash of the stored version, `None` if
/// there is no such script. The caller holds whatever lock keeps the answer
/// true until the change is made.
pub fn check(
    precondition: Precondition<'_>,
    current: Option<&str>,
) -> Result<(), PreconditionError> {
    // Strong comparison: a weak tag matches nothing (section 13.1.1).
    let if_match = precondition
        .if_match
        .map(|value| matches("If-Match", value, current, false))
        .transpose()?;
    let if_none_match = precondition
        .if_none_match
        .map(|value| matches("If-None-Match", value, current, true))
        .transpose()?;
    if if_match == Some(false) {
        return Err(PreconditionError::Changed);
    }
    if if_none_match == Some(true) {
        return Err(PreconditionError::Unchanged);
    }
    if precondition.if_not_exists && current.is_some() {
        return Err(PreconditionError::Exists);
    }
    Ok(())
}

fn matches(
    header: &'static str,
    value: &str,
    current: Option<&str>,
    weak_too: bool,
) -> Result<bool, PreconditionError> {
    if value.trim() == "*" {
        return Ok(current.is_some());
    }
    let mut found = false;
    let mut rest = value.trim();
    while !rest.is_empty() {
        let weak = rest.strip_prefix("W/");
        let quoted = weak
            .unwrap_or(rest)
            .strip_prefix('"')
            .and_then(|rest| rest.split_once('"'));
        let (tag, behind) = quoted.ok_or(PreconditionError::Malformed(header))?;
        found |= Some(tag) == current && (weak.is_none() || weak_too);
        rest = behind.trim_start();
        if !rest.is_empty() {
            rest = rest
                .strip_prefix(',')
                .ok_or(PreconditionError::Malformed(header))?
                .trim_start();
        }
    }
    if value.trim().is_empty() {
        Err(PreconditionError::Malformed(header))
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &str, current: Option<&str>) -> Result<(), PreconditionError> {
        check(
            Precondition {
                if_match: Some(value),
                ..Precondition::default()
            },
            current,
        )
    }

    fn if_none_match(value: &str, current: Option<&str>) -> Result<(), PreconditionError> {
        check(
            Precondition {
                if_none_match: Some(value),
                ..Precondition::default()
            },
            current,
        )
    }

    #[test]
    fn if_match_needs_the_stored_version() {
        let changed = Err(PreconditionError::Changed);
        for (value, with_a, without) in [
            ("*", Ok(()), changed),
            ("\"a\"", Ok(()), changed),
            ("\"b\"", changed, changed),
            ("\"b\", \"a\"", Ok(()), changed),
            ("\"b\",\"a,\"", changed, changed),
            ("W/\"a\"", changed, changed),
        ] {
            assert_eq!(if_match(value, Some("a")), with_a, "{value}");
            assert_eq!(if_match(value, None), without, "{value}");
        }
        assert_eq!(if_match(&etag("a"), Some("a")), Ok(()));
    }

    #[test]
    fn if_none_match_rules_versions_out() {
        let unchanged = Err(PreconditionError::Unchanged);
        for (value, with_a, without) in [
            ("*", unchanged, Ok(())),
            ("\"a\"", unchanged, Ok(())),
            ("\"b\"", Ok(()), Ok(())),
            ("W/\"a\"", unchanged, Ok(())),
        ] {
            assert_eq!(if_none_match(value, Some("a")), with_a, "{value}");
            assert_eq!(if_none_match(value, None), without, "{value}");
        }
    }

    #[test]
    fn if_not_exists_never_replaces() {
        let precondition = Precondition {
            if_not_exists: true,
            ..Precondition::default()
        };
        assert_eq!(check(precondition, None), Ok(()));
        assert_eq!(
            check(precondition, Some("a")),
            Err(PreconditionError::Exists)
        );
    }

    #[test]
    fn a_header_that_cannot_be_read_allows_nothing() {
        for value in [
            "",
            "a",
            "\"a",
            "a\"",
            "\"a\" \"b\"",
            "\"a\";",
            "W/a",
            "*, \"a\"",
        ] {
            assert_eq!(
                if_match(value, Some("a")),
                Err(PreconditionError::Malformed("If-Match")),
                "{value}"
            );
        }
    }
}
