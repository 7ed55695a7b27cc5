//! Who may use an alias: groups of which any one lets a request in, and a default
//! for those that are in none. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

mod jwt;

pub use jwt::Jwt;
use jwt::Source;

pub const GROUPS_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 64;
/// The program that stands for all.
pub const ANY_PROGRAM: &str = "*";

/// The permissions of one alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// Counts the changes; 0 when there were none.
    pub version: u64,
    pub enable_proxy: bool,
    pub default: Verdict,
    pub groups: BTreeMap<String, Group>,
    /// What a group may do; all, when it is not here.
    pub permissions: BTreeMap<String, BTreeMap<String, Verdict>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    Deny,
}

/// How a request shows that it belongs to a group. Secrets are kept as hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Group {
    Token {
        place: TokenPlace,
        /// Name of the header, cookie or parameter.
        name: String,
        sha256: String,
    },
    Password {
        username: String,
        /// Of the salt and the password, hexadecimal.
        sha256: String,
        salt: String,
    },
    Ip {
        #[serde(with = "range_text")]
        range: IpNet,
    },
    Jwt(Jwt),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenPlace {
    Header,
    Cookie,
    Param,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PermissionError {
    #[error("a token group has exactly one of `header`, `cookie` and `param`, and a `value`")]
    BadToken,
    #[error(
        "a password group has `username`, and `password` as the SHA-256 of salt and password in 64 hexadecimal digits"
    )]
    BadPassword,
    #[error("this is no jwt group: {reason}")]
    BadJwt { reason: &'static str },
    #[error("{range:?} is no address and no CIDR block")]
    BadRange { range: String },
    #[error("there are no groups of the kind `{kind}`: token, password, jwt or ip")]
    UnknownKind { kind: String },
    #[error("the name of a group has 1 to {NAME_CHARS_MAX} of a-z, A-Z, 0-9, `-` and `_`")]
    BadName,
    #[error("there is no group {name}")]
    NoGroup { name: String },
    #[error("there are {GROUPS_MAX} groups; delete some that are not needed")]
    TooMany,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// By this group, or by default.
    Admitted {
        group: Option<String>,
    },
    /// It could have shown a token or a password; `basic`: a password.
    Unknown {
        basic: bool,
    },
    Forbidden,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            version: 0,
            enable_proxy: true,
            default: Verdict::Allow,
            groups: BTreeMap::new(),
            permissions: BTreeMap::new(),
        }
    }
}

impl Permissions {
    /// Decides about a request. Groups are alternatives; who is in none gets the default.
    pub fn admit(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        client: IpAddr,
        program: &str,
        now: DateTime<Utc>,
    ) -> Admission {
        if !self.enable_proxy {
            return Admission::Forbidden;
        }
        let matching = |group: &Group| group.holds(headers, query, client, now);
        let mut matched = self.groups.iter().filter(|(_, group)| matching(group));
        if let Some((name, _)) = matched.clone().find(|(name, _)| self.may(name, program)) {
            let group = Some(name.clone());
            return Admission::Admitted { group };
        }
        if matched.next().is_some() {
            return Admission::Forbidden;
        }
        if self.default == Verdict::Allow {
            return Admission::Admitted { group: None };
        }
        let basic = |group: &Group| matches!(group, Group::Password { .. });
        match self
            .groups
            .values()
            .any(|group| !matches!(group, Group::Ip { .. }))
        {
            true => Admission::Unknown {
                basic: self.groups.values().any(basic),
            },
            false => Admission::Forbidden,
        }
    }

    fn may(&self, group: &str, program: &str) -> bool {
        self.of_group(group, program) == Verdict::Allow
    }

    /// What who is in this group may do with a program. Where something is said of
    /// others only, nothing.
    pub fn of_group(&self, group: &str, program: &str) -> Verdict {
        let programs = self.permissions.get(group);
        let Some(programs) = programs.filter(|programs| !programs.is_empty()) else {
            return Verdict::Allow;
        };
        let said = programs.get(program).or_else(|| programs.get(ANY_PROGRAM));
        said.copied().unwrap_or(Verdict::Deny)
    }

    /// The names under which secrets of groups come, which nobody behind the proxy
    /// needs to see: headers, and parameters of the query.
    pub fn secrets(&self) -> impl Iterator<Item = (TokenPlace, &str)> {
        self.groups.values().flat_map(|group| match group {
            Group::Token { place, name, .. } => vec![(*place, name.as_str())],
            Group::Password { .. } => vec![(TokenPlace::Header, header::AUTHORIZATION.as_str())],
            Group::Ip { .. } => Vec::new(),
            Group::Jwt(jwt) => jwt.sources.iter().map(Source::place).collect(),
        })
    }

    /// Replaces the secrets that are not kept as hashes, such as by sealed ones.
    pub fn map_secrets<E>(
        &mut self,
        mut change: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<(), E> {
        for group in self.groups.values_mut() {
            if let Group::Jwt(jwt) = group {
                jwt.secret = change(&jwt.secret)?;
            }
        }
        Ok(())
    }

    /// Adds or replaces a group.
    pub fn put(&mut self, name: &str, group: Group) -> Result<(), PermissionError> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.bytes().all(is_fine) {
            return Err(PermissionError::BadName);
        }
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(name) {
            return Err(PermissionError::TooMany);
        }
        self.groups.insert(name.to_owned(), group);
        Ok(())
    }

    /// Takes a group away with what it may do.
    pub fn remove(&mut self, name: &str) -> Result<(), PermissionError> {
        self.permissions.remove(name);
        match self.groups.remove(name) {
            Some(_) => Ok(()),
            None => Err(PermissionError::NoGroup {
                name: name.to_owned(),
            }),
        }
    }
}

impl Group {
    /// From the contract's `{ header | cookie | param, value }`.
    pub fn token(
        header: Option<String>,
        cookie: Option<String>,
        param: Option<String>,
        value: &str,
    ) -> Result<Self, PermissionError> {
        let (place, name) = match (header, cookie, param) {
            (Some(name), None, None) => (TokenPlace::Header, name.to_ascii_lowercase()),
            (None, Some(name), None) => (TokenPlace::Cookie, name),
            (None, None, Some(name)) => (TokenPlace::Param, name),
            _ => return Err(PermissionError::BadToken),
        };
        if value.is_empty() || name.parse::<HeaderName>().is_err() {
            return Err(PermissionError::BadToken);
        }
        let sha256 = digest(&[value]);
        Ok(Self::Token {
            place,
            name,
            sha256,
        })
    }

    /// `password` is the SHA-256 of salt and password, hexadecimal.
    pub fn password(
        username: String,
        password: &str,
        salt: String,
    ) -> Result<Self, PermissionError> {
        let is_digest =
            password.len() == 64 && password.bytes().all(|byte| byte.is_ascii_hexdigit());
        if username.is_empty() || username.contains(':') || !is_digest {
            return Err(PermissionError::BadPassword);
        }
        Ok(Self::Password {
            username,
            sha256: password.to_ascii_lowercase(),
            salt,
        })
    }

    pub fn ip(range: &str) -> Result<Self, PermissionError> {
        let parsed = range.parse::<IpNet>().ok();
        let parsed = parsed.or_else(|| range.parse::<IpAddr>().ok().map(IpNet::from));
        parsed
            .map(|range| Self::Ip { range })
            .ok_or_else(|| PermissionError::BadRange {
                range: range.chars().take(60).collect(),
            })
    }

    fn holds(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        client: IpAddr,
        now: DateTime<Utc>,
    ) -> bool {
        match self {
            Self::Token {
                place,
                name,
                sha256,
            } => {
                let is_it = |value: &str| same(&digest(&[value]), sha256);
                match place {
                    TokenPlace::Header => headers
                        .get_all(name)
                        .iter()
                        .filter_map(|value| value.to_str().ok())
                        .any(|value| is_it(value) || bearer(value).is_some_and(is_it)),
                    TokenPlace::Cookie => {
                        cookies(headers).any(|(known, value)| known == name && is_it(value))
                    }
                    TokenPlace::Param => {
                        let pairs =
                            url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
                        let mut named = pairs.filter(|(known, _)| known == name);
                        named.any(|(_, value)| is_it(&value))
                    }
                }
            }
            Self::Password {
                username,
                sha256,
                salt,
            } => basic(headers).is_some_and(|(user, password)| {
                let right = same(&digest(&[salt, &password]), sha256);
                right & same(&digest(&[&user]), &digest(&[username]))
            }),
            Self::Ip { range } => range.contains(&client.to_canonical()),
            Self::Jwt(jwt) => jwt.holds(headers, now),
        }
    }
}

/// A block as its text.
mod range_text {
    use super::{Deserialize, IpNet};
    use serde::{Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(range: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(range)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(credentials.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (user.to_owned(), password.to_owned()))
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(header::COOKIE).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// In the same time wherever they differ.
fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests;
