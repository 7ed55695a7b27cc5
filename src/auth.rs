//! Tokens: who may do what.
//!
//! A token's secret is shown once and stored as a hash. The table in memory
//! answers every request without waiting; changes are saved first and then
//! swapped in, so they count from the next request on. Nobody hands out, takes
//! over or takes away a token that may do more than his own. This module must
//! not know HTTP routes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

mod attempts;
mod bounds;
mod error;
mod identify;
mod permission;
mod presented;
mod root;
mod token;
mod user;

pub use bounds::{BOUNDS_MAX, Bounds, Grant};
pub use error::AuthError;
pub use identify::Denied;
pub use permission::{KNOWN as KNOWN_PERMISSIONS, Permissions, ROOT};
pub use presented::{
    Presented, SCRIPT_TOKENS_MAX, TOKEN_HEADER, TOKEN_PARAMETER, matches_any, presented,
    strip_tokens, without_tokens,
};
pub use token::{NewToken, SECRET_PREFIX, TokenInfo};

use crate::store::{Store, StoreError};
use attempts::FailedAttempts;
use root::{ROOT_ID, is_lasting_root};
use token::{Previous, SecretHash, Token, TokenRecord, new_secret};

use user::own_user;

const KEY_PREFIX: &str = "auth/token/";
/// The permission that reaches a user's entries.
const CRON: &str = "cron";
/// How many tokens there may be; each request compares with all of them.
pub const TOKENS_MAX: usize = 1000;
/// The longest alias, in characters.
pub const ALIAS_CHARS_MAX: usize = 100;
/// The longest time that an old secret may go on after a rotation.
pub const OVERLAP_MAX: TimeDelta = TimeDelta::days(7);
/// Failed attempts per minute and client address, when nothing else is said.
const FAILURES_PER_MINUTE: u64 = 30;

/// All tokens: a table in memory over the store.
#[derive(Debug)]
pub struct Tokens {
    store: Store,
    table: ArcSwap<Vec<Arc<Token>>>,
    attempts: FailedAttempts,
    /// Held by whoever changes the table.
    changing: Mutex<()>,
}

/// What a new token should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    pub alias: String,
    pub grant: Grant,
    pub expires_at: Option<DateTime<Utc>>,
    /// The user it belongs to; none for one of its own.
    pub user: Option<String>,
}

/// What to change; `None` leaves it. `expires_at: Some(None)` takes the end away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenUpdate {
    pub alias: Option<String>,
    pub permissions: Option<Permissions>,
    pub deployments: Option<Vec<String>>,
    pub users: Option<Vec<String>>,
    pub addresses: Option<Vec<String>>,
    pub expires_at: Option<Option<DateTime<Utc>>>,
    pub enabled: Option<bool>,
}

impl Tokens {
    /// Reads all tokens. Who can get in is seen to by [`Tokens::ensure_root`].
    pub fn open(store: Store) -> Result<Tokens, StoreError> {
        let mut table = Vec::new();
        for entry in store.range(KEY_PREFIX, None, usize::MAX)?.entries {
            let mut record: TokenRecord = crate::store::from_record(&entry.key, &entry.record?)?;
            if record.info.user.is_empty() {
                // It was made before there were users.
                record.info.user = own_user(&record.info.id, &record.info.alias);
            }
            table.push(Arc::new(Token::new(record)));
        }
        Ok(Tokens {
            store,
            table: ArcSwap::from_pointee(table),
            attempts: FailedAttempts::new(FAILURES_PER_MINUTE),
            changing: Mutex::new(()),
        })
    }

    /// Other limits for guessing than the built-in one.
    #[must_use]
    pub fn failures_per_minute(mut self, max: u64) -> Tokens {
        self.attempts = FailedAttempts::new(max);
        self
    }

    /// The token with this secret, if it is valid now, wherever it comes from.
    /// Never waits, and takes the same time whichever token it is.
    pub fn authenticate(&self, secret: &str, now: DateTime<Utc>) -> Option<TokenInfo> {
        let hash = SecretHash::of(secret);
        let mut found = None;
        for token in self.table.load().iter() {
            if token.record.accepts(&hash, now) {
                found = Some(token.clone());
            }
        }
        let token = found.filter(|token| token.record.info.is_valid(now))?;
        token.used(now);
        Some(token.record.info.clone())
    }

    /// All tokens, oldest first.
    pub fn list(&self) -> Vec<TokenInfo> {
        let mut infos: Vec<TokenInfo> = self
            .table
            .load()
            .iter()
            .map(|token| token.current().info)
            .collect();
        infos.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        infos
    }

    pub fn get(&self, id: &str) -> Option<TokenInfo> {
        Some(self.find(id)?.current().info)
    }

    /// Makes a token on behalf of somebody with the grant `by`.
    pub async fn create(
        &self,
        request: TokenRequest,
        by: &Grant,
        now: DateTime<Utc>,
    ) -> Result<NewToken, AuthError> {
        let _changing = self.changing.lock().await;
        let info = self.check_request(&request, by, now)?;
        let secret = new_secret();
        self.save(TokenRecord {
            info: info.clone(),
            hash: SecretHash::of(&secret),
            previous: None,
        })
        .await?;
        Ok(NewToken { info, secret })
    }

    /// The token that [`Tokens::create`] would make.
    pub fn check_request(
        &self,
        request: &TokenRequest,
        by: &Grant,
        now: DateTime<Utc>,
    ) -> Result<TokenInfo, AuthError> {
        if self.table.load().len() >= TOKENS_MAX {
            return Err(AuthError::TooMany);
        }
        let id = uuid::Uuid::now_v7().to_string();
        let user = self.user_of_new(&id, request, by)?;
        let info = TokenInfo {
            id,
            alias: request.alias.clone(),
            permissions: request.grant.permissions.clone(),
            bounds: request.grant.bounds.clone(),
            user,
            created_at: now,
            expires_at: request.expires_at,
            enabled: true,
            last_used_at: None,
            previous_expires_at: None,
        };
        self.check(&info, by, now)?;
        Ok(info)
    }

    /// Gives the token a new secret. The old one goes on for `overlap`; if that is
    /// zero it is refused from the next request on, and so is any older one.
    pub async fn rotate(
        &self,
        id: &str,
        overlap: TimeDelta,
        by: &Grant,
        now: DateTime<Utc>,
    ) -> Result<NewToken, AuthError> {
        let _changing = self.changing.lock().await;
        self.check_rotate(id, overlap, by)?;
        let mut record = self.changeable(id, by)?.current();
        let secret = new_secret();
        let hash = std::mem::replace(&mut record.hash, SecretHash::of(&secret));
        let until = now + overlap;
        record.info.previous_expires_at = (overlap > TimeDelta::zero()).then_some(until);
        record.previous = record
            .info
            .previous_expires_at
            .map(|until| Previous { hash, until });
        let info = record.info.clone();
        self.save(record).await?;
        Ok(NewToken { info, secret })
    }

    /// Whether [`Tokens::rotate`] would be allowed.
    pub fn check_rotate(&self, id: &str, overlap: TimeDelta, by: &Grant) -> Result<(), AuthError> {
        if overlap < TimeDelta::zero() || overlap > OVERLAP_MAX {
            return Err(AuthError::BadOverlap);
        }
        self.changeable(id, by).map(|_| ())
    }

    /// Changes name, permissions, end, or whether it is enabled.
    pub async fn update(
        &self,
        id: &str,
        update: TokenUpdate,
        by: &Grant,
        now: DateTime<Utc>,
    ) -> Result<TokenInfo, AuthError> {
        let _changing = self.changing.lock().await;
        let mut record = self.changeable(id, by)?.current();
        record.info = self.check_update(id, update, by, now)?;
        let info = record.info.clone();
        self.save(record).await?;
        Ok(info)
    }

    /// What [`Tokens::update`] would make of the token.
    pub fn check_update(
        &self,
        id: &str,
        update: TokenUpdate,
        by: &Grant,
        now: DateTime<Utc>,
    ) -> Result<TokenInfo, AuthError> {
        let mut info = self.changeable(id, by)?.current().info;
        info.alias = update.alias.unwrap_or(info.alias);
        info.permissions = update.permissions.unwrap_or(info.permissions);
        let bounds = &mut info.bounds;
        replace(&mut bounds.deployments, update.deployments);
        replace(&mut bounds.users, update.users);
        replace(&mut bounds.addresses, update.addresses);
        info.expires_at = update.expires_at.unwrap_or(info.expires_at);
        info.enabled = update.enabled.unwrap_or(info.enabled);
        // An end that has passed must not keep anybody from renaming a token.
        let check_end = if update.expires_at.is_some() {
            now
        } else {
            DateTime::<Utc>::MIN_UTC
        };
        self.check(&info, by, check_end)?;
        if !is_lasting_root(&info) {
            self.check_root_remains(id)?;
        }
        Ok(info)
    }

    /// Deletes the token; it is refused from the next request on.
    pub async fn revoke(&self, id: &str, by: &Grant) -> Result<(), AuthError> {
        let _changing = self.changing.lock().await;
        self.check_revoke(id, by)?;
        self.store.delete(&key(id)).await?;
        let table = self.table.load();
        let others = table
            .iter()
            .filter(|token| token.record.info.id != id)
            .cloned();
        self.table.store(Arc::new(others.collect()));
        Ok(())
    }

    /// Whether [`Tokens::revoke`] would be allowed.
    pub fn check_revoke(&self, id: &str, by: &Grant) -> Result<(), AuthError> {
        self.changeable(id, by)?;
        self.check_root_remains(id)
    }

    /// Stores when tokens were last used, if that has changed. To be called now
    /// and then, and when the server stops.
    pub async fn save_last_used(&self) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        for token in self.table.load().iter() {
            let record = token.current();
            if record != token.record {
                self.save(record).await?;
            }
        }
        Ok(())
    }

    fn find(&self, id: &str) -> Option<Arc<Token>> {
        let table = self.table.load();
        table
            .iter()
            .find(|token| token.record.info.id == id)
            .cloned()
    }

    fn changeable(&self, id: &str, by: &Grant) -> Result<Arc<Token>, AuthError> {
        let token = self
            .find(id)
            .ok_or_else(|| AuthError::NotFound { id: id.to_owned() })?;
        let grant = token.record.info.grant();
        // Whoever takes over a token takes over its user's entries.
        let reaches_others = grant.permissions.allow(CRON) && !by.permissions.is_root();
        if !by.include(&grant) || reaches_others {
            return Err(AuthError::BeyondOwn);
        }
        Ok(token)
    }

    fn check(&self, info: &TokenInfo, by: &Grant, now: DateTime<Utc>) -> Result<(), AuthError> {
        let chars = info.alias.chars().count();
        if chars == 0 || chars > ALIAS_CHARS_MAX || info.alias.chars().any(char::is_control) {
            return Err(AuthError::BadAlias);
        }
        let table = self.table.load();
        let mut others = table.iter().filter(|token| token.record.info.id != info.id);
        if others.any(|other| other.record.info.alias == info.alias) {
            return Err(AuthError::AliasInUse {
                alias: info.alias.clone(),
            });
        }
        info.bounds.check()?;
        if !by.include(&info.grant()) {
            return Err(AuthError::BeyondOwn);
        }
        if info.expires_at.is_some_and(|expires| expires <= now) {
            return Err(AuthError::AlreadyExpired);
        }
        Ok(())
    }

    /// Saves first, then swaps. The caller holds `changing`.
    async fn save(&self, record: TokenRecord) -> Result<(), StoreError> {
        let id = record.info.id.clone();
        self.store.put_json(&key(&id), &record).await?;
        let table = self.table.load();
        let others = table
            .iter()
            .filter(|token| token.record.info.id != id)
            .cloned();
        let changed = others.chain([Arc::new(Token::new(record))]).collect();
        self.table.store(Arc::new(changed));
        Ok(())
    }
}

fn replace(list: &mut Vec<String>, by: Option<Vec<String>>) {
    if let Some(by) = by {
        *list = by;
    }
}

fn key(id: &str) -> String {
    format!("{KEY_PREFIX}{id}")
}

#[cfg(test)]
mod tests;
