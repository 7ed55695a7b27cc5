//! The body of an answer on its way out: it counts what is sent and holds what
//! must last until the end, the request's log entry first of all.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::LengthLimitError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::access::Entry;
use crate::sandbox::call::Report;

/// What is still to come when an answer begins.
pub struct Tail {
    pub report: oneshot::Receiver<Report>,
    /// Logs what the report says went wrong.
    pub note: Box<dyn FnOnce(&Report) + Send>,
    /// The call's turn, when its script takes turns.
    pub turn: Option<OwnedSemaphorePermit>,
}

/// A body with the entry of its request.
struct Watched {
    body: Body,
    entry: Option<Entry>,
    tail: Option<Tail>,
    /// All there is to send went by.
    complete: bool,
}

/// Ties a request's entry to its answer.
pub fn watch(
    mut response: Response<Body>,
    mut entry: Entry,
    tail: Option<Tail>,
    is_head: bool,
) -> Response<Body> {
    entry.answered(&response);
    if let Some(asked_by) = entry.asked_by() {
        response.extensions_mut().insert(asked_by);
    }
    response.map(|body| {
        let complete = is_head || body.is_end_stream();
        Body::new(Watched {
            body,
            entry: Some(entry),
            tail,
            complete,
        })
    })
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let this = &mut *self;
        match (&frame, &mut this.entry) {
            (None, _) => this.complete = true,
            (Some(Ok(frame)), Some(entry)) => {
                if let Some(data) = frame.data_ref() {
                    entry.sent(data);
                }
            }
            (Some(Err(error)), Some(entry)) if is_too_large(error) => entry.cut(),
            (Some(_), _) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        let complete = self.complete || self.body.is_end_stream();
        let Some(mut tail) = self.tail.take() else {
            if !complete {
                entry.abandoned();
            }
            return;
        };
        match (tail.report.try_recv(), Handle::try_current()) {
            (Ok(report), _) => conclude(entry, tail.note, &report),
            // The handler has sent everything and still runs: it may come to its
            // end, which its limits see to. The body owns it.
            (Err(_), Ok(runtime)) if complete => {
                let body = std::mem::take(&mut self.body);
                runtime.spawn(async move {
                    let Tail { report, note, turn } = tail;
                    if let Ok(report) = report.await {
                        conclude(entry, note, &report);
                    }
                    drop((body, turn));
                });
            }
            // Nobody listens any more: dropping the body ends the handler.
            (Err(_), _) => entry.abandoned(),
        }
    }
}

fn conclude(mut entry: Entry, note: Box<dyn FnOnce(&Report) + Send>, report: &Report) {
    entry.reported(report);
    note(report);
}
