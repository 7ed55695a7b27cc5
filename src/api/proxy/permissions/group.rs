//! Groups as they are asked for, and what becomes of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::proxy::permission::{Group, Jwt, PermissionError};

const KIND_CHARS_SHOWN: usize = 40;

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
    /// `token`, `password`, `jwt` or `ip`; the fields say it too.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

impl GroupRequest {
    /// The group, of the kind that it names or that its fields have.
    pub fn group(mut self) -> Result<Group, PermissionError> {
        match self.kind.take() {
            Some(kind) => self.of_kind(&kind),
            None => self.by_fields(),
        }
    }

    fn by_fields(self) -> Result<Group, PermissionError> {
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
    pub fn of_kind(self, kind: &str) -> Result<Group, PermissionError> {
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
                return Err(PermissionError::UnknownKind {
                    kind: kind.chars().take(KIND_CHARS_SHOWN).collect(),
                });
            }
        };
        match self.kind_by_fields() == kind {
            true => self.by_fields(),
            false => Err(no_such),
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
