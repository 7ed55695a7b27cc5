//! `isolate.eval`: code that nobody has read, in an instance that has nothing but
//! what was passed to it. It must not know how the engine encodes values.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};

use super::ScriptServices;
use crate::compile::fences;
use crate::exec::script::Problem;
use crate::model::generation::Trial;
use crate::model::script::ScriptPath;
use crate::sandbox::call::{Answer, Call, Report, Reported};
use crate::sandbox::failure::Failure;
use crate::sandbox::handler::Handler;
use crate::sandbox::lane::in_turn;
use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::acme::{OrderError, OrderRequest, OrderedCertificate};
use crate::sandbox::services::isolate::{Evaluation, IsolateError, Outcome};
use crate::sandbox::services::{
    CallContext, Charged, KvError, KvPage, Later, LogLevel, OutboundResult, Services, WasiBody,
    WasiError,
};
use crate::sandbox::snapshot::Passed;

/// What an isolate may use at most, however much its caller has left.
#[derive(Debug, Clone, Copy)]
pub struct IsolateCaps {
    pub timeout: Duration,
    pub fuel: u64,
    pub memory_bytes: usize,
    pub response_bytes: u64,
}

/// The name by which errors call the code.
pub(super) const FILE: &str = "isolated.ts";

/// Fuel that compiling for an isolate costs its caller: about 3 ms of CPU.
pub(super) const COMPILE_FUEL: u64 = 15_000_000;

impl ScriptServices {
    pub async fn evaluate(
        &self,
        call: &CallContext,
        evaluation: Evaluation,
        limits: CallLimits,
    ) -> Charged<Result<Outcome, IsolateError>> {
        let code = fences::strip(&evaluation.code).into_owned();
        let mut limits = self.capped(limits);
        let (compiled, loaded) = self.compiled(&code, &evaluation, &limits).await;
        limits.fuel = limits.fuel.saturating_sub(loaded);
        let mut fuel = COMPILE_FUEL + loaded;
        let mut result = match compiled {
            Ok(handler) => {
                let (result, used) = self.called(call, &evaluation, &handler, &limits).await;
                fuel += used;
                result
            }
            Err(problem) => Err(IsolateError {
                code: "ISOLATE_INVALID",
                name: String::new(),
                message: problem.message,
            }),
        };
        // Only then it has answered the request that it was made for.
        let is_trial = evaluation.passed.iter().any(|name| name == "req");
        if is_trial && result.is_ok() && self.is_silent(&code).await {
            result = Err(silent());
        }
        match &result {
            Ok(outcome) if is_trial => {
                self.notes.worked(code, outcome.status);
            }
            Ok(_) => {}
            Err(error) => self.failed(code, error),
        }
        Charged { result, fuel }
    }

    pub(super) fn failed(&self, code: String, error: &IsolateError) {
        let trial = Trial::Failed {
            code: error.code.to_owned(),
            message: error.message.clone(),
        };
        let message = match error.name.as_str() {
            "" => error.message.clone(),
            name => format!("{name}: {}", error.message),
        };
        self.notes.failed(code, trial, message);
    }

    pub(super) fn capped(&self, limits: CallLimits) -> CallLimits {
        let caps = self.outside.isolate;
        CallLimits {
            timeout: limits.timeout.min(caps.timeout),
            fuel: limits.fuel.min(caps.fuel),
            memory_bytes: limits.memory_bytes.min(caps.memory_bytes),
            response_body_bytes: limits.response_body_bytes.min(caps.response_bytes),
            ..limits
        }
    }

    /// The code as a handler, and the fuel that its top level has used.
    async fn compiled(
        &self,
        code: &str,
        evaluation: &Evaluation,
        limits: &CallLimits,
    ) -> (Result<Handler, Problem>, u64) {
        let passed = Passed {
            passed: evaluation.passed.clone(),
            data: evaluation.data.clone(),
        };
        let path = match ScriptPath::in_deployment(&self.deployment.exec_id, FILE) {
            Ok(path) => path,
            Err(error) => return (Err(Problem::of(&error)), 0),
        };
        let (publisher, code) = (self.exec.publisher.clone(), code.to_owned());
        let (memory_bytes, fuel) = (limits.memory_bytes, limits.fuel);
        let compile = move || {
            let mut left = fuel;
            let handler = publisher.isolate(&path, &code, passed, memory_bytes, &mut left);
            (handler, fuel - left)
        };
        let compiled = in_turn(&self.exec.calls_compile, compile).await;
        compiled.unwrap_or_else(|| (Err(Problem::not_ready()), 0))
    }

    async fn called(
        &self,
        call: &CallContext,
        evaluation: &Evaluation,
        handler: &Handler,
        limits: &CallLimits,
    ) -> (Result<Outcome, IsolateError>, u64) {
        let request = match request(evaluation) {
            Ok(request) => request,
            Err(error) => return (Err(threw("TypeError", &error.to_string())), 0),
        };
        let context = CallContext {
            client_ip: None,
            parameters: Vec::new(),
            path: request.uri().path().to_owned(),
            // It is a call from inside, and takes its permit there.
            depth: call.depth + 1,
            ..call.clone()
        };
        let services: Arc<dyn Services> = Arc::new(Isolated {
            has_console: evaluation.passed.iter().any(|name| name == "console"),
            // Nobody has read the code, whoever wrote the script that runs it.
            caller: ScriptServices {
                is_persons: false,
                ..self.clone()
            },
            caller_context: call.clone(),
        });
        let call = Call {
            handler,
            worker: None,
            https: false,
            context,
            services,
            limits,
        };
        match self.exec.publisher.sandbox.call(call, request).await {
            Ok(answer) => outcome(answer, limits).await,
            Err(report) => (Err(failure(&report)), report.usage.fuel),
        }
    }
}

pub(super) type RequestBody =
    http_body_util::combinators::MapErr<Full<Bytes>, fn(Infallible) -> WasiError>;

fn request(evaluation: &Evaluation) -> Result<Request<RequestBody>, http::Error> {
    let mut request = Request::builder()
        .method(evaluation.method.as_str())
        .uri(format!("http://localhost{}", evaluation.target));
    for (name, value) in &evaluation.headers {
        request = request.header(name, value.as_slice());
    }
    request.body(whole(evaluation.body.clone()))
}

pub(super) fn whole(body: Bytes) -> RequestBody {
    let never: fn(Infallible) -> WasiError = |never| match never {};
    Full::new(body).map_err(never)
}

/// Reads the answer to its end, and what it cost.
pub(super) async fn outcome(
    answer: Answer,
    limits: &CallLimits,
) -> (Result<Outcome, IsolateError>, u64) {
    let (head, body) = answer.response.into_parts();
    let body = Limited::new(body, limits.response_body_bytes as usize);
    let read = tokio::time::timeout(limits.timeout, body.collect()).await;
    let report = match answer.report {
        Reported::Now(report) => Some(report),
        Reported::Later(report) => report.await.ok(),
    };
    let fuel = report
        .as_ref()
        .map_or(limits.fuel, |report| report.usage.fuel);
    let body = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return (Err(limit(&error.to_string())), fuel),
        Err(_) => return (Err(limit("the answer takes too long")), fuel),
    };
    if let Some(report) = report.filter(|report| report.failure.is_some()) {
        return (Err(failure(&report)), fuel);
    }
    if head.status.is_server_error() {
        let error = IsolateError {
            code: "ISOLATE_STATUS",
            name: String::new(),
            message: format!("the code answered with the status {}", head.status.as_u16()),
        };
        return (Err(error), fuel);
    }
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let outcome = Outcome {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body,
    };
    (Ok(outcome), fuel)
}

fn threw(name: &str, message: &str) -> IsolateError {
    IsolateError {
        code: "ISOLATE_THREW",
        name: name.to_owned(),
        message: message.to_owned(),
    }
}

/// Code of a model that has run and has said nothing.
pub(super) fn silent() -> IsolateError {
    let message = "the code answers nothing: return a value at its top level, or use res";
    IsolateError {
        code: "ISOLATE_INVALID",
        name: String::new(),
        message: message.to_owned(),
    }
}

fn limit(message: &str) -> IsolateError {
    IsolateError {
        code: "ISOLATE_LIMIT",
        name: String::new(),
        message: message.to_owned(),
    }
}

pub(super) fn failure(report: &Report) -> IsolateError {
    match &report.failure {
        Some(Failure::Threw(error)) => threw(&error.name, &error.message),
        Some(other @ Failure::Limit { .. }) => limit(&other.to_string()),
        Some(other) => threw("", &other.to_string()),
        None => threw("", &Failure::NoAnswer.to_string()),
    }
}

/// The services of code in an isolate: outbound calls in its caller's name, a log
/// if it was passed one, and nothing else. What it was not passed is no import of
/// its component either; these answers are the second lock.
struct Isolated {
    caller: ScriptServices,
    caller_context: CallContext,
    has_console: bool,
}

fn nothing<'a, T: Send + 'a>(value: T) -> Later<'a, T> {
    Box::pin(std::future::ready(value))
}

fn no_certificates() -> OrderError {
    OrderError {
        code: "REFUSED",
        message: "not in an isolate".to_owned(),
        retry_after_seconds: None,
    }
}

fn no_store<'a, T: Send + 'a>() -> Later<'a, Result<T, KvError>> {
    nothing(Err(KvError::Unavailable("not in an isolate".to_owned())))
}

impl Services for Isolated {
    fn log(&self, _: &CallContext, level: LogLevel, message: &str) {
        if self.has_console {
            self.caller.log(&self.caller_context, level, message);
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn kv_get<'a>(&'a self, _: &'a str) -> Later<'a, Result<Option<Vec<u8>>, KvError>> {
        no_store()
    }

    fn kv_set<'a>(&'a self, _: &'a str, _: Vec<u8>) -> Later<'a, Result<(), KvError>> {
        no_store()
    }

    fn kv_delete<'a>(&'a self, _: &'a str) -> Later<'a, Result<bool, KvError>> {
        no_store()
    }

    fn kv_list<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: u32,
    ) -> Later<'a, Result<KvPage, KvError>> {
        no_store()
    }

    fn kv_increment<'a>(&'a self, _: &'a str, _: i64) -> Later<'a, Result<i64, KvError>> {
        no_store()
    }

    fn kv_compare_and_set<'a>(
        &'a self,
        _: &'a str,
        _: Option<Vec<u8>>,
        _: Option<Vec<u8>>,
    ) -> Later<'a, Result<bool, KvError>> {
        no_store()
    }

    fn shared_load(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn shared_store(&self, _: Vec<(String, Option<String>)>) -> Result<(), u64> {
        Ok(())
    }

    fn send(
        &self,
        _: &CallContext,
        request: http::Request<WasiBody>,
    ) -> Later<'static, OutboundResult> {
        self.caller.send(&self.caller_context, request)
    }

    fn acme_order<'a>(
        &'a self,
        _: &'a CallContext,
        _: OrderRequest,
    ) -> Later<'a, Result<OrderedCertificate, OrderError>> {
        nothing(Err(no_certificates()))
    }

    fn acme_status<'a>(&'a self, _: &'a str) -> Later<'a, Result<Option<String>, OrderError>> {
        nothing(Err(no_certificates()))
    }
}
