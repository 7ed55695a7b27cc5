//! The file to read first: how a request becomes the answer of a script.
//!
//! host -> deployment -> route -> script -> (preflight, token, turn) -> sandbox
//! -> response, one line in the access log. It reads memory only; what may be
//! called is decided elsewhere (`exec`), and so is how (`sandbox`).

mod admission;
mod allowance;
mod authoring;
mod incoming;
mod neighbours;
mod observing;
mod outgoing;
mod pages;
mod scheduled;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Limited;
use tokio::sync::OwnedSemaphorePermit;

use super::access::{Arrival, AskedBy, Entry, host, text};
use super::error::ApiError;
use super::exchange::Exchange;
use super::lasting::while_valid;
use super::watched::{Tail, watch};
use crate::auth::Tokens;
use crate::author::Author;
use crate::config::Limits;
use crate::exec::Exec;
use crate::exec::cors;
use crate::exec::live::Deployment;
use crate::exec::notes::Notes;
use crate::exec::routes::host::deployment_for_host;
use crate::exec::routes::mount::MountKind;
use crate::exec::routes::parameters::Parameters;
use crate::exec::script::Script;
use crate::model::directives::Mode;
use crate::model::exec_id::ExecId;
use crate::sandbox::Sandbox;
use crate::sandbox::call::{Answer, Call, Report, Reported};
use crate::sandbox::failure::{Failure, Limit};
use crate::sandbox::services::dry_run::DryRun;
use crate::sandbox::services::{CallContext, Making};
use admission::{Credentials, no_referrer, stripped};
use authoring::{Authoring, makes_routes, notes_of};
use incoming::{Tap, asks_for_dry_run, limit_body, parameter, preflight, take_turn, too_large};
use outgoing::{add, answer_preflight, note};
pub use scheduled::Scheduled;

/// Names the call in the answer, in every log line about it, and in error bodies.
pub const EXECUTION_ID: HeaderName = HeaderName::from_static("x-execution-id");
/// What the call cost, when that is known as the answer starts.
pub const FUEL_USED: HeaderName = HeaderName::from_static("x-fuel-used");
/// What a call with `?dry_run=true` would have changed of certificates; `true` of an
/// operation of the API.
pub const DRY_RUN: HeaderName = HeaderName::from_static("x-dry-run");

/// An answer, and what is still to come of it.
type Answered = (Response, Option<Tail>);

pub struct Dispatcher {
    pub exec: Arc<Exec>,
    /// Who makes routes by calling them.
    pub author: Arc<Author>,
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
    /// Routes that the calls which led to it are making.
    pub making: Making,
    /// Cron called.
    pub scheduled: Option<Scheduled>,
    /// The caller's dry run; else the query tells.
    pub dry_run: Option<DryRun>,
    /// The server itself asks, and no script's `@token` keeps it out.
    pub is_own: bool,
}

/// What answers, and how it was found.
#[derive(Clone)]
struct Target<'a> {
    deployment: &'a Deployment,
    script: &'a Arc<Script>,
    parameters: Parameters,
    path: String,
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
            trigger: origin.trigger(),
            depth: origin.depth,
            exec_id: exec_id.clone(),
        };
        let mut entry = self.access.call(&request, arrival);
        entry.receipt = origin
            .scheduled
            .as_ref()
            .map(|scheduled| scheduled.usage.clone());
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
        let missing = || ApiError::not_found("Script not found");
        let path = request.uri().path().to_owned();
        if origin.scheduled_script().is_some() {
            // This and `make` are rare and large; other calls need no room for them.
            let due = self.due(exec_id, path, request, origin, entry);
            return due.boxed().await;
        }
        let mut authoring: Option<Authoring> = None;
        // Held to the end of the call.
        let mut place = None;
        loop {
            // All of it again after a wait: the token may have ended, and the route
            // may have been made.
            let credentials = self.credentials(&request, &origin)?;
            if let Some(token) = credentials.known.first() {
                entry.authenticated(&token.alias);
            }
            let deployment = self.exec.live.get(exec_id).ok_or_else(missing)?;
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
                Some(preflight) => {
                    return Ok((answer_preflight(&script.directives, preflight), None));
                }
                None => cors::for_response(
                    &script.directives.cors,
                    text(request.headers(), header::ORIGIN),
                ),
            };
            let kind = found.route.kind;
            self.admit(&deployment, exec_id, script, kind, &credentials, &origin)?;
            let authored = if makes_routes(found.route.pattern.route_type(), script) {
                let method = request.method();
                if let Some(mut response) = self.draft_of(exec_id, &path) {
                    add(&cors, response.headers_mut());
                    return Ok((response, None));
                }
                match authoring.take() {
                    Some(own) => Some(self.begun(own, exec_id, method, &path, &origin)?),
                    None => {
                        authoring = Some(self.authoring(exec_id, method, &path, &origin).await?);
                        continue;
                    }
                }
            } else {
                // The route is there: whoever else waits may look too.
                if authoring.take().is_some() {
                    place = self.author.flights.go_on().await;
                }
                None
            };
            let request = stripped(request, script, &credentials);
            let notes = notes_of(&request, script, &credentials);
            let (client, token) = (origin.client_ip, credentials.of_ours());
            let (mut response, tail) = match kind {
                MountKind::Markdown => (self.markdown(script, request.method())?, None),
                MountKind::Script => {
                    let target = Target {
                        deployment: &deployment,
                        script,
                        parameters: found.parameters,
                        path,
                    };
                    match authored {
                        Some(own) => {
                            let made = self.make(target, request, origin, entry, (own, notes));
                            made.boxed().await?
                        }
                        None => self.run(target, request, origin, entry, notes).await?,
                    }
                }
            };
            add(&cors, response.headers_mut());
            drop(place);
            if let Some(presented) = token {
                response = while_valid(response, self.tokens.clone(), presented, client);
            }
            return Ok((response, tail));
        }
    }

    async fn run(
        &self,
        target: Target<'_>,
        request: Request<Body>,
        origin: Origin,
        entry: &mut Entry,
        notes: Notes,
    ) -> Result<Answered, ApiError> {
        let Target {
            deployment,
            script,
            parameters,
            path,
        } = target;
        let seen = self.seen(script, &request);
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
            making: origin.making,
            dry_run: origin.dry_run,
            token: entry.asked_by().map(|AskedBy(name)| name.into()),
            cron_run: origin.scheduled.and_then(|scheduled| scheduled.run),
            spent: Arc::default(),
        };
        let worker = script
            .program
            .as_ref()
            .filter(|_| script.directives.mode == Mode::Worker);
        let call = Call {
            handler: &handler,
            worker: worker.map(|program| &program.worker),
            https: origin.https,
            services: self.exec.services(deployment, script, notes.clone()),
            limits: &limits,
            context: context.clone(),
        };
        let captured = entry.exchange.as_ref().map(Exchange::request);
        let mut taps: Vec<Tap> = Vec::new();
        taps.extend(captured.map(|capture| -> Tap { Box::new(move |data| capture.add(data)) }));
        let copies = seen.body().into_iter().chain(notes.body());
        taps.extend(copies.map(|copy| -> Tap { Box::new(move |data| copy.add(data)) }));
        let (request, over) = limit_body(request, limits.request_body_bytes, taps)?;
        match self.sandbox.call(call, request).await {
            Ok(answer) => {
                let made = self.made(script, &context.path, &notes);
                let made = made.as_ref().map(|script| &script.path);
                let answer = self.observe(&script.path, made, &seen, answer).await;
                let bytes_max = limits.response_body_bytes;
                self.respond(script, context, answer, turn, bytes_max, entry)
            }
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
                let error = ApiError::of_failure(&failure, stack.filter(|_| self.dev));
                self.observe_error(script, &seen, error.status);
                Err(error)
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
}
