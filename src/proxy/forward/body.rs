//! A body on its way through: it counts what goes by, ends when nothing goes by
//! for too long, and holds what must last until its end.

use std::any::Any;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::egress::upstream::UpstreamBody;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Error)]
#[error("the sender of a body was silent for {} ms", after.as_millis())]
pub struct SilentError {
    after: Duration,
}

pub struct Watched {
    body: UpstreamBody,
    idle: Duration,
    /// Runs while the body's sender is silent.
    clock: Option<Pin<Box<Sleep>>>,
    bytes: Arc<AtomicU64>,
    progress: Option<Progress>,
    _held: Option<Box<dyn Any + Send>>,
}

impl Watched {
    pub fn new(body: UpstreamBody, idle: Duration, bytes: Arc<AtomicU64>) -> Self {
        Self {
            body,
            idle,
            clock: None,
            bytes,
            progress: None,
            _held: None,
        }
    }

    /// Drops `held` when it is dropped itself.
    pub fn holding(self, held: impl Any + Send) -> Self {
        let _held = Some(Box::new(held) as Box<dyn Any + Send>);
        Self { _held, ..self }
    }

    pub fn reporting(self, progress: Progress) -> Self {
        let progress = Some(progress);
        Self { progress, ..self }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.clock = None;
            if let Some(progress) = &this.progress {
                progress.touch();
                if matches!(frame, Some(Err(_))) {
                    progress.fail(Failure::BrokenOff);
                }
                if frame.is_none() || this.body.is_end_stream() {
                    progress.end();
                }
            }
            if let Some(data) = frame
                .as_ref()
                .and_then(|frame| frame.as_ref().ok()?.data_ref())
            {
                this.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
            return Poll::Ready(frame);
        }
        let idle = this.idle;
        let clock = this.clock.get_or_insert_with(|| Box::pin(sleep(idle)));
        match clock.as_mut().poll(context) {
            Poll::Ready(()) => {
                if let Some(progress) = &this.progress {
                    progress.fail(Failure::Silent);
                }
                Poll::Ready(Some(Err(SilentError { after: idle }.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// When something last went by, and whether it was the last. Clones share it.
#[derive(Clone)]
pub struct Progress(Arc<State>);

/// What the sender of a body did not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    BrokenOff,
    Silent,
}

struct State {
    start: Instant,
    last_ms: AtomicU64,
    is_ended: AtomicBool,
    failure: OnceLock<Failure>,
}

impl Progress {
    pub fn new() -> Self {
        Self(Arc::new(State {
            start: Instant::now(),
            last_ms: AtomicU64::new(0),
            is_ended: AtomicBool::new(false),
            failure: OnceLock::new(),
        }))
    }

    pub fn end(&self) {
        self.0.is_ended.store(true, Ordering::Relaxed);
    }

    /// Whether all of the body went by.
    pub fn is_ended(&self) -> bool {
        self.0.is_ended.load(Ordering::Relaxed)
    }

    fn fail(&self, failure: Failure) {
        // The first one is why.
        let _ = self.0.failure.set(failure);
    }

    /// Why the sender of the body is to blame, if it is.
    pub fn failure(&self) -> Option<Failure> {
        self.0.failure.get().copied()
    }

    pub fn touch(&self) {
        let now_ms = self.0.start.elapsed().as_millis() as u64;
        self.0.last_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Ends when nothing has gone by for so long.
    pub async fn silent_for(&self, limit: Duration) {
        loop {
            let last = Duration::from_millis(self.0.last_ms.load(Ordering::Relaxed));
            let end = self.0.start + last + limit;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}
