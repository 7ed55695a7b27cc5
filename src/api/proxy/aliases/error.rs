//! Statuses and codes of what is wrong with an alias.

use http::StatusCode;

use crate::api::error::ApiError;
use crate::proxy::alias::AliasError;

impl From<AliasError> for ApiError {
    fn from(error: AliasError) -> Self {
        let (status, code) = match &error {
            AliasError::Name(_) | AliasError::BadLabel => (StatusCode::BAD_REQUEST, "BAD_ALIAS"),
            AliasError::BadPath { .. } => (StatusCode::BAD_REQUEST, "BAD_PATH"),
            AliasError::BadUpstream { .. }
            | AliasError::NoTarget
            | AliasError::UnknownProgram { .. }
            | AliasError::BadPort
            | AliasError::ExecId(_) => (StatusCode::BAD_REQUEST, "BAD_TARGET"),
            AliasError::Refused(_) => (StatusCode::FORBIDDEN, "UPSTREAM_REFUSED"),
            AliasError::InUse { .. } => (StatusCode::CONFLICT, "ALIAS_IN_USE"),
            AliasError::NotFound { .. } => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            AliasError::Configured { .. } => (StatusCode::CONFLICT, "ALIAS_CONFIGURED"),
            AliasError::AlreadyExpired => (StatusCode::BAD_REQUEST, "ALREADY_EXPIRED"),
            AliasError::TooMany { .. } => (StatusCode::CONFLICT, "TOO_MANY"),
            AliasError::Changed { .. } => (StatusCode::PRECONDITION_FAILED, "VERSION_CHANGED"),
            AliasError::Permission(error) => return error.clone().into(),
            AliasError::Sealed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
            AliasError::Store(error) => return error.clone().into(),
        };
        Self::new(status, error.to_string()).details(serde_json::json!({ "code": code }))
    }
}
