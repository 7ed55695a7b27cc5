//! `scripts/write`, `read`, `delete` and `move`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::view::{RepublishedView, ScriptView, iso};
use crate::api::EXEC_WRITE;
use crate::api::endpoint::{Answer, Call, Nothing};
use crate::api::error::ApiError;
use crate::api::extract::{Place, required};
use crate::exec::Exec;
use crate::exec::directives::redact::redact;
use crate::exec::edit::{Removed, Write, Written};
use crate::exec::precondition::etag;
use crate::exec::script::hash;
use crate::model::script::ScriptPath;

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WriteRequest {
    /// Relative to the deployment, such as `api/hello.ts`.
    pub path: String,
    /// `[REDACTED]` in a directive keeps the stored secret.
    pub content: String,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub create_dirs: bool,
    /// Refuse a text that does not compile.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub validate: bool,
    /// Create, and never replace.
    #[serde(default)]
    pub if_not_exists: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WriteAnswer {
    pub path: String,
    /// With the deployment in front.
    pub resolved_path: String,
    pub created: bool,
    pub updated: bool,
    /// In bytes.
    pub size: u64,
    pub modified: String,
    pub validated: bool,
    #[serde(rename = "dry_run")]
    pub dry_run: bool,
    /// As in the header; for `If-Match`.
    pub etag: String,
    #[serde(flatten)]
    pub script: ScriptView,
    /// Scripts that import it.
    pub republished: Vec<RepublishedView>,
}

impl WriteAnswer {
    pub fn new(
        exec: &Exec,
        path: String,
        resolved: &ScriptPath,
        written: &Written,
        validated: bool,
    ) -> Self {
        let deployment = exec.live.get(resolved.exec_id());
        let script = match &written.script {
            Some(script) => ScriptView::of(script, deployment.as_deref()),
            None => ScriptView::of_other(resolved, written.problem.as_ref()),
        };
        Self {
            path,
            resolved_path: resolved.to_string(),
            created: written.created,
            updated: !written.created,
            size: written.size,
            modified: iso(written.modified),
            validated,
            dry_run: false,
            etag: etag(&written.hash),
            script,
            republished: written
                .republished
                .iter()
                .map(|script| RepublishedView::of(script))
                .collect(),
        }
    }
}

pub async fn write(call: Call<Nothing, WriteRequest>) -> Result<Answer<WriteAnswer>, ApiError> {
    let WriteRequest {
        path,
        content,
        create_dirs,
        validate,
        if_not_exists,
    } = &call.body;
    if path.is_empty() {
        return Err(required("path", Place::Body));
    }
    let resolved = call.scope.script(path)?;
    let terms = call.terms(*validate, *if_not_exists);
    let write = Write {
        path: resolved.clone(),
        content: content.clone(),
        create_folders: *create_dirs,
        terms,
    };
    let written = call
        .exec()
        .write(write)
        .await
        .map_err(|error| named(error.into(), path, &resolved))?;
    let mut answer = WriteAnswer::new(call.exec(), path.clone(), &resolved, &written, *validate);
    answer.dry_run = call.scope.dry_run;
    let etag = Some(answer.etag.clone());
    Ok(Answer::ok(answer).with_etag(etag))
}

/// A conflict says which file it is about.
fn named(mut error: ApiError, path: &str, resolved: &ScriptPath) -> ApiError {
    if error.status == http::StatusCode::CONFLICT {
        error.fields.insert(
            "details".to_owned(),
            json!({ "path": path, "resolvedPath": resolved }),
        );
    }
    error
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct PathQuery {
    /// Relative to the deployment, such as `api/hello.ts`.
    pub path: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadAnswer {
    pub path: String,
    pub resolved_path: String,
    /// The text, with `[REDACTED]` for secrets in directives.
    pub content: String,
    /// The directives that the file has, by key; null without any.
    #[schema(value_type = Option<Object>)]
    pub magic_comments: Option<Map<String, Value>>,
    pub metadata: FileMetadata,
    /// Of the stored text, secrets included.
    pub etag: String,
    #[serde(flatten)]
    pub script: ScriptView,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileMetadata {
    /// In bytes.
    pub size: u64,
    /// Null where the file system does not know.
    pub created: Option<String>,
    pub modified: Option<String>,
    pub is_directory: bool,
    pub extension: Option<String>,
}

impl FileMetadata {
    pub fn of(name: &str, metadata: &std::fs::Metadata) -> Self {
        let extension = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
        Self {
            size: metadata.len(),
            created: metadata.created().ok().map(|time| iso(time.into())),
            modified: metadata.modified().ok().map(|time| iso(time.into())),
            is_directory: metadata.is_dir(),
            extension: extension.map(|(_, extension)| format!(".{extension}")),
        }
    }
}

pub async fn read(call: Call<PathQuery>) -> Result<Answer<ReadAnswer>, ApiError> {
    let path = call.query.path.clone();
    let resolved = call.scope.script(&path)?;
    may_read(&call, &resolved)?;
    let exec = call.exec();
    let text = exec.folder().read(&resolved)?;
    let metadata = exec.folder().metadata(&resolved)?;
    let is_code = matches!(resolved.extension(), Some("ts" | "js"));
    let comments = is_code.then(|| crate::exec::directives::parse(&text).comments);
    let deployment = exec.live.get(resolved.exec_id());
    let script = deployment
        .as_ref()
        .and_then(|deployment| deployment.scripts.get(resolved.relative()));
    let etag = etag(&hash(text.as_bytes()));
    let answer = ReadAnswer {
        path,
        resolved_path: resolved.to_string(),
        content: if is_code { redact(&text) } else { text },
        magic_comments: comments.filter(|comments| !comments.is_empty()),
        metadata: FileMetadata::of(resolved.file_name(), &metadata),
        etag: etag.clone(),
        script: match script {
            Some(script) => ScriptView::of(script, deployment.as_deref()),
            None => ScriptView::of_other(&resolved, None),
        },
    };
    Ok(Answer::ok(answer).with_etag(Some(etag)))
}

/// Files of environment variables hold secrets that only whoever may write
/// scripts could get at anyway.
fn may_read(call: &Call<PathQuery>, path: &ScriptPath) -> Result<(), ApiError> {
    let is_environment = path.extension() == Some("env") || path.file_name() == ".env";
    let may_write = call
        .token
        .as_ref()
        .is_some_and(|token| token.permissions.allow(EXEC_WRITE));
    if is_environment && !may_write {
        let error = ApiError::new(http::StatusCode::FORBIDDEN, "Path is excluded from access");
        let message = format!("files of environment variables need the permission {EXEC_WRITE}");
        return Err(error.details(json!({ "message": message })));
    }
    Ok(())
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct DeleteQuery {
    /// Relative to the deployment.
    pub path: String,
    /// Must be the literal `true`.
    pub confirm: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteAnswer {
    pub deleted: bool,
    pub path: String,
    pub resolved_path: String,
    /// In bytes.
    pub size: u64,
    /// Always `file`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(rename = "dry_run")]
    pub dry_run: bool,
    /// Scripts that import it.
    pub republished: Vec<RepublishedView>,
}

pub async fn delete(call: Call<DeleteQuery>) -> Result<Answer<DeleteAnswer>, ApiError> {
    let resolved = call.scope.script(&call.query.path)?;
    if call.query.confirm.as_deref() != Some("true") {
        return Err(ApiError::bad_request(
            "confirm=true parameter required for safety",
        ));
    }
    let removed = call
        .exec()
        .delete(&resolved, &call.terms(true, false))
        .await?;
    Ok(Answer::ok(DeleteAnswer {
        deleted: !call.scope.dry_run,
        path: call.query.path.clone(),
        resolved_path: resolved.to_string(),
        size: removed.size,
        kind: "file",
        dry_run: call.scope.dry_run,
        republished: removed
            .republished
            .iter()
            .map(|script| RepublishedView::of(script))
            .collect(),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct MoveRequest {
    pub from: String,
    pub to: String,
    #[serde(default)]
    pub overwrite: bool,
    /// Refuse if the script would not compile at its new place.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub validate: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveAnswer {
    pub moved: bool,
    pub from: String,
    pub to: String,
    pub resolved_from: String,
    pub resolved_to: String,
    /// In bytes.
    pub size: u64,
    #[serde(rename = "dry_run")]
    pub dry_run: bool,
    #[serde(flatten)]
    pub script: ScriptView,
    /// Scripts that import it, or did.
    pub republished: Vec<RepublishedView>,
}

pub async fn rename(call: Call<Nothing, MoveRequest>) -> Result<Answer<MoveAnswer>, ApiError> {
    let MoveRequest {
        from,
        to,
        overwrite,
        validate,
    } = &call.body;
    for (name, value) in [("from", from), ("to", to)] {
        if value.is_empty() {
            return Err(required(name, Place::Body));
        }
    }
    let (old, new) = (call.scope.script(from)?, call.scope.script(to)?);
    let terms = call.terms(*validate, false);
    let renamed = call.exec().rename(&old, &new, *overwrite, &terms).await;
    let Removed {
        size,
        script,
        republished,
    } = renamed.map_err(|error| named(error.into(), to, &new))?;
    let deployment = call.exec().live.get(new.exec_id());
    Ok(Answer::ok(MoveAnswer {
        moved: !call.scope.dry_run,
        from: from.clone(),
        to: to.clone(),
        resolved_from: old.to_string(),
        resolved_to: new.to_string(),
        size,
        dry_run: call.scope.dry_run,
        script: match &script {
            Some(script) => ScriptView::of(script, deployment.as_deref()),
            None => ScriptView::of_other(&new, None),
        },
        republished: republished
            .iter()
            .map(|script| RepublishedView::of(script))
            .collect(),
    }))
}
