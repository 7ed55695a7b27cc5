//! The body of an answer whose handler still runs. Whoever stops reading before
//! its end also ends the call; after its end the call may go on, with what it
//! promised to `waitUntil` or, in worker mode, with its way back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, WasiBody};

struct AnswerBody {
    body: WasiBody,
    /// Ends the call.
    end: Option<Box<dyn FnOnce() + Send>>,
    /// What is left of the announced length, in bytes.
    left: Option<u64>,
    ended: bool,
}

/// Makes the body of an answer the owner of the call that writes it, which `end` ends.
pub fn tie(
    response: Response<WasiBody>,
    method: &Method,
    end: Box<dyn FnOnce() + Send>,
) -> Response<WasiBody> {
    let (head, body) = response.into_parts();
    let announced = head.headers.get(header::CONTENT_LENGTH);
    let left = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    // Such an answer has no content, and nobody asks its body for any (RFC 9110
    // sections 9.3.2, 15.3.5 and 15.4.5).
    let ended = *method == Method::HEAD
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status)
        || left == Some(0);
    let body = AnswerBody {
        body,
        end: Some(end),
        left,
        ended,
    };
    Response::from_parts(head, body.boxed_unsync())
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(part)) = &frame else {
            self.ended = true;
            return Poll::Ready(frame);
        };
        if let (Some(left), Some(data)) = (&mut self.left, part.data_ref()) {
            *left = left.saturating_sub(data.len() as u64);
            // A reader that knows the length does not ask for an end.
            self.ended |= *left == 0;
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

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(end) = self.end.take().filter(|_| !self.ended) {
            end();
        }
    }
}
