//! What an HTTP/2 connection is about to send. Streams end one by one, and each has
//! the connection flushed; waiting one turn of the scheduler lets the answers that
//! are ready by then go out together, in one TLS record and one call of the kernel.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// A TLS record (RFC 8446, section 5.1); what is larger is not gathered.
const BYTES_MAX: usize = 16 << 10;

#[derive(Debug, Default)]
pub struct Gathered {
    pub bytes: BytesMut,
    /// The turn has been waited for.
    is_due: bool,
}

impl Gathered {
    pub fn has_room(&self, count: usize) -> bool {
        self.bytes.len() + count <= BYTES_MAX
    }

    /// Lets others run once, if there is anything to send.
    pub fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_due || self.bytes.is_empty() {
            return Poll::Ready(());
        }
        self.is_due = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    pub fn poll_drain<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() {
            let count = ready!(Pin::new(&mut *stream).poll_write(context, &self.bytes))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes.advance(count);
        }
        self.is_due = false;
        Poll::Ready(Ok(()))
    }
}
