//! Why there is no certificate.

use chrono::{DateTime, SecondsFormat, Utc};

use super::certificate::CertificateError;
use crate::store::StoreError;
use crate::store::sealed::SealedError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcmeError {
    #[error(
        "no certificate authority is configured: set acme.directory, such as https://acme-v02.api.letsencrypt.org/directory"
    )]
    NotConfigured,
    #[error("{name:?} cannot be in a certificate: {reason}")]
    BadName { name: String, reason: &'static str },
    #[error("keyType must be one of {}", super::settings::KeyType::ALL.map(super::settings::KeyType::name).join(", "))]
    BadKeyType,
    #[error("the directory has no profile {profile:?}; it has: {known}")]
    BadProfile { profile: String, known: String },
    /// The local ledger says no; the authority was not asked.
    #[error("{reason}; it is possible again at {}", at(*until))]
    Refused {
        reason: &'static str,
        until: DateTime<Utc>,
    },
    /// 429 or 503.
    #[error("the certificate authority is busy (status {status})")]
    Busy {
        status: u16,
        retry_after_seconds: Option<u32>,
    },
    #[error("the certificate authority refused: {problem}")]
    Api { problem: String },
    #[error("the certificate authority does not know our account")]
    NoAccount,
    #[error("the certificate authority could not validate {name}: {problem}")]
    Validation { name: String, problem: String },
    #[error(
        "{name} can be validated by {offered} only; acme.challenges has {ours}, and dns-01 needs acme.dns"
    )]
    NoChallenge {
        name: String,
        offered: String,
        ours: String,
    },
    #[error("the DNS hook failed to {action} {name}: {reason}")]
    Dns {
        action: &'static str,
        name: String,
        reason: String,
    },
    #[error("the certificate authority could not be asked: {reason}")]
    Connection { reason: String },
    #[error("the order was not ready after {seconds} s")]
    Timeout { seconds: u64 },
    #[error("what the certificate authority issued cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    #[error("the certificate was issued but is not served: {reason}")]
    Install { reason: String },
    #[error(transparent)]
    Sealed(#[from] SealedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the server is stopping")]
    Stopping,
}

impl AcmeError {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "ACME_NOT_CONFIGURED",
            Self::BadName { .. } => "ACME_BAD_NAME",
            Self::BadKeyType => "ACME_BAD_KEY_TYPE",
            Self::BadProfile { .. } => "ACME_BAD_PROFILE",
            Self::Refused { .. } => "ACME_LEDGER",
            Self::Busy { .. } => "ACME_BUSY",
            Self::Api { .. } => "ACME_REFUSED",
            Self::NoAccount => "ACME_NO_ACCOUNT",
            Self::Validation { .. } => "ACME_VALIDATION",
            Self::NoChallenge { .. } => "ACME_NO_CHALLENGE",
            Self::Dns { .. } => "ACME_DNS_HOOK",
            Self::Connection { .. } => "ACME_CONNECTION",
            Self::Timeout { .. } => "ACME_TIMEOUT",
            Self::Certificate(_) => "ACME_CERTIFICATE",
            Self::Install { .. } => "ACME_INSTALL",
            Self::Sealed(_) => "ACME_SEALED",
            Self::Store(_) => "ACME_STORE",
            Self::Stopping => "ACME_STOPPING",
        }
    }

    /// Seconds until it makes sense to try again, when that is known.
    pub fn retry_after_seconds(&self, now: DateTime<Utc>) -> Option<u32> {
        match self {
            Self::Busy {
                retry_after_seconds,
                ..
            } => *retry_after_seconds,
            Self::Refused { until, .. } => (*until - now).num_seconds().max(1).try_into().ok(),
            _ => None,
        }
    }

    /// The name that the authority could not validate, which it counts.
    pub fn invalid_name(&self) -> Option<&str> {
        match self {
            Self::Validation { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether another authority would say the same of these names.
    pub fn is_about_names(&self) -> bool {
        matches!(
            self,
            Self::Validation { .. }
                | Self::NoChallenge { .. }
                | Self::Dns { .. }
                | Self::Api { .. }
        )
    }
}

fn at(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
