//! From a URL to a connection: resolve, filter, dial one of the filtered addresses.
//!
//! The connector sits under the connection pool, so a pooled connection was
//! filtered when it was made, and a new one is filtered when it is dialled. No
//! name is resolved twice, so an answer that changes in between changes nothing.

use std::{
    error::Error,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::Name},
    rt::TokioIo,
};
use tower::Service;

use super::{EgressError, Phase, Policy, error::explain, heard::Heard};

/// A connection that is still being made after this, for whomever, is given up.
const CONNECT_MAX: Duration = Duration::from_secs(60);

/// A connection, with TLS or without.
pub(super) type Stream = MaybeHttpsStream<TokioIo<Heard>>;

type BoxError = Box<dyn Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Makes filtered connections, with TLS for `https`.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Dialer>,
}

impl Connector {
    pub fn new(policy: Arc<Policy>, tls: rustls::ClientConfig) -> Connector {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(Dialer { policy });
        Connector { https }
    }

    /// As [`Connector::new`], but TLS offers HTTP/1.1 only.
    pub fn http1(policy: Arc<Policy>, tls: rustls::ClientConfig) -> Connector {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dialer { policy });
        Connector { https }
    }

    /// A connection for whoever keeps it by itself.
    pub async fn connect(&self, url: Uri) -> Result<Stream, EgressError> {
        self.clone().call(url).await
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = EgressError;
    type Future = BoxFuture<Result<Self::Response, EgressError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host = host(&uri).to_owned();
        let connecting = self.https.call(uri);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_MAX, connecting).await {
                Ok(connected) => connected.map_err(|error| classify(host, error)),
                Err(_) => Err(EgressError::Timeout {
                    phase: Phase::Connect,
                    after: CONNECT_MAX,
                }),
            }
        })
    }
}

/// Our own errors come through the layers as causes; TLS fails as a bare I/O error.
fn classify(host: String, error: BoxError) -> EgressError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error.as_ref());
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<EgressError>() {
            return own.clone();
        }
        cause = error.source();
    }
    let reason = explain(error.as_ref());
    if error.is::<io::Error>() {
        return EgressError::Tls { host, reason };
    }
    EgressError::Connect { host, reason }
}

/// Makes filtered TCP connections.
#[derive(Clone)]
struct Dialer {
    policy: Arc<Policy>,
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<Heard>;
    type Error = BoxError;
    type Future = BoxFuture<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let port = port(&uri);
        // `HttpConnector` dials an address in the URL without asking its resolver.
        if let Ok(ip) = host(&uri).parse::<IpAddr>() {
            let address = SocketAddr::new(ip, port);
            if let Some(reason) = self.policy.refused(host(&uri), address) {
                let refused = EgressError::refused(host(&uri), address, reason, self.policy.key());
                return Box::pin(async move { Err(refused.into()) });
            }
        }
        let resolver = FilteringResolver {
            policy: self.policy.clone(),
            port,
        };
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connecting = tcp.call(uri);
        Box::pin(async move {
            let tcp = connecting.await?.into_inner();
            Ok(TokioIo::new(Heard::new(tcp)))
        })
    }
}

/// Resolves a name and lets only allowed addresses through.
#[derive(Clone)]
struct FilteringResolver {
    policy: Arc<Policy>,
    port: u16,
}

impl Service<Name> for FilteringResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = EgressError;
    type Future = BoxFuture<Result<Self::Response, EgressError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let FilteringResolver { policy, port } = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let resolved = tokio::net::lookup_host((host, port)).await;
            let addresses: Vec<SocketAddr> = resolved
                .map_err(|error| dns(host, &error.to_string()))?
                .collect();
            Ok(filter(&policy, host, addresses)?.into_iter())
        })
    }
}

/// The allowed addresses; an error when there is none.
fn filter(
    policy: &Policy,
    host: &str,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, EgressError> {
    let mut allowed = Vec::new();
    let mut refused = dns(host, "it has no address");
    for address in addresses {
        match policy.refused(host, address) {
            None => allowed.push(address),
            Some(reason) => refused = EgressError::refused(host, address, reason, policy.key()),
        }
    }
    if allowed.is_empty() {
        return Err(refused);
    }
    Ok(allowed)
}

fn dns(host: &str, reason: &str) -> EgressError {
    EgressError::Dns {
        host: host.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Without the brackets of an IPv6 address.
pub(super) fn host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

pub(super) fn port(uri: &Uri) -> u16 {
    let default = if uri.scheme() == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    uri.port_u16().unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Reason;

    #[test]
    fn only_allowed_addresses_of_a_name_are_left() {
        let policy = Policy::default();
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter()
                .map(|address| address.parse().unwrap())
                .collect()
        };
        let mixed = addresses(&[
            "10.0.0.1:80",
            "93.184.216.34:80",
            "[::1]:80",
            "[2606:4700::1]:80",
        ]);
        let left = filter(&policy, "x", mixed).unwrap();
        assert_eq!(left, addresses(&["93.184.216.34:80", "[2606:4700::1]:80"]));
        let refused = filter(&policy, "x", addresses(&["10.0.0.1:80"])).unwrap_err();
        assert!(
            matches!(&refused, EgressError::Refused { reason: Reason::Private, hint, .. } if hint.contains("\"x:80\""))
        );
        assert!(matches!(
            filter(&policy, "x", vec![]),
            Err(EgressError::Dns { .. })
        ));
    }

    #[test]
    fn hosts_and_ports_come_from_the_url() {
        let cases = [
            ("http://a/", "a", 80),
            ("https://a/", "a", 443),
            ("https://a:1/", "a", 1),
            ("http://[::1]/", "::1", 80),
            ("http://user:pass@[::1]:9/", "::1", 9),
        ];
        for (uri, expected_host, expected_port) in cases {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!((host(&uri), port(&uri)), (expected_host, expected_port));
        }
    }
}
