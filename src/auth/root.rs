//! The root token: the first one, and the rule that there always is one. It must
//! not know how others are made.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::token::{NewToken, SecretHash, TokenInfo, TokenRecord, new_secret};
use super::{AuthError, Bounds, Permissions, Tokens};
use crate::store::{Kind, StoreError, Stored};

/// The token of the first start, or of the configuration.
pub(super) const ROOT_ID: &str = "root";
/// A configured root token below this length draws a warning.
const SECRET_CHARS_MIN: usize = 16;
/// Which configured secret was taken over last.
const CONFIGURED_KEY: &str = "auth/configured-root";

/// A secret of the configuration is taken over once: it stays there for good, and
/// must not come back to life at a restart after somebody has rotated it.
#[derive(Serialize, Deserialize)]
struct Configured {
    hash: SecretHash,
}

impl Stored for Configured {
    const KIND: Kind = Kind {
        number: 4,
        version: 1,
    };
}

impl Tokens {
    /// Sees to it that somebody can get in. `configured` is the configured root
    /// token and takes the place of an earlier one, unless it was rotated or revoked
    /// since. Without it the first start makes a root token and returns it, to be
    /// shown this once.
    pub async fn ensure_root(
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
        let is_in_force = existing.is_some_and(|token| {
            token.record.hash.matches(&hash) && token.record.info.is_valid(now)
        });
        let taken_over: Option<Configured> = self.store.get_json(CONFIGURED_KEY)?;
        let is_taken_over = taken_over.is_some_and(|known| known.hash.matches(&hash));
        if !made && is_taken_over && !is_in_force {
            tracing::warn!(
                "the configured root token was rotated or revoked, and stays so; configure another one, or none"
            );
        }
        if is_taken_over {
            return Ok(None);
        }
        let configured = Configured { hash: hash.clone() };
        if is_in_force {
            self.store.put_json(CONFIGURED_KEY, &configured).await?;
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
        if made {
            return Ok(Some(NewToken { info, secret }));
        }
        // After the token, so that a crash between the two locks nobody out.
        self.store.put_json(CONFIGURED_KEY, &configured).await?;
        Ok(None)
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
