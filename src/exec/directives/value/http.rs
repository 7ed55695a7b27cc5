//! Reads values that name things of HTTP.

use super::list;
use crate::model::directives::CorsPolicy;

/// Header or method names between commas: tokens (RFC 9110, 5.6.2).
pub fn names(text: &str) -> Result<Vec<String>, String> {
    let names = list(text)?;
    match names.iter().find(|name| !is_token(name)) {
        Some(bad) => Err(format!(
            "has `{bad}`, which is no HTTP name: write names with commas between"
        )),
        None => Ok(names),
    }
}

/// Whether a text is an HTTP token (RFC 9110, 5.6.2).
pub fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// Who may read across origins. An origin is kept as browsers send it (RFC
/// 6454, 6.2): lower case, without path and default port.
pub fn cors_policy(text: &str) -> Result<CorsPolicy, String> {
    match text {
        "none" => return Ok(CorsPolicy::None),
        "reflective" | "*" => return Ok(CorsPolicy::Reflective),
        _ => {}
    }
    let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:[]".contains(c);
    let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    match origin.split_once("://") {
        Some((before, host)) if !before.is_empty() && before.chars().all(scheme) => {
            let default_port = match before {
                "https" => ":443",
                "http" => ":80",
                _ => "",
            };
            let host = host.strip_suffix(default_port).unwrap_or(host);
            if !host.is_empty() && host.chars().all(plain) {
                return Ok(CorsPolicy::Origin(format!("{before}://{host}")));
            }
        }
        _ => {}
    }
    Err("is neither `reflective`, `none` nor one origin such as `https://example.com`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let origin = |text: &str| Ok(CorsPolicy::Origin(text.to_owned()));
        let cases = [
            ("none", Ok(CorsPolicy::None)),
            ("*", Ok(CorsPolicy::Reflective)),
            ("reflective", Ok(CorsPolicy::Reflective)),
            ("https://example.com", origin("https://example.com")),
            ("https://Example.com/", origin("https://example.com")),
            ("https://example.com:443", origin("https://example.com")),
            ("http://localhost:3000", origin("http://localhost:3000")),
            ("http://a:80", origin("http://a")),
            ("http://[::1]:8080", origin("http://[::1]:8080")),
            ("chrome-extension://abc", origin("chrome-extension://abc")),
        ];
        for (text, expected) in cases {
            assert_eq!(cors_policy(text), expected, "{text}");
        }
        let bad = [
            "",
            "null",
            "example.com",
            "https://",
            "https://a.com/x",
            "https://a.com, https://b.com",
            "https://u@a",
            "https://a?b",
            "://a",
        ];
        for text in bad {
            assert!(cors_policy(text).is_err(), "{text}");
        }
    }

    #[test]
    fn header_and_method_names() {
        assert_eq!(names("GET, X-Y"), Ok(vec!["GET".into(), "X-Y".into()]));
        assert!(names("GET POST").is_err() && names("a\u{e9}").is_err());
    }
}
