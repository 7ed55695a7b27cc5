//! Which certificate a handshake gets: exact name, then wildcard, then the
//! default. A table that is never changed, only replaced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::sign::CertifiedKey;
use tokio::sync::OnceCell;

use super::bundle::BundleInfo;

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

/// All certificates, by domain and by the names that they cover.
#[derive(Debug, Clone)]
pub struct CertTable {
    bundles: BTreeMap<String, Arc<Served>>,
    exact: HashMap<String, Arc<Served>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Arc<Served>>,
    /// For clients that send no name, and for unknown names.
    pub default: Arc<Served>,
}

/// How a name led to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Named,
    Default,
}

impl CertTable {
    pub fn new(bundles: BTreeMap<String, Arc<Served>>, default: Arc<Served>) -> Self {
        let mut table = Self {
            bundles: BTreeMap::new(),
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            default,
        };
        // A bundle serves its own domain. Other names that its certificate covers
        // go to the newest bundle, unless they are a domain of their own.
        let mut by_age: Vec<&Arc<Served>> = bundles.values().collect();
        by_age.sort_by_key(|served| (served.info.installed_at, &served.info.domain));
        for served in by_age {
            for name in &served.info.names {
                table.enter(name, served);
            }
        }
        for (domain, served) in &bundles {
            table.enter(domain, served);
        }
        table.bundles = bundles;
        table
    }

    fn enter(&mut self, name: &str, served: &Arc<Served>) {
        match name.strip_prefix("*.") {
            Some(rest) => self.wildcard.insert(rest.to_owned(), served.clone()),
            None => self.exact.insert(name.to_owned(), served.clone()),
        };
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
        self.exact.get(name).or_else(|| {
            let (_, rest) = name.split_once('.')?;
            self.wildcard.get(rest)
        })
    }

    /// By domain, in order.
    pub fn bundles(&self) -> &BTreeMap<String, Arc<Served>> {
        &self.bundles
    }
}
