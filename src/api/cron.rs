//! The scheduler's API, at its own paths (`/users/{user}/…`, `/crontab`) and
//! below `/api/v1/cron`. It must not hold rules of its own; `cron` does.

pub mod crontab;
pub mod entries;
pub mod health;
pub mod runs;
pub mod schedules;
pub mod view;

use http::{StatusCode, header};
use serde_json::json;

use super::endpoint::Call;
use super::error::ApiError;
use crate::auth::TokenInfo;
use crate::cron::entry::EntryRecord;
use crate::cron::error::CronError;
use crate::exec::precondition::{self, Precondition};
use crate::model::user::{ME, is_user_name};

/// The user of the path. Others' users are not there for whoever is not root.
fn user<Q, B>(call: &Call<Q, B>) -> Result<String, ApiError> {
    let token = token(call)?;
    let asked = call.parameter("user");
    if asked == ME || asked == token.user {
        return Ok(token.user.clone());
    }
    if !is_user_name(asked) {
        return Err(CronError::InvalidUser(asked.to_owned()).into());
    }
    let exists = || {
        let cron = &call.api.cron;
        call.api.tokens.has_user(asked) || cron.users().iter().any(|user| user == asked)
    };
    match token.permissions.is_root() && exists() {
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

impl ApiError {
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
