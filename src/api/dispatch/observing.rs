//! Keeps what calls look like, for documents. It looks into few answers, and only
//! into such as are complete and small, whether their handlers have ended or not.

use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, BodyStream, Collected, Full, StreamBody};

use std::sync::Arc;

use super::Dispatcher;
use crate::api::access::text;
use crate::exec::notes::{BodyCopy, Notes};
use crate::exec::script::Script;
use crate::exec::traffic::{Observed, SAMPLE_BYTES_MAX};
use crate::model::script::ScriptPath;
use crate::sandbox::call::{Answer, Reported};
use crate::sandbox::services::WasiBody;

/// What was read off a request before its script ran.
pub struct Seen {
    method: Method,
    query: Option<String>,
    content_type: Option<String>,
    /// What the script reads of a body that is looked into.
    body: Option<BodyCopy>,
}

impl Seen {
    /// Where to copy the request's body.
    pub fn body(&self) -> Option<BodyCopy> {
        self.body.clone()
    }

    fn keys(&self) -> Vec<String> {
        let query = self.query.as_deref().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let names = pairs.map(|(name, _)| name.into_owned());
        names
            .filter(|name| name != crate::auth::TOKEN_PARAMETER)
            .collect()
    }
}

fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json")
}

fn media(headers: &HeaderMap) -> Option<&str> {
    let media = text(headers, header::CONTENT_TYPE)?;
    Some(media.split(';').next().unwrap_or(media).trim())
}

impl Dispatcher {
    /// What there is to see of a request, before it is read.
    pub fn seen(&self, script: &Script, request: &Request<Body>) -> Seen {
        let (method, media) = (request.method(), media(request.headers()));
        let length = request.body().size_hint().exact();
        let looked_into = media.is_some_and(is_json)
            && length.is_some_and(|length| (1..=SAMPLE_BYTES_MAX).contains(&length));
        let wanted =
            looked_into && (self.exec.traffic).wants_request(&script.path, method.as_str());
        Seen {
            method: method.clone(),
            query: request.uri().query().map(str::to_owned),
            content_type: media.filter(|_| length != Some(0)).map(str::to_owned),
            body: wanted.then(BodyCopy::default),
        }
    }

    /// The script that a call has made for its own path: what was asked and answered
    /// is what that one does, and says little about its maker.
    pub fn made(&self, by: &Script, path: &str, notes: &Notes) -> Option<Arc<Script>> {
        notes.change(|noted| noted.written.first().cloned())?;
        let deployment = self.exec.live.get(by.path.exec_id())?;
        let found = deployment.routes.lookup(path).ok()??;
        let script = &found.route.script;
        (script.path != by.path).then(|| script.clone())
    }

    /// Takes note of an answer of a script, or of the one that it has `made`, and
    /// gives it back.
    pub async fn observe(
        &self,
        script: &ScriptPath,
        made: Option<&ScriptPath>,
        seen: &Seen,
        answer: Answer,
    ) -> Answer {
        let shown = made.unwrap_or(script);
        let Answer { response, report } = answer;
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        let media = media(&head.headers);
        let length = text(&head.headers, header::CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|length| length.parse().ok());
        let mut sample = None;
        if media.is_some_and(is_json)
            && length.is_some_and(|length| length <= SAMPLE_BYTES_MAX)
            && seen.method != Method::HEAD
            && self
                .exec
                .traffic
                .wants_sample(shown, seen.method.as_str(), status)
        {
            let bytes;
            (bytes, body) = match report {
                // The handler has ended, so all of it is here.
                Reported::Now(_) => {
                    let all = body.collect().await.map(Collected::to_bytes);
                    let all = all.unwrap_or_default();
                    (Some(all.clone()), whole(all))
                }
                Reported::Later(_) => first_part(body, length),
            };
            sample = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        }
        let request = seen.body.as_ref();
        let observed = Observed {
            is_own: made.is_none(),
            query_keys: seen.keys(),
            request_type: seen.content_type.as_deref().filter(|_| status < 400),
            request: request.and_then(|copy| serde_json::from_slice(&copy.bytes()).ok()),
            status,
            content_type: media,
            body: sample,
        };
        let (traffic, method) = (&self.exec.traffic, seen.method.as_str());
        let now = chrono::Utc::now();
        if made.is_some() {
            traffic.observe(script, method, Observed::of_status(status), now);
        }
        traffic.observe(shown, method, observed, now);
        Answer {
            response: http::Response::from_parts(head, body),
            report,
        }
    }

    pub fn observe_error(&self, script: &Script, seen: &Seen, status: StatusCode) {
        let observed = Observed::of_status(status.as_u16());
        let (traffic, method) = (&self.exec.traffic, seen.method.as_str());
        traffic.observe(&script.path, method, observed, chrono::Utc::now());
    }
}

/// The part of a body that is here already, if it is the `length` of all, and the body. A
/// handler that still runs may have said all that it will.
fn first_part(mut body: WasiBody, length: Option<u64>) -> (Option<Bytes>, WasiBody) {
    let Some(Some(Ok(frame))) = body.frame().now_or_never() else {
        return (None, body);
    };
    match frame.into_data() {
        Ok(data) if Some(data.len() as u64) == length => (Some(data.clone()), whole(data)),
        frame => {
            let frame = frame.map_or_else(|trailers| trailers, Frame::data);
            let first = stream::iter([Ok(frame)]);
            let body = StreamBody::new(first.chain(BodyStream::new(body)));
            (None, body.boxed_unsync())
        }
    }
}

fn whole(bytes: Bytes) -> WasiBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}
