//! What the operator decided about certificates, as plain values. It must not
//! read the configuration itself.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

/// A private key of an external account (RFC 8555, section 7.3.4).
#[derive(Clone)]
pub struct ExternalAccount {
    pub key_id: String,
    /// The MAC key, decoded.
    pub mac_key: Vec<u8>,
}

/// Ways to prove that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeKind {
    Http01,
    TlsAlpn01,
    Dns01,
}

/// The key of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyType {
    #[default]
    Ec256,
    Ec384,
    Rsa2048,
}

/// All of it.
#[derive(Clone)]
pub struct Settings {
    /// URL of the directory.
    pub directory: String,
    /// Asked first after a failure.
    pub staging: Option<String>,
    pub contact: Option<String>,
    pub external_account: Option<ExternalAccount>,
    /// Trusted besides the public roots, for the directory's own TLS.
    pub roots: Vec<CertificateDer<'static>>,
    /// In the order in which they are tried.
    pub challenges: Vec<ChallengeKind>,
    /// Certificates to keep without any script: the names of each.
    pub names: Vec<Vec<String>>,
    pub profile: Option<String>,
    pub key_type: KeyType,
    /// How often is looked whether something is due.
    pub check_interval: Duration,
    /// None: unknown names get no certificate.
    pub on_demand: Option<OnDemand>,
}

/// Which unknown names may get a certificate when somebody asks for them.
#[derive(Debug, Clone)]
pub struct OnDemand {
    /// Names, and wildcards, which stand for one label.
    pub names: Vec<String>,
    /// Asked with `?domain=`; any 2xx means yes.
    pub ask: Option<String>,
    /// New certificates that may be begun in an hour.
    pub per_hour_max: usize,
}

impl ChallengeKind {
    pub const ALL: [Self; 3] = [Self::Http01, Self::TlsAlpn01, Self::Dns01];

    /// As RFC 8555 and RFC 8737 write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

impl KeyType {
    pub const ALL: [Self; 3] = [Self::Ec256, Self::Ec384, Self::Rsa2048];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ec256 => "ec256",
            Self::Ec384 => "ec384",
            Self::Rsa2048 => "rsa2048",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}
