//! Groups as they are asked for, and what becomes of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::error::ApiError;
use crate::proxy::permission::{Group, Jwt, PermissionError};

/// One kind of group.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct GroupRequest {
    pub header: Option<String>,
    pub cookie: Option<String>,
    pub param: Option<String>,
    pub value: Option<String>,
    pub username: Option<String>,
    /// SHA-256 of the salt and the password, 64 hexadecimal digits.
    pub password: Option<String>,
    /// `sha256` for a password; `HS256`, `RS256` or `ES256` for a jwt.
    pub algorithm: Option<String>,
    pub salt: Option<String>,
    /// An address or a CIDR block.
    pub range: Option<String>,
    /// Of a jwt: the shared secret, or the public key in PEM.
    pub secret: Option<String>,
    /// Of a jwt: such as `header:authorization` or `cookie:session`.
    pub sources: Option<Vec<String>>,
    /// Of a jwt: what claims must be.
    #[schema(value_type = Value, required = false)]
    pub claims: Option<BTreeMap<String, Value>>,
    /// What it is, when a document says so.
    #[serde(rename = "type")]
    #[allow(dead_code, reason = "the fields say it too")]
    pub kind: Option<String>,
}

impl GroupRequest {
    pub fn group(self) -> Result<Group, PermissionError> {
        if let Some(secret) = self.secret {
            let algorithm = self.algorithm.unwrap_or_default();
            let sources = self.sources.unwrap_or_default();
            let claims = self.claims.unwrap_or_default();
            return Jwt::new(secret, &algorithm, &sources, claims).map(Group::Jwt);
        }
        match (self.range, self.username) {
            (Some(range), _) => Group::ip(&range),
            (None, Some(username)) => {
                if self.algorithm.is_some_and(|name| name != "sha256") {
                    return Err(PermissionError::BadPassword);
                }
                let password = self.password.unwrap_or_default();
                Group::password(username, &password, self.salt.unwrap_or_default())
            }
            (None, None) => {
                let value = self.value.unwrap_or_default();
                Group::token(self.header, self.cookie, self.param, &value)
            }
        }
    }

    /// The group, if it is of the kind that the path names.
    pub fn of_kind(self, kind: &str) -> Result<Group, ApiError> {
        let no_such = match kind {
            "token" => PermissionError::BadToken,
            "password" => PermissionError::BadPassword,
            "jwt" => PermissionError::BadJwt {
                reason: "it has no `secret`",
            },
            "ip" => PermissionError::BadRange {
                range: String::new(),
            },
            kind => {
                let error =
                    format!("there are no groups of the kind `{kind}`: token, password, jwt or ip");
                return Err(ApiError::not_found(error));
            }
        };
        match self.kind_by_fields() == kind {
            true => Ok(self.group()?),
            false => Err(no_such.into()),
        }
    }

    fn kind_by_fields(&self) -> &'static str {
        match self {
            Self {
                secret: Some(_), ..
            } => "jwt",
            Self { range: Some(_), .. } => "ip",
            Self {
                username: Some(_), ..
            } => "password",
            _ => "token",
        }
    }
}
