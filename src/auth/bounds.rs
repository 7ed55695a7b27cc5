//! Where and for whom a token counts: deployments, users, client addresses; and
//! the grant, which is that together with the permissions. It must not know
//! which operation touches what.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{AuthError, Permissions};
use crate::model::exec_id::ExecId;

/// How many entries each list may have.
pub const BOUNDS_MAX: usize = 100;
/// The longest name of a user, in characters.
const USER_CHARS_MAX: usize = 100;

/// An empty list sets no bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bounds {
    /// Execution ids.
    pub deployments: Vec<String>,
    pub users: Vec<String>,
    /// Addresses and CIDR blocks, as they are written.
    pub addresses: Vec<String>,
}

/// What a token may do, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub permissions: Permissions,
    pub bounds: Bounds,
}

impl Bounds {
    /// Refuses what can name nothing.
    pub fn check(&self) -> Result<(), AuthError> {
        for (field, list) in [
            ("deployments", &self.deployments),
            ("users", &self.users),
            ("ip_whitelist", &self.addresses),
        ] {
            if list.len() > BOUNDS_MAX {
                return Err(AuthError::TooManyBounds { field });
            }
        }
        let bad = |field, value: &String| AuthError::BadBound {
            field,
            value: value.clone(),
        };
        if let Some(id) = self
            .deployments
            .iter()
            .find(|id| ExecId::parse(id).is_err())
        {
            return Err(bad("deployments", id));
        }
        let is_user = |name: &str| {
            (1..=USER_CHARS_MAX).contains(&name.chars().count())
                && !name.chars().any(char::is_control)
        };
        if let Some(name) = self.users.iter().find(|name| !is_user(name)) {
            return Err(bad("users", name));
        }
        match self.addresses.iter().find(|text| range(text).is_none()) {
            Some(text) => Err(bad("ip_whitelist", text)),
            None => Ok(()),
        }
    }

    pub fn allow_deployment(&self, exec_id: &str) -> bool {
        self.deployments.is_empty() || self.deployments.iter().any(|id| id == exec_id)
    }

    pub fn allow_user(&self, user: &str) -> bool {
        self.users.is_empty() || self.users.iter().any(|name| name == user)
    }

    /// A caller without an address is the server itself, and no bound of
    /// addresses fits it. An IPv4 address may come mapped into IPv6.
    pub fn allow_address(&self, client: Option<IpAddr>) -> bool {
        if self.addresses.is_empty() {
            return true;
        }
        let Some(client) = client.map(|client| client.to_canonical()) else {
            return false;
        };
        let ranges = self.addresses.iter().filter_map(|text| range(text));
        ranges.into_iter().any(|range| range.contains(&client))
    }

    /// Whether these reach everywhere that `others` reach.
    pub fn include(&self, others: &Bounds) -> bool {
        let covers = |ours: &[String], theirs: &[String]| {
            ours.is_empty() || !theirs.is_empty() && theirs.iter().all(|one| ours.contains(one))
        };
        let ranges = |bounds: &Bounds| -> Vec<IpNet> {
            bounds
                .addresses
                .iter()
                .filter_map(|text| range(text))
                .collect()
        };
        let (ours, theirs) = (ranges(self), ranges(others));
        let addresses = ours.is_empty()
            || !theirs.is_empty()
                && theirs
                    .iter()
                    .all(|one| ours.iter().any(|own| own.contains(one)));
        addresses
            && covers(&self.deployments, &others.deployments)
            && covers(&self.users, &others.users)
    }

    pub fn is_unbounded(&self) -> bool {
        *self == Bounds::default()
    }
}

impl Grant {
    pub fn root() -> Grant {
        Permissions::root().into()
    }

    /// Whether this allows all that the other allows.
    pub fn include(&self, other: &Grant) -> bool {
        self.permissions.include(&other.permissions) && self.bounds.include(&other.bounds)
    }
}

impl From<Permissions> for Grant {
    fn from(permissions: Permissions) -> Grant {
        Grant {
            permissions,
            bounds: Bounds::default(),
        }
    }
}

fn range(text: &str) -> Option<IpNet> {
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>().ok().or_else(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(deployments: &[&str], users: &[&str], addresses: &[&str]) -> Bounds {
        let owned = |list: &[&str]| list.iter().map(|one| one.to_string()).collect();
        Bounds {
            deployments: owned(deployments),
            users: owned(users),
            addresses: owned(addresses),
        }
    }

    #[test]
    fn an_empty_list_bounds_nothing_and_a_list_bounds_to_its_entries() {
        let open = Bounds::default();
        assert!(open.allow_deployment("7") && open.allow_user("ann"));
        assert!(open.allow_address(None));
        let narrow = bounds(&["1", "2"], &["ann"], &["10.0.0.0/8", "::1"]);
        assert!(narrow.allow_deployment("2") && !narrow.allow_deployment("3"));
        assert!(narrow.allow_user("ann") && !narrow.allow_user("Ann"));
        for (address, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.1.2.3", false),
            ("::1", true),
            ("::2", false),
        ] {
            let client = Some(address.parse().unwrap());
            assert_eq!(narrow.allow_address(client), expected, "{address}");
        }
        assert!(!narrow.allow_address(None));
    }

    #[test]
    fn including_means_everywhere() {
        let cases = [
            (
                bounds(&[], &[], &[]),
                bounds(&["1"], &["a"], &["::1"]),
                true,
            ),
            (bounds(&["1"], &[], &[]), bounds(&[], &[], &[]), false),
            (
                bounds(&["1", "2"], &[], &[]),
                bounds(&["2"], &[], &[]),
                true,
            ),
            (
                bounds(&["1"], &[], &[]),
                bounds(&["1", "2"], &[], &[]),
                false,
            ),
            (
                bounds(&[], &[], &["10.0.0.0/8"]),
                bounds(&[], &[], &["10.3.0.0/16", "10.9.9.9"]),
                true,
            ),
            (
                bounds(&[], &[], &["10.3.0.0/16"]),
                bounds(&[], &[], &["10.0.0.0/8"]),
                false,
            ),
            (bounds(&[], &["a"], &[]), bounds(&[], &["b"], &[]), false),
        ];
        for (own, other, expected) in cases {
            assert_eq!(own.include(&other), expected, "{own:?} {other:?}");
        }
    }

    #[test]
    fn what_can_name_nothing_is_refused() {
        for (bad, field) in [
            (bounds(&["../x"], &[], &[]), "deployments"),
            (bounds(&[], &[""], &[]), "users"),
            (bounds(&[], &["a\nb"], &[]), "users"),
            (bounds(&[], &[], &["10.0.0.0/33"]), "ip_whitelist"),
            (bounds(&[], &[], &["localhost"]), "ip_whitelist"),
        ] {
            assert!(
                matches!(bad.check(), Err(AuthError::BadBound { field: found, .. }) if found == field),
                "{bad:?}"
            );
        }
        let many = vec!["1"; BOUNDS_MAX + 1];
        assert!(matches!(
            bounds(&many, &[], &[]).check(),
            Err(AuthError::TooManyBounds {
                field: "deployments"
            })
        ));
    }
}
