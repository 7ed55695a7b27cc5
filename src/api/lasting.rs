//! Answers that outlast the leave to have them: one that streams ends soon after
//! nobody who asked for it may any more. It must not decide who may ask.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use chrono::Utc;
use http::header;
use http_body::{Body as _, Frame, SizeHint};

use crate::auth::{Presented, Tokens};

/// A stream ends so soon after its token does.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The answer, which goes on while one of these tokens is valid.
pub fn while_valid(
    response: Response,
    tokens: Arc<Tokens>,
    presented: Vec<Presented>,
    client: Option<IpAddr>,
) -> Response {
    while_so(response, move || {
        tokens.any_valid(&presented, client, Utc::now())
    })
}

/// The answer, which goes on while this says so; it is asked now and then. An answer
/// whose length is known stays as it is. Events just end, as they may at any time;
/// anything else is broken off, so that nobody takes a part for the whole.
pub fn while_so(response: Response, is_so: impl Fn() -> bool + Send + 'static) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let is_events = is_events(&response);
    response.map(|body| {
        Body::new(Lasting {
            body,
            ended: Box::pin(no_longer(is_so)),
            is_events,
            is_over: false,
        })
    })
}

fn is_events(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

async fn no_longer(is_so: impl Fn() -> bool) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        if !is_so() {
            return;
        }
    }
}

/// A body that goes on until `ended`; trailers pass as well as data.
struct Lasting {
    body: Body,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_events: bool,
    is_over: bool,
}

impl http_body::Body for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.ended.as_mut().poll(context).is_ready() {
            self.is_over = true;
            self.body = Body::empty();
            let cut = || Err(axum::Error::new("whoever asked may not have it any more"));
            return Poll::Ready((!self.is_events).then(cut));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::stream;
    use http::HeaderMap;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn trailers() -> Frame<Bytes> {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        Frame::trailers(trailers)
    }

    #[tokio::test]
    async fn trailers_pass_and_what_may_not_go_on_is_cut() {
        let frames = [Frame::data(Bytes::from_static(b"x")), trailers()];
        let frames = frames.map(Ok::<_, axum::Error>);
        let whole = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
        let whole = while_so(whole, || true)
            .into_body()
            .collect()
            .await
            .unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");

        let may = Arc::new(AtomicBool::new(true));
        let endless = stream::pending::<Result<Frame<Bytes>, axum::Error>>();
        let endless = Response::new(Body::new(StreamBody::new(endless)));
        let mut cut = while_so(endless, {
            let may = may.clone();
            move || may.load(Ordering::Relaxed)
        })
        .into_body();
        may.store(false, Ordering::Relaxed);
        cut.frame().await.unwrap().unwrap_err();
        assert!(cut.frame().await.is_none() && cut.is_end_stream());
    }
}
