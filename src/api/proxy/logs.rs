//! `/_logs`: the access log of the listeners.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{StreamExt, once};
use utoipa::ToSchema;

use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::exec::view::iso;
use crate::proxy::log::{Kind, Line};

const LINES_DEFAULT: usize = 100;
const LINES_MAX: usize = 1000;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogsQuery {
    /// So many of the newest lines.
    pub last: Option<usize>,
    /// At most so many lines; 100 by default, 1000 at most.
    pub limit: Option<usize>,
    /// Without the newest so many.
    pub offset: Option<usize>,
    /// `info`, `warn` (4xx) or `error` (5xx).
    pub level: Option<String>,
    pub method: Option<String>,
    /// `response` or `event`; of the kind `request` there are no lines.
    pub kind: Option<String>,
    /// Bodies are never kept; these are taken and mean nothing.
    #[allow(dead_code, reason = "a client may send it")]
    pub include_request_body: Option<bool>,
    #[allow(dead_code, reason = "a client may send it")]
    pub include_response_body: Option<bool>,
}

const LEVELS: [&str; 3] = ["info", "warn", "error"];
const KINDS: [&str; 3] = ["response", "event", "request"];

impl LogsQuery {
    /// Refuses what no line can be, which would only look like silence.
    fn check(&self) -> Result<(), ApiError> {
        let known = |name: &str, value: &Option<String>, values: &[&str]| match value {
            Some(value) if !values.iter().any(|one| one.eq_ignore_ascii_case(value)) => {
                let values = values.join(", ");
                Err(ApiError::bad_request(format!(
                    "{name} must be one of {values}"
                )))
            }
            _ => Ok(()),
        };
        known("level", &self.level, &LEVELS)?;
        known("kind", &self.kind, &KINDS)
    }

    fn wants(&self, line: &Line) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
        };
        let method = line.method.as_ref().map_or("", |method| method.as_str());
        same(&self.level, level(line)) && same(&self.method, method) && same(&self.kind, kind(line))
    }
}

pub fn read_shape() -> Value {
    json!({ "logs": [line_shape()], "total": "integer" })
}

fn line_shape() -> Value {
    json!({
        "id": "string", "traceId": "string", "tsMs": "integer", "tsIso": "string", "kind": "string",
        "level": "string", "projectId": "string?", "containerId": "string?", "serviceName": "string", "method": "string?", "url": "string",
        "clientIp": "string?", "status": "integer?", "source": "string",
        "data": {
            "host": "string", "upstream": "string?", "alias": "string?", "group": "string?", "token": "string?",
            "bytesIn": "integer", "bytesOut": "integer", "durationMs": "integer",
            "tlsVersion": "string?", "certificateFingerprint": "string?", "message": "string?",
        },
    })
}

/// Newest first.
pub async fn read(call: Call<LogsQuery>) -> Result<Response, ApiError> {
    let query = &call.query;
    query.check()?;
    let all = call.api.access_log.newest();
    let found: Vec<&Arc<Line>> = all.iter().filter(|line| query.wants(line)).collect();
    let count = query
        .last
        .or(query.limit)
        .unwrap_or(LINES_DEFAULT)
        .min(LINES_MAX);
    let offset = query
        .offset
        .filter(|_| query.last.is_none())
        .unwrap_or_default();
    let lines: Vec<Value> = found
        .iter()
        .skip(offset)
        .take(count)
        .map(|line| view(line))
        .collect();
    Ok(axum::Json(json!({ "logs": lines, "total": found.len() })).into_response())
}

pub fn stats_shape() -> Value {
    json!({
        "lines": "integer", "kept": "integer", "responses": "integer", "bytesIn": "integer",
        "bytesOut": "integer", "byStatus": { "1xx": "integer", "2xx": "integer", "3xx": "integer", "4xx": "integer", "5xx": "integer" },
    })
}

pub async fn stats(call: Call<Nothing>) -> Result<Response, ApiError> {
    let stats = call.api.access_log.stats();
    let [informational, success, redirection, client, server] = stats.by_class;
    Ok(axum::Json(json!({
        "lines": stats.lines,
        "kept": stats.kept,
        "responses": stats.responses,
        "bytesIn": stats.bytes_in,
        "bytesOut": stats.bytes_out,
        "byStatus": {
            "1xx": informational, "2xx": success, "3xx": redirection, "4xx": client, "5xx": server,
        },
    }))
    .into_response())
}

/// Server-sent events, one a line, from the one after `Last-Event-ID` on. The event
/// `reset` says that lines are missing before the next.
pub async fn stream(call: Call<LogsQuery>) -> Result<Response, ApiError> {
    call.query.check()?;
    let log = &call.api.access_log;
    // Following starts before reading, so that no line falls between.
    let follow = log.follow();
    let last_seen = call.headers.get("last-event-id");
    let last_seen: Option<u64> = last_seen.and_then(|id| id.to_str().ok()?.parse().ok());
    let mut missed = Vec::new();
    let mut newest = log.stats().lines;
    if let Some(seen) = last_seen {
        let kept = log.newest();
        newest = kept.first().map_or(newest, |line| line.id);
        let is_gap = kept.last().is_some_and(|oldest| oldest.id > seen + 1) || seen > newest;
        if is_gap {
            missed.push(Bytes::from_static(b"event: reset\ndata: {}\n\n"));
        }
        let since = kept.iter().rev().filter(|line| line.id > seen);
        missed.extend(
            since
                .filter(|line| call.query.wants(line))
                .map(|line| event(line)),
        );
    }
    let query = call.query;
    let live = BroadcastStream::new(follow).filter_map(move |line| match line {
        Ok(line) if line.id > newest && query.wants(&line) => Some(event(&line)),
        Ok(_) => None,
        Err(BroadcastStreamRecvError::Lagged(_)) => {
            Some(Bytes::from_static(b"event: reset\ndata: {}\n\n"))
        }
    });
    let stop = call.api.stop.clone();
    let begin = once(Bytes::from_static(b": ready\n\n"));
    let events = begin.chain(tokio_stream::iter(missed)).chain(live);
    let frames = events.map(|bytes| Ok::<_, std::convert::Infallible>(Frame::data(bytes)));
    let until_stop =
        futures_util::StreamExt::take_until(frames, async move { stop.requested().await });
    let mut response = Response::new(Body::new(StreamBody::new(until_stop)));
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn event(line: &Line) -> Bytes {
    Bytes::from(format!("id: {}\ndata: {}\n\n", line.id, view(line)))
}

fn view(line: &Line) -> Value {
    json!({
        "id": line.id.to_string(),
        "traceId": line.trace_id,
        "tsMs": line.at.timestamp_millis(),
        "tsIso": iso(line.at),
        "kind": kind(line),
        "level": level(line),
        "projectId": Value::Null,
        "containerId": Value::Null,
        "serviceName": "proxy",
        "method": line.method.as_ref().map(|method| method.as_str()),
        "url": line.url,
        "clientIp": line.client_ip.map(|ip| ip.to_string()),
        "status": (line.kind == Kind::Response).then_some(line.status),
        "source": if line.upstream.is_some() { "backend" } else { "edge" },
        "data": {
            "host": line.host,
            "upstream": line.upstream,
            "alias": line.alias,
            "group": line.group,
            "token": line.token,
            "bytesIn": line.bytes_in,
            "bytesOut": line.bytes_out,
            "durationMs": line.duration_ms,
            "tlsVersion": line.tls,
            "certificateFingerprint": line.fingerprint.as_deref(),
            "message": line.message,
        },
    })
}

fn kind(line: &Line) -> &'static str {
    match line.kind {
        Kind::Response => "response",
        Kind::Event => "event",
    }
}

fn level(line: &Line) -> &'static str {
    match line.status {
        500.. => "error",
        400..=499 => "warn",
        _ => "info",
    }
}
