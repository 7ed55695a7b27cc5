//! Certificates, as a handler sees them. See `footpath:host/acme` in
//! `wit/acme.wit`.

use std::fmt;

/// What a script asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    pub names: Vec<String>,
    pub force: bool,
    pub profile: Option<String>,
    pub key_type: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderOutcome {
    Issued,
    NotDue,
    DryRun,
}

impl OrderOutcome {
    /// As scripts see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::NotDue => "not_due",
            Self::DryRun => "dry_run",
        }
    }
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct OrderedCertificate {
    pub outcome: OrderOutcome,
    pub domain: String,
    pub names: Vec<String>,
    pub cert: String,
    pub chain: String,
    pub key: String,
    pub serial: String,
    pub fingerprint: String,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
    pub issuer: String,
}

impl fmt::Debug for OrderedCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OrderedCertificate")
            .field("domain", &self.domain)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct OrderError {
    pub code: &'static str,
    pub message: String,
    pub retry_after_seconds: Option<u32>,
}
