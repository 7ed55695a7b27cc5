//! Tokens of the management API, in the control plane's envelope.

pub mod view;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::endpoint::{Call, Nothing};
use super::error::ApiError;
use super::extract::{Place, required};
use super::reply::Answer;
use crate::auth::{AuthError, Bounds, Grant, Permissions, TokenInfo, TokenRequest, TokenUpdate};
use view::{NewTokenView, TokenList, TokenView};

/// The envelope of the control plane.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    pub status_code: u16,
    pub message: String,
    #[schema(inline)]
    pub data: T,
}

pub fn wrapped<T>(status: StatusCode, message: &str, data: T) -> Answer<Envelope<T>> {
    let body = Envelope {
        status_code: status.as_u16(),
        message: message.to_owned(),
        data,
    };
    Answer {
        status,
        body,
        etag: None,
    }
}

pub async fn list(call: Call<Nothing>) -> Result<Answer<Envelope<TokenList>>, ApiError> {
    let tokens: Vec<TokenView> = call.api.tokens.list().iter().map(TokenView::of).collect();
    Ok(wrapped(
        StatusCode::OK,
        "Tokens",
        TokenList {
            count: tokens.len(),
            tokens,
        },
    ))
}

pub async fn get(call: Call<Nothing>) -> Result<Answer<Envelope<TokenView>>, ApiError> {
    let info = find(&call)?;
    Ok(wrapped(StatusCode::OK, "Token", TokenView::of(&info)))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateRequest {
    /// A name for people, unique.
    pub alias: String,
    /// Such as `["exec:read", "cron"]`; `["*"]` for everything.
    pub permissions: Vec<String>,
    /// Execution ids that it counts for; absent or empty for all.
    #[serde(default)]
    #[schema(required = false)]
    pub deployments: Vec<String>,
    /// Users whose schedules it counts for; absent or empty for all.
    #[serde(default)]
    #[schema(required = false)]
    pub users: Vec<String>,
    /// Addresses and CIDR blocks that it counts from; absent or empty for all.
    #[serde(default)]
    #[schema(required = false)]
    pub ip_whitelist: Vec<String>,
    /// RFC 3339, seconds since 1970, `today` (its end) or `tomorrow`; null or absent for no end.
    #[schema(value_type = Value, required = false)]
    pub expires_at: Option<Value>,
    /// The user in cron that it is for; by default one called like the alias.
    pub user: Option<String>,
    /// There is one realm, and no token can be kept to others: absent or empty.
    pub realm_ids: Option<Vec<String>>,
    /// There is one realm, and no second factor; these are taken and mean nothing.
    #[allow(dead_code, reason = "a client may send it")]
    pub allow_no_realm: Option<bool>,
    #[allow(dead_code, reason = "a client may send it")]
    pub otp_code: Option<String>,
}

pub async fn create(
    call: Call<Nothing, CreateRequest>,
) -> Result<Answer<Envelope<NewTokenView>>, ApiError> {
    let by = grant(&call)?;
    let CreateRequest {
        alias,
        permissions,
        deployments,
        users,
        ip_whitelist,
        expires_at,
        user,
        realm_ids,
        ..
    } = call.body;
    if alias.is_empty() {
        return Err(required("alias", Place::Body));
    }
    if realm_ids.is_some_and(|ids| !ids.is_empty()) {
        let error = "there is one realm here; `deployments` keeps a token to some scripts";
        return Err(ApiError::bad_request(error));
    }
    let now = Utc::now();
    let expires_at = expires_at
        .filter(|value| !value.is_null())
        .map(|value| end(&value, now))
        .transpose()?;
    let request = TokenRequest {
        alias,
        grant: Grant {
            permissions: Permissions::new(permissions)?,
            bounds: Bounds {
                deployments,
                users,
                addresses: ip_whitelist,
            },
        },
        expires_at,
        user,
    };
    let info = call.api.tokens.check_request(&request, &by, now)?;
    // What a user has in cron outlives the user's last token, and is not for whoever
    // makes the next one.
    let is_new = !call.api.tokens.has_user(&info.user);
    if is_new && !by.permissions.is_root() && call.api.cron.has_user(&info.user)? {
        return Err(AuthError::BeyondOwn.into());
    }
    let made = match call.scope.dry_run {
        true => NewTokenView {
            token: None,
            info: TokenView::of(&info),
        },
        false => NewTokenView::of(call.api.tokens.create(request, &by, now).await?),
    };
    Ok(wrapped(
        StatusCode::CREATED,
        "Token created; its secret is shown this once",
        made,
    ))
}

/// Absent fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateRequest {
    pub alias: Option<String>,
    pub permissions: Option<Vec<String>>,
    pub deployments: Option<Vec<String>>,
    pub users: Option<Vec<String>>,
    pub ip_whitelist: Option<Vec<String>>,
    /// Null takes the end away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Value, required = false)]
    pub expires_at: Option<Value>,
    pub is_enabled: Option<bool>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

pub async fn update(
    call: Call<Nothing, UpdateRequest>,
) -> Result<Answer<Envelope<TokenView>>, ApiError> {
    let by = grant(&call)?;
    let id = find(&call)?.id;
    let UpdateRequest {
        alias,
        permissions,
        deployments,
        users,
        ip_whitelist,
        expires_at,
        is_enabled,
    } = call.body;
    let now = Utc::now();
    let ends = |value: Value| {
        if value.is_null() {
            Ok(None)
        } else {
            end(&value, now).map(Some)
        }
    };
    let update = TokenUpdate {
        alias,
        permissions: permissions.map(Permissions::new).transpose()?,
        deployments,
        users,
        addresses: ip_whitelist,
        expires_at: expires_at.map(ends).transpose()?,
        enabled: is_enabled,
    };
    let info = match call.scope.dry_run {
        true => call.api.tokens.check_update(&id, update, &by, now)?,
        false => call.api.tokens.update(&id, update, &by, now).await?,
    };
    Ok(wrapped(
        StatusCode::OK,
        "Token updated",
        TokenView::of(&info),
    ))
}

/// How to rotate.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RotateRequest {
    /// How long the old secret goes on, at most a week; absent or 0 for not at all.
    pub overlap_seconds: Option<i64>,
}

pub async fn rotate(
    call: Call<Nothing, RotateRequest>,
) -> Result<Answer<Envelope<NewTokenView>>, ApiError> {
    let by = grant(&call)?;
    let info = find(&call)?;
    let overlap = TimeDelta::try_seconds(call.body.overlap_seconds.unwrap_or(0))
        .ok_or(AuthError::BadOverlap)?;
    if call.scope.dry_run {
        call.api.tokens.check_rotate(&info.id, overlap, &by)?;
        let data = NewTokenView {
            token: None,
            info: TokenView::of(&info),
        };
        return Ok(wrapped(StatusCode::OK, "Token would be rotated", data));
    }
    let made = call
        .api
        .tokens
        .rotate(&info.id, overlap, &by, Utc::now())
        .await?;
    let message = match made.info.previous_expires_at {
        None => "Token rotated; the old secret is refused from now on",
        Some(_) => "Token rotated; the old secret goes on until previous_expires_at",
    };
    Ok(wrapped(StatusCode::OK, message, NewTokenView::of(made)))
}

/// The token that asks.
pub async fn me(call: Call<Nothing>) -> Result<Answer<Envelope<TokenView>>, ApiError> {
    let token = call.token.as_ref().ok_or_else(ApiError::unauthorized)?;
    Ok(wrapped(StatusCode::OK, "Token", TokenView::of(token)))
}

pub async fn revoke(call: Call<Nothing>) -> Result<Answer<Envelope<Option<TokenView>>>, ApiError> {
    let by = grant(&call)?;
    let id = find(&call)?.id;
    match call.scope.dry_run {
        true => call.api.tokens.check_revoke(&id, &by)?,
        false => call.api.tokens.revoke(&id, &by).await?,
    }
    Ok(wrapped(StatusCode::OK, "Token revoked", None))
}

fn find<B>(call: &Call<Nothing, B>) -> Result<TokenInfo, ApiError> {
    let id = call.parameter("id");
    Ok(call
        .api
        .tokens
        .get(id)
        .ok_or_else(|| AuthError::NotFound { id: id.to_owned() })?)
}

/// What the caller may do himself; nobody hands out more.
fn grant<B>(call: &Call<Nothing, B>) -> Result<Grant, ApiError> {
    let token = call.token.as_ref().ok_or_else(ApiError::unauthorized)?;
    Ok(token.grant())
}

pub fn end(value: &Value, now: DateTime<Utc>) -> Result<DateTime<Utc>, ApiError> {
    let midnight = |days| {
        let day = now.date_naive().checked_add_days(Days::new(days))?;
        Some(day.and_time(NaiveTime::MIN).and_utc())
    };
    let found = match value {
        Value::Number(seconds) => seconds
            .as_i64()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        Value::String(text) if text == "today" => midnight(1),
        Value::String(text) if text == "tomorrow" => midnight(2),
        Value::String(text) => DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| time.to_utc()),
        _ => None,
    };
    let expected = "expires_at must be a time such as 2027-01-31T00:00:00Z, seconds since 1970, today or tomorrow";
    found.ok_or_else(|| ApiError::bad_request(expected))
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let status = match &error {
            AuthError::NotFound { .. } => StatusCode::NOT_FOUND,
            AuthError::AliasInUse { .. } | AuthError::LastRoot | AuthError::TooMany => {
                StatusCode::CONFLICT
            }
            AuthError::BadAlias
            | AuthError::BadUser
            | AuthError::UnknownPermission { .. }
            | AuthError::NoPermission
            | AuthError::BadBound { .. }
            | AuthError::TooManyBounds { .. }
            | AuthError::BadOverlap
            | AuthError::AlreadyExpired => StatusCode::BAD_REQUEST,
            AuthError::BeyondOwn => StatusCode::FORBIDDEN,
            AuthError::Store(error) => return error.clone().into(),
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::exec::view::iso;
    use super::*;

    #[test]
    fn ends_of_tokens() {
        let now = DateTime::parse_from_rfc3339("2026-12-31T23:00:00Z")
            .unwrap()
            .to_utc();
        let read = |value: Value| {
            end(&value, now)
                .map(iso)
                .map_err(|error| error.status.as_u16())
        };
        assert_eq!(
            read(json!("today")),
            Ok("2027-01-01T00:00:00.000Z".to_owned())
        );
        assert_eq!(
            read(json!("tomorrow")),
            Ok("2027-01-02T00:00:00.000Z".to_owned())
        );
        assert_eq!(
            read(json!("2027-02-01T01:00:00+01:00")),
            Ok("2027-02-01T00:00:00.000Z".to_owned())
        );
        assert_eq!(
            read(json!(1_800_000_000)),
            Ok("2027-01-15T08:00:00.000Z".to_owned())
        );
        for bad in [json!("soon"), json!("2027-02-01"), json!(true), json!(1e40)] {
            assert_eq!(read(bad), Err(400));
        }
    }
}
