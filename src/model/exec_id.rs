//! The name of a deployment.
//!
//! Owns which names are possible. Which deployments exist is not for it to know.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest deployment name, in bytes: a deployment is chosen by a host name
/// label, and RFC 1035 section 2.3.4 gives a label 63 bytes.
pub const MAX_EXEC_ID_BYTES: usize = 63;
/// The deployment of a request whose host name chooses none.
pub const DEFAULT_EXEC_ID: &str = "1";
/// Folders that may be written before a deployment in a path, and are dropped:
/// the storage root, and the only subdomain there is.
pub const STORAGE_ROOT: &str = "scripts";
pub const SUBDOMAIN: &str = "default";

/// The name of a deployment: one folder directly under the scripts folder.
///
/// 1 to 63 bytes of `a-z 0-9 - _`, first and last a letter or digit, so that a
/// host name label can name it. `scripts` and `default` are taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExecId(Arc<str>);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` cannot name a deployment: use 1 to {MAX_EXEC_ID_BYTES} of a-z, 0-9, `-` and `_`, \
     a letter or digit at both ends, and neither `scripts` nor `default`"
)]
pub struct ExecIdError(String);

impl ExecId {
    pub fn parse(text: &str) -> Result<ExecId, ExecIdError> {
        let inner = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        };
        let outer = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let bytes = text.as_bytes();
        let taken = text == STORAGE_ROOT || text == SUBDOMAIN;
        let shaped =
            bytes.iter().copied().all(inner) && outer(bytes.first()) && outer(bytes.last());
        if taken || !shaped || bytes.len() > MAX_EXEC_ID_BYTES {
            return Err(ExecIdError(text.chars().take(MAX_EXEC_ID_BYTES).collect()));
        }
        Ok(ExecId(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The deployment that serves when nothing chooses another: `1`.
impl Default for ExecId {
    fn default() -> Self {
        ExecId(DEFAULT_EXEC_ID.into())
    }
}

impl fmt::Display for ExecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ExecId {
    type Error = ExecIdError;
    fn try_from(text: String) -> Result<Self, ExecIdError> {
        ExecId::parse(&text)
    }
}

impl From<ExecId> for String {
    fn from(id: ExecId) -> String {
        id.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_host_name_label_can_say_is_a_deployment() {
        let longest = "a".repeat(63);
        for name in ["1", "a", "shop", "shop-2", "my_app", "0x", &longest] {
            assert_eq!(ExecId::parse(name).unwrap().as_str(), name);
        }
        let too_long = "a".repeat(64);
        let bad = [
            "", "Shop", "-a", "a-", "_a", ".git", "a.b", "a b", "é", "scripts", "default",
            &too_long,
        ];
        for name in bad {
            assert!(ExecId::parse(name).is_err(), "{name}");
        }
        assert_eq!(ExecId::default(), ExecId::parse("1").unwrap());
    }
}
