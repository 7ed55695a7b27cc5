//! One line in the access log and one count for every request, however it ends:
//! what is known is gathered in an [`Entry`], and dropping that writes it. So a
//! caller who goes away, a streamed answer and an error all leave their line.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use chrono::Utc;
use http::{HeaderMap, HeaderName, Request, Response, header};
use tokio::sync::watch;

use super::error::ApiError;
use super::exchange::Exchange;
use crate::cron::call::Usage as CallUsage;
use crate::exec::log::line::{AccessLine, RequestInfo, Trigger};
use crate::exec::log::secrets::LoggedUrl;
use crate::exec::log::writer::LogWriter;
use crate::exec::monitor::counters::{Finished, Outcome};
use crate::exec::monitor::{Monitor, RunningRequest, STATUS_CALLER_GONE};
use crate::exec::script::Script;
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;
use crate::sandbox::call::{Report, Usage};
use crate::sandbox::failure::Limit;

/// How much of a version's name the log shows, in characters.
const VERSION_CHARS: usize = 12;

/// Where lines and counts go.
pub struct Access {
    pub log: LogWriter,
    pub monitor: Arc<Monitor>,
}

/// A request on its way.
pub struct Entry {
    access: Arc<Access>,
    request: Arc<RequestInfo>,
    started: Instant,
    /// Whether it counts as a call of a script, or of none.
    is_call: bool,
    running: Option<RunningRequest>,
    script: Option<ScriptPath>,
    version: Option<Cow<'static, str>>,
    status: u16,
    outcome: Outcome,
    usage: Usage,
    /// The code that the caller got.
    error: Option<Cow<'static, str>>,
    /// What went wrong, for people.
    message: Option<String>,
    bytes_out: Option<u64>,
    /// The messages, when the script wants them logged.
    pub exchange: Option<Exchange>,
    /// Told what the call used, when that is known.
    pub receipt: Option<watch::Sender<Option<CallUsage>>>,
}

/// The name of the management token that a request came with; an extension of its
/// answer, for the log of the listeners.
#[derive(Debug, Clone)]
pub struct AskedBy(pub String);

/// What is known of a request besides what it says itself.
pub struct Arrival {
    pub request_id: String,
    pub client_ip: Option<IpAddr>,
    pub trigger: Trigger,
    pub depth: u32,
    pub exec_id: ExecId,
}

impl Access {
    /// Starts the entry of a request that a script is to answer.
    pub fn call(self: &Arc<Self>, request: &Request<Body>, arrival: Arrival) -> Entry {
        self.entry(request, arrival, true)
    }

    /// Starts the entry of a request to the management API: it is logged, but is
    /// no call of a script.
    pub fn management(self: &Arc<Self>, request: &Request<Body>, arrival: Arrival) -> Entry {
        self.entry(request, arrival, false)
    }

    fn entry(self: &Arc<Self>, request: &Request<Body>, arrival: Arrival, is_call: bool) -> Entry {
        let Arrival {
            request_id,
            client_ip,
            trigger,
            depth,
            exec_id,
        } = arrival;
        let headers = request.headers();
        let owned = |name| text(headers, name).map(str::to_owned);
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let info = RequestInfo {
            ts: Utc::now(),
            request_id,
            client_ip,
            method: request.method().clone(),
            host: Some(host(request).to_owned()).filter(|host| !host.is_empty()),
            path: LoggedUrl::new(path),
            trigger,
            depth,
            token: None,
            user_agent: owned(header::USER_AGENT),
            referer: text(headers, header::REFERER).map(LoggedUrl::new),
            exec_id,
        };
        Entry {
            access: self.clone(),
            request: Arc::new(info),
            started: Instant::now(),
            is_call,
            running: None,
            script: None,
            version: None,
            status: STATUS_CALLER_GONE,
            outcome: Outcome::Cancelled,
            usage: Usage::default(),
            error: None,
            message: None,
            bytes_out: None,
            exchange: None,
            receipt: None,
        }
    }
}

impl Entry {
    /// A route led to this script.
    pub fn routed(&mut self, script: &Script) {
        self.script = Some(script.path.clone());
        self.running = Some(
            self.access
                .monitor
                .begin(self.request.clone(), self.script.clone()),
        );
    }

    /// This version answers.
    pub fn versioned(&mut self, script: &Script) {
        let name = script
            .program
            .as_ref()
            .map(|program| &program.manifest.version);
        self.version = name
            .and_then(|name| name.get(..VERSION_CHARS))
            .map(|name| name.to_owned().into());
    }

    /// The request came with this management token.
    pub fn authenticated(&mut self, alias: &str) {
        // Nobody else has the request until a script does.
        if let Some(request) = Arc::get_mut(&mut self.request) {
            request.token = Some(alias.to_owned());
        }
    }

    pub fn asked_by(&self) -> Option<AskedBy> {
        self.request.token.clone().map(AskedBy)
    }

    /// What the call used, and what became of it.
    pub fn reported(&mut self, report: &Report) {
        self.usage = report.usage;
        if let Some(receipt) = &self.receipt {
            let used = CallUsage {
                fuel: report.usage.fuel,
                memory_peak_bytes: report.usage.memory_peak_bytes as u64,
            };
            // The first report is the whole one.
            receipt.send_modify(|usage| *usage = usage.or(Some(used)));
        }
        // An answer that was cut off is what the caller saw, whatever came then.
        if self.outcome != Outcome::Limit(Limit::ResponseBody) {
            self.outcome = Outcome::of(report.failure.as_ref());
        }
        if let Some(failure) = &report.failure {
            self.message = Some(failure.to_string());
            self.error
                .get_or_insert_with(|| ApiError::of_failure(failure, None).code.into());
        }
    }

    /// An error is the answer.
    pub fn failed(&mut self, error: &ApiError) {
        self.error = Some(Cow::Owned(error.code.clone()));
        if self.outcome == Outcome::Cancelled {
            self.outcome = Outcome::Refused;
        }
        self.message.get_or_insert_with(|| error.error.clone());
    }

    /// The answer begins.
    pub fn answered(&mut self, response: &Response<Body>) {
        self.status = response.status().as_u16();
        if self.outcome == Outcome::Cancelled {
            self.outcome = Outcome::Ok;
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(response);
        }
    }

    /// Part of the answer's body went by.
    pub fn sent(&mut self, bytes: &[u8]) {
        *self.bytes_out.get_or_insert(0) += bytes.len() as u64;
        if let Some(exchange) = &mut self.exchange {
            exchange.sent(bytes);
        }
    }

    /// The answer was cut off, being too large.
    pub fn cut(&mut self) {
        self.outcome = Outcome::Limit(Limit::ResponseBody);
        self.error = Some(Cow::Borrowed("LIMIT_RESPONSE_BODY"));
    }

    /// The caller went away before the end of the answer.
    pub fn abandoned(&mut self) {
        if self.outcome == Outcome::Ok {
            self.outcome = Outcome::Cancelled;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let memory_peak_bytes = self.usage.memory_peak_bytes as u64;
        if self.is_call {
            let begin = || self.access.monitor.begin(self.request.clone(), None);
            let running = self.running.take().unwrap_or_else(begin);
            let finished = Finished {
                status: self.status,
                outcome: self.outcome,
                duration,
                fuel_used: self.usage.fuel,
                memory_peak_bytes,
            };
            running.finish(&finished, self.message.as_deref(), Utc::now());
        }
        if let (Some(exchange), Some(script)) = (self.exchange.take(), &self.script)
            && let Some(line) = exchange.line(&self.request, script, self.status)
        {
            self.access.log.execution(line);
        }
        self.access.log.access(AccessLine {
            request: self.request.clone(),
            script: self.script.take(),
            version: self.version.take(),
            status: self.status,
            duration,
            fuel_used: self.usage.fuel,
            memory_peak_bytes,
            bytes_out: self.bytes_out,
            error: self.error.take(),
        });
    }
}

/// The host that a request names.
pub fn host<B>(request: &Request<B>) -> &str {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    authority
        .or_else(|| text(request.headers(), header::HOST))
        .unwrap_or_default()
}

/// A header's value, if it is plain text.
pub fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
