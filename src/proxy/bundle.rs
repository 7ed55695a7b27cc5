//! Bundles: a certificate chain with its key, for one domain.
//!
//! Whatever is asked, a new certificate is checked, then stored, then served;
//! when `install` returns, the next handshake shows it. A certificate that is
//! refused changes nothing. The key leaves this module only towards TLS and, by
//! [`Bundles::key_pem`], towards whoever renews; never towards an answer or a log.

use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

pub mod check;
mod error;
mod info;
mod load;
mod record;
mod self_signed;
#[cfg(test)]
mod tests;

pub use error::BundleError;
pub use info::{BundleInfo, Installed};

use super::sni::{CertTable, Served};
use super::tls::{self, Serving};
use crate::model::host_name as name;
use crate::store::Store;
use crate::store::sealed::MasterKey;
use check::Facts;
use info::{facts_of, info_of, unchanged};
use load::{default_of, read_all};
use record::{BundleRecord, Version, store_key};

/// How many there may be; the figures are for 10,000.
pub const BUNDLES_MAX: usize = 20_000;

/// What is to be installed.
#[derive(Clone)]
pub struct NewBundle {
    /// The host name, perhaps a wildcard; the certificate must cover it.
    pub domain: String,
    /// The server's certificate first, then its issuers.
    pub chain_pem: String,
    /// May be absent when this very certificate is served already.
    pub key_pem: Option<String>,
    /// Who asks, such as `token ci` or `acme`.
    pub origin: String,
    /// Install it although its dates say no.
    pub force: bool,
}

/// What the caller believes to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precondition {
    #[default]
    None,
    /// `If-Match` on a generation.
    Generation(u64),
    /// `If-Match: *`.
    Exists,
    /// `If-None-Match: *`.
    Absent,
}

/// All bundles. Clones share them.
#[derive(Clone)]
pub struct Bundles(Arc<Shared>);

struct Shared {
    store: Store,
    master: MasterKey,
    serving: ArcSwap<Serving>,
    self_signed: Arc<Served>,
    /// The bundle for unknown names; the self-signed one until it is there.
    default_domain: Option<String>,
    /// Held by whoever changes bundles.
    changing: Mutex<()>,
}

impl Bundles {
    /// Reads all bundles, and makes the self-signed default at the first start.
    /// A bundle that cannot be read is logged and left out; it stays stored.
    pub async fn open(
        store: Store,
        master: MasterKey,
        default_domain: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Self, BundleError> {
        let default_domain = default_domain.map(name::normalise).transpose()?;
        let self_signed = self_signed::open(&store, &master, now).await?;
        let bundles = tokio::task::spawn_blocking({
            let (store, master) = (store.clone(), master.clone());
            move || read_all(&store, &master)
        });
        let bundles = bundles.await.map_err(|error| BundleError::Tls {
            reason: error.to_string(),
        })??;
        let mut table = CertTable::new(bundles, self_signed.clone());
        table.default = default_of(&table, default_domain.as_deref(), &self_signed);
        let serving = tls::serving(table)?;
        Ok(Self(Arc::new(Shared {
            store,
            master,
            serving: ArcSwap::from_pointee(serving),
            self_signed,
            default_domain,
            changing: Mutex::new(()),
        })))
    }

    /// Checks, stores, serves. When it returns, every new handshake shows it.
    pub async fn install(
        &self,
        new: NewBundle,
        precondition: Precondition,
    ) -> Result<Installed, BundleError> {
        let now = Utc::now();
        let domain = name::normalise(&new.domain)?;
        let _changing = self.0.changing.lock().await;
        let current = self.checked_current(&domain, precondition)?;
        let (facts, certified) = match self.prepare(&new, current.as_ref())? {
            Prepared::Same(served) => {
                check::fits(&facts_of(&served.info), &domain, new.force, now)?;
                return Ok(unchanged(&served, now));
            }
            Prepared::New(facts, certified) => (facts, certified),
        };
        check::fits(&facts, &domain, new.force, now)?;
        let key_pem = new.key_pem.as_deref().ok_or(BundleError::NoKey)?;
        let version = Version {
            chain_pem: check::to_pem(&certified.cert),
            sealed_key: self
                .0
                .master
                .seal(&store_key(&domain), key_pem.as_bytes())?,
            fingerprint: facts.fingerprint.clone(),
            installed_at: now,
            origin: new.origin,
        };
        let stored = self.stored(&domain)?;
        let record = BundleRecord {
            generation: stored.as_ref().map_or(0, |record| record.generation) + 1,
            previous: stored.map(|record| record.current),
            domain,
            current: version,
        };
        self.put(record, facts, certified).await
    }

    /// What [`Bundles::install`] would do; nothing is stored or served.
    pub fn rehearse(
        &self,
        new: &NewBundle,
        precondition: Precondition,
    ) -> Result<Installed, BundleError> {
        let now = Utc::now();
        let domain = name::normalise(&new.domain)?;
        let current = self.checked_current(&domain, precondition)?;
        let facts = match self.prepare(new, current.as_ref())? {
            Prepared::Same(served) => {
                check::fits(&facts_of(&served.info), &domain, new.force, now)?;
                return Ok(unchanged(&served, now));
            }
            Prepared::New(facts, _) => facts,
        };
        check::fits(&facts, &domain, new.force, now)?;
        let previous = current.map(|served| served.info.clone());
        let generation = previous.as_ref().map_or(0, |info| info.generation) + 1;
        let previous_fingerprint = previous.map(|info| info.fingerprint);
        let info =
            BundleInfo::new(domain, facts, generation, previous_fingerprint).by(&new.origin, now);
        Ok(Installed {
            info,
            changed: false,
            reloaded_at: now,
        })
    }

    /// The certificate before the one in force takes its place, and the other way
    /// round; it is a new generation.
    pub async fn roll_back(
        &self,
        domain: &str,
        origin: &str,
        precondition: Precondition,
        dry_run: bool,
    ) -> Result<Installed, BundleError> {
        let now = Utc::now();
        let domain = name::normalise(domain)?;
        let _changing = self.0.changing.lock().await;
        self.checked_current(&domain, precondition)?;
        let record = self
            .stored(&domain)?
            .ok_or_else(|| BundleError::not_found(&domain))?;
        let previous = record.previous.ok_or_else(|| BundleError::NoPrevious {
            domain: domain.clone(),
        })?;
        let key_pem = previous.key_pem(&domain, &self.0.master)?;
        let (facts, certified) = check::read(&previous.chain_pem, &key_pem)?;
        let record = BundleRecord {
            generation: record.generation + 1,
            current: Version {
                installed_at: now,
                origin: origin.to_owned(),
                ..previous
            },
            previous: Some(record.current),
            domain,
        };
        if dry_run {
            return Ok(Installed {
                info: info_of(&record, facts),
                changed: false,
                reloaded_at: now,
            });
        }
        self.put(record, facts, certified).await
    }

    /// Forgets a domain with both of its certificates.
    pub async fn remove(
        &self,
        domain: &str,
        precondition: Precondition,
        dry_run: bool,
    ) -> Result<BundleInfo, BundleError> {
        let domain = name::normalise(domain)?;
        let _changing = self.0.changing.lock().await;
        self.checked_current(&domain, precondition)?;
        let info = self
            .get(&domain)
            .ok_or_else(|| BundleError::not_found(&domain))?;
        if !dry_run {
            self.0.store.delete(&store_key(&domain)).await?;
            self.swap(|table| table.remove(&domain))?;
        }
        Ok(info)
    }

    /// The bundle of exactly this domain.
    pub fn get(&self, domain: &str) -> Option<BundleInfo> {
        let domain = name::normalise(domain).ok()?;
        let serving = self.0.serving.load();
        let served = serving.table.bundle(&domain)?;
        Some(served.info.clone())
    }

    /// The chain in force, as PEM.
    pub fn chain_pem(&self, domain: &str) -> Option<String> {
        let domain = name::normalise(domain).ok()?;
        let serving = self.0.serving.load();
        let served = serving.table.bundle(&domain)?;
        Some(check::to_pem(&served.certified.cert))
    }

    /// The key in force, for whoever renews or hands out the served bundle again.
    /// It must not reach a log, an error or a listing. Reads the disk.
    pub fn key_pem(&self, domain: &str) -> Result<Option<String>, BundleError> {
        let domain = name::normalise(domain)?;
        let record = self.stored(&domain)?;
        record
            .map(|record| record.current.key_pem(&domain, &self.0.master))
            .transpose()
    }

    /// When a handshake first showed the certificate in force.
    pub fn first_handshake(&self, domain: &str) -> Option<DateTime<Utc>> {
        let serving = self.0.serving.load();
        let served = serving.table.bundle(domain)?;
        served.first_handshake.get().copied()
    }

    /// All bundles, by domain.
    pub fn list(&self) -> Vec<BundleInfo> {
        let serving = self.0.serving.load();
        let bundles = serving.table.list().into_iter();
        bundles.map(|served| served.info.clone()).collect()
    }

    /// What handshakes read.
    pub(super) fn serving(&self) -> Arc<Serving> {
        self.0.serving.load_full()
    }

    fn checked_current(
        &self,
        domain: &str,
        precondition: Precondition,
    ) -> Result<Option<Arc<Served>>, BundleError> {
        let current = self.0.serving.load().table.bundle(domain).cloned();
        let generation = current.as_ref().map(|served| served.info.generation);
        let holds = match precondition {
            Precondition::None => true,
            Precondition::Generation(wanted) => generation == Some(wanted),
            Precondition::Exists => generation.is_some(),
            Precondition::Absent => generation.is_none(),
        };
        match holds {
            true => Ok(current),
            false => Err(BundleError::Changed {
                domain: domain.to_owned(),
                current: generation,
            }),
        }
    }

    fn prepare(
        &self,
        new: &NewBundle,
        current: Option<&Arc<Served>>,
    ) -> Result<Prepared, BundleError> {
        let chain = check::chain(&new.chain_pem)?;
        let facts = check::facts(&chain)?;
        check::signatures(&chain)?;
        let key = new.key_pem.as_deref().map(check::key).transpose()?;
        let same = current.filter(|served| served.certified.cert == chain);
        let certified = key.map(|key| check::certified(chain, &key)).transpose()?;
        match (same, certified) {
            (Some(served), _) => Ok(Prepared::Same(served.clone())),
            (None, Some(certified)) => Ok(Prepared::New(facts, Arc::new(certified))),
            (None, None) => Err(BundleError::NoKey),
        }
    }

    fn stored(&self, domain: &str) -> Result<Option<BundleRecord>, BundleError> {
        Ok(self.0.store.get_json(&store_key(domain))?)
    }

    /// Saves first, then swaps. The caller holds `changing`.
    async fn put(
        &self,
        record: BundleRecord,
        facts: Facts,
        certified: Arc<rustls::sign::CertifiedKey>,
    ) -> Result<Installed, BundleError> {
        let domain = record.domain.clone();
        let count = self.0.serving.load().table.count();
        if count >= BUNDLES_MAX && record.generation == 1 {
            return Err(BundleError::TooMany { max: BUNDLES_MAX });
        }
        self.0.store.put_json(&store_key(&domain), &record).await?;
        let info = info_of(&record, facts);
        let served = Served::new(info.clone(), certified);
        self.swap(|table| table.put(served))?;
        tracing::info!(
            domain = info.domain,
            serial = info.serial,
            fingerprint = info.fingerprint,
            generation = info.generation,
            by = info.origin,
            "a certificate is in force"
        );
        Ok(Installed {
            info,
            changed: true,
            reloaded_at: Utc::now(),
        })
    }

    /// A copy of the table shares all but what changes, however many there are.
    fn swap(&self, change: impl FnOnce(&mut CertTable)) -> Result<(), BundleError> {
        let mut table = CertTable::clone(&self.0.serving.load().table);
        change(&mut table);
        let default_domain = self.0.default_domain.as_deref();
        table.default = default_of(&table, default_domain, &self.0.self_signed);
        self.0.serving.store(Arc::new(tls::serving(table)?));
        Ok(())
    }
}

enum Prepared {
    /// This very chain is served already.
    Same(Arc<Served>),
    New(Facts, Arc<rustls::sign::CertifiedKey>),
}
