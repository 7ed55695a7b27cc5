//! The scheduler's API, at its own paths (`/users/{user}/…`, `/crontab`) and
//! below `/api/v1/cron`. It must not hold rules of its own; `cron` does.

pub mod crontab;
pub mod entries;
pub mod health;
pub mod runs;
pub mod schedules;
pub mod view;

use axum::response::Response;
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::endpoint::Call;
use super::error::ApiError;
use crate::auth::TokenInfo;
use crate::cron::entry::EntryRecord;
use crate::cron::error::CronError;
use crate::exec::precondition::{self, Precondition};
use crate::model::user::{ME, is_user_name};

/// The user of the path. Others' users are not there for whoever is not root, and
/// nobody's outside the token's bounds.
fn user<Q, B>(call: &Call<Q, B>) -> Result<String, ApiError> {
    let token = token(call)?;
    let asked = call.parameter("user");
    let asked = if asked == ME { &token.user } else { asked };
    if !is_user_name(asked) {
        return Err(CronError::InvalidUser(asked.to_owned()).into());
    }
    if !token.bounds.allow_user(asked) {
        return Err(CronError::UserNotFound(asked.to_owned()).into());
    }
    if asked == token.user {
        return Ok(asked.to_owned());
    }
    let exists = || -> Result<bool, CronError> {
        Ok(call.api.tokens.has_user(asked) || call.api.cron.has_user(asked)?)
    };
    match token.permissions.is_root() && exists()? {
        true => Ok(asked.to_owned()),
        false => Err(CronError::UserNotFound(asked.to_owned()).into()),
    }
}

fn token<Q, B>(call: &Call<Q, B>) -> Result<&TokenInfo, ApiError> {
    call.token.as_ref().ok_or_else(ApiError::unauthorized)
}

/// What `If-Match` says about an entry's state.
fn precondition<Q, B>(
    call: &Call<Q, B>,
) -> impl Fn(&EntryRecord) -> Result<(), CronError> + Sync + use<Q, B> {
    let values = call.headers.get_all(header::IF_MATCH).iter();
    let values: Vec<&str> = values
        .map(|value| value.to_str().unwrap_or("not ASCII"))
        .collect();
    let if_match = (!values.is_empty()).then(|| values.join(", "));
    move |record| {
        let wanted = Precondition {
            if_match: if_match.as_deref(),
            ..Precondition::default()
        };
        let current = view::revision(record);
        precondition::check(wanted, Some(&current)).map_err(|_| CronError::Changed)
    }
}

impl From<CronError> for ApiError {
    fn from(error: CronError) -> Self {
        let message = error.to_string();
        let bad = StatusCode::BAD_REQUEST;
        let (status, code) = match &error {
            CronError::InvalidUser(_) => (bad, "INVALID_USER"),
            CronError::UserNotFound(_) => (StatusCode::NOT_FOUND, "USER_NOT_FOUND"),
            CronError::EntryNotFound => (StatusCode::NOT_FOUND, "ENTRY_NOT_FOUND"),
            CronError::RunNotFound => (StatusCode::NOT_FOUND, "RUN_NOT_FOUND"),
            CronError::Schedule(_) | CronError::NoSchedule | CronError::Timezone(_) => {
                (bad, "INVALID_SCHEDULE")
            }
            CronError::Command(_) | CronError::Name(_) => (bad, "INVALID_COMMAND"),
            CronError::Comment(_) => (bad, "INVALID_COMMENT"),
            CronError::Policy(_) => (bad, "INVALID_POLICY"),
            CronError::Filter(_) => (bad, "INVALID_FILTER"),
            CronError::InvalidExpiresAt => (bad, "INVALID_EXPIRES_AT"),
            CronError::ExpiresInPast => (bad, "EXPIRES_IN_PAST"),
            CronError::Pagination { .. } => (bad, "INVALID_PAGINATION"),
            CronError::Metadata(_) => (bad, "INVALID_CRONTAB"),
            CronError::Changed => (StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED"),
            CronError::CrontabTooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE")
            }
            CronError::TooManyEntries { .. } => (StatusCode::CONFLICT, "TOO_MANY_ENTRIES"),
            CronError::Capacity => (StatusCode::SERVICE_UNAVAILABLE, "CAPACITY"),
            CronError::CrontabLine { line, error: inner } => {
                let of_line = ApiError::from_line(inner);
                return Self {
                    error: message,
                    ..of_line
                }
                .details(json!({ "line": line }));
            }
            CronError::Store(error) => return error.clone().into(),
        };
        let answer = Self::new(status, message).code(code);
        match error {
            CronError::Schedule(error) => answer.details(json!({
                "field": error.field, "position": error.position, "reason": error.reason,
            })),
            _ => answer,
        }
    }
}

/// The code in cron's envelope of an error that has none of its own. A field of
/// the wrong type is named first in its message.
fn cron_code(status: StatusCode, message: &str) -> &'static str {
    match (status.as_u16(), message.split(' ').next()) {
        (400, Some("schedule" | "timezone")) => "INVALID_SCHEDULE",
        (400, Some("command" | "name")) => "INVALID_COMMAND",
        (400, Some("comment")) => "INVALID_COMMENT",
        (400, Some("expires_at")) => "INVALID_EXPIRES_AT",
        (400, Some("page" | "limit")) => "INVALID_PAGINATION",
        (
            400,
            Some(
                "overlap"
                | "misfire"
                | "misfire_runs_max"
                | "deadline_seconds"
                | "retries"
                | "retry_backoff_seconds"
                | "timeout_seconds"
                | "jitter_seconds",
            ),
        ) => "INVALID_POLICY",
        (401, _) => "UNAUTHORIZED",
        (403, _) => "FORBIDDEN",
        (404, _) => "NOT_FOUND",
        (405, _) => "METHOD_NOT_ALLOWED",
        (408, _) => "REQUEST_TIMEOUT",
        (412, _) => "PRECONDITION_FAILED",
        (413, _) => "PAYLOAD_TOO_LARGE",
        (415, _) => "UNSUPPORTED_MEDIA_TYPE",
        (503, _) => "UNAVAILABLE",
        (500.., _) => "BACKEND_ERROR",
        _ => "INVALID_REQUEST",
    }
}

impl ApiError {
    /// In cron's envelope: `{ code, message, details }`.
    pub fn into_cron(mut self) -> Response {
        let message = match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(error = self.error, "cron cannot answer");
                "Internal server error".to_owned()
            }
            _ => std::mem::take(&mut self.error),
        };
        let code = match self.code.starts_with("ERROR_") {
            true => cron_code(self.status, &message).to_owned(),
            false => std::mem::take(&mut self.code),
        };
        let mut body = Map::new();
        body.insert("code".to_owned(), code.into());
        body.insert("message".to_owned(), message.into());
        let details = self.fields.remove("details").unwrap_or(Value::Null);
        body.insert("details".to_owned(), details);
        self.response(body)
    }

    /// The error of one line of a crontab; only some can happen there.
    fn from_line(error: &CronError) -> Self {
        let code = match error {
            CronError::Schedule(_) | CronError::NoSchedule | CronError::Timezone(_) => {
                "INVALID_SCHEDULE"
            }
            CronError::Comment(_) => "INVALID_COMMENT",
            CronError::InvalidExpiresAt => "INVALID_EXPIRES_AT",
            CronError::ExpiresInPast => "EXPIRES_IN_PAST",
            CronError::Policy(_) => "INVALID_POLICY",
            CronError::Metadata(_) => "INVALID_CRONTAB",
            _ => "INVALID_COMMAND",
        };
        Self::bad_request(error.to_string()).code(code)
    }
}
