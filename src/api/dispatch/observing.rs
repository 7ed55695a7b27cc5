//! Keeps what calls look like, for documents. It looks into few answers, and only
//! into such as are complete and small.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};

use super::Dispatcher;
use crate::api::access::text;
use crate::exec::script::Script;
use crate::exec::traffic::{Observed, SAMPLE_BYTES_MAX};
use crate::sandbox::call::{Answer, Reported};
use crate::sandbox::services::WasiBody;

/// What was read off a request before its script ran.
pub struct Seen {
    method: Method,
    query: Option<String>,
}

impl Seen {
    pub fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            query: request.uri().query().map(str::to_owned),
        }
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

impl Dispatcher {
    /// Takes note of an answer and gives it back.
    pub async fn observe(&self, script: &Script, seen: &Seen, answer: Answer) -> Answer {
        let Answer { response, report } = answer;
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        let media = text(&head.headers, header::CONTENT_TYPE);
        let media = media.map(|media| media.split(';').next().unwrap_or(media).trim());
        let length = text(&head.headers, header::CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|length| length.parse().ok());
        let is_json = media.is_some_and(|one| one == "application/json" || one.ends_with("+json"));
        let mut sample = None;
        if is_json
            && length.is_some_and(|length| length <= SAMPLE_BYTES_MAX)
            && matches!(report, Reported::Now(_))
            && seen.method != Method::HEAD
            && self
                .exec
                .traffic
                .wants_sample(&script.path, seen.method.as_str(), status)
        {
            // The handler has ended, so all of it is here.
            let bytes = body
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes);
            let bytes = bytes.unwrap_or_default();
            sample = serde_json::from_slice(&bytes).ok();
            body = whole(bytes);
        }
        let observed = Observed {
            query_keys: seen.keys(),
            status,
            content_type: media,
            body: sample,
        };
        let (traffic, method) = (&self.exec.traffic, seen.method.as_str());
        traffic.observe(&script.path, method, observed, chrono::Utc::now());
        Answer {
            response: http::Response::from_parts(head, body),
            report,
        }
    }

    pub fn observe_error(&self, script: &Script, seen: &Seen, status: StatusCode) {
        let observed = Observed {
            query_keys: Vec::new(),
            status: status.as_u16(),
            content_type: None,
            body: None,
        };
        let (traffic, method) = (&self.exec.traffic, seen.method.as_str());
        traffic.observe(&script.path, method, observed, chrono::Utc::now());
    }
}

fn whole(bytes: Bytes) -> WasiBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}
