//! A body that fails when its sender over HTTP/2 gave it up. hyper ends one whose
//! stream was reset with `NO_ERROR` as if it were complete, since a server may say so
//! behind a whole answer (RFC 9113, section 8.1); whether it was whole, the stream knows.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use super::BoxError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the sender broke the body off before its end")]
pub struct BrokenOffError;

#[derive(Debug)]
pub struct Whole<B> {
    body: B,
    is_h2: bool,
    is_done: bool,
}

impl<B: Body> Whole<B> {
    /// `version`: by which it comes; over HTTP/1 it is as it is.
    pub fn new(body: B, version: Version) -> Self {
        Self {
            body,
            is_h2: version == Version::HTTP_2,
            is_done: false,
        }
    }
}

impl<B> Body for Whole<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.is_done = !matches!(frame, Some(Ok(_)));
        Poll::Ready(match frame {
            None if self.is_h2 && !self.body.is_end_stream() => Some(Err(BrokenOffError.into())),
            frame => frame.map(|frame| frame.map_err(Into::into)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_done || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
