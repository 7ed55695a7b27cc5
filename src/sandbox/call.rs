//! One call of a handler: a fresh instance, a request in, an answer or a failure
//! out, and a report of what it used. It must not choose limits or log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use wasmtime::Engine;
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
use super::worker::{Turn, Worker};

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
        let job = Job {
            engine: self.engine.clone(),
            handler: handler.clone(),
            limits: limits.clone(),
            context,
            services,
            https,
            request,
        };
        match worker {
            Some(worker) => kept(worker, job, permit, self.rooms.clone()).await,
            None => fresh(job, permit).await,
        }
    }
}

/// A call with all it needs.
struct Job<B> {
    engine: Engine,
    handler: Handler,
    limits: CallLimits,
    context: CallContext,
    services: Arc<dyn Services>,
    https: bool,
    request: http::Request<B>,
}

impl<B> Job<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    /// Makes the call, in this instance or a new one.
    async fn run(self, kept: Option<Run>, told: oneshot::Sender<Told>) -> (Report, Run) {
        let mut run = match kept {
            Some(run) => run.again(self.context, self.services, &self.limits),
            None => {
                let state = State::new(self.context, self.services, &self.limits);
                Run::new(&self.engine, state, self.limits)
            }
        };
        let report = run.call(&self.handler, self.request, self.https, told);
        (report.await, run)
    }
}

/// In a fresh instance, and in the caller's task: most handlers are done when their
/// answer is.
async fn fresh<B>(job: Job<B>, permit: OwnedSemaphorePermit) -> Result<Answer, Report>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    let method = job.request.method().clone();
    let (sender, mut answer) = oneshot::channel();
    let mut running = Lane::new(async move {
        let (report, run) = job.run(None, sender).await;
        // The instance goes first: the next one needs its room.
        drop(run);
        drop(permit);
        report
    });
    tokio::select! {
        biased;
        report = &mut running => conclude(report, answer.try_recv().ok()),
        told = &mut answer => match told {
            Ok(Ok(response)) => {
                let (sender, report) = oneshot::channel();
                let task = tokio::spawn(async move {
                    let _ = sender.send(running.await);
                });
                let end = move || task.abort();
                let response = answer_body::tie(response, &method, Box::new(end));
                Ok(Answer { response, report: Reported::Later(report) })
            }
            told => conclude(running.await, told.ok()),
        },
    }
}

/// In the worker's instance, once it is this call's turn; there are `rooms` for those
/// that are kept.
async fn kept<B>(
    worker: &Worker,
    job: Job<B>,
    permit: OwnedSemaphorePermit,
    rooms: Arc<Semaphore>,
) -> Result<Answer, Report>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    let limits = job.limits.clone();
    let (reply, mut replied) = oneshot::channel();
    let seat = Seat(Arc::new(Mutex::new(Some((job, permit, reply)))));
    let (wanted, taken) = (seat.0.clone(), seat.0.clone());
    worker.queue(Turn {
        is_wanted: Box::new(move || lock(&wanted).is_some()),
        take: Box::new(move |run| match lock(&taken).take() {
            Some((job, permit, reply)) => Box::pin(turn(run, job, permit, rooms, reply)),
            // Whoever has gone away needs no turn.
            None => Box::pin(std::future::ready(run)),
        }),
    });
    let replied = tokio::select! {
        biased;
        replied = &mut replied => replied,
        () = tokio::time::sleep(limits.timeout) => {
            if lock(&seat.0).take().is_some() {
                return Err(no_turn(&limits));
            }
            // It has begun, and its own time runs since then.
            replied.await
        }
    };
    replied.unwrap_or_else(|_| Err(lost()))
}

/// What a call waits with for its turn. Whoever goes away takes it along.
struct Seat<T>(Arc<Mutex<Option<T>>>);

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        drop(lock(&self.0).take());
    }
}

fn lock<T>(seat: &Mutex<Option<T>>) -> MutexGuard<'_, Option<T>> {
    // It is taken or not, whoever panicked.
    seat.lock().unwrap_or_else(PoisonError::into_inner)
}

type Reply = oneshot::Sender<Result<Answer, Report>>;

/// One call in the kept instance, to its very end. Gives the instance back if it is
/// still good.
async fn turn<B>(
    kept: Option<Run>,
    job: Job<B>,
    permit: OwnedSemaphorePermit,
    rooms: Arc<Semaphore>,
    mut reply: Reply,
) -> Option<Run>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<wasmtime_wasi_http::Error>,
{
    let method = job.request.method().clone();
    let (sender, mut answer) = oneshot::channel();
    let mut running = Lane::new(async move {
        let (report, run) = job.run(kept, sender).await;
        let kept = match report.failure {
            None => run.keep(&rooms),
            // After a trap or a hit limit the next call starts a new one.
            Some(_) => None,
        };
        drop(permit);
        (report, kept)
    });
    // Nobody may be there any more to take what is sent.
    tokio::select! {
        biased;
        (report, kept) = &mut running => {
            let _ = reply.send(conclude(report, answer.try_recv().ok()));
            kept
        }
        told = &mut answer => match told {
            Ok(Ok(response)) => {
                let (done, report) = oneshot::channel();
                let (leave, left) = oneshot::channel();
                let end = move || {
                    let _ = leave.send(());
                };
                let response = answer_body::tie(response, &method, Box::new(end));
                let _ = reply.send(Ok(Answer { response, report: Reported::Later(report) }));
                let (report, kept) = tokio::select! {
                    ended = &mut running => ended,
                    Ok(()) = left => return None,
                };
                let _ = done.send(report);
                kept
            }
            told => {
                let (report, kept) = running.await;
                let _ = reply.send(conclude(report, told.ok()));
                kept
            }
        },
        () = reply.closed() => None,
    }
}

/// The turn has panicked.
fn lost() -> Report {
    Report {
        usage: Usage::default(),
        failure: Some(Failure::Trapped("the host failed".to_owned())),
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
