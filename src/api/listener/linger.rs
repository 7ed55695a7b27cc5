//! The end of a connection whose client may still be sending. To close at once would
//! make the kernel reset it, and discard the answer that the client has not read yet
//! (RFC 9112, section 9.6): so what comes is read and dropped, for a while.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A client that sends nothing for so long has read why.
const SILENCE: Duration = Duration::from_secs(2);
/// One that never stops is not waited for.
const WHOLE: Duration = Duration::from_secs(30);

pub struct Linger {
    end: Instant,
    clock: Pin<Box<Sleep>>,
}

impl Linger {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            end: now + WHOLE,
            clock: Box::pin(sleep_until(now + SILENCE)),
        }
    }

    /// The client has sent something.
    pub fn heard(&mut self) {
        let next = (Instant::now() + SILENCE).min(self.end);
        self.clock.as_mut().reset(next);
    }

    pub fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.clock.as_mut().poll(context)
    }
}
