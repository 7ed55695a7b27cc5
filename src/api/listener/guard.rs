//! The stream that hyper reads from: bytes pass once [`Framing`] has found that
//! they can be read in one way only. In the place of a request that cannot, hyper
//! is given a stand-in, so that the refusal comes after the answers to what came
//! before, and closes. What the refusal says is not for here.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::gather::Gathered;
use super::h1::Framing;
use super::linger::Linger;
use super::refusal::{Refusals, Violation};

/// Read at once.
const READ_BYTES: usize = 8 << 10;
/// What a client may send before it knows whether it may go on in another protocol.
const EARLY_BYTES_MAX: usize = 64 << 10;
/// Whoever is called with it answers why the request in whose place it is is refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
/// What is no chunk: it ends a body that goes wrong midway.
const NO_CHUNK: &[u8] = b"\0\r\n\r\n";

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
    /// Where the current request starts in the buffer, while hyper has none of it.
    request_at: Option<usize>,
    /// Heads that may pass, or have passed.
    heads: u64,
    mode: Mode,
    upgrade: Arc<Upgrade>,
    refusals: Arc<Refusals>,
    linger: Option<Linger>,
    gathered: Option<Gathered>,
}

enum Mode {
    Http(Framing),
    /// Not HTTP/1: everything passes.
    Raw,
    /// The stand-in is the last that passes.
    Refused,
    /// A body went wrong midway: nothing passes any more.
    Broken,
}

impl<S> Guarded<S> {
    /// `start` was read already.
    pub fn http1(
        stream: S,
        start: BytesMut,
        upgrade: Arc<Upgrade>,
        refusals: Arc<Refusals>,
    ) -> Self {
        let mut guarded = Self::new(stream, start, Mode::Http(Framing::default()));
        guarded.upgrade = upgrade;
        guarded.refusals = refusals;
        guarded.judge();
        guarded
    }

    pub fn http2(stream: S, start: BytesMut) -> Self {
        let mut guarded = Self::new(stream, start, Mode::Raw);
        guarded.gathered = Some(Gathered::default());
        guarded.judge();
        guarded
    }

    fn new(stream: S, buffer: BytesMut, mode: Mode) -> Self {
        Self {
            stream,
            buffer,
            passed: 0,
            request_at: None,
            heads: 0,
            mode,
            upgrade: Arc::default(),
            refusals: Arc::default(),
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
            let is_in_head = framing.is_in_head();
            match framing.step(&self.buffer[self.passed..]) {
                Ok(0) => return,
                Ok(taken) => {
                    self.passed += taken;
                    self.heads += u64::from(is_in_head);
                    if framing.asked_to_upgrade() {
                        self.upgrade.state.store(UNDECIDED, Ordering::Release);
                    }
                }
                Err(violation) => self.refuse(violation, is_in_head),
            }
        }
    }

    fn refuse(&mut self, violation: Violation, is_in_head: bool) {
        tracing::debug!(reason = %violation, "a request is refused");
        let (place, instead) = match self.request_at {
            Some(at) => {
                let heads_before = self.heads - u64::from(!is_in_head);
                self.refusals.refuse(heads_before, violation);
                self.mode = Mode::Refused;
                (at, STAND_IN)
            }
            None => {
                self.mode = Mode::Broken;
                (self.passed, NO_CHUNK)
            }
        };
        self.buffer.truncate(place);
        self.buffer.extend_from_slice(instead);
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

impl<S> Guarded<S> {
    /// Whether the client may still be sending what nobody reads.
    fn is_unread(&self) -> bool {
        match &self.mode {
            Mode::Http(framing) => framing.is_in_body(),
            Mode::Refused | Mode::Broken => true,
            Mode::Raw => false,
        }
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
                // An end would mean that nobody waits for the refusal.
                Mode::Refused => return Poll::Pending,
                Mode::Broken => return Poll::Ready(Ok(())),
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
            if !this.is_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        loop {
            this.buffer.clear();
            let linger = this.linger.get_or_insert_with(Linger::new);
            if linger.poll_over(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            match ready!(this.poll_fill(context)) {
                Ok(true) => this.linger.iter_mut().for_each(Linger::heard),
                Ok(false) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
