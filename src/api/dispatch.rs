//! The file to read first: how a request becomes the answer of a script.
//!
//! host -> deployment -> route -> script -> (preflight, token, turn) -> sandbox
//! -> response, one line in the access log. It reads memory only; what may be
//! called is decided elsewhere (`exec`), and so is how (`sandbox`).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use super::error::ApiError;
use crate::auth;
use crate::config::Limits;
use crate::exec::Exec;
use crate::exec::cors::{self, CorsHeaders, Preflight};
use crate::exec::live::Deployment;
use crate::exec::routes::host::deployment_for_host;
use crate::exec::routes::mount::MountKind;
use crate::exec::routes::parameters::{Parameter as RouteParameter, Parameters};
use crate::exec::script::Script;
use crate::exec::services::Neighbours;
use crate::model::directives::{Access, Directives, Mode, Timeout};
use crate::model::exec_id::ExecId;
use crate::sandbox::Sandbox;
use crate::sandbox::call::{Answer, Call, Report, Reported};
use crate::sandbox::failure::{Failure, Limit};
use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::{CallContext, Later, OutboundResult, Parameter};

/// Names the call in the answer, in every log line about it, and in error bodies.
pub const EXECUTION_ID: HeaderName = HeaderName::from_static("x-execution-id");
/// What the call cost, when that is known as the answer starts.
pub const FUEL_USED: HeaderName = HeaderName::from_static("x-fuel-used");

/// `@timeout unlimited` means this much.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

pub struct Dispatcher {
    pub exec: Arc<Exec>,
    pub sandbox: Arc<Sandbox>,
    pub limits: Limits,
    /// Stacks are part of error answers.
    pub dev: bool,
}

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    pub client_ip: Option<IpAddr>,
    pub https: bool,
    /// How many of our own routes led to it.
    pub depth: u32,
    /// The deployment, when the caller is a neighbour; else the host name tells.
    pub exec_id: Option<ExecId>,
    pub execution_id: String,
}

impl Dispatcher {
    /// Answers a request, whatever happens.
    pub async fn dispatch(&self, request: Request<Body>, origin: Origin) -> Response {
        let execution_id = origin.execution_id.clone();
        let mut response = match self.answer(request, origin).await {
            Ok(response) => response,
            Err(error) => error
                .field("requestId", execution_id.clone())
                .into_response(),
        };
        if let Ok(value) = HeaderValue::try_from(execution_id) {
            response.headers_mut().insert(EXECUTION_ID, value);
        }
        response
    }

    async fn answer(&self, request: Request<Body>, origin: Origin) -> Result<Response, ApiError> {
        if u64::from(origin.depth) > self.limits.self_call_depth {
            let (used, max) = (u64::from(origin.depth), self.limits.self_call_depth);
            return Err(ApiError::of_failure(
                &Failure::Limit {
                    limit: Limit::Depth,
                    used,
                    max,
                },
                None,
            ));
        }
        let exec_id = origin.exec_id.clone().unwrap_or_else(|| {
            deployment_for_host(host(&request), |name| self.exec.live.exists(name))
        });
        let missing = || ApiError::not_found("Script not found");
        let deployment = self.exec.live.get(&exec_id).ok_or_else(missing)?;
        let path = request.uri().path().to_owned();
        let found = deployment.routes.lookup(&path);
        let found = found
            .map_err(|error| ApiError::bad_request(error.to_string()))?
            .ok_or_else(missing)?;
        let script = &found.route.script;
        if !script.directives.enabled {
            return Err(missing());
        }
        let cors = match preflight(&request) {
            Some(preflight) => return Ok(answer_preflight(&script.directives, preflight)),
            None => cors::for_response(
                &script.directives.cors,
                text(request.headers(), header::ORIGIN),
            ),
        };
        self.admit(&deployment, script, found.route.kind, &request)?;
        let request = if script.directives.access == Access::Everybody {
            request
        } else {
            without_token(request)
        };
        let mut response = match found.route.kind {
            MountKind::Markdown => self.markdown(script, request.method())?,
            MountKind::Script => {
                self.run(&deployment, script, found.parameters, path, request, origin)
                    .await?
            }
        };
        add(&cors, response.headers_mut());
        Ok(response)
    }

    /// `@token` of the script; a Markdown file is behind that of the script beside it.
    fn admit(
        &self,
        deployment: &Deployment,
        script: &Script,
        kind: MountKind,
        request: &Request<Body>,
    ) -> Result<(), ApiError> {
        let guard = |script: &Script| match &script.directives.access {
            Access::Everybody => Ok(()),
            Access::Token(tokens) => {
                let presented = auth::presented(request.headers(), request.uri().query());
                let accepted: Vec<String> = tokens
                    .iter()
                    .map(|token| token.expose().to_owned())
                    .collect();
                if presented
                    .iter()
                    .any(|one| auth::matches_any(&accepted, &one.token))
                {
                    Ok(())
                } else {
                    Err(ApiError::unauthorized())
                }
            }
        };
        if kind == MountKind::Script {
            return guard(script);
        }
        let siblings = crate::exec::routes::mount::sibling_scripts(script.path.relative());
        siblings
            .iter()
            .flatten()
            .filter_map(|path| deployment.scripts.get(path))
            .try_for_each(|one| guard(one))
    }

    async fn run(
        &self,
        deployment: &Deployment,
        script: &Arc<Script>,
        parameters: Parameters,
        path: String,
        request: Request<Body>,
        origin: Origin,
    ) -> Result<Response, ApiError> {
        let limits = self.call_limits(&script.directives);
        let turn = take_turn(script.turns.as_ref(), &limits).await?;
        let script = &self.exec.ready(script).await;
        let handler = self.exec.handler(script).await;
        let handler = handler.map_err(|problem| ApiError::of_problem(&problem, self.dev))?;
        let context = CallContext {
            execution_id: origin.execution_id,
            client_ip: origin.client_ip,
            parameters: parameters.0.into_iter().map(parameter).collect(),
            path,
            depth: origin.depth,
        };
        let worker = script
            .program
            .as_ref()
            .filter(|_| script.directives.mode == Mode::Worker);
        let call = Call {
            handler: &handler,
            worker: worker.map(|program| &program.worker),
            https: origin.https,
            services: self.exec.services(deployment, script),
            limits: &limits,
            context: context.clone(),
        };
        let (request, too_large) = limit_body(request, limits.request_body_bytes)?;
        let answer = self.sandbox.call(call, request).await;
        match answer {
            Ok(answer) => self.respond(script, context, answer, turn, limits.response_body_bytes),
            Err(report) => {
                if too_large.load(Ordering::Relaxed) {
                    let max = limits.request_body_bytes;
                    let failure = Failure::Limit {
                        limit: Limit::RequestBody,
                        used: max + 1,
                        max,
                    };
                    return Err(ApiError::of_failure(&failure, None));
                }
                Err(self.failed(script, &context, report))
            }
        }
    }

    fn respond(
        &self,
        script: &Arc<Script>,
        context: CallContext,
        answer: Answer,
        turn: Option<OwnedSemaphorePermit>,
        bytes_max: u64,
    ) -> Result<Response, ApiError> {
        let announced = text(answer.response.headers(), header::CONTENT_LENGTH);
        if let Some(used) = announced
            .and_then(|length| length.parse().ok())
            .filter(|used| *used > bytes_max)
        {
            let failure = Failure::Limit {
                limit: Limit::ResponseBody,
                used,
                max: bytes_max,
            };
            return Err(ApiError::of_failure(&failure, None));
        }
        let mut response = answer.response;
        match answer.report {
            Reported::Now(report) => {
                response
                    .headers_mut()
                    .insert(FUEL_USED, report.usage.fuel.into());
                self.note(script, &context, &report);
                Ok(response.map(|body| Body::new(Limited::new(body, bytes_max as usize))))
            }
            Reported::Later(report) => {
                let (exec, script) = (self.exec.clone(), script.clone());
                tokio::spawn(async move {
                    if let Ok(report) = report.await {
                        note(&exec, &script, &context, &report);
                    }
                });
                Ok(response.map(|body| {
                    let body = body.map_frame(move |frame| {
                        let _held = &turn;
                        frame
                    });
                    Body::new(Limited::new(body, bytes_max as usize))
                }))
            }
        }
    }

    fn failed(&self, script: &Arc<Script>, context: &CallContext, report: Report) -> ApiError {
        let stack = self.note(script, context, &report);
        let failure = report.failure.unwrap_or(Failure::NoAnswer);
        ApiError::of_failure(&failure, stack.filter(|_| self.dev))
    }

    fn note(&self, script: &Arc<Script>, context: &CallContext, report: &Report) -> Option<String> {
        note(&self.exec, script, context, report)
    }

    fn markdown(&self, script: &Script, method: &Method) -> Result<Response, ApiError> {
        if ![Method::GET, Method::HEAD].contains(method) {
            return Err(ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "A Markdown file can only be read",
            ));
        }
        let text = self.exec.folder().read(&script.path)?;
        Ok((
            [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")],
            text,
        )
            .into_response())
    }

    fn call_limits(&self, directives: &Directives) -> CallLimits {
        let limits = &self.limits;
        CallLimits {
            timeout: match directives.timeout {
                Timeout::Default => Duration::from_millis(limits.wall_clock_ms),
                Timeout::After(timeout) => timeout.min(TIMEOUT_MAX),
                Timeout::Unlimited => TIMEOUT_MAX,
            },
            fuel: directives.fuel.unwrap_or(limits.fuel_units),
            memory_bytes: directives.memory_bytes.unwrap_or(limits.memory_bytes) as usize,
            request_body_bytes: limits.request_body_bytes,
            response_body_bytes: limits.response_body_bytes,
            outbound_calls: limits.outbound_calls as u32,
            outbound_calls_at_once: limits.outbound_concurrent as u32,
            log_bytes: limits.log_bytes as usize,
        }
    }
}

impl Neighbours for Dispatcher {
    fn call(
        self: Arc<Self>,
        exec_id: ExecId,
        from: CallContext,
        request: Request<WasiBody>,
    ) -> Later<'static, OutboundResult> {
        Box::pin(async move {
            let origin = Origin {
                client_ip: from.client_ip,
                https: false,
                depth: from.depth + 1,
                exec_id: Some(exec_id),
                execution_id: uuid::Uuid::new_v4().to_string(),
            };
            let response = self.dispatch(request.map(Body::new), origin).await;
            Ok(response.map(|body| {
                body.map_err(|error| WasiError::InternalError(Some(error.to_string())))
                    .boxed_unsync()
            }))
        })
    }
}

/// Logs what went wrong, and gives the stack in terms of the sources.
fn note(
    exec: &Arc<Exec>,
    script: &Arc<Script>,
    context: &CallContext,
    report: &Report,
) -> Option<String> {
    let failure = report.failure.as_ref()?;
    let Failure::Threw(thrown) = failure else {
        tracing::warn!(script = %script.path, execution_id = context.execution_id, "{failure}");
        return None;
    };
    let program = script.program.as_ref()?;
    let maps = program.maps.get_or_init(|| {
        let source = exec.folder().read(&script.path).unwrap_or_default();
        Arc::new(exec.publisher.maps(&script.path, &source))
    });
    let stack = maps.map_stack(&thrown.stack);
    tracing::warn!(script = %script.path, execution_id = context.execution_id, "{failure}\n{stack}");
    Some(stack)
}

async fn take_turn(
    turns: Option<&Arc<Semaphore>>,
    limits: &CallLimits,
) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
    let Some(turns) = turns else { return Ok(None) };
    match timeout(limits.timeout, turns.clone().acquire_owned()).await {
        Ok(turn) => Ok(turn.ok()),
        Err(_) => {
            let max = turns.available_permits() as u64;
            Err(ApiError::of_failure(
                &Failure::Limit {
                    limit: Limit::Instances,
                    used: max,
                    max,
                },
                None,
            ))
        }
    }
}

/// A token in the URL has let the request in; the script and its logs need not see it.
fn without_token(mut request: Request<Body>) -> Request<Body> {
    let Some(query) = request.uri().query() else {
        return request;
    };
    let query = auth::strip_tokens(query);
    let target = match query.is_empty() {
        true => request.uri().path().to_owned(),
        false => format!("{}?{query}", request.uri().path()),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = target.parse().ok();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

type LimitedRequest = Request<http_body_util::combinators::UnsyncBoxBody<Bytes, WasiError>>;

/// A body over the limit fails to read, and the flag says why.
fn limit_body(
    request: Request<Body>,
    bytes_max: u64,
) -> Result<(LimitedRequest, Arc<AtomicBool>), ApiError> {
    let announced = request.body().size_hint().lower();
    if announced > bytes_max {
        let failure = Failure::Limit {
            limit: Limit::RequestBody,
            used: announced,
            max: bytes_max,
        };
        return Err(ApiError::of_failure(&failure, None));
    }
    let too_large = Arc::new(AtomicBool::new(false));
    let flag = too_large.clone();
    let request = request.map(|body| {
        let body = Limited::new(body, bytes_max as usize);
        body.map_err(move |error| {
            if error.is::<http_body_util::LengthLimitError>() {
                flag.store(true, Ordering::Relaxed);
                return WasiError::HttpRequestBodySize(Some(bytes_max));
            }
            WasiError::InternalError(Some(error.to_string()))
        })
        .boxed_unsync()
    });
    Ok((request, too_large))
}

fn parameter((name, value): (String, RouteParameter)) -> (String, Parameter) {
    let value = match value {
        RouteParameter::One(text) => Parameter::One(text),
        RouteParameter::Many(texts) => Parameter::Many(texts),
    };
    (name, value)
}

fn preflight(request: &Request<Body>) -> Option<Preflight<'_>> {
    let headers = request.headers();
    Preflight::of(
        request.method().as_str(),
        text(headers, header::ORIGIN),
        text(headers, header::ACCESS_CONTROL_REQUEST_METHOD),
        text(headers, header::ACCESS_CONTROL_REQUEST_HEADERS),
    )
}

fn answer_preflight(directives: &Directives, preflight: Preflight<'_>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    add(
        &cors::for_preflight(&directives.cors, preflight),
        response.headers_mut(),
    );
    response
}

fn add(cors: &CorsHeaders, headers: &mut HeaderMap) {
    for (name, value) in &cors.set {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    for value in cors.vary {
        if let Ok(value) = HeaderValue::try_from(*value) {
            headers.append(header::VARY, value);
        }
    }
}

fn host(request: &Request<Body>) -> &str {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    authority
        .or_else(|| text(request.headers(), header::HOST))
        .unwrap_or_default()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
