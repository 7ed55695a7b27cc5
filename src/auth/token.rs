//! One token: what is stored of it, and how its secret is made and compared.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Bounds, Grant, Permissions};
use crate::store::{Kind, Stored};

/// What every secret that we make starts with.
pub const SECRET_PREFIX: &str = "fp_";
const SECRET_BYTES: usize = 32;

/// What everybody with the permission `auth` may see of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    pub id: String,
    /// The name a person gave it; unique.
    pub alias: String,
    pub permissions: Permissions,
    #[serde(default)]
    pub bounds: Bounds,
    /// Whose entries and runs in cron this token reaches; never changes.
    #[serde(default)]
    pub user: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub enabled: bool,
    /// Seen by [`super::Tokens::list`] at once, stored now and then.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Until when the secret before the last rotation goes on.
    #[serde(default)]
    pub previous_expires_at: Option<DateTime<Utc>>,
}

impl TokenInfo {
    pub fn grant(&self) -> Grant {
        Grant {
            permissions: self.permissions.clone(),
            bounds: self.bounds.clone(),
        }
    }

    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.enabled && self.expires_at.is_none_or(|expires| now < expires)
    }
}

/// The stored record: what may be seen, and the hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TokenRecord {
    #[serde(flatten)]
    pub info: TokenInfo,
    pub hash: SecretHash,
    #[serde(default)]
    pub previous: Option<Previous>,
}

/// The secret before the last rotation, while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Previous {
    pub hash: SecretHash,
    pub until: DateTime<Utc>,
}

impl TokenRecord {
    /// Whether this is its secret, or was and still counts.
    pub fn accepts(&self, hash: &SecretHash, now: DateTime<Utc>) -> bool {
        let previous = self
            .previous
            .as_ref()
            .is_some_and(|previous| previous.hash.matches(hash) && now < previous.until);
        self.hash.matches(hash) || previous
    }
}

impl Stored for TokenRecord {
    const KIND: Kind = Kind {
        number: 2,
        version: 2,
    };
}

/// SHA-256 of a secret. The secret has 256 random bits, so a slow hash would
/// add nothing.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretHash([u8; 32]);

impl SecretHash {
    pub fn of(secret: &str) -> SecretHash {
        SecretHash(Sha256::digest(secret).into())
    }

    /// Takes the same time wherever the two differ.
    pub fn matches(&self, other: &SecretHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(hidden)")
    }
}

impl Serialize for SecretHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for SecretHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretHash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash =
            unhex(&text).ok_or_else(|| serde::de::Error::custom("not a SHA-256 in hexadecimal"))?;
        Ok(SecretHash(hash))
    }
}

/// A token in memory. Using it only touches one atomic number.
#[derive(Debug)]
pub(super) struct Token {
    pub record: TokenRecord,
    /// Milliseconds since 1970; 0 when it was never used.
    last_used_ms: AtomicI64,
}

impl Token {
    pub fn new(record: TokenRecord) -> Token {
        let last_used_ms = record
            .info
            .last_used_at
            .map_or(0, |at| at.timestamp_millis());
        Token {
            record,
            last_used_ms: AtomicI64::new(last_used_ms),
        }
    }

    pub fn used(&self, now: DateTime<Utc>) {
        self.last_used_ms
            .store(now.timestamp_millis(), Ordering::Relaxed);
    }

    /// The record with the newest time of use.
    pub fn current(&self) -> TokenRecord {
        let last_used_ms = self.last_used_ms.load(Ordering::Relaxed);
        let mut record = self.record.clone();
        if last_used_ms != 0 {
            record.info.last_used_at = DateTime::from_timestamp_millis(last_used_ms);
        }
        record
    }
}

/// A token with its secret, which is shown this once and kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    pub info: TokenInfo,
    pub secret: String,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewToken")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// A new secret of 256 random bits, safe in a header and in a URL.
pub(super) fn new_secret() -> String {
    let bytes: [u8; SECRET_BYTES] = rand::random();
    format!("{SECRET_PREFIX}{}", hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        let (a, b) = (new_secret(), new_secret());
        assert_eq!(a.len(), 3 + 64);
        assert!(a.starts_with("fp_"));
        assert_ne!(a, b);
        assert!(SecretHash::of(&a).matches(&SecretHash::of(&a)));
        assert!(!SecretHash::of(&a).matches(&SecretHash::of(&b)));
    }

    #[test]
    fn the_stored_record_holds_the_hash_and_not_the_secret() {
        let secret = new_secret();
        let record = TokenRecord {
            info: TokenInfo {
                id: "1".to_owned(),
                alias: "a".to_owned(),
                permissions: Permissions::root(),
                bounds: Bounds::default(),
                user: String::new(),
                created_at: DateTime::UNIX_EPOCH,
                expires_at: None,
                enabled: true,
                last_used_at: None,
                previous_expires_at: None,
            },
            hash: SecretHash::of(&secret),
            previous: None,
        };
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains(&secret[3..]));
        assert_eq!(serde_json::from_str::<TokenRecord>(&text).unwrap(), record);
        for hash in ["", "zz", &"é".repeat(32), &"+1".repeat(32)] {
            let damaged = text.replace(&hex(&record.hash.0), hash);
            assert!(
                serde_json::from_str::<TokenRecord>(&damaged).is_err(),
                "{hash}"
            );
        }
    }

    #[test]
    fn a_token_ends_when_it_expires_or_is_disabled() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let info = |enabled, expires_at: Option<i64>| TokenInfo {
            id: String::new(),
            alias: String::new(),
            permissions: Permissions::root(),
            bounds: Bounds::default(),
            user: String::new(),
            created_at: at(0),
            expires_at: expires_at.map(at),
            enabled,
            last_used_at: None,
            previous_expires_at: None,
        };
        assert!(info(true, None).is_valid(at(100)));
        assert!(info(true, Some(101)).is_valid(at(100)));
        assert!(!info(true, Some(100)).is_valid(at(100)));
        assert!(!info(false, None).is_valid(at(100)));
    }
}
