//! Keeps what calls look like, for documents. It looks into few answers, and only
//! into such as are complete and small.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Collected, Full, StreamBody};

use std::sync::Arc;

use super::Dispatcher;
use crate::api::access::text;
use crate::exec::notes::{BodyCopy, Notes};
use crate::exec::script::Script;
use crate::exec::traffic::{Observed, SAMPLE_BYTES_MAX};
use crate::model::script::ScriptPath;
use crate::sandbox::call::{Answer, Reported};
use crate::sandbox::services::{WasiBody, WasiError};

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
            && matches!(report, Reported::Now(_))
            && seen.method != Method::HEAD
            && self
                .exec
                .traffic
                .wants_sample(shown, seen.method.as_str(), status)
        {
            // The handler has ended, so all of it is here.
            body = match body.collect().await.map(Collected::to_bytes) {
                Ok(bytes) => {
                    sample = serde_json::from_slice(&bytes).ok();
                    whole(bytes)
                }
                Err(error) => broken_off(error),
            };
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

/// An empty body in its place would pass for whole, and what comes next on the connection
/// for the rest of it.
fn broken_off(error: WasiError) -> WasiBody {
    StreamBody::new(stream::iter([Err(error)])).boxed_unsync()
}

fn whole(bytes: Bytes) -> WasiBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}
