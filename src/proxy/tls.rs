//! TLS handshakes: from a TCP connection to a plain stream and what is known of
//! the client. They read the table in memory and wait for nothing but the client,
//! who has a deadline. Mozilla's intermediate profile is what rustls offers: TLS
//! 1.2 and 1.3, forward secrecy, AEAD ciphers only.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
pub use tokio_rustls::server::TlsStream;

use super::bundle::{BundleError, Bundles};
use super::challenges::{ALPN, ChallengeCerts};
use super::sni::{CertTable, Match, Served};

/// A client has this long for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A fatal `unrecognized_name` (RFC 8446, sections 5.1 and 6.2).
const UNRECOGNISED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// One state of the server's certificates: the table, and the configuration that
/// reads it. They are swapped together.
pub(super) struct Serving {
    pub table: Arc<CertTable>,
    config: Arc<ServerConfig>,
}

/// What is known of a connection's TLS.
#[derive(Debug, Clone)]
pub struct TlsInfo {
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    pub server_name: Option<Arc<str>>,
    /// The certificate that was shown.
    pub served: Arc<Served>,
    /// Of that certificate.
    pub fingerprint: Arc<str>,
    /// HTTP/2 was agreed on.
    pub is_h2: bool,
    /// The first handshake that showed this certificate.
    pub is_first: bool,
}

/// Told the names that no certificate is for. It must not wait.
pub trait UnknownNames: Send + Sync + 'static {
    fn seen(&self, name: &str);
}

/// Accepts handshakes. Clones share what they read.
#[derive(Clone)]
pub struct TlsAcceptor {
    bundles: Bundles,
    challenge: Arc<ServerConfig>,
    refuse_unknown: bool,
    unknown: Arc<dyn UnknownNames>,
}

impl TlsAcceptor {
    /// `refuse_unknown`: a name without a certificate ends in an alert instead of
    /// the default certificate.
    pub fn new(
        bundles: Bundles,
        challenges: ChallengeCerts,
        refuse_unknown: bool,
        unknown: Arc<dyn UnknownNames>,
    ) -> Result<Self, BundleError> {
        let resolver = ChallengeResolver(challenges);
        let mut challenge = config(Arc::new(resolver))?;
        challenge.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self {
            bundles,
            challenge: Arc::new(challenge),
            refuse_unknown,
            unknown,
        })
    }

    /// The stream after the handshake; none if there is nothing more to do: the
    /// handshake failed, or was itself the answer to a challenge.
    pub async fn accept(&self, tcp: TcpStream) -> Option<(TlsStream<TcpStream>, TlsInfo)> {
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        match timeout_at(deadline, self.handshake(tcp)).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                None
            }
        }
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
    ) -> std::io::Result<Option<(TlsStream<TcpStream>, TlsInfo)>> {
        let mut start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
        let hello = start.client_hello();
        if is_challenge(&hello) {
            let mut stream = start.into_stream(self.challenge.clone()).await?;
            // The handshake was the answer (RFC 8737, section 3).
            stream.shutdown().await?;
            return Ok(None);
        }
        let serving = self.bundles.serving();
        let server_name: Option<Arc<str>> = hello.server_name().map(Arc::from);
        let (served, matched) = serving.table.lookup(server_name.as_deref());
        if let Some(name) = server_name.as_deref().filter(|_| matched == Match::Default) {
            self.unknown.seen(name);
        }
        if self.refuse_unknown && matched == Match::Default && server_name.is_some() {
            start.io.write_all(&UNRECOGNISED_NAME).await?;
            start.io.shutdown().await?;
            return Ok(None);
        }
        let served = served.clone();
        let stream = start.into_stream(serving.config.clone()).await?;
        let (_, connection) = stream.get_ref();
        let info = TlsInfo {
            version: match connection.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLS",
            },
            is_h2: connection.alpn_protocol() == Some(b"h2"),
            server_name,
            is_first: served.shown(Utc::now()),
            fingerprint: served.fingerprint.clone(),
            served,
        };
        if info.is_first {
            let bundle = &info.served.info;
            tracing::info!(
                domain = bundle.domain,
                generation = bundle.generation,
                fingerprint = bundle.fingerprint,
                "the first handshake shows the certificate"
            );
        }
        Ok(Some((stream, info)))
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsAcceptor")
    }
}

/// A validating server offers this protocol and no other (RFC 8737, section 3).
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello
        .alpn()
        .is_some_and(|mut protocols| protocols.next() == Some(ALPN) && protocols.next().is_none())
}

/// Each state has its own tickets: a session that was begun with an older
/// certificate is not resumed, so that every handshake after a swap shows the new one.
pub(super) fn serving(table: CertTable) -> Result<Serving, BundleError> {
    let table = Arc::new(table);
    let mut config = config(Arc::new(TableResolver(table.clone())))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = Ticketer::new().map_err(tls_error)?;
    Ok(Serving {
        table,
        config: Arc::new(config),
    })
}

fn config(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, BundleError> {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    Ok(config)
}

fn tls_error(error: rustls::Error) -> BundleError {
    BundleError::Tls {
        reason: error.to_string(),
    }
}

#[derive(Debug)]
struct TableResolver(Arc<CertTable>);

impl ResolvesServerCert for TableResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let (served, _) = self.0.lookup(hello.server_name());
        Some(served.certified.clone())
    }
}

#[derive(Debug)]
struct ChallengeResolver(ChallengeCerts);

impl ResolvesServerCert for ChallengeResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.get(hello.server_name()?)
    }
}
