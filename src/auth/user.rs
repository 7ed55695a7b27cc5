//! Whom tokens belong to. It must not know what users have.

use super::{AuthError, Grant, ROOT_ID, TokenRequest, Tokens};
use crate::model::user::{ME, is_user_name};

impl Tokens {
    /// Whether any token belongs to this user.
    pub fn has_user(&self, user: &str) -> bool {
        let table = self.table.load();
        table.iter().any(|token| token.record.info.user == user)
    }

    /// The user of a token that is about to be made: the one that is asked for,
    /// else one that nobody else has.
    pub(super) fn user_of_new(
        &self,
        id: &str,
        request: &TokenRequest,
        by: &Grant,
    ) -> Result<String, AuthError> {
        if let Some(user) = &request.user {
            return self.check_user(user, by);
        }
        let own = own_user(id, &request.alias);
        Ok(match self.has_user(&own) {
            true => own_user(id, ""),
            false => own,
        })
    }

    fn check_user(&self, user: &str, by: &Grant) -> Result<String, AuthError> {
        if !is_user_name(user) || user == ME {
            return Err(AuthError::BadUser);
        }
        let is_others = self.has_user(user) && !by.permissions.is_root();
        if is_others || !by.bounds.allow_user(user) {
            return Err(AuthError::BeyondOwn);
        }
        Ok(user.to_owned())
    }
}

/// The user of a token that is given none: called like the token, if that can be
/// a user's name.
pub(super) fn own_user(id: &str, alias: &str) -> String {
    match is_user_name(alias) && alias != ME {
        true => alias.to_owned(),
        false if id == ROOT_ID => ROOT_ID.to_owned(),
        false => id.replace('-', ""),
    }
}
