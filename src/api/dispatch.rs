//! The file to read first: how a request becomes the answer of a script.
//!
//! host -> deployment -> route -> script -> (preflight, token, turn) -> sandbox
//! -> response, one line in the access log. It reads memory only; what may be
//! called is decided elsewhere (`exec`), and so is how (`sandbox`).

mod admission;
mod incoming;
mod outgoing;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Limited;
use tokio::sync::OwnedSemaphorePermit;

use super::access::{Arrival, Entry, host, text};
use super::error::ApiError;
use super::exchange::Exchange;
use super::watched::{Tail, watch};
use crate::auth::Tokens;
use crate::config::Limits;
use crate::exec::Exec;
use crate::exec::cors;
use crate::exec::live::Deployment;
use crate::exec::log::line::Trigger;
use crate::exec::routes::host::deployment_for_host;
use crate::exec::routes::mount::MountKind;
use crate::exec::routes::parameters::Parameters;
use crate::exec::script::Script;
use crate::model::directives::{Directives, Mode, Timeout};
use crate::model::exec_id::ExecId;
use crate::sandbox::Sandbox;
use crate::sandbox::call::{Answer, Call, Report, Reported};
use crate::sandbox::failure::{Failure, Limit};
use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::CallContext;
use crate::sandbox::services::dry_run::DryRun;
use admission::{Credentials, no_referrer, stripped};
use incoming::{asks_for_dry_run, limit_body, parameter, preflight, take_turn, too_large};
use outgoing::{add, answer_preflight, note};

/// Names the call in the answer, in every log line about it, and in error bodies.
pub const EXECUTION_ID: HeaderName = HeaderName::from_static("x-execution-id");
/// What the call cost, when that is known as the answer starts.
pub const FUEL_USED: HeaderName = HeaderName::from_static("x-fuel-used");

/// What a call with `?dry_run=true` would have changed of certificates.
pub const DRY_RUN: HeaderName = HeaderName::from_static("x-dry-run");

/// `@timeout unlimited` means this much.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// An answer, and what is still to come of it.
type Answered = (Response, Option<Tail>);

pub struct Dispatcher {
    pub exec: Arc<Exec>,
    pub access: Arc<super::access::Access>,
    pub sandbox: Arc<Sandbox>,
    pub tokens: Arc<Tokens>,
    /// Scripts without a token of their own need one with `exec:run`.
    pub token_required: bool,
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
    /// The caller's dry run; else the query tells.
    pub dry_run: Option<DryRun>,
    /// The server itself asks, and no script's `@token` keeps it out.
    pub is_own: bool,
}

impl Dispatcher {
    /// Answers a request, whatever happens.
    pub async fn dispatch(&self, request: Request<Body>, mut origin: Origin) -> Response {
        origin.dry_run = origin.dry_run.or_else(|| asks_for_dry_run(&request));
        let dry_run = origin.dry_run.clone();
        let exec_id = origin.exec_id.clone().unwrap_or_else(|| {
            deployment_for_host(host(&request), |name| self.exec.live.exists(name))
        });
        let execution_id = origin.execution_id.clone();
        let arrival = Arrival {
            request_id: execution_id.clone(),
            client_ip: origin.client_ip,
            trigger: if origin.depth == 0 {
                Trigger::Http
            } else {
                Trigger::Internal
            },
            depth: origin.depth,
            exec_id: exec_id.clone(),
        };
        let mut entry = self.access.call(&request, arrival);
        let is_head = request.method() == Method::HEAD;
        let token_in_url = Credentials::in_url(request.headers(), request.uri().query());
        let (mut response, tail) = match self.answer(request, origin, &exec_id, &mut entry).await {
            Ok(answered) => answered,
            Err(error) => {
                entry.failed(&error);
                (
                    error
                        .field("requestId", execution_id.clone())
                        .into_response(),
                    None,
                )
            }
        };
        if let Ok(value) = HeaderValue::try_from(execution_id) {
            response.headers_mut().insert(EXECUTION_ID, value);
        }
        if token_in_url {
            no_referrer(response.headers_mut());
        }
        if let Some(value) = dry_run.and_then(|dry_run| dry_run.summary()?.try_into().ok()) {
            response.headers_mut().insert(DRY_RUN, value);
        }
        watch(response, entry, tail, is_head)
    }

    async fn answer(
        &self,
        request: Request<Body>,
        origin: Origin,
        exec_id: &ExecId,
        entry: &mut Entry,
    ) -> Result<Answered, ApiError> {
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
        let credentials = self.credentials(&request, &origin)?;
        if let Some(token) = credentials.known.first() {
            entry.authenticated(&token.alias);
        }
        let missing = || ApiError::not_found("Script not found");
        let deployment = self.exec.live.get(exec_id).ok_or_else(missing)?;
        let path = request.uri().path().to_owned();
        let found = deployment.routes.lookup(&path);
        let found = found
            .map_err(|error| ApiError::bad_request(error.to_string()))?
            .ok_or_else(missing)?;
        let script = &found.route.script;
        entry.routed(script);
        if !script.directives.enabled {
            return Err(missing());
        }
        let cors = match preflight(&request) {
            Some(preflight) => return Ok((answer_preflight(&script.directives, preflight), None)),
            None => cors::for_response(
                &script.directives.cors,
                text(request.headers(), header::ORIGIN),
            ),
        };
        let kind = found.route.kind;
        self.admit(&deployment, exec_id, script, kind, &credentials, &origin)?;
        let request = stripped(request, script, &credentials);
        let (mut response, tail) = match kind {
            MountKind::Markdown => (self.markdown(script, request.method())?, None),
            MountKind::Script => {
                self.run(
                    &deployment,
                    script,
                    found.parameters,
                    path,
                    request,
                    origin,
                    entry,
                )
                .await?
            }
        };
        add(&cors, response.headers_mut());
        Ok((response, tail))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all that is known of a call, once"
    )]
    async fn run(
        &self,
        deployment: &Deployment,
        script: &Arc<Script>,
        parameters: Parameters,
        path: String,
        request: Request<Body>,
        origin: Origin,
        entry: &mut Entry,
    ) -> Result<Answered, ApiError> {
        let limits = self.call_limits(&script.directives);
        let turn = take_turn(script.turns.as_ref(), &limits).await?;
        let script = &self.exec.ready(script).await;
        let handler = self.exec.handler(script).await;
        let handler = handler.map_err(|problem| ApiError::of_problem(&problem, self.dev))?;
        entry.versioned(script);
        entry.exchange = Exchange::of(&script.directives.log, request.headers());
        let context = CallContext {
            execution_id: origin.execution_id,
            client_ip: origin.client_ip,
            parameters: parameters.0.into_iter().map(parameter).collect(),
            path,
            depth: origin.depth,
            dry_run: origin.dry_run,
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
        let capture = entry.exchange.as_ref().map(Exchange::request);
        let (request, over) = limit_body(request, limits.request_body_bytes, capture)?;
        match self.sandbox.call(call, request).await {
            Ok(answer) => self.respond(
                script,
                context,
                answer,
                turn,
                limits.response_body_bytes,
                entry,
            ),
            Err(report) => {
                entry.reported(&report);
                if over.load(Ordering::Relaxed) {
                    return Err(too_large(
                        limits.request_body_bytes + 1,
                        limits.request_body_bytes,
                    ));
                }
                let stack = note(&self.exec, script, &context, &report);
                let failure = report.failure.unwrap_or(Failure::NoAnswer);
                Err(ApiError::of_failure(&failure, stack.filter(|_| self.dev)))
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
        entry: &mut Entry,
    ) -> Result<Answered, ApiError> {
        let mut response = answer.response;
        let announced = text(response.headers(), header::CONTENT_LENGTH);
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
        let tail = match answer.report {
            Reported::Now(report) => {
                response
                    .headers_mut()
                    .insert(FUEL_USED, report.usage.fuel.into());
                entry.reported(&report);
                note(&self.exec, script, &context, &report);
                None
            }
            Reported::Later(report) => {
                let (exec, script) = (self.exec.clone(), script.clone());
                let note = move |report: &Report| {
                    note(&exec, &script, &context, report);
                };
                Some(Tail {
                    report,
                    note: Box::new(note),
                    turn,
                })
            }
        };
        Ok((
            response.map(|body| Body::new(Limited::new(body, bytes_max as usize))),
            tail,
        ))
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

impl Dispatcher {
    /// Answers a call that a script makes to a route of its own deployment.
    pub async fn dispatch_inside(
        &self,
        exec_id: ExecId,
        from: CallContext,
        request: Request<Body>,
    ) -> Response {
        let origin = Origin {
            client_ip: from.client_ip,
            https: false,
            depth: from.depth + 1,
            exec_id: Some(exec_id),
            execution_id: uuid::Uuid::new_v4().to_string(),
            dry_run: from.dry_run,
            is_own: false,
        };
        self.dispatch(request, origin).await
    }

    /// Answers a request that the server itself makes to one of its routes.
    pub async fn dispatch_own(&self, exec_id: ExecId, request: Request<Body>) -> Response {
        let origin = Origin {
            client_ip: None,
            https: false,
            depth: 1,
            exec_id: Some(exec_id),
            execution_id: uuid::Uuid::new_v4().to_string(),
            dry_run: None,
            is_own: true,
        };
        self.dispatch(request, origin).await
    }
}
