//! Permissions: what a token may do, and which permission covers which.
//!
//! A permission is `*` (everything), an area (`exec`) or an area and an action
//! (`exec:read`). An area covers its actions. Nothing else covers anything:
//! `exec:write` does not include `exec:read`.

use serde::{Deserialize, Serialize};

use super::AuthError;

/// Everything, including what later versions add.
pub const ROOT: &str = "*";

/// All permissions there are. A route of the API asks for one of these.
pub const KNOWN: [&str; 11] = [
    ROOT,
    "auth",
    "cron",
    "exec",
    "exec:read",
    "exec:run",
    "exec:write",
    "logs",
    "proxy",
    "proxy:alias",
    "proxy:cert",
];

/// A non-empty list of known permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(Vec<String>);

impl Permissions {
    /// Refuses an empty list and a name that is not in [`KNOWN`].
    pub fn new(names: Vec<String>) -> Result<Permissions, AuthError> {
        if names.is_empty() {
            return Err(AuthError::NoPermission);
        }
        match names.iter().find(|name| !KNOWN.contains(&name.as_str())) {
            Some(unknown) => Err(AuthError::UnknownPermission {
                permission: unknown.clone(),
            }),
            None => Ok(Permissions(names)),
        }
    }

    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// One permission, for callers inside of the server that have no token.
    pub fn of_inside(permission: &'static str) -> Permissions {
        Permissions(vec![permission.to_owned()])
    }

    pub fn root() -> Permissions {
        Permissions(vec![ROOT.to_owned()])
    }

    /// Whether these allow what needs `needed`.
    pub fn allow(&self, needed: &str) -> bool {
        self.0.iter().any(|granted| covers(granted, needed))
    }

    /// Whether these allow all that `others` allow.
    pub fn include(&self, others: &Permissions) -> bool {
        others.0.iter().all(|other| self.allow(other))
    }

    pub fn is_root(&self) -> bool {
        self.allow(ROOT)
    }
}

fn covers(granted: &str, needed: &str) -> bool {
    granted == ROOT
        || granted == needed
        || needed
            .strip_prefix(granted)
            .is_some_and(|rest| rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(names: &[&str]) -> Permissions {
        Permissions::new(names.iter().map(|name| name.to_string()).collect()).unwrap()
    }

    #[test]
    fn an_area_covers_its_actions_and_nothing_else() {
        let cases = [
            (&["*"][..], "exec:write", true),
            (&["*"], "*", true),
            (&["exec"], "exec", true),
            (&["exec"], "exec:read", true),
            (&["exec:read"], "exec:read", true),
            (&["exec:read"], "exec", false),
            (&["exec:write"], "exec:read", false),
            (&["exec", "cron"], "cron", true),
            (&["exec", "cron"], "auth", false),
            (&["proxy:cert"], "proxy:alias", false),
            (&["auth"], "*", false),
        ];
        for (granted, needed, expected) in cases {
            assert_eq!(
                permissions(granted).allow(needed),
                expected,
                "{granted:?} {needed}"
            );
        }
        assert!(!covers("exec", "executor:read"));
    }

    #[test]
    fn including_means_every_one_of_them() {
        assert!(permissions(&["exec", "cron"]).include(&permissions(&["exec:read", "cron"])));
        assert!(!permissions(&["exec"]).include(&permissions(&["exec:read", "cron"])));
        assert!(!permissions(&["auth", "exec"]).include(&Permissions::root()));
    }

    #[test]
    fn unknown_and_missing_permissions_are_refused() {
        for name in ["", "Exec", "exec:", "exec:delete", "**", " exec"] {
            let refused = Permissions::new(vec!["exec".to_owned(), name.to_owned()]);
            assert!(
                matches!(refused, Err(AuthError::UnknownPermission { permission }) if permission == name)
            );
        }
        assert!(matches!(
            Permissions::new(vec![]),
            Err(AuthError::NoPermission)
        ));
    }
}
