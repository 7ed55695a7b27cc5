//! Secrets at rest: what is sealed here can be read only with the master key,
//! which is not in the database or its exports.
//!
//! The master key comes from the configuration, or from a file of mode 0600 in
//! the data folder that the first start makes. A sealed text is bound to its
//! place, so that moving it to another key of the store does not make it
//! readable there. This file must not know what the secrets are.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use thiserror::Error;

/// Name of the file in the data folder.
pub const MASTER_KEY_FILE: &str = "master.key";
const KEY_BYTES: usize = 32;
/// A sealed text starts with this, so that another scheme can follow one day.
const SCHEME: &str = "a256gcm:";

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealedError {
    #[error(
        "the master key {origin} is not {KEY_BYTES} bytes as {} hexadecimal digits; `openssl rand -hex {KEY_BYTES}` makes one",
        KEY_BYTES * 2
    )]
    BadKey { origin: String },
    #[error("{path} can be read by others than its owner: `chmod 600 {path}`")]
    OpenToOthers { path: String },
    #[error("the master key in {path}: {reason}")]
    Io { path: String, reason: String },
    /// The key is another one than it was sealed with, or the text was changed.
    #[error(
        "the secret of {context} cannot be read with this master key: start with the key that it was stored with"
    )]
    Unreadable { context: String },
    #[error("the cryptographic library failed")]
    Crypto,
}

/// The key that seals everything. Clones share it; it is never printed.
#[derive(Clone)]
pub struct MasterKey(Arc<RandomizedNonceKey>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey(hidden)")
    }
}

impl MasterKey {
    /// The configured key (64 hexadecimal digits), else that of the file in
    /// `data_dir`, which is made if it is missing. Blocks.
    pub fn open(data_dir: &Path, configured: Option<&str>) -> Result<Self, SealedError> {
        match configured {
            Some(text) => Self::from_hex(text, "of the configuration"),
            None => Self::from_file(&data_dir.join(MASTER_KEY_FILE)),
        }
    }

    fn from_file(path: &Path) -> Result<Self, SealedError> {
        let shown = path.display().to_string();
        let io = |error: std::io::Error| SealedError::Io {
            path: shown.clone(),
            reason: error.to_string(),
        };
        match std::fs::File::open(path) {
            Ok(mut file) => {
                if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
                    return Err(SealedError::OpenToOthers { path: shown });
                }
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(io)?;
                Self::from_hex(&text, &format!("in {shown}"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = new_hex()?;
                write_new(path, &text).map_err(io)?;
                Self::from_hex(&text, &format!("in {shown}"))
            }
            Err(error) => Err(io(error)),
        }
    }

    fn from_hex(text: &str, origin: &str) -> Result<Self, SealedError> {
        let bad = || SealedError::BadKey {
            origin: origin.to_owned(),
        };
        let bytes = hex_bytes(text.trim())
            .filter(|bytes| bytes.len() == KEY_BYTES)
            .ok_or_else(bad)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| bad())?;
        Ok(Self(Arc::new(key)))
    }

    /// Seals `secret` for the place `context`, such as the key of the store that
    /// the result goes to.
    pub fn seal(&self, context: &str, secret: &[u8]) -> Result<String, SealedError> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_| SealedError::Crypto)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        Ok(format!("{SCHEME}{}", BASE64_STANDARD.encode(bytes)))
    }

    /// What was sealed for this `context`.
    pub fn unseal(&self, context: &str, sealed: &str) -> Result<Vec<u8>, SealedError> {
        let unreadable = || SealedError::Unreadable {
            context: context.to_owned(),
        };
        let text = sealed.strip_prefix(SCHEME).ok_or_else(unreadable)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| unreadable())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?;
        let mut sealed = sealed.to_vec();
        let secret = self
            .0
            .open_in_place(nonce, Aad::from(context), &mut sealed)
            .map_err(|_| unreadable())?;
        Ok(secret.to_vec())
    }
}

fn new_hex() -> Result<String, SealedError> {
    let mut bytes = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SealedError::Crypto)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The file appears whole or not at all, and only for its owner.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("key.tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    path.parent()
        .map_or(Ok(()), |dir| std::fs::File::open(dir)?.sync_all())
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_in_its_place_with_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let key = MasterKey::open(dir.path(), None).unwrap();
        let sealed = key.seal("proxy/bundle/a", b"secret").unwrap();
        assert!(!sealed.contains("secret"));
        assert_ne!(sealed, key.seal("proxy/bundle/a", b"secret").unwrap());
        let again = MasterKey::open(dir.path(), None).unwrap();
        assert_eq!(again.unseal("proxy/bundle/a", &sealed).unwrap(), b"secret");
        let unreadable = |key: &MasterKey, context: &str, sealed: &str| {
            matches!(
                key.unseal(context, sealed),
                Err(SealedError::Unreadable { .. })
            )
        };
        assert!(unreadable(&key, "proxy/bundle/b", &sealed));
        for changed in ["", "a256gcm:", "a256gcm:AAAA", &sealed[..sealed.len() - 4]] {
            assert!(unreadable(&key, "proxy/bundle/a", changed), "{changed}");
        }
        let other = MasterKey::open(dir.path(), Some(&"ab".repeat(32))).unwrap();
        assert!(unreadable(&other, "proxy/bundle/a", &sealed));
    }

    #[test]
    fn the_file_is_its_owners_alone_and_a_bad_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        MasterKey::open(dir.path(), None).unwrap();
        let path = dir.path().join(MASTER_KEY_FILE);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            MasterKey::open(dir.path(), None),
            Err(SealedError::OpenToOthers { .. })
        ));
        for bad in ["", "ab", "zz", &"ab".repeat(31), &"zz".repeat(32)] {
            let refused = MasterKey::open(dir.path(), Some(bad));
            assert!(matches!(refused, Err(SealedError::BadKey { .. })), "{bad}");
        }
    }
}
