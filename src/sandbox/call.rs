//! One call of a handler: a fresh instance, a request in, an answer or a failure
//! out, and a report of what it used. It must not choose limits or log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Body;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;
use wasmtime::component::{Resource, ResourceTableError};
use wasmtime::{Store, Trap};
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};
use wasmtime_wasi_http::{FieldMapError, WasiBody};

use super::answer_body;
use super::failure::{Failure, Limit, ScriptError};
use super::handler::Handler;
use super::host::State;
use super::limits::{CallLimits, FIELDS_BYTES_MAX, FUEL_PER_TURN, HANDLES_MAX, HOSTCALL_BYTES_MAX};
use super::services::{CallContext, Services};
use super::{Sandbox, WASM_STACK_BYTES_MAX};

/// What a call used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub fuel: u64,
    pub memory_peak_bytes: usize,
    pub duration: Duration,
}

/// The end of a call.
#[derive(Debug)]
pub struct Report {
    pub usage: Usage,
    /// What went wrong; after the answer had begun the caller saw it cut off.
    pub failure: Option<Failure>,
}

/// The answer of a handler. Its body may still be growing.
pub struct Answer {
    pub response: http::Response<WasiBody>,
    pub report: Reported,
}

/// When the report is there.
pub enum Reported {
    Now(Report),
    /// At the end of the body; dropped unsent when the caller went away.
    Later(oneshot::Receiver<Report>),
}

/// A call to make.
pub struct Call<'a> {
    pub handler: &'a Handler,
    /// Of `@mode worker`: the instance that is kept.
    pub worker: Option<&'a Worker>,
    pub https: bool,
    pub context: CallContext,
    pub services: Arc<dyn Services>,
    pub limits: &'a CallLimits,
}

/// The kept instance of a script in worker mode. Calls take turns; after a trap
/// or a hit limit the next call starts a new one.
#[derive(Default, Clone)]
pub struct Worker(Arc<Mutex<Option<Run>>>);

impl Worker {
    /// Whether there is an instance, at work or waiting.
    pub fn is_kept(&self) -> bool {
        self.0.try_lock().map_or(true, |kept| kept.is_some())
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Worker")
    }
}

impl Sandbox {
    /// Makes the call, in a fresh instance or in the worker's. Dropping the
    /// future, or later the unread body, ends the call.
    pub async fn call<B>(&self, call: Call<'_>, request: http::Request<B>) -> Result<Answer, Report>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        let Call {
            handler,
            worker,
            https,
            context,
            services,
            limits,
        } = call;
        let permits = if context.depth == 0 {
            &self.from_outside
        } else {
            &self.from_inside
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            return Err(busy(self.instances_max));
        };
        let mut turn = match worker {
            Some(worker) => match timeout(limits.timeout, worker.0.clone().lock_owned()).await {
                Ok(turn) => Some(turn),
                Err(_) => return Err(no_turn(limits)),
            },
            None => None,
        };
        let mut run = match turn.as_mut().and_then(|turn| turn.take()) {
            Some(mut run) => {
                run.store.data_mut().begin(context, services, limits);
                run
            }
            None => Run::new(self, State::new(context, services, limits), limits.clone()),
        };
        run.started = Instant::now();
        let method = request.method().clone();
        let (sender, mut answer) = oneshot::channel();
        let handles = match run.prepare(request, https, sender) {
            Ok(handles) => handles,
            Err(error) => return Err(run.report(Err(error))),
        };
        let handler = handler.clone();
        let mut running = Box::pin(async move {
            let result = run.finish(&handler, handles).await;
            let report = run.report(result);
            if let (Some(turn), None) = (turn.as_mut(), &report.failure) {
                **turn = Some(run);
            }
            drop((turn, permit));
            report
        });
        // Most handlers are done when their answer is: they never leave this task.
        tokio::select! {
            biased;
            report = &mut running => conclude(report, answer.try_recv().ok()),
            response = &mut answer => match response {
                Ok(Ok(response)) => {
                    let (sender, report) = oneshot::channel();
                    let task = tokio::spawn(async move {
                        let _ = sender.send(running.await);
                    });
                    let response = answer_body::tie(response, &method, task);
                    Ok(Answer { response, report: Reported::Later(report) })
                }
                told => conclude(running.await, told.ok()),
            },
        }
    }
}

fn busy(instances_max: u32) -> Report {
    let max = u64::from(instances_max);
    let failure = Failure::Limit {
        limit: Limit::Instances,
        used: max,
        max,
    };
    Report {
        usage: Usage::default(),
        failure: Some(failure),
    }
}

fn no_turn(limits: &CallLimits) -> Report {
    let max = millis(limits.timeout);
    let failure = Failure::Limit {
        limit: Limit::Timeout,
        used: max,
        max,
    };
    Report {
        usage: Usage::default(),
        failure: Some(failure),
    }
}

type Told = Result<http::Response<WasiBody>, ErrorCode>;

/// The call has ended: what the handler told decides, if it told anything.
fn conclude(mut report: Report, told: Option<Told>) -> Result<Answer, Report> {
    match told {
        Some(Ok(response)) => Ok(Answer {
            response,
            report: Reported::Now(report),
        }),
        Some(Err(code)) => {
            report.failure = Some(match report.failure.take() {
                Some(limit @ Failure::Limit { .. }) => limit,
                _ => told_failure(code),
            });
            Err(report)
        }
        None => {
            report.failure.get_or_insert(Failure::NoAnswer);
            Err(report)
        }
    }
}

/// The engine tells what a script threw as JSON in an internal error.
fn told_failure(code: ErrorCode) -> Failure {
    match code {
        ErrorCode::InternalError(Some(detail)) => {
            match serde_json::from_str::<ScriptError>(&detail) {
                Ok(error) if error.name == "NeverSettles" => Failure::NeverSettles,
                Ok(error) => Failure::Threw(error),
                Err(_) => Failure::Trapped(detail),
            }
        }
        other => Failure::Trapped(format!("{other:?}")),
    }
}

/// One store, its instance once there is one, and its limits.
struct Run {
    store: Store<State>,
    proxy: Option<Proxy>,
    limits: CallLimits,
    started: Instant,
}

type Handles = (
    Resource<HostIncomingRequest>,
    Resource<HostResponseOutparam>,
);

impl Run {
    fn new(sandbox: &Sandbox, state: State, limits: CallLimits) -> Self {
        let mut store = Store::new(&sandbox.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        Self {
            store,
            proxy: None,
            limits,
            started: Instant::now(),
        }
    }

    fn prepare<B>(
        &mut self,
        request: http::Request<B>,
        https: bool,
        sender: oneshot::Sender<Told>,
    ) -> wasmtime::Result<Handles>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        self.store.set_fuel(self.limits.fuel)?;
        self.store.fuel_async_yield_interval(Some(FUEL_PER_TURN))?;
        let state = self.store.data_mut();
        state.table.set_max_capacity(HANDLES_MAX);
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let request = state.http().new_incoming_request(scheme, request)?;
        let outparam = state.http().new_response_outparam(sender)?;
        Ok((request, outparam))
    }

    /// Runs the handler to its end, or to the end of its time.
    async fn finish(
        &mut self,
        handler: &Handler,
        (request, outparam): Handles,
    ) -> wasmtime::Result<()> {
        let Self {
            store,
            proxy,
            limits,
            ..
        } = self;
        let call = async move {
            if proxy.is_none() {
                *proxy = Some(handler.pre.instantiate_async(&mut *store).await?);
            }
            let Some(proxy) = proxy else { return Ok(()) };
            proxy
                .wasi_http_incoming_handler()
                .call_handle(&mut *store, request, outparam)
                .await
        };
        match timeout(limits.timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(wasmtime::Error::new(TimedOut)),
        }
    }

    fn report(&self, result: wasmtime::Result<()>) -> Report {
        let left = self.store.get_fuel().unwrap_or(0);
        let usage = Usage {
            fuel: self.limits.fuel.saturating_sub(left),
            memory_peak_bytes: self.store.data().memory.peak_bytes,
            duration: self.started.elapsed(),
        };
        Report {
            usage,
            failure: self.failure(result.err(), &usage),
        }
    }

    fn failure(&self, error: Option<wasmtime::Error>, usage: &Usage) -> Option<Failure> {
        let limit = |limit, used, max| Some(Failure::Limit { limit, used, max });
        let memory = &self.store.data().memory;
        let refused_memory = || {
            limit(
                Limit::Memory,
                memory.limit_bytes as u64,
                memory.limit_bytes as u64,
            )
        };
        let Some(error) = error else {
            return if memory.refused {
                refused_memory()
            } else {
                None
            };
        };
        if error.is::<TimedOut>() {
            return limit(
                Limit::Timeout,
                millis(usage.duration),
                millis(self.limits.timeout),
            );
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => limit(Limit::Fuel, usage.fuel, self.limits.fuel),
            Some(Trap::StackOverflow) => {
                let max = WASM_STACK_BYTES_MAX as u64;
                limit(Limit::Stack, max, max)
            }
            _ if memory.refused => refused_memory(),
            _ if error.is::<FieldMapError>() => {
                let max = FIELDS_BYTES_MAX as u64;
                limit(Limit::Headers, max, max)
            }
            _ if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) => {
                let max = HANDLES_MAX as u64;
                limit(Limit::Handles, max, max)
            }
            _ => match format!("{error:#}") {
                text if text.contains(HOSTCALL_EXHAUSTED) => {
                    let max = HOSTCALL_BYTES_MAX as u64;
                    limit(Limit::HostCall, max, max)
                }
                text => Some(Failure::Trapped(text)),
            },
        }
    }
}

/// What Wasmtime says when a call into the host hands over too much; the error has
/// no type of its own.
const HOSTCALL_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, thiserror::Error)]
#[error("the time is over")]
struct TimedOut;
