//! Keeps secrets out of logs: credentials in URLs and in headers.
//!
//! Hiding happens when a line is made into text, so that a secret cannot reach
//! a file because somebody forgot to hide it.

use std::borrow::Cow;
use std::fmt;

use http::header::{self, HeaderName};
use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};

use crate::model::directives::Secret;

/// The longest URL that a log keeps; the rest is cut.
pub const URL_BYTES_MAX: usize = 4096;

/// A query parameter whose name ends so, in any case, is a secret: `token` is
/// ours, `access_token` is RFC 6750 section 2.3, the others are habits.
const SECRET_NAME_ENDINGS: [&str; 6] =
    ["token", "password", "passwd", "secret", "api_key", "apikey"];

/// A URL, whole or from its path on, that shows itself without its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct LoggedUrl(String);

impl LoggedUrl {
    /// Keeps the first 4096 bytes.
    pub fn new(url: &str) -> LoggedUrl {
        LoggedUrl(url[..url.floor_char_boundary(URL_BYTES_MAX)].to_owned())
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity()
    }
}

impl fmt::Display for LoggedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.0))
    }
}

impl fmt::Debug for LoggedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LoggedUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&without_secrets(&self.0))
    }
}

/// The URL with `[REDACTED]` for the values of secret parameters.
fn without_secrets(url: &str) -> Cow<'_, str> {
    let Some(query) = url.find(['?', '#']) else {
        return Cow::Borrowed(url);
    };
    let (path, query) = url.split_at(query);
    let mut shown = String::with_capacity(url.len());
    shown.push_str(path);
    for part in query.split_inclusive(['?', '#', '&', ';']) {
        let end = part.trim_end_matches(['?', '#', '&', ';']);
        match end.split_once('=') {
            Some((name, _)) if is_secret_name(name) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(Secret::PLACEHOLDER);
                shown.push_str(&part[end.len()..]);
            }
            _ => shown.push_str(part),
        }
    }
    Cow::Owned(shown)
}

/// Names are read as a server reads them: `%74oken` is `token`.
fn is_secret_name(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy();
    SECRET_NAME_ENDINGS.iter().any(|ending| {
        let start = name.len().checked_sub(ending.len());
        let tail = start.and_then(|start| name.get(start..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(ending))
    })
}

/// What a log shows of a header's value. `excluded` holds the names of a
/// script's `@log-exclude-headers`, in lower case.
pub fn header_value(name: &HeaderName, value: &[u8], excluded: &[String]) -> String {
    if is_credential(name) || excluded.iter().any(|hidden| hidden == name.as_str()) {
        return Secret::PLACEHOLDER.to_owned();
    }
    let text = String::from_utf8_lossy(value);
    if name == header::REFERER || name == header::LOCATION || name == header::CONTENT_LOCATION {
        return LoggedUrl::new(&text).to_string();
    }
    text.into_owned()
}

fn is_credential(name: &HeaderName) -> bool {
    let credentials = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::SET_COOKIE,
    ];
    // Of headers that no standard names, those whose names end as secret
    // parameters do: `X-Token`, `X-Auth-Token`, `X-Api-Key`.
    credentials.contains(name) || is_secret_name(&name.as_str().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secret_parameters_are_hidden_and_nothing_else() {
        let cases = [
            ("/a/token=x", "/a/token=x"),
            ("/a?q=1", "/a?q=1"),
            ("/a?token=hush", "/a?token=[REDACTED]"),
            ("/a?q=1&token=hush&r=2", "/a?q=1&token=[REDACTED]&r=2"),
            ("/a?TOKEN=hush;x=y", "/a?TOKEN=[REDACTED];x=y"),
            ("/a?%74oke%6e=hush", "/a?%74oke%6e=[REDACTED]"),
            ("/a?token=a=b", "/a?token=[REDACTED]"),
            ("/a?token=", "/a?token=[REDACTED]"),
            ("/a?token", "/a?token"),
            ("/a?tokens=3", "/a?tokens=3"),
            (
                "https://h/cb?access_token=hush#id_token=hush&x=1",
                "https://h/cb?access_token=[REDACTED]#id_token=[REDACTED]&x=1",
            ),
            ("/a?é=1&password=hush", "/a?é=1&password=[REDACTED]"),
            ("/a?é=1", "/a?é=1"),
        ];
        for (url, shown) in cases {
            let url = LoggedUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(serde_json::to_value(&url).unwrap(), shown);
        }
    }

    #[test]
    fn a_long_url_is_cut_between_characters_and_stays_hidden() {
        let url = format!("/{}é?x", "a".repeat(URL_BYTES_MAX - 2));
        assert_eq!(LoggedUrl::new(&url).to_string().len(), URL_BYTES_MAX - 1);
        let url = format!("/?token={}", "hush".repeat(URL_BYTES_MAX));
        assert_eq!(LoggedUrl::new(&url).to_string(), "/?token=[REDACTED]");
    }

    #[test]
    fn headers_with_credentials_are_hidden() {
        let excluded = ["x-session".to_owned()];
        let show = |name: &'static str, value: &str| {
            header_value(&HeaderName::from_static(name), value.as_bytes(), &excluded)
        };
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "x-token",
            "x-auth-token",
            "x-api-key",
            "apikey",
            "x-client-secret",
            "x-session",
        ] {
            assert_eq!(show(name, "hush"), "[REDACTED]", "{name}");
        }
        assert_eq!(show("accept", "text/html"), "text/html");
        assert_eq!(show("x-tokens", "3"), "3");
        assert_eq!(
            show("referer", "https://h/?token=hush"),
            "https://h/?token=[REDACTED]"
        );
    }

    proptest! {
        #[test]
        fn what_a_server_reads_as_token_is_never_shown(
            before in "[a-z=&;%]{0,8}",
            spelt in "(t|%74)(o|O)(k|%6B|%6b)(e|%65)(n|%4E)",
            behind in "(&[a-z]{0,4})?",
        ) {
            let url = format!("/p?{before}&{spelt}=hush-0123{behind}");
            prop_assert!(!LoggedUrl::new(&url).to_string().contains("hush"), "{url}");
        }

        #[test]
        fn nothing_but_secrets_changes(url in "/[a-m/]{0,9}(\\?[a-m=&]{0,20})?") {
            prop_assert_eq!(LoggedUrl::new(&url).to_string(), url);
        }
    }
}
