//! Why a token could not be made or changed.

use crate::store::StoreError;

use super::{ALIAS_CHARS_MAX, BOUNDS_MAX, KNOWN_PERMISSIONS, OVERLAP_MAX, TOKENS_MAX};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("user must be 1 to 32 of A-Z a-z 0-9 _ . -, with no - in front, and not `me`")]
    BadUser,
    #[error("there is no token with the id {id:?}")]
    NotFound { id: String },
    #[error("another token has the alias {alias:?}")]
    AliasInUse { alias: String },
    #[error("an alias must have 1 to {ALIAS_CHARS_MAX} characters and no control characters")]
    BadAlias,
    #[error("there is no permission {permission:?}; there are: {}", KNOWN_PERMISSIONS.join(", "))]
    UnknownPermission { permission: String },
    #[error("a token needs at least one permission of: {}", KNOWN_PERMISSIONS.join(", "))]
    NoPermission,
    #[error(
        "{field} cannot hold {value:?}: it takes execution ids, names of users, or addresses and CIDR blocks"
    )]
    BadBound { field: &'static str, value: String },
    #[error("{field} may have {BOUNDS_MAX} entries")]
    TooManyBounds { field: &'static str },
    #[error("overlap_seconds must be 0 to {}", OVERLAP_MAX.num_seconds())]
    BadOverlap,
    #[error("this needs permissions that the presented token does not have itself")]
    BeyondOwn,
    #[error("expires_at must be in the future")]
    AlreadyExpired,
    #[error(
        "this is the last enabled token with the permission \"*\" and no end; make another one first"
    )]
    LastRoot,
    #[error("there are already {TOKENS_MAX} tokens; revoke some first")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}
