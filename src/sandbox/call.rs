//! One call of a handler: a fresh instance, a request in, an answer or a failure
//! out, and a report of what it used. It must not choose limits or log.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body::Body;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use super::Sandbox;
use super::answer_body;
use super::failure::{Failure, Limit, ScriptError};
use super::handler::Handler;
use super::host::State;
use super::lane::Lane;
use super::limits::CallLimits;
use super::run::{Run, millis};
use super::services::{CallContext, Services};

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
        let method = request.method().clone();
        let (sender, answer) = oneshot::channel();
        let (engine, handler, limits) = (self.engine.clone(), handler.clone(), limits.clone());
        let Some(worker) = worker else {
            let running = Lane::new(async move {
                let state = State::new(context, services, &limits);
                let mut run = Run::new(&engine, state, limits);
                let report = run.call(&handler, request, https, sender).await;
                drop((run, permit));
                report
            });
            return answered(running, answer, &method).await;
        };
        let kept = worker.0.clone();
        let running = Lane::new(async move {
            let Ok(mut kept) = timeout(limits.timeout, kept.lock()).await else {
                return no_turn(&limits);
            };
            let mut run = match kept.take() {
                Some(run) => run.again(context, services, &limits),
                None => Run::new(&engine, State::new(context, services, &limits), limits),
            };
            let report = run.call(&handler, request, https, sender).await;
            if report.failure.is_none() {
                *kept = Some(run);
            }
            drop((kept, permit));
            report
        });
        // In a task of its own, so that the next turn begins while this answer is
        // being sent.
        let task = tokio::spawn(async move { answered(running, answer, &method).await });
        AbortOnDropHandle::new(task).await.unwrap_or_else(|error| {
            // Its panic is ours; nobody else ends it.
            std::panic::resume_unwind(error.into_panic())
        })
    }
}

/// Waits for the answer of a running call. Most handlers are done when their answer is:
/// they never leave this task.
async fn answered<F>(
    mut running: Lane<F>,
    mut answer: oneshot::Receiver<Told>,
    method: &Method,
) -> Result<Answer, Report>
where
    F: Future<Output = Report> + Send + 'static,
{
    tokio::select! {
        biased;
        report = &mut running => conclude(report, answer.try_recv().ok()),
        response = &mut answer => match response {
            Ok(Ok(response)) => {
                let (sender, report) = oneshot::channel();
                let task = tokio::spawn(async move {
                    let _ = sender.send(running.await);
                });
                let response = answer_body::tie(response, method, task);
                Ok(Answer { response, report: Reported::Later(report) })
            }
            told => conclude(running.await, told.ok()),
        },
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

/// What the handler told by the response's outparam.
pub type Told = Result<http::Response<WasiBody>, ErrorCode>;

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
