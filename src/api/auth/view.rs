//! Tokens, as answers show them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::exec::view::iso;
use crate::auth::{NewToken, TokenInfo};

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    pub id: String,
    /// The name that a person gave it.
    pub alias: String,
    pub permissions: Vec<String>,
    /// Execution ids that it counts for; empty for all.
    pub deployments: Vec<String>,
    /// Users whose schedules it counts for; empty for all.
    pub users: Vec<String>,
    /// Addresses and CIDR blocks that it counts from; empty for all.
    pub ip_whitelist: Vec<String>,
    /// Whose entries and runs in cron it reaches.
    pub user: String,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub is_enabled: bool,
    pub last_used_at: Option<String>,
    /// Until when the secret before the last rotation goes on.
    pub previous_expires_at: Option<String>,
}

impl TokenView {
    pub fn of(info: &TokenInfo) -> Self {
        Self {
            id: info.id.clone(),
            alias: info.alias.clone(),
            permissions: info.permissions.names().to_vec(),
            deployments: info.bounds.deployments.clone(),
            users: info.bounds.users.clone(),
            ip_whitelist: info.bounds.addresses.clone(),
            user: info.user.clone(),
            created_at: iso(info.created_at),
            expires_at: info.expires_at.map(iso),
            is_enabled: info.enabled,
            last_used_at: info.last_used_at.map(iso),
            previous_expires_at: info.previous_expires_at.map(iso),
        }
    }
}

/// A token with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewTokenView {
    /// The secret; null in a dry run.
    pub token: Option<String>,
    #[serde(flatten)]
    pub info: TokenView,
}

impl NewTokenView {
    pub fn of(made: NewToken) -> Self {
        Self {
            info: TokenView::of(&made.info),
            token: Some(made.secret),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TokenList {
    /// Oldest first.
    pub tokens: Vec<TokenView>,
    pub count: usize,
}
