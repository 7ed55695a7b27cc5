//! The answers that are not a script's: one table from cause to status, and one
//! body for them all. It must not decide what went wrong.
//!
//! `{ error, code, timestamp, requestId?, details? }`; a hit limit says also
//! `{ limit, used, max, hint }`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use chrono::{SecondsFormat, Utc};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::exec::ExecError;
use crate::exec::folder::FolderError;
use crate::exec::script::Problem;
use crate::sandbox::failure::{Failure, Limit};

/// An answer of the server's own about something that went wrong.
#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    /// For people.
    pub error: String,
    /// For programs; `ERROR_<status>` unless there is a better name.
    pub code: String,
    /// What else belongs to the body.
    pub fields: Map<String, Value>,
    /// Seconds until it makes sense to try again.
    pub retry_after_seconds: Option<u32>,
}

impl ApiError {
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            code: format!("ERROR_{}", status.as_u16()),
            fields: Map::new(),
            retry_after_seconds: None,
        }
    }

    pub fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "A valid token is required")
    }

    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    #[must_use]
    pub fn details(self, details: impl Into<Value>) -> Self {
        self.field("details", details)
    }

    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Without an answer of the handler's. `stack` is for development mode only.
    pub fn of_failure(failure: &Failure, stack: Option<String>) -> Self {
        let internal = |error: &str| Self::new(StatusCode::INTERNAL_SERVER_ERROR, error);
        match failure {
            Failure::Threw(thrown) if thrown.name == "BadRequest" => {
                let error = Self::bad_request(&thrown.message);
                match &thrown.details {
                    Some(details) => error.details(details.clone()),
                    None => error,
                }
            }
            Failure::Threw(thrown) => match stack {
                Some(stack) => internal(&format!("{}: {}", thrown.name, thrown.message)).field("stack", stack),
                None => internal("The script failed; the log has the details under this requestId"),
            }
            .code("SCRIPT_ERROR"),
            Failure::Limit { limit, used, max } => of_limit(*limit, *used, *max),
            Failure::NeverSettles => internal(
                "The handler waits for a promise that nothing can settle: no timer, no request and no stream is left",
            )
            .code("NEVER_SETTLES"),
            Failure::NoAnswer => internal("The handler ended without an answer").code("NO_ANSWER"),
            Failure::Trapped(_) => internal("The sandbox stopped the handler").code("SCRIPT_TRAPPED"),
        }
    }

    /// A script that has never compiled.
    pub fn of_problem(problem: &Problem, dev: bool) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "The script does not compile; see scripts/list or the log")
            .code("SCRIPT_NOT_PUBLISHED");
        if dev { error.details(json!(problem)) } else { error }
    }
}

/// One answer for each limit: status, what to do about it.
fn of_limit(limit: Limit, used: u64, max: u64) -> ApiError {
    let (status, what, hint) = match limit {
        Limit::Timeout => (
            StatusCode::GATEWAY_TIMEOUT,
            "The handler took too long",
            "raise @timeout (milliseconds) or limits.wall_clock_ms",
        ),
        Limit::Fuel => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The handler used up its CPU allowance",
            "raise @fuel or limits.fuel_units",
        ),
        Limit::Memory => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The handler needs more memory than it may have",
            "raise @memory or limits.memory_bytes",
        ),
        Limit::Stack => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The handler's calls nest too deeply",
            "use a loop instead of recursion",
        ),
        Limit::RequestBody => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "Payload too large",
            "send less, or raise limits.request_body_bytes",
        ),
        Limit::ResponseBody => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The handler's answer is too large",
            "answer in parts, or raise limits.response_body_bytes",
        ),
        Limit::Instances => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many calls at once",
            "try again, or raise limits.instances",
        ),
        Limit::Depth => (
            StatusCode::LOOP_DETECTED,
            "Routes call each other too deeply",
            "look for a route that calls itself, or raise limits.self_call_depth",
        ),
    };
    let mut error = ApiError::new(status, what)
        .code(format!("LIMIT_{}", limit.name()))
        .field("limit", limit.name().to_ascii_lowercase())
        .field("used", used)
        .field("max", max)
        .field("hint", hint);
    error.retry_after_seconds = (limit == Limit::Instances).then_some(1);
    error
}

impl From<FolderError> for ApiError {
    fn from(error: FolderError) -> Self {
        let status = match &error {
            FolderError::NotFound(_) => StatusCode::NOT_FOUND,
            FolderError::Exists(_) => StatusCode::CONFLICT,
            FolderError::Symlink(_) => StatusCode::FORBIDDEN,
            FolderError::IsFolder(_) | FolderError::NotText { .. } => StatusCode::BAD_REQUEST,
            FolderError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            FolderError::DiskFull(_) => StatusCode::SERVICE_UNAVAILABLE,
            FolderError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ExecError> for ApiError {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Folder(error) => error.into(),
            ExecError::Store(error) => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            ExecError::Invalid(problem) => {
                Self::bad_request("Script validation failed").details(json!({ "validation": problem }))
            }
            ExecError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("error".to_owned(), self.error.into());
        body.insert("code".to_owned(), self.code.into());
        body.insert("timestamp".to_owned(), Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into());
        body.extend(self.fields);
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
