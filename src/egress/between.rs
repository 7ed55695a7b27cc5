//! The body of a response whose sender must not fall silent for too long. How
//! long it may be in all is for others to watch.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::error::explain;
use super::{BoxError, EgressError, Phase};

/// Fails when no part comes for `between`. The time runs only while somebody
/// waits for a part.
pub fn watched<B>(body: B, between: Duration) -> impl Body<Data = Bytes, Error = EgressError> + Send
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<BoxError>,
{
    Watched {
        body,
        between,
        silence: None,
    }
}

struct Watched<B> {
    body: B,
    between: Duration,
    /// While a part is awaited.
    silence: Option<Pin<Box<Sleep>>>,
}

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let Self {
            body,
            between,
            silence,
        } = &mut *self;
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            *silence = None;
            return Poll::Ready(frame.map(|frame| {
                frame.map_err(|error| EgressError::Protocol {
                    reason: explain(&*error.into()),
                })
            }));
        }
        let silence = silence.get_or_insert_with(|| Box::pin(sleep(*between)));
        match silence.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                // Whoever asks again is told again, and not at once.
                silence.as_mut().reset(Instant::now() + *between);
                Poll::Ready(Some(Err(EgressError::Timeout {
                    phase: Phase::BetweenBytes,
                    after: *between,
                })))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A body that waits so many milliseconds before each of its parts.
    fn dripping(
        pauses_ms: &'static [u64],
    ) -> impl Body<Data = Bytes, Error = BoxError> + Send + Unpin {
        let parts = stream::unfold(pauses_ms.iter(), |mut left| async move {
            sleep(Duration::from_millis(*left.next()?)).await;
            Some((Ok(Frame::data(Bytes::from_static(b"x"))), left))
        });
        StreamBody::new(Box::pin(parts))
    }

    #[tokio::test]
    async fn a_body_may_be_slow_but_not_silent() {
        // Longer in all than it may be silent.
        let slow = watched(dripping(&[50; 44]), 2 * SECOND).collect().await;
        assert_eq!(slow.unwrap().to_bytes().len(), 44);
        let moment = Duration::from_millis(50);
        let silent = watched(dripping(&[0, 0, 600_000]), moment).collect().await;
        let expected = EgressError::Timeout {
            phase: Phase::BetweenBytes,
            after: moment,
        };
        assert_eq!(silent.unwrap_err(), expected);
    }

    #[tokio::test]
    async fn time_in_which_nobody_reads_is_no_silence() {
        let mut body = watched(dripping(&[10, 10]), SECOND);
        body.frame().await.unwrap().unwrap();
        sleep(SECOND + SECOND / 2).await;
        body.frame().await.unwrap().unwrap();
    }
}
