//! What the certificate client needs from parts that it must not know: who
//! serves certificates, who answers challenges, who changes DNS records.

use chrono::{DateTime, Utc};

use crate::sandbox::services::Later;

/// A certificate that is served, without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub names: Vec<String>,
    pub serial: String,
    /// SHA-256, as lower-case hexadecimal digits.
    pub fingerprint: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub issuer: String,
    pub generation: u64,
    /// Who installed it.
    pub origin: String,
    pub installed_at: DateTime<Utc>,
    pub first_handshake_at: Option<DateTime<Utc>>,
}

/// What is to be served from now on.
pub struct Install {
    pub domain: String,
    pub chain_pem: String,
    pub key_pem: String,
    pub origin: String,
}

/// The table of certificates that handshakes read.
pub trait CertificateTable: Send + Sync + 'static {
    /// What is served for exactly this domain.
    fn served(&self, domain: &str) -> Option<Served>;
    fn chain_pem(&self, domain: &str) -> Option<String>;
    /// The key of what is served. May read the disk.
    fn key_pem(&self, domain: &str) -> Result<Option<String>, String>;
    /// Every domain for which something is served.
    fn domains(&self) -> Vec<String>;
    /// Stores and serves it, and gives its generation.
    fn install(&self, bundle: Install) -> Later<'_, Result<u64, String>>;
}

/// Where the answers to challenges are put, for the listeners to find.
pub trait ChallengeAnswers: Send + Sync + 'static {
    /// http-01 (RFC 8555, section 8.3).
    fn put_http(&self, token: &str, key_authorisation: &str);
    fn remove_http(&self, token: &str);
    /// tls-alpn-01 (RFC 8737): a certificate and its key, both as DER.
    fn put_tls_alpn(&self, domain: &str, certificate: Vec<u8>, key: Vec<u8>) -> Result<(), String>;
    fn remove_tls_alpn(&self, domain: &str);
}

/// What a hook is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsAction {
    Present,
    Cleanup,
}

/// A TXT record for dns-01 (RFC 8555, section 8.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsRecord {
    /// The name that is validated, without a wildcard.
    pub domain: String,
    /// `_acme-challenge.` and the domain.
    pub name: String,
    pub value: String,
}

/// Changes DNS records; when `Present` is done, the authority may look.
pub trait DnsHook: Send + Sync + 'static {
    fn change(&self, action: DnsAction, record: DnsRecord) -> Later<'_, Result<(), String>>;
}

impl DnsAction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Cleanup => "cleanup",
        }
    }
}
