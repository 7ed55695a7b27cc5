//! Which certificate a handshake gets: exact name, then wildcard, then the
//! default. A table that is never changed while it is read, only replaced.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::sign::CertifiedKey;
use tokio::sync::OnceCell;

use super::bundle::BundleInfo;
use super::shards::Shards;

/// A certificate that is served.
#[derive(Debug)]
pub struct Served {
    pub info: BundleInfo,
    pub certified: Arc<CertifiedKey>,
    /// As in `info`, for log lines to share.
    pub fingerprint: Arc<str>,
    /// When the first handshake showed it.
    pub first_handshake: OnceCell<DateTime<Utc>>,
}

impl Served {
    pub fn new(info: BundleInfo, certified: Arc<CertifiedKey>) -> Arc<Self> {
        Arc::new(Self {
            fingerprint: info.fingerprint.as_str().into(),
            info,
            certified,
            first_handshake: OnceCell::new(),
        })
    }

    /// Notes a handshake; true for the first.
    pub fn shown(&self, now: DateTime<Utc>) -> bool {
        // An initialised cell is read without a write: handshakes share it.
        !self.first_handshake.initialized() && self.first_handshake.set(now).is_ok()
    }
}

/// All certificates, by domain and by the names that they cover. A copy is cheap,
/// and so is changing one entry of it.
#[derive(Debug, Clone)]
pub struct CertTable {
    bundles: Shards<Arc<Served>>,
    exact: Shards<Covering>,
    /// By what follows `*.`.
    wildcard: Shards<Covering>,
    /// For clients that send no name, and for unknown names.
    pub default: Arc<Served>,
}

/// All that cover a name; the first is served.
type Covering = Vec<Arc<Served>>;

/// How a name led to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Named,
    Default,
}

impl CertTable {
    pub fn new(bundles: impl IntoIterator<Item = Arc<Served>>, default: Arc<Served>) -> Self {
        let mut table = Self {
            bundles: Shards::default(),
            exact: Shards::default(),
            wildcard: Shards::default(),
            default,
        };
        for served in bundles {
            table.put(served);
        }
        table
    }

    /// Adds a bundle, in the place of the one that its domain had.
    pub fn put(&mut self, served: Arc<Served>) {
        self.remove(&served.info.domain);
        for name in names(&served) {
            let (shards, key) = self.named_mut(name);
            let mut covering = shards.remove(key).unwrap_or_default();
            let place = covering.partition_point(|one| rank(one, name) > rank(&served, name));
            covering.insert(place, served.clone());
            shards.insert(key, covering);
        }
        self.bundles.insert(&served.info.domain.clone(), served);
    }

    pub fn remove(&mut self, domain: &str) {
        let Some(served) = self.bundles.remove(domain) else {
            return;
        };
        for name in names(&served) {
            let (shards, key) = self.named_mut(name);
            let mut covering = shards.remove(key).unwrap_or_default();
            covering.retain(|one| one.info.domain != domain);
            if !covering.is_empty() {
                shards.insert(key, covering);
            }
        }
    }

    fn named_mut<'a>(&mut self, name: &'a str) -> (&mut Shards<Covering>, &'a str) {
        match name.strip_prefix("*.") {
            Some(rest) => (&mut self.wildcard, rest),
            None => (&mut self.exact, name),
        }
    }

    /// The certificate for a name that a client sent; none for no name.
    pub fn lookup(&self, server_name: Option<&str>) -> (&Arc<Served>, Match) {
        let Some(name) = server_name else {
            return (&self.default, Match::Default);
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let found = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => self.named(&name.to_ascii_lowercase()),
            false => self.named(name),
        };
        match found {
            Some(served) => (served, Match::Named),
            None => (&self.default, Match::Default),
        }
    }

    fn named(&self, name: &str) -> Option<&Arc<Served>> {
        let covering = self.exact.get(name).or_else(|| {
            let (_, rest) = name.split_once('.')?;
            self.wildcard.get(rest)
        });
        covering?.first()
    }

    /// The bundle of exactly this domain.
    pub fn bundle(&self, domain: &str) -> Option<&Arc<Served>> {
        self.bundles.get(domain)
    }

    pub fn count(&self) -> usize {
        self.bundles.count()
    }

    /// All bundles, by domain.
    pub fn list(&self) -> Vec<&Arc<Served>> {
        let mut all: Vec<_> = self.bundles.values().collect();
        all.sort_by(|a, b| a.info.domain.cmp(&b.info.domain));
        all
    }
}

/// Its domain, and what else its certificate covers.
fn names(served: &Served) -> impl Iterator<Item = &str> {
    let domain = served.info.domain.as_str();
    let covered = served.info.names.iter().map(String::as_str);
    let unique: BTreeSet<&str> = covered.chain([domain]).collect();
    unique.into_iter()
}

/// A bundle serves its own domain. Other names that its certificate covers go to the
/// newest bundle, unless they are a domain of their own.
fn rank<'a>(served: &'a Served, name: &str) -> (bool, DateTime<Utc>, &'a str) {
    let info = &served.info;
    (info.domain == name, info.installed_at, &info.domain)
}
