//! A body of HTTP/2 that nobody read to its end. Dropping it resets its stream, and
//! if that is said in one breath with the answer, some clients (curl 7.88) take the
//! whole for a failure. So what is unread is kept until the answer has gone out.

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;

/// The client has read the answer after as long, also on a busy machine. Meanwhile
/// the stream counts among those that the connection may have.
const MOMENT: Duration = Duration::from_secs(1);

/// What is left of a request's body.
#[derive(Default)]
pub struct Unread(Arc<Mutex<Option<Body>>>);

impl Unread {
    /// The body as it is to be read.
    pub fn of(&self, body: Body) -> Body {
        let left = self.0.clone();
        Body::new(Kept { body, left })
    }

    /// The answer, whose end lets go of what is left, a moment later.
    pub fn after(self, answer: Body) -> Body {
        let unread = self;
        Body::new(Answer { answer, unread })
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let left = mem::take(&mut self.0);
        let is_left = left.lock().is_ok_and(|left| left.is_some());
        // Where nothing runs any more, nobody reads the answer either.
        if let Some(runtime) = Handle::try_current().ok().filter(|_| is_left) {
            runtime.spawn(async move {
                tokio::time::sleep(MOMENT).await;
                drop(left);
            });
        }
    }
}

struct Kept {
    body: Body,
    left: Arc<Mutex<Option<Body>>>,
}

impl http_body::Body for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        use http_body::Body as _;
        if !self.body.is_end_stream() {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            *left = Some(mem::take(&mut self.body));
        }
    }
}

struct Answer {
    /// Dropped first: what passes the request on may be part of it.
    answer: Body,
    #[allow(dead_code, reason = "it is there to be dropped")]
    unread: Unread,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.answer).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}
