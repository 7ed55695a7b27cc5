//! The answers that are not a script's: one table from cause to status, and one
//! body for them all. It must not decide what went wrong.
//!
//! `{ error, code, timestamp, requestId?, details? }`; a hit limit says also
//! `{ limit, used, max, hint }`.

mod authoring;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use chrono::{SecondsFormat, Utc};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};

use authoring::{HOST_ERRORS, of_host_error};

use crate::exec::ExecError;
use crate::exec::edit::EditError;
use crate::exec::folder::FolderError;
use crate::exec::precondition::PreconditionError;
use crate::exec::script::Problem;
use crate::model::script::error::{PathError, Refusal};
use crate::sandbox::failure::{Failure, Limit};
use crate::store::StoreError;

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

    /// A valid token came, but this permission is none of its.
    pub fn lacks(permission: &str) -> Self {
        let error = format!("The token lacks the permission {permission}");
        Self::new(StatusCode::FORBIDDEN, error).details(json!({ "permission": permission }))
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
            Failure::Threw(thrown) if HOST_ERRORS.contains(&thrown.name.as_str()) => {
                of_host_error(thrown)
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
        let error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The script does not compile; see scripts/list or the log",
        )
        .code("SCRIPT_NOT_PUBLISHED");
        if dev {
            error.details(json!(problem))
        } else {
            error
        }
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
        Limit::Headers => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The header fields of a message that the handler sends or receives are too large",
            "put less into headers and more into bodies",
        ),
        Limit::HostCall => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The handler hands over too much at once",
            "give kv, headers, URLs and console less at a time; send large bodies as streams",
        ),
        Limit::Handles => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The handler has too much under way at once",
            "await calls before making more of them",
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
        let message = error.to_string();
        let (status, text) = match &error {
            FolderError::NotFound(_) => (StatusCode::NOT_FOUND, "Script not found"),
            FolderError::Exists(_) => (StatusCode::CONFLICT, "File already exists"),
            FolderError::Symlink(_) => (
                StatusCode::FORBIDDEN,
                "Invalid path: resolves through a symlink",
            ),
            FolderError::IsFolder(_) => (
                StatusCode::BAD_REQUEST,
                "path is a directory; use scripts/list",
            ),
            FolderError::NotEmpty(_) => (StatusCode::CONFLICT, "Directory is not empty"),
            FolderError::NoFolder(_) => (StatusCode::BAD_REQUEST, "Directory does not exist"),
            FolderError::NotText { .. } => (StatusCode::BAD_REQUEST, "File is not UTF-8 text"),
            FolderError::TooLarge { max_bytes, .. } => {
                let error = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large");
                return error.details(json!({ "message": message, "maxBytes": max_bytes }));
            }
            FolderError::DiskFull(_) => (StatusCode::SERVICE_UNAVAILABLE, "The disk is full"),
            FolderError::Io { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        };
        Self::new(status, text).details(json!({ "message": message }))
    }
}

impl From<PathError> for ApiError {
    fn from(error: PathError) -> Self {
        let refusal = error.refusal();
        let status = match refusal {
            Refusal::Malformed => StatusCode::BAD_REQUEST,
            Refusal::Outside | Refusal::Excluded => StatusCode::FORBIDDEN,
        };
        Self::new(status, refusal.text()).details(json!({ "message": error.to_string() }))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            StoreError::Locked { .. }
            | StoreError::Damaged { .. }
            | StoreError::Corrupt { .. }
            | StoreError::WrongKind { .. }
            | StoreError::WrongShape { .. }
            | StoreError::BadKey { .. }
            | StoreError::BadExport { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ExecError> for ApiError {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Folder(error) => error.into(),
            ExecError::Store(error) => error.into(),
            ExecError::Invalid(problem) => validation("Script validation failed", &problem),
            ExecError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

impl From<EditError> for ApiError {
    fn from(error: EditError) -> Self {
        let message = error.to_string();
        match error {
            EditError::Exec(error) => error.into(),
            EditError::Precondition(error) => {
                let status = match error {
                    PreconditionError::Exists => StatusCode::CONFLICT,
                    PreconditionError::Changed | PreconditionError::Unchanged => {
                        StatusCode::PRECONDITION_FAILED
                    }
                    PreconditionError::Malformed(_) => StatusCode::BAD_REQUEST,
                };
                Self::new(status, message)
            }
            EditError::Unresolved(unresolved) => Self::bad_request(message).details(json!({
                "code": "REDACTED_SECRET_UNRESOLVED",
                "directive": format!("@{}", unresolved.directive),
                "line": unresolved.line,
            })),
            EditError::Pinned(_) => Self::new(StatusCode::CONFLICT, message).code("PINNED"),
            EditError::InvalidJson(problem) => validation("Invalid JSON", &problem),
            EditError::NoVersion { .. } => Self::not_found(message),
        }
    }
}

fn validation(error: &str, problem: &Problem) -> ApiError {
    ApiError::bad_request(error).details(json!({ "validation": Validation::of(problem) }))
}

/// `details.validation` of a text that was refused.
#[derive(Serialize)]
struct Validation<'a> {
    /// Always false.
    valid: bool,
    message: &'a str,
    errors: Vec<ValidationError<'a>>,
}

#[derive(Serialize)]
struct ValidationError<'a> {
    /// Relative to its deployment; a problem may lie in an imported file.
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    message: &'a str,
    frame: Option<&'a str>,
    hint: Option<&'a str>,
}

impl<'a> Validation<'a> {
    fn of(problem: &'a Problem) -> Self {
        let errors = problem.diagnostics.iter().map(|one| ValidationError {
            file: Some(&one.path),
            line: Some(one.line),
            column: Some(one.column),
            message: &one.message,
            frame: Some(&one.frame),
            hint: one.hint.as_deref(),
        });
        let mut errors: Vec<_> = errors.collect();
        if errors.is_empty() {
            // What throws at top level has a message with a stack and no place.
            let message = problem.message.as_str();
            errors.push(ValidationError {
                file: None,
                line: None,
                column: None,
                message,
                frame: None,
                hint: None,
            });
        }
        Self {
            valid: false,
            message: &problem.message,
            errors,
        }
    }
}

impl ApiError {
    /// In the control plane's envelope: `{ statusCode, error, message }`.
    pub fn into_control_plane(mut self) -> Response {
        let mut body = Map::new();
        body.insert("statusCode".to_owned(), self.status.as_u16().into());
        body.insert(
            "error".to_owned(),
            self.status.canonical_reason().unwrap_or_default().into(),
        );
        body.insert("message".to_owned(), std::mem::take(&mut self.error).into());
        body.append(&mut self.fields);
        self.response(body)
    }

    pub(super) fn response(self, body: Map<String, Value>) -> Response {
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let mut body = Map::new();
        body.insert("error".to_owned(), std::mem::take(&mut self.error).into());
        body.insert("code".to_owned(), std::mem::take(&mut self.code).into());
        body.insert(
            "timestamp".to_owned(),
            Utc::now()
                .to_rfc3339_opts(SecondsFormat::Millis, true)
                .into(),
        );
        body.append(&mut self.fields);
        self.response(body)
    }
}
