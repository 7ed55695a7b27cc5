//! Answers that outlast their token: one that streams ends soon after nobody who
//! asked for it may any more. It must not decide who may ask.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use chrono::Utc;
use futures_util::{StreamExt, stream};
use http::header;
use http_body::Body as _;

use crate::auth::{Presented, Tokens};

/// A stream ends so soon after its token does.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The answer, which goes on while one of these tokens is valid. An answer that is
/// there already stays as it is. Events just end, as they may at any time; anything
/// else is broken off, so that nobody takes a part for the whole.
pub fn while_valid(
    response: Response,
    tokens: Arc<Tokens>,
    presented: Vec<Presented>,
    client: Option<IpAddr>,
) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let is_events = is_events(&response);
    response.map(|body| {
        let ended = Box::pin(no_longer_valid(tokens, presented, client));
        let begin = Some((body.into_data_stream(), ended));
        Body::from_stream(stream::unfold(begin, move |state| async move {
            let (mut pieces, mut ended) = state?;
            tokio::select! {
                biased;
                () = &mut ended => {
                    let cut = || Err(axum::Error::new("the token is no longer valid"));
                    (!is_events).then(|| (cut(), None))
                }
                piece = pieces.next() => Some((piece?, Some((pieces, ended)))),
            }
        }))
    })
}

fn is_events(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Waits until none of these tokens is valid any more.
async fn no_longer_valid(tokens: Arc<Tokens>, presented: Vec<Presented>, client: Option<IpAddr>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        if !tokens.any_valid(&presented, client, Utc::now()) {
            return;
        }
    }
}
