//! The way to the servers behind aliases. It filters and pools as all that goes
//! out does, but passes a request on as it is: which fields belong to one hop is
//! the proxy's business, and so is how long an upstream may be silent.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, Version, uri::Scheme};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper_util::client::legacy::{Builder, Client, connect::capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;

use super::connect::{Connector, host, port};
use super::{
    BoxError, EgressError, HEADER_BYTES_MAX, IDLE, Phase, Policy, Whole, classify, client_tls,
    timeout,
};
use h1::Connections;

mod h1;

/// Connections kept to one upstream while unused.
const IDLE_CONNECTIONS_PER_HOST_MAX: usize = 256;

/// Header fields of an answer; some set a hundred cookies.
const HEADERS_MAX: usize = 256;

pub type UpstreamBody = UnsyncBoxBody<Bytes, BoxError>;

/// How to speak to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// What TLS agrees on, HTTP/1.1 without TLS.
    Any,
    /// HTTP/1.1, for a `Host` other than the URL's.
    Http1,
    /// HTTP/1.1 on a connection that may go on in another protocol.
    Upgrade,
    /// HTTP/2 without TLS.
    H2c,
}

/// Sends requests that the policy allows. Clones share the connections.
#[derive(Clone)]
pub struct Upstreams {
    policy: Arc<Policy>,
    http1: Connections,
    any: Client<Connector, UpstreamBody>,
    upgrade: Client<Connector, UpstreamBody>,
    h2c: Client<Connector, UpstreamBody>,
}

impl Upstreams {
    /// Trusts the public web's certificate authorities and `extra_roots`.
    pub fn new(
        policy: Policy,
        extra_roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        let tls = client_tls(extra_roots)?;
        let policy = Arc::new(policy);
        let any = Connector::new(policy.clone(), tls.clone());
        let http1 = Connector::http1(policy.clone(), tls);
        Ok(Self {
            policy,
            http1: Connections::new(http1.clone()),
            h2c: builder().http2_only(true).build(http1.clone()),
            any: builder().build(any),
            upgrade: builder().build(http1),
        })
    }

    /// Why a URL that names an address is refused; names are looked at when they
    /// are dialled.
    pub fn refused(&self, url: &Uri) -> Option<EgressError> {
        let ip: IpAddr = host(url).parse().ok()?;
        let address = SocketAddr::new(ip, port(url));
        let reason = self.policy.refused(host(url), address)?;
        let key = self.policy.key();
        Some(EgressError::refused(host(url), address, reason, key))
    }

    /// Sends `request`, whose URL is absolute, and returns the response as soon as
    /// its head is there. A request of which nothing was sent, because a kept
    /// connection had gone, is sent on another one.
    pub async fn send(
        &self,
        mut request: Request<UpstreamBody>,
        protocol: Protocol,
        connect: Duration,
    ) -> Result<Response<UpstreamBody>, EgressError> {
        let client = match protocol {
            Protocol::Any if is_tls(request.uri()) => &self.any,
            Protocol::Any | Protocol::Http1 => return self.http1.send(request, connect).await,
            Protocol::Upgrade => &self.upgrade,
            Protocol::H2c => &self.h2c,
        };
        *request.version_mut() = match protocol {
            Protocol::H2c => Version::HTTP_2,
            Protocol::Any | Protocol::Http1 | Protocol::Upgrade => Version::HTTP_11,
        };
        let mut captured = capture_connection(&mut request);
        let response = client.request(request);
        tokio::pin!(response);
        let answered = tokio::select! {
            biased;
            answered = &mut response => answered,
            connected = tokio::time::timeout(connect, async {
                // What it gives is a read guard, which must not live past this line.
                captured.wait_for_connection_metadata().await;
            }) => {
                connected.map_err(|_| timeout(Phase::Connect, connect))?;
                response.await
            }
        };
        let response = answered.map_err(|error| classify(&error))?;
        let version = response.version();
        Ok(response.map(|body| Whole::new(body, version).boxed_unsync()))
    }
}

/// Whether TLS protects the way to this URL.
pub fn is_tls(url: &Uri) -> bool {
    url.scheme() == Some(&Scheme::HTTPS)
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST_MAX)
        .http1_max_headers(HEADERS_MAX)
        .http2_adaptive_window(true)
        .http2_max_header_list_size(HEADER_BYTES_MAX);
    builder
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Upstreams")
    }
}
