//! What is kept of a certificate that was issued to us. It must not hold a key
//! that is not sealed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::due::{Life, Plan, Window, plan};
use super::error::AcmeError;
use super::ledger::Ledger;
use crate::model::cron_run::CronRun;
use crate::store::sealed::MasterKey;
use crate::store::{Kind, Store, StoreError, Stored};

const CERTIFICATE_PREFIX: &str = "acme/certificate/";
const LEDGER_PREFIX: &str = "acme/ledger/";

/// The last certificate that was issued for a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// The first of the names.
    pub domain: String,
    pub names: Vec<String>,
    pub chain_pem: String,
    pub sealed_key: String,
    pub serial: String,
    pub fingerprint: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub issuer: String,
    pub issued_at: DateTime<Utc>,
    pub order: OrderTrace,
    pub renewal_info: Option<RenewalInfo>,
}

/// Which order it came from, and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderTrace {
    pub url: String,
    pub directory: String,
    pub profile: Option<String>,
    pub key_type: String,
    pub requested_by: String,
    /// The request that asked, in the access log.
    pub execution_id: Option<String>,
    /// The run of cron that led to it.
    #[serde(default)]
    pub cron_run: Option<CronRun>,
    /// A handshake with an unknown name led to it.
    #[serde(default)]
    pub on_demand: bool,
}

/// What the authority suggests (RFC 9773).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalInfo {
    pub window: Option<Window>,
    pub explanation_url: Option<String>,
    /// Not asked again before this.
    pub ask_again_at: DateTime<Utc>,
}

impl Stored for CertificateRecord {
    const KIND: Kind = Kind {
        number: 70,
        version: 1,
    };
}

impl CertificateRecord {
    pub fn plan(&self) -> Plan {
        plan(&Life {
            not_before: self.not_before,
            not_after: self.not_after,
            window: self.renewal_info.as_ref().and_then(|info| info.window),
            fingerprint: &self.fingerprint,
        })
    }

    pub fn key_pem(&self, master: &MasterKey) -> Result<String, AcmeError> {
        let secret = master.unseal(&certificate_key(&self.domain), &self.sealed_key)?;
        Ok(String::from_utf8_lossy(&secret).into_owned())
    }
}

/// Where a certificate's key is sealed for.
pub fn certificate_key(domain: &str) -> String {
    format!("{CERTIFICATE_PREFIX}{domain}")
}

pub fn certificate(store: &Store, domain: &str) -> Result<Option<CertificateRecord>, StoreError> {
    store.get_json(&certificate_key(domain))
}

/// All of them; what cannot be read is logged and left out.
pub fn certificates(store: &Store) -> Result<Vec<CertificateRecord>, StoreError> {
    let page = store.range(CERTIFICATE_PREFIX, None, usize::MAX)?;
    let records = page.entries.into_iter().filter_map(|entry| {
        let key = entry.key;
        let record = entry
            .record
            .and_then(|record| crate::store::from_record(&key, &record));
        record
            .inspect_err(|error| tracing::warn!(%error, key, "a certificate's record is left out"))
            .ok()
    });
    Ok(records.collect())
}

pub async fn put_certificate(store: &Store, record: &CertificateRecord) -> Result<(), StoreError> {
    store
        .put_json(&certificate_key(&record.domain), record)
        .await
}

pub async fn forget(store: &Store, domain: &str) -> Result<bool, StoreError> {
    store.delete(&certificate_key(domain)).await
}

pub fn ledger(store: &Store, domain: &str) -> Result<Ledger, StoreError> {
    Ok(store
        .get_json(&format!("{LEDGER_PREFIX}{domain}"))?
        .unwrap_or_default())
}

pub async fn put_ledger(store: &Store, domain: &str, ledger: &Ledger) -> Result<(), StoreError> {
    store
        .put_json(&format!("{LEDGER_PREFIX}{domain}"), ledger)
        .await
}
