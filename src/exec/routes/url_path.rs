//! A request's path, taken apart and decoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// Why a path is refused (400). The text is safe to send to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlPathError {
    #[error(
        "the path has a `%` that two hexadecimal digits do not follow: write `%25` for the sign itself"
    )]
    Percent,
    #[error("the path's percent-encoded bytes are not UTF-8")]
    NotUtf8,
    #[error("the path contains a NUL character")]
    Nul,
    #[error("the path contains a `.` or `..` segment: resolve it before sending")]
    DotSegment,
}

/// Splits a path at `/`, drops empty segments and decodes each of the others,
/// so that an encoded slash stays inside its segment.
///
/// `.` and `..`, also encoded, are refused: browsers and clients resolve them
/// (WHATWG URL 4.4, RFC 3986 section 5.2.4), and a handler that builds a file
/// name from a parameter should never meet them.
pub fn segments(path: &str) -> Result<Vec<Cow<'_, str>>, UrlPathError> {
    path.split('/')
        .filter(|raw| !raw.is_empty())
        .map(decode)
        .collect()
}

fn decode(raw: &str) -> Result<Cow<'_, str>, UrlPathError> {
    for (at, _) in raw.match_indices('%') {
        let digits = raw.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(UrlPathError::Percent);
        }
    }
    let text = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| UrlPathError::NotUtf8)?;
    if text.contains('\0') {
        return Err(UrlPathError::Nul);
    }
    if text == "." || text == ".." {
        return Err(UrlPathError::DotSegment);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_before_it_is_decoded() {
        let cases: [(&str, &[&str]); 10] = [
            ("/", &[]),
            ("", &[]),
            ("/a/b", &["a", "b"]),
            ("a/b/", &["a", "b"]),
            ("//a///b//", &["a", "b"]),
            ("/a%2Fb/c", &["a/b", "c"]),
            ("/caf%C3%A9", &["café"]),
            ("/a+b%20c", &["a+b c"]),
            ("/100%25", &["100%"]),
            ("/...", &["..."]),
        ];
        for (path, expected) in cases {
            assert_eq!(segments(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_read_is_refused() {
        let cases = [
            ("/%", UrlPathError::Percent),
            ("/a%2", UrlPathError::Percent),
            ("/%zz", UrlPathError::Percent),
            ("/%+1", UrlPathError::Percent),
            ("/%é", UrlPathError::Percent),
            ("/%ff", UrlPathError::NotUtf8),
            ("/%C3/%A9", UrlPathError::NotUtf8),
            ("/a%00", UrlPathError::Nul),
            ("/a/../b", UrlPathError::DotSegment),
            ("/a/%2e%2E/b", UrlPathError::DotSegment),
            ("/./a", UrlPathError::DotSegment),
        ];
        for (path, error) in cases {
            assert_eq!(segments(path), Err(error), "{path}");
        }
    }
}
