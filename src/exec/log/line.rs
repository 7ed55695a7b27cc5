//! The lines of both logs. Their field names are part of the API: `snake_case`
//! in the files, one JSON object a line.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::message::LoggedMessage;
use super::secrets::LoggedUrl;
use super::timestamp;
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;
use crate::sandbox::services::LogLevel;

/// What a line shows of a text that the caller chose (user agent, host, method).
const CALLER_TEXT_BYTES_MAX: usize = 512;

/// What led to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// It came in through a listener.
    Http,
    /// A handler called its neighbour.
    Internal,
    /// It was due.
    Schedule,
}

/// What is known of a request before it is answered. The monitor shows it while
/// the request runs, the access log when it has ended.
#[derive(Debug, Clone, Serialize)]
pub struct RequestInfo {
    /// When the request arrived.
    #[serde(serialize_with = "timestamp::serialize")]
    pub ts: DateTime<Utc>,
    /// UUID of the request: the `executionId` that handlers see, and that the
    /// execution log names in `execution_id`.
    pub request_id: String,
    /// None for a request that came through no listener.
    pub client_ip: Option<IpAddr>,
    #[serde(serialize_with = "method")]
    pub method: http::Method,
    /// The `Host` header, or the authority of HTTP/2.
    #[serde(serialize_with = "caller_text")]
    pub host: Option<String>,
    /// Path and query as they came, without secrets.
    pub path: LoggedUrl,
    pub trigger: Trigger,
    /// How many calls between handlers led here; 0 from outside.
    pub depth: u32,
    /// The name of the management token that was shown, never the token.
    pub token: Option<String>,
    #[serde(serialize_with = "caller_text")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referer: Option<LoggedUrl>,
    /// The deployment that the host name chose.
    pub exec_id: ExecId,
}

/// One line of the access log: a request and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct AccessLine {
    #[serde(flatten, serialize_with = "through_arc")]
    pub request: Arc<RequestInfo>,
    /// None when no route led to a script.
    pub script: Option<ScriptPath>,
    /// The start of the hash of the version that answered.
    pub version: Option<Cow<'static, str>>,
    /// 499 when the caller went away before the answer began.
    pub status: u16,
    /// From arrival to the last byte of the answer.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// Units of fuel, about one a Wasm instruction.
    pub fuel_used: u64,
    pub memory_peak_bytes: u64,
    /// Size of the answer's body as far as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// The code of the error that the caller got, such as `LIMIT_FUEL`.
    pub error: Option<Cow<'static, str>>,
}

/// One line of the execution log: something a handler printed, an error it
/// ended with, or the messages of a call whose `@log-*` lines ask for them.
#[derive(Debug, Clone, Serialize)]
pub struct ExecutionLine {
    #[serde(serialize_with = "timestamp::serialize")]
    pub ts: DateTime<Utc>,
    /// The `request_id` of the access log.
    pub execution_id: String,
    pub script: ScriptPath,
    /// The name of the management token that the caller showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Arc<str>>,
    pub level: LogLevel,
    pub message: String,
    /// Of an error: one frame a line, in positions of the TypeScript source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<LoggedMessage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Box<LoggedMessage>>,
}

impl AccessLine {
    /// About how much memory the line takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
        let request = &self.request;
        size_of::<AccessLine>()
            + size_of::<RequestInfo>()
            + request.request_id.capacity()
            + text(&request.host)
            + text(&request.token)
            + text(&request.user_agent)
            + request.path.bytes()
            + request.referer.as_ref().map_or(0, LoggedUrl::bytes)
    }
}

impl ExecutionLine {
    /// About how much memory the line takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        let messages = [&self.request, &self.response];
        size_of::<ExecutionLine>()
            + self.execution_id.capacity()
            + self.message.capacity()
            + self.stack.as_ref().map_or(0, String::capacity)
            + messages
                .into_iter()
                .flatten()
                .map(|m| m.bytes())
                .sum::<usize>()
    }
}

fn through_arc<S: Serializer>(
    request: &Arc<RequestInfo>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    request.as_ref().serialize(serializer)
}

fn method<S: Serializer>(method: &http::Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(start(method.as_str()))
}

fn caller_text<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => serializer.serialize_some(start(text)),
        None => serializer.serialize_none(),
    }
}

fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(CALLER_TEXT_BYTES_MAX)]
}

/// Milliseconds to three digits: a microsecond is all that anybody can use.
fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_micros() as f64 / 1000.0)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub fn request(path: &str) -> RequestInfo {
        RequestInfo {
            ts: DateTime::from_timestamp_millis(1_700_000_000_007).unwrap(),
            request_id: "0190-a".into(),
            client_ip: Some(IpAddr::from([10, 0, 0, 7])),
            method: http::Method::GET,
            host: Some("example.org".into()),
            path: LoggedUrl::new(path),
            trigger: Trigger::Http,
            depth: 0,
            token: None,
            user_agent: Some("curl/8".into()),
            referer: None,
            exec_id: ExecId::default(),
        }
    }

    pub fn access(path: &str) -> AccessLine {
        AccessLine {
            request: Arc::new(request(path)),
            script: Some(ScriptPath::parse("1/api/x.ts").unwrap()),
            version: Some("3f2a".into()),
            status: 200,
            duration: Duration::from_nanos(1_234_567),
            fuel_used: 30_558,
            memory_peak_bytes: 1 << 20,
            bytes_out: Some(12),
            error: None,
        }
    }

    pub fn execution(execution_id: &str, message: &str) -> ExecutionLine {
        ExecutionLine {
            ts: DateTime::from_timestamp_millis(1_700_000_000_000).unwrap(),
            execution_id: execution_id.into(),
            script: ScriptPath::parse("1/api/x.ts").unwrap(),
            token: None,
            level: LogLevel::Info,
            message: message.into(),
            stack: None,
            request: None,
            response: None,
        }
    }

    #[test]
    fn an_access_line_has_the_documented_fields_and_no_secret() {
        let text = serde_json::to_string(&access("/api/x?token=hush")).unwrap();
        let expected = json!({
            "ts": "2023-11-14T22:13:20.007Z",
            "request_id": "0190-a",
            "client_ip": "10.0.0.7",
            "method": "GET",
            "host": "example.org",
            "path": "/api/x?token=[REDACTED]",
            "trigger": "http",
            "depth": 0,
            "token": null,
            "user_agent": "curl/8",
            "exec_id": "1",
            "script": "1/api/x.ts",
            "version": "3f2a",
            "status": 200,
            "duration_ms": 1.234,
            "fuel_used": 30558,
            "memory_peak_bytes": 1048576,
            "bytes_out": 12,
            "error": null,
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn what_no_caller_sent_and_no_script_answered_is_null() {
        let mut line = access("/");
        let request = Arc::make_mut(&mut line.request);
        (request.client_ip, request.host, request.user_agent) = (None, None, None);
        request.trigger = Trigger::Schedule;
        (line.script, line.version) = (None, None);
        line.error = Some("ERROR_404".into());
        let shown = serde_json::to_value(&line).unwrap();
        for field in ["client_ip", "host", "user_agent", "script", "version"] {
            assert_eq!(shown[field], Value::Null, "{field}");
        }
        assert_eq!(shown["trigger"], "schedule");
        assert_eq!(shown["error"], "ERROR_404");
    }

    #[test]
    fn callers_cannot_make_a_line_long_or_two_lines() {
        let mut line = access(&format!("/{}\n", "x".repeat(100_000)));
        let request = Arc::make_mut(&mut line.request);
        request.host = Some("h".repeat(100_000));
        request.user_agent = Some(format!("a\r\n{}", "é".repeat(100_000)));
        request.referer = Some(LoggedUrl::new(&"r".repeat(100_000)));
        request.method = http::Method::from_bytes(&[b'M'; 10_000]).unwrap();
        let text = serde_json::to_string(&line).unwrap();
        assert!(text.len() < 12_000, "{}", text.len());
        assert!(!text.contains(['\n', '\r']));
    }

    #[test]
    fn an_execution_line_has_the_documented_fields() {
        let mut line = execution("0190-a", "one\ntwo");
        let shown = serde_json::to_value(&line).unwrap();
        let expected = json!({
            "ts": "2023-11-14T22:13:20.000Z",
            "execution_id": "0190-a",
            "script": "1/api/x.ts",
            "level": "info",
            "message": "one\ntwo",
        });
        assert_eq!(shown, expected);
        line.level = LogLevel::Error;
        line.stack = Some("at x (1/api/x.ts:3:7)".into());
        let shown = serde_json::to_value(&line).unwrap();
        assert_eq!(shown["level"], "error");
        assert_eq!(shown["stack"], "at x (1/api/x.ts:3:7)");
    }
}
