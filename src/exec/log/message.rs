//! What the execution log keeps of a call: which console lines, and which parts
//! of its messages. Decided by the script's `@log-*` lines; the access log does
//! not depend on them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, header};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::secrets;
use crate::model::directives::{BodyLogging, Log, LogLevel as Detail};
use crate::sandbox::services::LogLevel;

/// A log keeps no more of a body than this, whatever `@log-max-body-size` says.
pub const LOGGED_BODY_BYTES_MAX: usize = 1 << 20;

/// The least level that a script's `@log-level` keeps; none keeps nothing.
pub fn least_level(detail: Detail) -> Option<LogLevel> {
    match detail {
        Detail::None => None,
        Detail::Minimal => Some(LogLevel::Error),
        Detail::Standard => Some(LogLevel::Info),
        Detail::Full => Some(LogLevel::Debug),
        Detail::Debug => Some(LogLevel::Trace),
    }
}

/// Whether the log keeps a line of this level.
pub fn keeps_level(detail: Detail, level: LogLevel) -> bool {
    least_level(detail).is_some_and(|least| level >= least)
}

/// How much of a body has to be caught for the log, in bytes.
pub fn captured_bytes(log: &Log, body: BodyLogging) -> usize {
    if body != BodyLogging::Full || log.level == Detail::None {
        return 0;
    }
    usize::try_from(log.max_body_size_bytes)
        .unwrap_or(usize::MAX)
        .min(LOGGED_BODY_BYTES_MAX)
}

/// A body as it went by.
#[derive(Debug, Clone, Copy, Default)]
pub struct CapturedBody<'a> {
    /// Its first bytes; see [`captured_bytes`].
    pub start: &'a [u8],
    /// Bytes in all.
    pub size: u64,
}

/// The head and the body of a request or a response, without secrets.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedMessage {
    /// With `@log-level full` and `debug`. Repeated ones are joined by `, `.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<LoggedBody>,
}

#[derive(Debug, Clone, Serialize)]
struct LoggedBody {
    /// Bytes of the whole body.
    size: u64,
    content_type: Option<String>,
    /// Its start, if the log keeps bodies and they are UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Its start, if the log keeps bodies and they are anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// More came than is shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl LoggedMessage {
    /// What the log keeps of a message, or none if it keeps nothing.
    pub fn new(
        log: &Log,
        logging: BodyLogging,
        headers: &HeaderMap,
        body: CapturedBody<'_>,
    ) -> Option<Box<LoggedMessage>> {
        if log.level == Detail::None {
            return None;
        }
        let with_headers = log.level >= Detail::Full;
        let message = LoggedMessage {
            headers: match with_headers {
                true => shown_headers(headers, &log.exclude_headers),
                false => Vec::new(),
            },
            body: shown_body(logging, headers, body, captured_bytes(log, logging)),
        };
        (with_headers || message.body.is_some()).then(|| Box::new(message))
    }

    /// About how much memory it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
        let header = |(name, value): &(String, String)| {
            size_of::<(String, String)>() + name.capacity() + value.capacity()
        };
        let body = self.body.as_ref();
        size_of::<LoggedMessage>()
            + self.headers.iter().map(header).sum::<usize>()
            + body.map_or(0, |body| text(&body.text) + text(&body.base64))
    }
}

fn shown_headers(headers: &HeaderMap, excluded: &[String]) -> Vec<(String, String)> {
    let shown = headers.keys().map(|name| {
        let values = headers.get_all(name).iter();
        let values = values.map(|value| secrets::header_value(name, value.as_bytes(), excluded));
        (
            name.as_str().to_owned(),
            values.collect::<Vec<_>>().join(", "),
        )
    });
    shown.collect()
}

fn shown_body(
    logging: BodyLogging,
    headers: &HeaderMap,
    body: CapturedBody<'_>,
    bytes_max: usize,
) -> Option<LoggedBody> {
    let start = match logging {
        BodyLogging::Off => return None,
        _ if body.size == 0 => return None,
        BodyLogging::Redacted => None,
        BodyLogging::Full => Some(&body.start[..body.start.len().min(bytes_max)]),
    };
    let truncated = start.is_some_and(|start| (start.len() as u64) < body.size);
    let text = start.and_then(|start| utf8(start, truncated));
    let base64 = start
        .filter(|_| text.is_none())
        .map(|start| BASE64.encode(start));
    let content_type = headers.get(header::CONTENT_TYPE);
    Some(LoggedBody {
        size: body.size,
        content_type: content_type
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        text: text.map(Cow::into_owned),
        base64,
        truncated,
    })
}

/// The bytes as text. Where they were cut, the last character may be cut too.
fn utf8(bytes: &[u8], cut: bool) -> Option<Cow<'_, str>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.into()),
        Err(error) if cut && error.error_len().is_none() => {
            Some(String::from_utf8_lossy(&bytes[..error.valid_up_to()]))
        }
        Err(_) => None,
    }
}

fn as_map<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(headers.len()))?;
    for (name, value) in headers {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::directives::Directives;

    fn log(level: Detail, max_body_size_bytes: u64) -> Log {
        Log {
            level,
            max_body_size_bytes,
            exclude_headers: vec!["x-session".into()],
            ..Directives::default().log
        }
    }

    fn shown(log: &Log, logging: BodyLogging, headers: &HeaderMap, body: &[u8]) -> Value {
        let caught = &body[..body.len().min(captured_bytes(log, logging))];
        let body = CapturedBody {
            start: caught,
            size: body.len() as u64,
        };
        serde_json::to_value(LoggedMessage::new(log, logging, headers, body)).unwrap()
    }

    #[test]
    fn levels_keep_what_they_say() {
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        let cases: [(Detail, &[LogLevel]); 5] = [
            (Detail::None, &[]),
            (Detail::Minimal, &[Error]),
            (Detail::Standard, &[Info, Warn, Error]),
            (Detail::Full, &[Debug, Info, Warn, Error]),
            (Detail::Debug, &[Trace, Debug, Info, Warn, Error]),
        ];
        for (detail, kept) in cases {
            for level in [Trace, Debug, Info, Warn, Error] {
                assert_eq!(
                    keeps_level(detail, level),
                    kept.contains(&level),
                    "{detail:?} {level:?}"
                );
            }
        }
    }

    #[test]
    fn headers_come_with_full_and_debug_and_bodies_as_asked_for() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        let (off, redacted, full) = (BodyLogging::Off, BodyLogging::Redacted, BodyLogging::Full);
        let map = json!({"content-type": "text/plain"});
        let size = json!({"size": 2, "content_type": "text/plain"});
        let text = json!({"size": 2, "content_type": "text/plain", "text": "hi"});
        let cases = [
            (Detail::None, full, Value::Null),
            (Detail::Standard, off, Value::Null),
            (Detail::Minimal, redacted, json!({"body": size})),
            (Detail::Standard, full, json!({"body": text})),
            (Detail::Full, off, json!({"headers": map})),
            (
                Detail::Full,
                redacted,
                json!({"headers": map, "body": size}),
            ),
            (Detail::Debug, full, json!({"headers": map, "body": text})),
        ];
        for (level, logging, expected) in cases {
            let what = shown(&log(level, 100), logging, &headers, b"hi");
            assert_eq!(what, expected, "{level:?} {logging:?}");
        }
    }

    #[test]
    fn no_header_shows_a_secret() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "x-token", "cookie", "x-session"] {
            headers.append(name, HeaderValue::from_static("hush"));
            headers.append(name, HeaderValue::from_static("hush too"));
        }
        headers.append("accept", HeaderValue::from_static("a"));
        headers.append("accept", HeaderValue::from_bytes(b"\xff").unwrap());
        let what = shown(&log(Detail::Debug, 0), BodyLogging::Off, &headers, b"");
        assert!(!what.to_string().contains("hush"), "{what}");
        assert_eq!(what["headers"]["accept"], "a, \u{fffd}");
    }

    #[test]
    fn bodies_are_cut_and_stay_valid() {
        let show = |max, body: &[u8]| {
            let what = shown(
                &log(Detail::Standard, max),
                BodyLogging::Full,
                &HeaderMap::new(),
                body,
            );
            what["body"].clone()
        };
        let body = |rest: Value| {
            let mut all = json!({"size": 4, "content_type": null});
            all.as_object_mut()
                .unwrap()
                .append(&mut rest.as_object().unwrap().clone());
            all
        };
        let cases: [(u64, &[u8], Value); 6] = [
            (4, b"abcd", json!({"text": "abcd"})),
            (3, b"abcd", json!({"text": "abc", "truncated": true})),
            (0, b"abcd", json!({"text": "", "truncated": true})),
            (2, "aéb".as_bytes(), json!({"text": "a", "truncated": true})),
            (4, b"a\xff\0b", json!({"base64": "Yf8AYg=="})),
            (2, b"a\xff\0b", json!({"base64": "Yf8=", "truncated": true})),
        ];
        for (max, bytes, expected) in cases {
            assert_eq!(show(max, bytes), body(expected), "{max} {bytes:?}");
        }
        assert_eq!(show(4, b""), Value::Null);
        assert_eq!(
            captured_bytes(&log(Detail::Full, u64::MAX), BodyLogging::Full),
            LOGGED_BODY_BYTES_MAX
        );
    }
}
