//! The stream that hyper reads from: bytes pass once [`Framing`] has found that
//! they can be read in one way only. In the place of a request that cannot, hyper
//! is given one that it refuses too, so that it answers 400 after the answers to
//! what came before, and closes.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::HEAD_BYTES_MAX;
use super::gather::Gathered;
use super::h1::Framing;

/// Read at once.
const READ_BYTES: usize = 8 << 10;
/// What a client may send before it knows whether it may go on in another protocol.
const EARLY_BYTES_MAX: usize = 64 << 10;
/// What hyper refuses as a request, and as a chunk.
const REFUSED: &[u8] = b"\0\r\n\r\n";
/// A refused client has this long to read why; closing at once would discard the
/// answer if the client were still sending.
const LINGER: Duration = Duration::from_secs(1);

/// Whether the connection goes on in another protocol; the answer to a request
/// says so.
#[derive(Debug, Default)]
pub struct Upgrade {
    state: AtomicU8,
    waker: AtomicWaker,
}

const UNDECIDED: u8 = 0;
const UPGRADED: u8 = 1;
const STAYS: u8 = 2;

impl Upgrade {
    /// To be called with the answer to a request that asked.
    pub fn decide(&self, upgraded: bool) {
        let state = if upgraded { UPGRADED } else { STAYS };
        self.state.store(state, Ordering::Release);
        self.waker.wake();
    }
}

pub struct Guarded<S> {
    stream: S,
    buffer: BytesMut,
    /// So much of the buffer may pass.
    passed: usize,
    /// Where the current request starts in the buffer, while none of it has passed.
    request_at: Option<usize>,
    mode: Mode,
    upgrade: Arc<Upgrade>,
    linger: Option<Pin<Box<Sleep>>>,
    gathered: Option<Gathered>,
}

enum Mode {
    Http(Framing),
    /// Not HTTP/1: everything passes.
    Raw,
    /// Nothing passes any more.
    Refused,
}

impl<S> Guarded<S> {
    /// `start` was read already.
    pub fn http1(stream: S, start: BytesMut, upgrade: Arc<Upgrade>) -> Self {
        let mut guarded = Self::new(stream, start, Mode::Http(Framing::default()), upgrade);
        guarded.judge();
        guarded
    }

    pub fn http2(stream: S, start: BytesMut) -> Self {
        let mut guarded = Self::new(stream, start, Mode::Raw, Arc::default());
        guarded.gathered = Some(Gathered::default());
        guarded.judge();
        guarded
    }

    fn new(stream: S, buffer: BytesMut, mode: Mode, upgrade: Arc<Upgrade>) -> Self {
        Self {
            stream,
            buffer,
            passed: 0,
            request_at: None,
            mode,
            upgrade,
            linger: None,
            gathered: None,
        }
    }

    /// Decides about what is in the buffer.
    fn judge(&mut self) {
        loop {
            let Mode::Http(framing) = &mut self.mode else {
                self.passed = self.buffer.len();
                return;
            };
            if framing.asked_to_upgrade() {
                match self.upgrade.state.load(Ordering::Acquire) {
                    UPGRADED => self.mode = Mode::Raw,
                    STAYS => framing.not_upgraded(),
                    _ => return,
                }
                continue;
            }
            if framing.is_between() && self.passed < self.buffer.len() {
                self.request_at = Some(self.passed);
            }
            match framing.step(&self.buffer[self.passed..]) {
                Ok(0) => break,
                Ok(taken) => {
                    self.passed += taken;
                    if framing.asked_to_upgrade() {
                        self.upgrade.state.store(UNDECIDED, Ordering::Release);
                    }
                }
                Err(violation) => {
                    tracing::debug!(reason = violation.0, "a request is refused");
                    // Where a body was begun, what is no chunk ends it.
                    let keep = self.request_at.unwrap_or(self.passed);
                    self.buffer.truncate(keep);
                    self.buffer.extend_from_slice(REFUSED);
                    self.mode = Mode::Refused;
                }
            }
        }
        // hyper has the same limit, and an answer for it.
        let unfinished = self.buffer.len() - self.passed;
        if matches!(&self.mode, Mode::Http(framing) if framing.is_in_head())
            && unfinished >= HEAD_BYTES_MAX
        {
            self.mode = Mode::Refused;
            self.passed = self.buffer.len();
        }
    }

    /// Hands out what may pass.
    fn hand_out(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.passed.min(out.remaining());
        out.put_slice(&self.buffer[..count]);
        self.buffer.advance(count);
        self.passed -= count;
        self.request_at = self.request_at.and_then(|at| at.checked_sub(count));
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Reads into the buffer; false at the end of the stream.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.buffer.reserve(READ_BYTES);
        let reading = pin!(self.stream.read_buf(&mut self.buffer));
        reading.poll(context).map_ok(|count| count > 0)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.passed > 0 {
                this.hand_out(out);
                return Poll::Ready(Ok(()));
            }
            match &mut this.mode {
                Mode::Raw if this.buffer.is_empty() => {
                    return Pin::new(&mut this.stream).poll_read(context, out);
                }
                Mode::Refused => return Poll::Ready(Ok(())),
                Mode::Http(framing) if framing.asked_to_upgrade() => {
                    this.upgrade.waker.register(context.waker());
                    if this.upgrade.state.load(Ordering::Acquire) != UNDECIDED {
                        this.judge();
                        continue;
                    }
                    if this.buffer.len() >= EARLY_BYTES_MAX {
                        return Poll::Pending;
                    }
                }
                Mode::Http(framing) if framing.passing() > 0 && this.buffer.is_empty() => {
                    return poll_body(framing, &mut this.stream, context, out);
                }
                Mode::Http(_) | Mode::Raw => {}
            }
            if !ready!(this.poll_fill(context))? {
                return Poll::Ready(Ok(()));
            }
            this.judge();
        }
    }
}

/// A body's bytes go straight through.
fn poll_body<S: AsyncRead + Unpin>(
    framing: &mut Framing,
    stream: &mut S,
    context: &mut Context<'_>,
    out: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let most = usize::try_from(framing.passing()).unwrap_or(usize::MAX);
    let most = most.min(out.remaining());
    let mut part = ReadBuf::new(out.initialize_unfilled_to(most));
    ready!(Pin::new(stream).poll_read(context, &mut part))?;
    let count = part.filled().len();
    // Bytes of a body are never a violation.
    let _ = framing.step(part.filled());
    out.advance(count);
    Poll::Ready(Ok(()))
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Some(gathered) = &mut this.gathered {
            let count = parts.iter().map(|part| part.len()).sum();
            if !gathered.has_room(count) {
                ready!(gathered.poll_drain(&mut this.stream, context))?;
            }
            if gathered.has_room(count) {
                parts
                    .iter()
                    .for_each(|part| gathered.bytes.extend_from_slice(part));
                return Poll::Ready(Ok(count));
            }
        }
        Pin::new(&mut this.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(gathered) = &mut this.gathered {
            ready!(gathered.poll_turn(context));
            ready!(gathered.poll_drain(&mut this.stream, context))?;
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(gathered) = &mut this.gathered {
            ready!(gathered.poll_drain(&mut this.stream, context))?;
        }
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !matches!(this.mode, Mode::Refused) {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if linger.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        while ready!(this.poll_fill(context)).unwrap_or(false) {
            this.buffer.clear();
        }
        Poll::Ready(Ok(()))
    }
}
