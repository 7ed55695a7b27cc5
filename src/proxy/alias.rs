//! Aliases: a host name, perhaps with a path below which it holds, and where its
//! requests go. Plain values and pure decisions; the table is `aliases`.

use chrono::{DateTime, Utc};
use http::Uri;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::permission::Permissions;
use super::spelling::{escaped, plain};
use crate::egress::EgressError;
use crate::egress::upstream::Protocol;
use crate::model::exec_id::{ExecId, ExecIdError};
use crate::model::host_name::{self as name, NameError};
use crate::store::sealed::SealedError;
use crate::store::{Kind, StoreError, Stored};

/// A short name becomes the first label of a host.
const LABEL_CHARS: std::ops::RangeInclusive<usize> = 3..=61;
const PATH_CHARS_MAX: usize = 1024;
pub const PROGRAM_SCRIPTS: &str = "exec";
pub const PROGRAM_UPSTREAM: &str = "http";

/// One alias, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    pub id: String,
    /// In normal form, perhaps a wildcard.
    pub host: String,
    /// Empty for all paths, else such as `/api`: that path and those below it.
    #[serde(default)]
    pub path_prefix: String,
    pub target: Target,
    /// Takes the place of `path_prefix` on the way to the target.
    pub target_path: Option<String>,
    /// Whether paths below may be asked for, or `target_path` alone.
    pub allow_path_override: bool,
    pub enabled: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Who made it, such as `token ci`.
    pub origin: String,
    #[serde(default)]
    pub permissions: Permissions,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Upstream {
        /// `http://`, `https://` or `h2c://`, without a path.
        url: String,
        /// Whether the upstream sees the `Host` that the client sent.
        preserve_host: bool,
    },
    /// The scripts of a deployment.
    Scripts { exec_id: ExecId },
}

impl Stored for Alias {
    const KIND: Kind = Kind {
        number: 51,
        version: 1,
    };
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AliasError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(
        "an alias has 3 to 61 of a-z, 0-9 and `-`, a letter or digit at both ends; a whole host name goes into `host`"
    )]
    BadLabel,
    #[error("{field} must be an absolute path without `..`, `?` or `#`, such as `/api`")]
    BadPath { field: &'static str },
    #[error("the upstream {url:?} is not a URL such as `http://10.0.0.5:3000`: {reason}")]
    BadUpstream { url: String, reason: &'static str },
    #[error(
        "an alias leads to an `upstream`, to a `port` of this machine with the program `http`, or to the scripts of a `container_id`, and to one of them"
    )]
    NoTarget,
    #[error("there is no program `{program}`: `exec` for the scripts of a deployment, or `http`")]
    UnknownProgram { program: String },
    #[error(
        "a port is 1 to 65535, and goes with the program `http`; another machine's goes into `upstream`"
    )]
    BadPort,
    #[error(transparent)]
    ExecId(#[from] ExecIdError),
    #[error(transparent)]
    Refused(EgressError),
    #[error("{host}{path_prefix} is an alias already")]
    InUse { host: String, path_prefix: String },
    #[error("there is no alias {id}")]
    NotFound { id: String },
    #[error("the alias {id} comes from the configuration; change it there")]
    Configured { id: String },
    #[error("the alias would end before it begins")]
    AlreadyExpired,
    #[error("there are {max} aliases; delete some that are not needed")]
    TooMany { max: usize },
    /// `None`: there is none yet.
    #[error("the permissions are at version {current}, not at the one that `If-Match` names")]
    Changed { current: u64 },
    #[error(transparent)]
    Permission(#[from] super::permission::PermissionError),
    #[error(transparent)]
    Sealed(#[from] SealedError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Alias {
    /// Whether it answers now.
    pub fn is_on(&self, now: DateTime<Utc>) -> bool {
        self.enabled && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it holds for a path: its own, or one below it.
    pub fn holds_for(&self, path: &str) -> bool {
        match path.strip_prefix(&*self.path_prefix) {
            Some(rest) => self.path_prefix.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    /// The path that the target is asked for; none if only `target_path` may be.
    pub fn path_at_target(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&*self.path_prefix).unwrap_or(path);
        let Some(target) = &self.target_path else {
            return Some(path.to_owned());
        };
        if !self.allow_path_override {
            return (rest.is_empty() || rest == "/" || path == target).then(|| target.clone());
        }
        let base = target.trim_end_matches('/');
        match format!("{base}{rest}") {
            path if path.starts_with('/') => Some(path),
            path => Some(format!("/{path}")),
        }
    }

    /// Whether another server answers.
    pub fn leads_out(&self) -> bool {
        matches!(self.target, Target::Upstream { .. })
    }

    /// What permissions call what answers.
    pub fn program(&self) -> &'static str {
        match self.target {
            Target::Upstream { .. } => PROGRAM_UPSTREAM,
            Target::Scripts { .. } => PROGRAM_SCRIPTS,
        }
    }

    /// Who answers, for people.
    pub fn target_name(&self) -> String {
        match &self.target {
            Target::Upstream { url, .. } => url.clone(),
            Target::Scripts { exec_id } => format!("scripts:{exec_id}"),
        }
    }
}

/// `shop` becomes `shop.<domain>`.
pub fn host_of_label(label: &str, domain: &str) -> Result<String, AliasError> {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !LABEL_CHARS.contains(&label.len())
        || !label.bytes().all(is_fine)
        || label.starts_with('-')
        || label.ends_with('-')
    {
        return Err(AliasError::BadLabel);
    }
    Ok(name::normalise(&format!("{label}.{domain}"))?)
}

/// A path without its final slash; the root is empty.
pub fn prefix(path: &str) -> Result<String, AliasError> {
    let field = "path_prefix";
    if path.is_empty() {
        return Ok(String::new());
    }
    let path = checked_path(&plain(&checked_path(path, field)?), field)?;
    Ok(path.trim_end_matches('/').to_owned())
}

pub fn checked_path(path: &str, field: &'static str) -> Result<String, AliasError> {
    let is_fine = |char: char| char.is_ascii_graphic() && !"?#\\<>\"{}|^`".contains(char);
    let climbs = path.split('/').any(|part| part == "..");
    let mut escapes = path.match_indices('%');
    let can_be_decoded = escapes.all(|(at, _)| escaped(&path.as_bytes()[at..]).is_some());
    let is_path = path.starts_with('/') && path.len() <= PATH_CHARS_MAX && !climbs;
    if !is_path || !can_be_decoded || !path.chars().all(is_fine) {
        return Err(AliasError::BadPath { field });
    }
    Ok(path.to_owned())
}

/// The URL's origin, and its path if it has one.
pub fn upstream(url: &str) -> Result<(String, Option<String>), AliasError> {
    let bad = |reason| AliasError::BadUpstream {
        url: url.chars().take(100).collect(),
        reason,
    };
    let parsed: Uri = url.parse().map_err(|_| bad("it cannot be read"))?;
    let scheme = parsed.scheme_str().unwrap_or_default();
    if !["http", "https", "h2c"].contains(&scheme) {
        return Err(bad("it starts with neither http://, https:// nor h2c://"));
    }
    let authority = parsed.authority().map(|authority| authority.as_str());
    let authority = authority.filter(|text| !text.is_empty() && !text.starts_with(':'));
    let authority = authority.ok_or_else(|| bad("it names no host"))?;
    let port = authority
        .rsplit(']')
        .next()
        .and_then(|rest| rest.split_once(':'));
    if port.is_some_and(|(_, port)| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err(bad("its port is no number from 1 to 65535"));
    }
    if authority.contains('@') {
        return Err(bad("it holds a user name or a password"));
    }
    if parsed.query().is_some() {
        return Err(bad("it holds a query"));
    }
    let path = Some(parsed.path()).filter(|path| !["", "/"].contains(path));
    let path = path
        .map(|path| checked_path(path, "upstream"))
        .transpose()?;
    Ok((format!("{scheme}://{authority}"), path))
}

/// What is dialled for an upstream, and how it is spoken to.
pub fn dialled(url: &str, preserve_host: bool, is_upgrade: bool) -> (String, Protocol) {
    match url.strip_prefix("h2c://") {
        // There are no upgrades in HTTP/2; whoever speaks it plain speaks 1.1 too.
        Some(rest) if is_upgrade => (format!("http://{rest}"), Protocol::Upgrade),
        Some(rest) => (format!("http://{rest}"), Protocol::H2c),
        None if is_upgrade => (url.to_owned(), Protocol::Upgrade),
        // In HTTP/2 the URL's authority is the host that is asked.
        None if preserve_host => (url.to_owned(), Protocol::Http1),
        None => (url.to_owned(), Protocol::Any),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(path_prefix: &str, target_path: Option<&str>, allow_path_override: bool) -> Alias {
        let now = Utc::now();
        Alias {
            id: "1".to_owned(),
            host: "a.example".to_owned(),
            path_prefix: path_prefix.to_owned(),
            target: Target::Scripts {
                exec_id: ExecId::default(),
            },
            target_path: target_path.map(str::to_owned),
            allow_path_override,
            enabled: true,
            expires_at: None,
            created_at: now,
            updated_at: now,
            origin: String::new(),
            permissions: Permissions::default(),
        }
    }

    #[test]
    fn a_path_at_the_target() {
        let cases = [
            ("", None, "/a/b", Some("/a/b")),
            ("/api", None, "/api/b", Some("/api/b")),
            ("/api", Some("/"), "/api/b", Some("/b")),
            ("/api", Some("/"), "/api", Some("/")),
            ("/api", Some("/v2"), "/api/b", Some("/v2/b")),
            ("/api", Some("/v2/"), "/api", Some("/v2")),
            ("", Some("/app"), "/", Some("/app/")),
            ("", Some("/app"), "/x", Some("/app/x")),
        ];
        for (prefix, target, path, expected) in cases {
            let found = alias(prefix, target, true).path_at_target(path);
            assert_eq!(found.as_deref(), expected, "{prefix} {target:?} {path}");
        }
        let pinned = alias("", Some("/status"), false);
        assert_eq!(pinned.path_at_target("/").as_deref(), Some("/status"));
        assert_eq!(pinned.path_at_target("/status").as_deref(), Some("/status"));
        assert_eq!(pinned.path_at_target("/other"), None);
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let cases = [
            ("", "/anything", true),
            ("/api", "/api", true),
            ("/api", "/api/x", true),
            ("/api", "/apix", false),
            ("/api", "/", false),
        ];
        for (prefix, path, expected) in cases {
            assert_eq!(
                alias(prefix, None, true).holds_for(path),
                expected,
                "{prefix} {path}"
            );
        }
    }

    #[test]
    fn a_prefix_is_spelt_plainly() {
        assert_eq!(prefix("/%61pi/"), Ok("/api".to_owned()));
        for bad in ["/a/%2e%2e/b", "/a%zz", "/a<b", "a"] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn upstreams_are_origins_with_perhaps_a_path() {
        let good = [
            ("http://10.0.0.5:3000", "http://10.0.0.5:3000", None),
            ("https://a.example/", "https://a.example", None),
            ("h2c://[::1]:80/v1", "h2c://[::1]:80", Some("/v1")),
        ];
        for (url, origin, path) in good {
            let expected = (origin.to_owned(), path.map(str::to_owned));
            assert_eq!(upstream(url), Ok(expected), "{url}");
        }
        for bad in [
            "",
            "a.example",
            "/a",
            "ftp://a",
            "http://",
            "http://:80",
            "http://u:p@a",
            "http://a?b",
            "file:///etc/passwd",
            "http://a/../b",
            "http://a b",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:",
            "http://127.0.0.1:0",
            "http://[::1]:99999",
        ] {
            assert!(upstream(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_become_hosts() {
        assert_eq!(
            host_of_label("shop", "example.com").unwrap(),
            "shop.example.com"
        );
        for bad in ["ab", "-shop", "shop-", "Shop", "sh.op", &"a".repeat(62)] {
            assert_eq!(
                host_of_label(bad, "example.com"),
                Err(AliasError::BadLabel),
                "{bad}"
            );
        }
    }
}
