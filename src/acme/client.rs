//! How the authority is asked: by HTTP through `egress`, with a limit for
//! everything. It must not know what is asked.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use rustls::pki_types::CertificateDer;

use super::error::AcmeError;
use crate::egress::{Egress, Policy, Timeouts};

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    first_byte: Duration::from_secs(30),
};
/// For the whole body of an answer.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// For the answer of `acme.on_demand_ask`.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// Of one answer; a certificate chain is the largest.
const BODY_BYTES_MAX: usize = 1 << 20;
/// An authority that refuses nonces gets so many tries of one request; the
/// library makes up to three of each. At 70 % refused, 24 fail once in 5,000 times.
pub const NONCE_TRIES: usize = 24;

/// The client of one directory. Clones share its connections.
#[derive(Clone)]
pub struct AcmeHttp(Egress);

/// The authority asks for patience.
#[derive(Debug, thiserror::Error)]
#[error("status {status}")]
struct Busy {
    status: u16,
    retry_after_seconds: Option<u32>,
}

impl AcmeHttp {
    /// The operator chose the directory, so any address is allowed.
    pub fn new(roots: Vec<CertificateDer<'static>>) -> Result<Self, AcmeError> {
        let everywhere = ["0.0.0.0/0", "::/0"].map(str::to_owned);
        let connection = |reason: String| AcmeError::Connection { reason };
        let policy =
            Policy::new(&everywhere, Vec::new()).map_err(|error| connection(error.to_string()))?;
        let egress = Egress::new(policy, roots).map_err(|error| connection(error.to_string()))?;
        Ok(Self(egress))
    }
}

impl AcmeHttp {
    /// Whether an URL of the operator's answers yes, which any 2xx does.
    pub async fn says_yes(&self, url: &str) -> Result<bool, AcmeError> {
        let connection = |reason: String| AcmeError::Connection { reason };
        let request = Request::get(url).body(Empty::<Bytes>::new());
        let request = request.map_err(|error| connection(error.to_string()))?;
        let answer = tokio::time::timeout(ASK_TIMEOUT, self.0.send(request, TIMEOUTS)).await;
        let answer = answer.map_err(|_| connection("no answer in time".to_owned()))?;
        let answer = answer.map_err(|error| connection(error.to_string()))?;
        Ok(answer.status().is_success())
    }
}

impl HttpClient for AcmeHttp {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let egress = self.0.clone();
        Box::pin(async move {
            let other = |error| Error::Other(Box::new(error));
            let response = egress.send(request, TIMEOUTS).await.map_err(other)?;
            let (parts, body) = response.into_parts();
            let patience = [
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::SERVICE_UNAVAILABLE,
            ];
            if patience.contains(&parts.status) {
                let after = parts.headers.get(header::RETRY_AFTER);
                let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                return Err(Error::Other(Box::new(Busy {
                    status: parts.status.as_u16(),
                    retry_after_seconds: seconds,
                })));
            }
            let read = Limited::new(body, BODY_BYTES_MAX).collect();
            let body = match tokio::time::timeout(BODY_TIMEOUT, read).await {
                Ok(Ok(body)) => body.to_bytes(),
                Ok(Err(error)) => return Err(Error::Other(error)),
                Err(_) => return Err(Error::Other("the answer did not end in time".into())),
            };
            Ok(BytesResponse {
                parts,
                body: Box::new(body),
            })
        })
    }
}

/// The library's errors in our terms.
pub fn classify(error: Error) -> AcmeError {
    match error {
        Error::Api(problem) if is_of(&problem, NO_ACCOUNT) => AcmeError::NoAccount,
        Error::Api(problem) => AcmeError::Api {
            problem: shown(&problem),
        },
        Error::Other(other) => match other.downcast::<Busy>() {
            Ok(busy) => AcmeError::Busy {
                status: busy.status,
                retry_after_seconds: busy.retry_after_seconds,
            },
            Err(other) => AcmeError::Connection {
                reason: other.to_string(),
            },
        },
        other => AcmeError::Connection {
            reason: other.to_string(),
        },
    }
}

/// A problem (RFC 8555, section 6.7) for people.
pub fn shown(problem: &Problem) -> String {
    problem
        .to_string()
        .trim_start_matches("API error: ")
        .to_owned()
}

const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

fn is_of(problem: &Problem, kind: &str) -> bool {
    problem.r#type.as_deref() == Some(kind)
}

pub fn is_bad_nonce(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if is_of(problem, BAD_NONCE))
}

/// Makes a request again while the authority refuses its nonce.
macro_rules! insist {
    ($request:expr) => {{
        let mut tries = 1;
        loop {
            match $request.await {
                Err(error)
                    if $crate::acme::client::is_bad_nonce(&error)
                        && tries < $crate::acme::client::NONCE_TRIES =>
                {
                    tries += 1;
                }
                answered => break answered,
            }
        }
    }};
}
pub(super) use insist;
