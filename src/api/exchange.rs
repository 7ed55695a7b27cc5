//! The messages of a call, caught for the execution log when the script's
//! `@log-*` lines ask for them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use chrono::Utc;
use http::{HeaderMap, Response};

use crate::exec::log::line::{ExecutionLine, RequestInfo};
use crate::exec::log::message::{CapturedBody, LoggedMessage, captured_bytes};
use crate::model::directives::{BodyLogging, Log, LogLevel as Detail};
use crate::model::script::ScriptPath;
use crate::sandbox::services::LogLevel;

/// What went by of a request and its answer.
pub struct Exchange {
    log: Log,
    request_headers: HeaderMap,
    request: Capture,
    response_headers: HeaderMap,
    response: Caught,
    response_bytes_max: usize,
}

/// The start of a body, shared with whoever reads it.
#[derive(Clone)]
pub struct Capture {
    caught: Arc<Mutex<Caught>>,
    bytes_max: usize,
}

#[derive(Default)]
struct Caught {
    start: Vec<u8>,
    size: u64,
}

impl Exchange {
    /// None unless the script wants messages logged.
    pub fn of(log: &Log, request_headers: &HeaderMap) -> Option<Self> {
        let bodies = log.request_body != BodyLogging::Off || log.response_body != BodyLogging::Off;
        if log.level == Detail::None || (log.level < Detail::Full && !bodies) {
            return None;
        }
        let request = Capture {
            caught: Arc::default(),
            bytes_max: captured_bytes(log, log.request_body),
        };
        Some(Self {
            request_headers: request_headers.clone(),
            request,
            response_headers: HeaderMap::new(),
            response: Caught::default(),
            response_bytes_max: captured_bytes(log, log.response_body),
            log: log.clone(),
        })
    }

    /// For the reader of the request's body.
    pub fn request(&self) -> Capture {
        self.request.clone()
    }

    pub fn answered(&mut self, response: &Response<Body>) {
        self.response_headers.clone_from(response.headers());
    }

    pub fn sent(&mut self, bytes: &[u8]) {
        self.response.add(bytes, self.response_bytes_max);
    }

    /// The line of the execution log; none if it would say nothing.
    pub fn line(
        &self,
        info: &RequestInfo,
        script: &ScriptPath,
        status: u16,
    ) -> Option<ExecutionLine> {
        let caught = self
            .request
            .caught
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (log, request, response) = (&self.log, caught.body(), self.response.body());
        let request = LoggedMessage::new(log, log.request_body, &self.request_headers, request);
        let response = LoggedMessage::new(log, log.response_body, &self.response_headers, response);
        if request.is_none() && response.is_none() {
            return None;
        }
        Some(ExecutionLine {
            ts: Utc::now(),
            execution_id: info.request_id.clone(),
            script: script.clone(),
            token: info.token.as_deref().map(Into::into),
            level: LogLevel::Info,
            message: format!("{} {} {status}", info.method, info.path),
            stack: None,
            request,
            response,
        })
    }
}

impl Capture {
    pub fn add(&self, bytes: &Bytes) {
        // What is caught is whole after each part, whoever panicked.
        let mut caught = self.caught.lock().unwrap_or_else(PoisonError::into_inner);
        caught.add(bytes, self.bytes_max);
    }
}

impl Caught {
    fn add(&mut self, bytes: &[u8], bytes_max: usize) {
        self.size += bytes.len() as u64;
        let room = bytes_max.saturating_sub(self.start.len()).min(bytes.len());
        self.start.extend_from_slice(&bytes[..room]);
    }

    fn body(&self) -> CapturedBody<'_> {
        CapturedBody {
            start: &self.start,
            size: self.size,
        }
    }
}
