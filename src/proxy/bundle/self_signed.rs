//! The certificate that makes HTTPS work before there is any other. Made at the
//! first start and kept, so that whoever has accepted it need not do so again.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, Utc};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

use super::info::info_of;
use super::record::{BundleRecord, Version};
use super::{BundleError, check};
use crate::proxy::sni::Served;
use crate::store::Store;
use crate::store::sealed::MasterKey;

const STORE_KEY: &str = "proxy/self-signed";
/// What it is sealed and shown as; no client can ask for this name.
const DOMAIN: &str = "self-signed.invalid";
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const VALID_DAYS: u64 = 3650;

/// The stored one while it is valid, else a new one.
pub async fn open(
    store: &Store,
    master: &MasterKey,
    now: DateTime<Utc>,
) -> Result<Arc<Served>, BundleError> {
    if let Some(served) = stored(store, master).filter(|served| served.info.not_after > now) {
        return Ok(served);
    }
    let (chain_pem, key_pem) = make(now)?;
    let (facts, certified) = check::read(&chain_pem, &key_pem)?;
    let record = BundleRecord {
        domain: DOMAIN.to_owned(),
        generation: 1,
        current: Version {
            sealed_key: master.seal(&super::record::store_key(DOMAIN), key_pem.as_bytes())?,
            chain_pem,
            fingerprint: facts.fingerprint.clone(),
            installed_at: now,
            origin: "the first start".to_owned(),
        },
        previous: None,
    };
    store.put_json(STORE_KEY, &record).await?;
    Ok(Served::new(info_of(&record, facts), certified))
}

/// One that cannot be read is worth nothing: it is made again.
fn stored(store: &Store, master: &MasterKey) -> Option<Arc<Served>> {
    let record: BundleRecord = store.get_json(STORE_KEY).ok()??;
    let key_pem = record.current.key_pem(DOMAIN, master).ok()?;
    let (facts, certified) = check::read(&record.current.chain_pem, &key_pem).ok()?;
    Some(Served::new(info_of(&record, facts), certified))
}

fn make(now: DateTime<Utc>) -> Result<(String, String), BundleError> {
    let failed = |error: rcgen::Error| BundleError::Tls {
        reason: error.to_string(),
    };
    let mut parameters =
        CertificateParams::new(NAMES.map(str::to_owned).to_vec()).map_err(failed)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Footpath, self-signed");
    parameters.distinguished_name = name;
    let day = |time: DateTime<Utc>| {
        // Months and days of a calendar fit in a byte.
        date_time_ymd(time.year(), time.month() as u8, time.day() as u8)
    };
    parameters.not_before = day(now - Days::new(1));
    parameters.not_after = day(now + Days::new(VALID_DAYS));
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
