//! Where the answers to a certificate authority's challenges wait for its
//! questions: one table that the TLS listener reads, one that the HTTP listener
//! reads. Who fills them is `acme`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::sign::CertifiedKey;

/// Challenges under way at once; the oldest go when there are more, so a
/// forgotten one cannot fill the memory.
const CHALLENGES_MAX: usize = 1000;
/// Where http-01 asks (RFC 8555, section 8.3).
pub const HTTP_PREFIX: &str = "/.well-known/acme-challenge/";
/// The protocol of tls-alpn-01 (RFC 8737, section 4).
pub const ALPN: &[u8] = b"acme-tls/1";

/// tls-alpn-01: the certificates to show, by domain. Clones share the table.
#[derive(Debug, Clone, Default)]
pub struct ChallengeCerts(Table<Arc<CertifiedKey>>);

/// http-01: the key authorisations, by token. Clones share the table.
#[derive(Debug, Clone, Default)]
pub struct HttpChallenges(Table<String>);

#[derive(Debug)]
struct Table<T>(Arc<RwLock<Entries<T>>>);

#[derive(Debug)]
struct Entries<T> {
    values: HashMap<String, (u64, T)>,
    added: u64,
}

impl ChallengeCerts {
    /// Shows `certificate` to whoever validates `domain`, until it is removed.
    pub fn put(&self, domain: &str, certificate: Arc<CertifiedKey>) {
        self.0.put(domain.to_ascii_lowercase(), certificate);
    }

    pub fn remove(&self, domain: &str) {
        self.0.remove(&domain.to_ascii_lowercase());
    }

    pub fn get(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        self.0.get(&domain.to_ascii_lowercase())
    }
}

impl HttpChallenges {
    /// Answers `/.well-known/acme-challenge/{token}` until it is removed.
    pub fn put(&self, token: &str, key_authorisation: &str) {
        self.0.put(token.to_owned(), key_authorisation.to_owned());
    }

    pub fn remove(&self, token: &str) {
        self.0.remove(token);
    }

    pub fn get(&self, token: &str) -> Option<String> {
        self.0.get(token)
    }
}

impl<T: Clone> Table<T> {
    // Nothing here can leave the map half changed, so a poisoned lock is fine.

    fn put(&self, name: String, value: T) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        entries.added += 1;
        let added = entries.added;
        entries.values.insert(name, (added, value));
        if entries.values.len() > CHALLENGES_MAX {
            let by_age = entries.values.iter().min_by_key(|(_, (added, _))| *added);
            if let Some(oldest) = by_age.map(|(name, _)| name.clone()) {
                entries.values.remove(&oldest);
            }
        }
    }

    fn remove(&self, name: &str) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        entries.values.remove(name);
    }

    fn get(&self, name: &str) -> Option<T> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.values.get(name).map(|(_, value)| value.clone())
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Entries {
            values: HashMap::new(),
            added: 0,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_until_it_is_removed() {
        let challenges = HttpChallenges::default();
        challenges.clone().put("token", "token.thumbprint");
        assert_eq!(challenges.get("token").as_deref(), Some("token.thumbprint"));
        assert_eq!(challenges.get("Token"), None);
        challenges.remove("token");
        assert_eq!(challenges.get("token"), None);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let challenges = HttpChallenges::default();
        for index in 0..=CHALLENGES_MAX {
            challenges.put(&index.to_string(), "x");
        }
        assert_eq!(challenges.get("0"), None);
        assert!(challenges.get("1").is_some() && challenges.get("1000").is_some());
    }
}
