//! The one way out: resolve, filter, dial that address.
//!
//! Every outbound HTTP call of a script passes here. Redirects are not followed:
//! whoever follows one sends a new request, which is filtered again. This module
//! must not know who calls, nor count calls; limits per request are the sandbox's.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, Response, Version,
    header::{CONTENT_LENGTH, HOST},
    uri::Scheme,
};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::capture_connection},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::pki_types::CertificateDer;

mod address;
mod between;
mod connect;
mod error;
mod headers;
mod heard;
mod policy;
#[cfg(test)]
mod tests;
pub mod upstream;
mod whole;

pub use address::Reason;
pub use between::watched;
pub use error::{EgressError, Phase};
pub use headers::{remove_hop_by_hop, remove_where};
pub use policy::{Policy, PolicyError};
use upstream::UpstreamBody;
pub use whole::{BrokenOffError, Whole};

/// An unused connection is closed after this.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS_PER_HOST_MAX: usize = 8;
/// Headers of one response over HTTP/2, in bytes.
const HEADER_BYTES_MAX: u32 = 64 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response.
pub type Answer = Whole<Incoming>;

/// Sends requests that the policy allows. Clones share the connections.
#[derive(Clone)]
pub struct Egress {
    client: Client<connect::Connector, UpstreamBody>,
}

/// How long to wait for what. The time between two parts of the response's body
/// is [`watched`] by whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS together.
    pub connect: Duration,
    /// From the connection to the head of the response, the upload included.
    pub first_byte: Duration,
}

impl Egress {
    /// Trusts the public web's certificate authorities and `extra_roots`.
    pub fn new(
        policy: Policy,
        extra_roots: Vec<CertificateDer<'static>>,
    ) -> Result<Egress, rustls::Error> {
        let tls = client_tls(extra_roots)?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .build(connect::Connector::new(Arc::new(policy), tls));
        Ok(Egress { client })
    }

    /// Sends `request`, whose URL must be absolute, and returns the response as
    /// soon as its head is there. `Host` and the headers of a single connection
    /// are replaced by what belongs there.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        timeouts: Timeouts,
    ) -> Result<Response<Answer>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut request = prepare(request)?.map(|body| body.map_err(Into::into).boxed_unsync());
        let mut captured = capture_connection(&mut request);
        let response = self.client.request(request);
        tokio::pin!(response);
        let answered = tokio::select! {
            biased;
            answered = &mut response => answered,
            connected = tokio::time::timeout(timeouts.connect, async {
                // What it gives is a read guard, which must not live past this line.
                captured.wait_for_connection_metadata().await;
            }) => {
                connected.map_err(|_| timeout(Phase::Connect, timeouts.connect))?;
                let answered = tokio::time::timeout(timeouts.first_byte, response).await;
                answered.map_err(|_| timeout(Phase::FirstByte, timeouts.first_byte))?
            }
        };
        let mut response = answered.map_err(|error| classify(&error))?;
        remove_hop_by_hop(response.headers_mut());
        let version = response.version();
        Ok(response.map(|body| Whole::new(body, version)))
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Egress")
    }
}

/// Trusts the public web's certificate authorities and `extra_roots`.
fn client_tls(
    extra_roots: Vec<CertificateDer<'static>>,
) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots =
        rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for root in extra_roots {
        roots.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn prepare<B: Body>(mut request: Request<B>) -> Result<Request<B>, EgressError> {
    let bad = |reason: &str| {
        let reason = reason.to_owned();
        Err(EgressError::BadRequest { reason })
    };
    let uri = request.uri();
    if uri.scheme() != Some(&Scheme::HTTP) && uri.scheme() != Some(&Scheme::HTTPS) {
        return bad("its URL must start with http:// or https://");
    }
    if uri.host().is_none_or(str::is_empty) {
        return bad("its URL has no host");
    }
    if *request.method() == Method::CONNECT {
        return bad("CONNECT is not for scripts");
    }
    *request.version_mut() = Version::HTTP_11;
    let known_length = request.body().size_hint().exact().is_some();
    let headers = request.headers_mut();
    remove_hop_by_hop(headers);
    // A `Host` that differs from the URL would reach another site than the one filtered.
    headers.remove(HOST);
    if known_length {
        // The real length is set when the request is written.
        headers.remove(CONTENT_LENGTH);
    }
    Ok(request)
}

fn timeout(phase: Phase, after: Duration) -> EgressError {
    EgressError::Timeout { phase, after }
}

/// The connector's errors come back as the client's cause; all else happened on a connection.
fn classify(error: &hyper_util::client::legacy::Error) -> EgressError {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<EgressError>() {
            return own.clone();
        }
        cause = error.source();
    }
    EgressError::Protocol {
        reason: error::explain(error),
    }
}
