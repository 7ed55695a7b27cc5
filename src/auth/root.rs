//! The root token: the first one, and the rule that there always is one. It must
//! not know how others are made.

use chrono::{DateTime, Utc};

use super::token::{NewToken, SecretHash, TokenInfo, TokenRecord, new_secret};
use super::{AuthError, Bounds, Permissions, Tokens};
use crate::store::StoreError;

/// The token of the first start, or of the configuration.
pub(super) const ROOT_ID: &str = "root";
/// A configured root token below this length draws a warning.
const SECRET_CHARS_MIN: usize = 16;

impl Tokens {
    pub(super) async fn ensure_root(
        &self,
        configured: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<NewToken>, StoreError> {
        let _changing = self.changing.lock().await;
        let existing = self.find(ROOT_ID);
        let (secret, made) = match (configured, &existing) {
            (Some(secret), _) => (secret.to_owned(), false),
            (None, None) => (new_secret(), true),
            (None, Some(_)) => return Ok(None),
        };
        if secret.chars().count() < SECRET_CHARS_MIN {
            tracing::warn!(
                "the configured root token is short enough to be guessed; `openssl rand -hex 32` makes a good one"
            );
        }
        let hash = SecretHash::of(&secret);
        if existing.is_some_and(|token| {
            token.record.hash.matches(&hash) && token.record.info.is_valid(now)
        }) {
            return Ok(None);
        }
        let info = TokenInfo {
            id: ROOT_ID.to_owned(),
            alias: ROOT_ID.to_owned(),
            permissions: Permissions::root(),
            bounds: Bounds::default(),
            user: ROOT_ID.to_owned(),
            created_at: now,
            expires_at: None,
            enabled: true,
            last_used_at: None,
            previous_expires_at: None,
        };
        self.save(TokenRecord {
            info: info.clone(),
            hash,
            previous: None,
        })
        .await?;
        Ok(made.then_some(NewToken { info, secret }))
    }

    /// Somebody must always be able to get in.
    pub(super) fn check_root_remains(&self, without: &str) -> Result<(), AuthError> {
        let table = self.table.load();
        let mut others = table.iter().filter(|token| token.record.info.id != without);
        let lost = self
            .find(without)
            .is_some_and(|token| is_lasting_root(&token.record.info));
        if lost && !others.any(|other| is_lasting_root(&other.record.info)) {
            return Err(AuthError::LastRoot);
        }
        Ok(())
    }
}

/// Whether this token lets in for everything, from everywhere, without end.
pub(super) fn is_lasting_root(info: &TokenInfo) -> bool {
    let everywhere = info.permissions.is_root() && info.bounds.is_unbounded();
    info.enabled && info.expires_at.is_none() && everywhere
}
