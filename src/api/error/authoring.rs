//! The part of the table that is about models, isolates, files, and routes that
//! write themselves.

use http::StatusCode;
use serde_json::{Value, json};

use super::ApiError;
use crate::author::NotMade;
use crate::author::budget::Cap;
use crate::author::flights::NoTurn;
use crate::sandbox::failure::ScriptError;

/// Errors of host calls, by the names that the engine gives them.
pub const HOST_ERRORS: &[&str] = &["AiError", "IsolateError", "FsError"];

/// A host call failed, and the script did not catch it. The code says which; what
/// is not known has none of its own.
pub fn of_host_error(thrown: &ScriptError) -> ApiError {
    let detail = |name: &str| {
        thrown
            .details
            .as_ref()
            .and_then(|details| details.get(name))
    };
    let code = detail("code").and_then(Value::as_str).unwrap_or_default();
    let status = match code {
        "AI_LIMIT_CLIENT" => StatusCode::TOO_MANY_REQUESTS,
        "AI_NOT_CONFIGURED"
        | "AI_UNAVAILABLE"
        | "AI_LIMIT_CALLS"
        | "AI_LIMIT_ROUTES"
        | "AI_LIMIT_TOKENS"
        | "AI_LIMIT_COST"
        | "AI_PROVIDER_RATE_LIMIT" => StatusCode::SERVICE_UNAVAILABLE,
        "AI_PROVIDER_TIMEOUT" => StatusCode::GATEWAY_TIMEOUT,
        "AI_PROVIDER_AUTH"
        | "AI_PROVIDER_ERROR"
        | "AI_PROVIDER_UNREACHABLE"
        | "AI_PROVIDER_INVALID"
        | "AI_PROVIDER_CUT"
        | "AI_PROVIDER_TOO_LARGE"
        | "AI_NO_OBJECT"
        | "ISOLATE_INVALID"
        | "ISOLATE_THREW"
        | "ISOLATE_LIMIT"
        | "ISOLATE_STATUS"
        | "TRIAL_FAILED"
        | "INVALID_SCRIPT" => StatusCode::BAD_GATEWAY,
        "EXISTS" => StatusCode::CONFLICT,
        "AI_INVALID" | "AI_PROMPT_FILE" | "AI_ABORTED" | "NOT_FOUND" | "INVALID_PATH"
        | "REFUSED" | "TOO_LARGE" | "UNAVAILABLE" => StatusCode::INTERNAL_SERVER_ERROR,
        // A script can give its own errors these names.
        _ => {
            let error = "The script failed; the log has the details under this requestId";
            return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error).code("SCRIPT_ERROR");
        }
    };
    let mut error = ApiError::new(status, &thrown.message).code(code);
    let seconds = detail("retryAfter").and_then(Value::as_u64);
    error.retry_after_seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    error
}

impl From<NotMade> for ApiError {
    fn from(refused: NotMade) -> Self {
        let message = refused.to_string();
        match refused {
            NotMade::NotAdmitted => Self::not_found("Script not found"),
            NotMade::Failed {
                failed,
                retry_after_seconds,
            } => {
                let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
                    .code("AUTHOR_BACKOFF")
                    .details(json!({ "lastError": failed.code, "failures": failed.failures }));
                error.retry_after_seconds = Some(retry_after_seconds);
                error
            }
            NotMade::OverCap(over) => {
                let status = match over.cap {
                    Cap::CallsOfClient => StatusCode::TOO_MANY_REQUESTS,
                    Cap::Calls
                    | Cap::RoutesPerHour
                    | Cap::RoutesPerDay
                    | Cap::Tokens
                    | Cap::Cost => StatusCode::SERVICE_UNAVAILABLE,
                };
                let mut error = Self::new(status, message).code(over.cap.code());
                error.retry_after_seconds = Some(over.retry_after_seconds);
                error
            }
            NotMade::NoTurn(NoTurn::Loop) => {
                Self::new(StatusCode::LOOP_DETECTED, message).code("AUTHOR_LOOP")
            }
            NotMade::NoTurn(NoTurn::TooLong) => {
                let mut error =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, message).code("AUTHOR_BUSY");
                error.retry_after_seconds = Some(1);
                error
            }
        }
    }
}
