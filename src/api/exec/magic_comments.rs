//! `magic-comments/schema`, `read`, `update` and `bulk-update`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::scripts::PathQuery;
use super::view::WarningView;
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::extract::{Place, required};
use crate::api::reply::Answer;
use crate::exec::comments::CommentsError;
use crate::exec::directives::{edit, schema};
use crate::exec::precondition::etag;
use crate::exec::script::hash;

pub async fn document(_: Call<Nothing>) -> Result<Response, ApiError> {
    Ok(axum::Json(schema::document()).into_response())
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadAnswer {
    pub path: String,
    pub resolved_path: String,
    /// The directives that the file has, by key; secrets are `[REDACTED]`.
    #[schema(value_type = Object)]
    pub comments: Map<String, Value>,
    pub warnings: Vec<WarningView>,
}

pub async fn read(call: Call<PathQuery>) -> Result<Answer<ReadAnswer>, ApiError> {
    let resolved = call.scope.script(&call.query.path)?;
    let text = call.exec().folder().read(&resolved)?;
    let parsed = call.exec().publisher.caps.parse(&text);
    let etag = etag(&hash(text.as_bytes()));
    let answer = ReadAnswer {
        path: call.query.path.clone(),
        resolved_path: resolved.to_string(),
        comments: parsed.comments,
        warnings: parsed.warnings.iter().map(WarningView::of).collect(),
    };
    Ok(Answer::ok(answer).with_etag(Some(etag)))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateRequest {
    pub path: String,
    /// Values by key; null removes a directive.
    #[schema(value_type = Object)]
    pub comments: Map<String, Value>,
}

/// `previous` and `updated`; in a dry run `current` and `proposed`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateAnswer {
    #[serde(rename = "dry_run")]
    pub dry_run: bool,
    pub path: String,
    pub resolved_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub previous: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub updated: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub current: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub proposed: Option<Map<String, Value>>,
    /// Key, directive, from, to.
    #[schema(value_type = Vec<Object>)]
    pub changes: Value,
    pub warnings: Vec<WarningView>,
    pub etag: String,
    pub message: &'static str,
}

pub async fn update(call: Call<Nothing, UpdateRequest>) -> Result<Answer<UpdateAnswer>, ApiError> {
    let UpdateRequest { path, comments } = &call.body;
    if path.is_empty() {
        return Err(required("path", Place::Body));
    }
    let resolved = call.scope.script(path)?;
    let terms = call.terms(false, false);
    let (edited, written) = call
        .exec()
        .update_comments(&resolved, comments, &terms)
        .await?;
    let dry_run = call.scope.dry_run;
    let (before, after) = (Some(edited.previous), Some(edited.updated));
    let ((previous, updated), (current, proposed)) = if dry_run {
        ((None, None), (before, after))
    } else {
        ((before, after), (None, None))
    };
    let etag = etag(&written.hash);
    let answer = UpdateAnswer {
        dry_run,
        path: path.clone(),
        resolved_path: resolved.to_string(),
        previous,
        updated,
        current,
        proposed,
        changes: json!(edited.changes),
        warnings: call
            .exec()
            .publisher
            .caps
            .parse(&edited.source)
            .warnings
            .iter()
            .map(WarningView::of)
            .collect(),
        etag: etag.clone(),
        message: match dry_run {
            true => "Preview only - set dry_run=false to apply changes",
            false => "Magic comments updated successfully",
        },
    };
    Ok(Answer::ok(answer).with_etag(Some(etag)))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct BulkUpdateRequest {
    /// A folder of the deployment; all of it by default.
    #[serde(default)]
    pub directory: String,
    /// Values by key; null removes a directive.
    #[schema(value_type = Object)]
    pub comments: Map<String, Value>,
    #[serde(default = "typescript")]
    #[schema(default = ".ts")]
    pub extension: String,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub recursive: bool,
}

fn typescript() -> String {
    ".ts".to_owned()
}

fn yes() -> bool {
    true
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BulkUpdateAnswer {
    pub dry_run: bool,
    pub directory: String,
    pub results: BulkResults,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BulkResults {
    pub total: usize,
    pub updated: usize,
    pub failed: usize,
    pub files: BulkFiles,
}

/// Paths relative to the deployment.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkFiles {
    pub updated: Vec<String>,
    pub failed: Vec<BulkFailure>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BulkFailure {
    pub file: String,
    pub error: String,
}

/// Each file by itself: one that fails does not keep the others.
pub async fn bulk_update(
    call: Call<Nothing, BulkUpdateRequest>,
) -> Result<Answer<BulkUpdateAnswer>, ApiError> {
    let BulkUpdateRequest {
        directory,
        comments,
        extension,
        recursive,
    } = &call.body;
    let directory = call.scope.directory(directory)?;
    let terms = call.terms(false, false);
    let paths = call.exec().scripts_in(&directory, extension, *recursive);
    let mut files = BulkFiles {
        updated: Vec::new(),
        failed: Vec::new(),
    };
    let total = paths.len();
    for path in paths {
        let file = path.relative().to_owned();
        match call.exec().update_comments(&path, comments, &terms).await {
            Ok(_) => files.updated.push(file),
            Err(error) => files.failed.push(BulkFailure {
                file,
                error: error.to_string(),
            }),
        }
    }
    let results = BulkResults {
        total,
        updated: files.updated.len(),
        failed: files.failed.len(),
        files,
    };
    let directory = directory.relative().to_owned();
    Ok(Answer::ok(BulkUpdateAnswer {
        dry_run: call.scope.dry_run,
        directory,
        results,
    }))
}

impl From<CommentsError> for ApiError {
    fn from(error: CommentsError) -> Self {
        let message = error.to_string();
        match error {
            CommentsError::Edit(error) => error.into(),
            CommentsError::NoScript(_) => Self::bad_request(message),
            CommentsError::Comments(edit::EditError::Unresolved(_)) => {
                let error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, message);
                error.details(json!({ "code": "REDACTED_SECRET_UNRESOLVED" }))
            }
            CommentsError::Comments(
                edit::EditError::Unknown(_)
                | edit::EditError::Twice(_)
                | edit::EditError::BadValue { .. }
                | edit::EditError::NoRoom(_),
            ) => Self::bad_request(message),
        }
    }
}
