//! `logs/list`, `read`, `search`, `stream` and `clear`.

use std::convert::Infallible;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::exec::log::clear::ClearRequest;
use crate::exec::log::error::LogError;
use crate::exec::log::follow::StreamRequest;
use crate::exec::log::list::ListRequest;
use crate::exec::log::read::ReadRequest;
use crate::exec::log::search::SearchRequest;

/// Seconds after which whoever was told "too many" may come again.
const BUSY_RETRY_SECONDS: u32 = 60;

#[derive(Debug, Deserialize, ToSchema)]
pub struct ListQuery {
    /// `access` or `executions`; both by default.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// 1 to 1000; 100 by default.
    pub limit: Option<usize>,
}

pub fn list_shape() -> Value {
    json!({
        "directory": "string", "count": "integer",
        "logs": [{ "name": "string", "size": "integer", "modified": "string" }],
    })
}

pub async fn list(call: Call<ListQuery>) -> Result<Response, ApiError> {
    let ListQuery { kind, limit } = call.query;
    json_of(call.api.logs.list(ListRequest { kind, limit }).await)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadBody {
    /// As `logs/list` names it. This or `executionId`.
    pub file: Option<String>,
    /// Only the lines of this execution; without `file` from all logs.
    pub execution_id: Option<String>,
    /// 1 to 10000; 100 by default.
    pub lines: Option<usize>,
    /// The last lines, which is the default, or the first.
    pub tail: Option<bool>,
    /// Only lines that hold this text, in any case.
    pub search: Option<String>,
}

pub fn read_shape() -> Value {
    json!({
        "file": "string", "executionId?": "string", "files?": ["string"], "totalLines": "integer",
        "filteredLines": "integer", "returnedLines": "integer", "lines": ["string"], "size": "integer",
        "modified": "string",
    })
}

pub async fn read(call: Call<Nothing, ReadBody>) -> Result<Response, ApiError> {
    let ReadBody {
        file,
        execution_id,
        lines,
        tail,
        search,
    } = call.body;
    json_of(
        call.api
            .logs
            .read(ReadRequest {
                file,
                execution_id,
                lines,
                tail,
                search,
            })
            .await,
    )
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchBody {
    /// A text. This or `regex`.
    pub query: Option<String>,
    /// An expression without look-around and back-references.
    pub regex: Option<String>,
    /// As `logs/list` names them; all by default.
    pub files: Option<Vec<String>>,
    /// 1 to 10000; 1000 by default.
    pub limit: Option<usize>,
    /// False by default.
    pub case_sensitive: Option<bool>,
}

pub fn search_shape() -> Value {
    json!({
        "query": "string", "searchType": "string", "filesSearched": "integer", "matchesFound": "integer",
        "results": [{ "file": "string", "lineNumber": "integer", "line": "string" }], "timedOut?": "boolean",
    })
}

pub async fn search(call: Call<Nothing, SearchBody>) -> Result<Response, ApiError> {
    let SearchBody {
        query,
        regex,
        files,
        limit,
        case_sensitive,
    } = call.body;
    json_of(
        call.api
            .logs
            .search(SearchRequest {
                query,
                regex,
                files,
                limit,
                case_sensitive,
            })
            .await,
    )
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct StreamQuery {
    /// As `logs/list` names it.
    pub file: String,
    /// True, which is the default: the last 100 lines, then those to come.
    pub follow: Option<bool>,
}

/// Server-sent events, one a line, until the server stops.
pub async fn stream(call: Call<StreamQuery>) -> Result<Response, ApiError> {
    let StreamQuery { file, follow } = call.query;
    let lines = call
        .api
        .logs
        .stream(StreamRequest {
            file: Some(file),
            follow,
        })
        .await?;
    let stop = call.api.stop.clone();
    let events = lines.map(|line| {
        Ok::<_, Infallible>(match line {
            Ok(line) => Event::default().data(line),
            Err(error) => Event::default().event("error").data(error.to_string()),
        })
    });
    let events = events.take_until(async move { stop.requested().await });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClearQuery {
    /// As `logs/list` names it.
    pub file: Option<String>,
    /// `access` or `executions`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Only files that have not been written to for so many days.
    pub older_than_days: Option<u64>,
    /// Must be `true`.
    pub confirm: Option<bool>,
}

pub fn clear_shape() -> Value {
    json!({ "deleted": "integer", "totalSize": "integer", "message": "string" })
}

pub async fn clear(call: Call<ClearQuery>) -> Result<Response, ApiError> {
    let ClearQuery {
        file,
        kind,
        older_than_days,
        confirm,
    } = call.query;
    let request = ClearRequest {
        file,
        kind,
        older_than_days,
        confirm,
        dry_run: call.scope.dry_run,
    };
    json_of(call.api.logs.clear(request).await)
}

fn json_of<T: Serialize>(answer: Result<T, LogError>) -> Result<Response, ApiError> {
    Ok(axum::Json(answer?).into_response())
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        let status = match &error {
            LogError::Invalid(_) | LogError::Regex(_) => StatusCode::BAD_REQUEST,
            LogError::Outside => StatusCode::FORBIDDEN,
            LogError::NotFound => StatusCode::NOT_FOUND,
            LogError::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            LogError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            LogError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut answer = Self::new(status, error.to_string());
        if status == StatusCode::TOO_MANY_REQUESTS {
            answer.retry_after_seconds = Some(BUSY_RETRY_SECONDS);
            answer = answer.field("retryAfter", BUSY_RETRY_SECONDS);
        }
        answer
    }
}
