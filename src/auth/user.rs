//! Whom tokens belong to. It must not know what users have.

use super::{AuthError, Permissions, ROOT_ID, Tokens};
use crate::model::user::{ME, is_user_name};

impl Tokens {
    /// Whether any token belongs to this user.
    pub fn has_user(&self, user: &str) -> bool {
        let table = self.table.load();
        table.iter().any(|token| token.record.info.user == user)
    }

    pub(super) fn check_user(&self, user: &str, by: &Permissions) -> Result<String, AuthError> {
        if !is_user_name(user) || user == ME {
            return Err(AuthError::BadUser);
        }
        if self.has_user(user) && !by.is_root() {
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
