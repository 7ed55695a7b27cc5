//! Which servers `footpath cron` believes over TLS: those that the public or the
//! system's authorities vouch for, or those of a file, or any.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Names the file of the system's authorities, as OpenSSL has it.
const SYSTEM_VARIABLE: &str = "SSL_CERT_FILE";
/// Where systems keep theirs.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

#[derive(Args)]
pub struct TrustArguments {
    /// Trust the authorities in this PEM file too, when the server's URL is https.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// Believe any certificate: whoever sits between can read the token. For a
    /// server on this machine that has only its self-signed one.
    #[arg(long, global = true, conflicts_with = "ca")]
    insecure: bool,
}

/// What a client needs for that.
pub fn client_tls(arguments: &TrustArguments) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    if arguments.insecure {
        let anybody = Arc::new(Anybody { provider });
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(anybody);
        return Ok(builder.with_no_client_auth());
    }
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let named = std::env::var_os(SYSTEM_VARIABLE).map(PathBuf::from);
    let usual = || SYSTEM_FILES.iter().map(PathBuf::from);
    if let Some(system) = named.or_else(|| usual().find(|path| path.exists())) {
        // Some of a system's may be too old to be read; the others serve.
        roots.add_parsable_certificates(certificates(&system)?);
    }
    if let Some(path) = &arguments.ca {
        for certificate in certificates(path)? {
            roots.add(certificate).with_context(|| {
                format!("a certificate of {} is no authority's", path.display())
            })?;
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.with_context(|| format!("cannot read certificates of {}", path.display()))?;
    if read.is_empty() {
        anyhow::bail!("{} holds no certificate", path.display());
    }
    Ok(read)
}

/// Believes any certificate, but not that somebody without its key has it.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
