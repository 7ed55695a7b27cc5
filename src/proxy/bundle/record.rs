//! A bundle as it is stored: the certificate in force and the one before it,
//! with their keys sealed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::BundleError;
use crate::store::sealed::MasterKey;
use crate::store::{Kind, Stored};

pub const KEY_PREFIX: &str = "proxy/bundle/";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRecord {
    pub domain: String,
    /// Counts the changes of this domain, from 1.
    pub generation: u64,
    pub current: Version,
    pub previous: Option<Version>,
}

/// One certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub chain_pem: String,
    pub sealed_key: String,
    pub fingerprint: String,
    pub installed_at: DateTime<Utc>,
    /// Who installed it, such as `token ci`.
    pub origin: String,
}

impl Stored for BundleRecord {
    const KIND: Kind = Kind {
        number: 50,
        version: 1,
    };
}

/// Where a domain's bundle is stored, and what its keys are sealed for.
pub fn store_key(domain: &str) -> String {
    format!("{KEY_PREFIX}{domain}")
}

impl Version {
    pub fn key_pem(&self, domain: &str, master: &MasterKey) -> Result<String, BundleError> {
        let key = master.unseal(&store_key(domain), &self.sealed_key)?;
        String::from_utf8(key).map_err(|_| BundleError::BadKey {
            reason: "it is no text".to_owned(),
        })
    }
}
