//! What is told of a bundle: everything but its key.

use chrono::{DateTime, Utc};

use super::check::Facts;
use super::record::BundleRecord;
use crate::proxy::sni::Served;

/// A bundle without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleInfo {
    pub domain: String,
    /// What the certificate covers.
    pub names: Vec<String>,
    /// As `openssl x509 -serial` shows it.
    pub serial: String,
    /// SHA-256, as lower-case hexadecimal digits.
    pub fingerprint: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub issuer: String,
    /// Counts the changes of this domain, from 1.
    pub generation: u64,
    pub previous_fingerprint: Option<String>,
    pub installed_at: DateTime<Utc>,
    pub origin: String,
}

/// The receipt of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub info: BundleInfo,
    /// False when it was served already, or in a rehearsal.
    pub changed: bool,
    /// When the table was swapped, or would have been.
    pub reloaded_at: DateTime<Utc>,
}

impl BundleInfo {
    pub(super) fn new(
        domain: String,
        facts: Facts,
        generation: u64,
        previous_fingerprint: Option<String>,
    ) -> Self {
        let Facts {
            names,
            serial,
            fingerprint,
            not_before,
            not_after,
            issuer,
        } = facts;
        Self {
            domain,
            names,
            serial,
            fingerprint,
            not_before,
            not_after,
            issuer,
            generation,
            previous_fingerprint,
            installed_at: DateTime::default(),
            origin: String::new(),
        }
    }

    pub(super) fn by(self, origin: &str, at: DateTime<Utc>) -> Self {
        Self {
            installed_at: at,
            origin: origin.to_owned(),
            ..self
        }
    }
}

pub fn info_of(record: &BundleRecord, facts: Facts) -> BundleInfo {
    let previous = record
        .previous
        .as_ref()
        .map(|version| version.fingerprint.clone());
    let info = BundleInfo::new(record.domain.clone(), facts, record.generation, previous);
    info.by(&record.current.origin, record.current.installed_at)
}

pub fn facts_of(info: &BundleInfo) -> Facts {
    let info = info.clone();
    Facts {
        names: info.names,
        serial: info.serial,
        fingerprint: info.fingerprint,
        not_before: info.not_before,
        not_after: info.not_after,
        issuer: info.issuer,
    }
}

/// The receipt when there is nothing to do.
pub fn unchanged(served: &Served, now: DateTime<Utc>) -> Installed {
    Installed {
        info: served.info.clone(),
        changed: false,
        reloaded_at: now,
    }
}
