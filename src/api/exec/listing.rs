//! `scripts/list`.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::sync::Arc;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::filters::Filters;
use super::scripts::FileMetadata;
use super::view::ScriptView;
use crate::api::endpoint::{Answer, Call};
use crate::api::error::ApiError;
use crate::exec::listing::{self, ListError};
use crate::exec::live::Deployment;
use crate::exec::precondition::etag;
use crate::exec::script::Script;
use crate::model::script::ScriptPath;
use crate::model::script::directory::ScriptDirectory;

/// Extensions of what is listed as a script.
const SCRIPT_EXTENSIONS: [&str; 3] = ["ts", "js", "md"];

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ListQuery {
    /// A folder of the deployment; all of it by default.
    #[serde(default)]
    pub dir: String,
    /// Part of the path, in any case; with `*` or `?` a pattern for all of it.
    pub filter: Option<String>,
    /// With size, times and extension of each.
    #[serde(default)]
    pub metadata: bool,
    /// The exact `@label`.
    pub label: Option<String>,
    /// Tags with commas between; a script needs all of them.
    pub tags: Option<String>,
    /// `serverless` or `worker`.
    pub mode: Option<String>,
    pub enabled: Option<bool>,
    pub websocket: Option<bool>,
    /// `any`, `none`, `messages`, `call` or `eval`.
    pub remote: Option<String>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub recursive: bool,
    /// With the directives of each.
    #[serde(default)]
    pub include_comments: bool,
    /// Every file, folder and link instead of scripts.
    #[serde(default)]
    pub exhaustive: bool,
}

/// Either `scripts`, or with `exhaustive` `entries`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListAnswer {
    pub directory: String,
    pub count: usize,
    pub recursive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhaustive: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub filters: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Vec<ListedScript>>,
    /// Files that contradict each other: route, files, severity, message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub conflicts: Option<Value>,
    /// Name, path, type, and size, links, target where they apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub entries: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedScript {
    pub name: String,
    /// Relative to the deployment.
    pub path: String,
    pub resolved_path: String,
    pub is_directory: bool,
    /// False for folders, for files that are no routes, and with `@enabled false`.
    pub enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(flatten)]
    pub script: Option<ScriptView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<FileMetadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub magic_comments: Option<Map<String, Value>>,
}

pub async fn list(call: Call<ListQuery>) -> Result<Answer<ListAnswer>, ApiError> {
    let directory = call.scope.directory(&call.query.dir)?;
    let folder = call.exec().folder();
    // A deployment that nobody has written to yet has no folder and no scripts.
    if !directory.relative().is_empty() {
        folder
            .directory(&directory)
            .map_err(|error| not_a_folder(error.into()))?;
    }
    if call.query.exhaustive {
        return exhaustive(&call, &directory);
    }
    let filters = Filters::of(&call.query)?;
    let deployment = call.exec().live.get(directory.exec_id());
    let files = folder.files(directory.exec_id());
    let mut rows = Vec::new();
    if !call.query.recursive && !filters.about_scripts() {
        rows.extend(
            folders_in(&files, &directory)
                .into_iter()
                .map(|path| folder_row(&directory, path)),
        );
    }
    for (path, metadata) in &files {
        let Ok(resolved) = ScriptPath::in_deployment(directory.exec_id(), path) else {
            continue;
        };
        let listed = resolved
            .extension()
            .is_some_and(|extension| SCRIPT_EXTENSIONS.contains(&extension));
        let is_direct = || !below(&directory, path).unwrap_or_default().contains('/');
        if !listed || !directory.contains(&resolved) || (!call.query.recursive && !is_direct()) {
            continue;
        }
        let script = deployment
            .as_ref()
            .and_then(|deployment| deployment.scripts.get(path));
        if filters.admit(path, script.map(Arc::as_ref)) {
            rows.push(script_row(
                &call.query,
                &resolved,
                metadata,
                script,
                deployment.as_deref(),
            ));
        }
    }
    let conflicts = deployment
        .as_ref()
        .map(|deployment| json!(deployment.routes.conflicts()));
    Ok(Answer::ok(ListAnswer {
        directory: directory.relative().to_owned(),
        count: rows.len(),
        recursive: call.query.recursive,
        exhaustive: None,
        filters: Some(filters.shown),
        scripts: Some(rows),
        conflicts: Some(conflicts.unwrap_or_else(|| json!([]))),
        entries: None,
    }))
}

fn exhaustive(
    call: &Call<ListQuery>,
    directory: &ScriptDirectory,
) -> Result<Answer<ListAnswer>, ApiError> {
    let entries = listing::everything(call.exec().folder(), directory, call.query.recursive)?;
    Ok(Answer::ok(ListAnswer {
        directory: directory.relative().to_owned(),
        count: entries.len(),
        recursive: call.query.recursive,
        exhaustive: Some(true),
        filters: None,
        scripts: None,
        conflicts: None,
        entries: Some(json!(entries)),
    }))
}

/// The error of a path that was to be a folder.
pub fn not_a_folder(error: ApiError) -> ApiError {
    match error.status {
        StatusCode::NOT_FOUND => ApiError {
            error: "Directory not found".to_owned(),
            ..error
        },
        _ => error,
    }
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        let message = error.to_string();
        let coded = |status, code: &str| {
            Self::new(status, message.clone()).details(json!({ "code": code }))
        };
        match error {
            ListError::Folder(error) => not_a_folder(error.into()),
            ListError::TooMany => coded(StatusCode::UNPROCESSABLE_ENTITY, "TOO_MANY_ENTRIES"),
            ListError::NotUtf8(_) => coded(StatusCode::UNPROCESSABLE_ENTITY, "NAME_NOT_UTF8"),
            ListError::Changed(_) => coded(StatusCode::CONFLICT, "TREE_CHANGED"),
        }
    }
}

/// The part of a path that lies below a folder.
fn below<'a>(directory: &ScriptDirectory, path: &'a str) -> Option<&'a str> {
    match directory.relative() {
        "" => Some(path),
        relative => path.strip_prefix(relative)?.strip_prefix('/'),
    }
}

/// The folders directly in a folder that have files below them.
fn folders_in(files: &BTreeMap<String, Metadata>, directory: &ScriptDirectory) -> Vec<String> {
    let start = directory.relative();
    let prefix = if start.is_empty() {
        String::new()
    } else {
        format!("{start}/")
    };
    let names = files
        .keys()
        .filter_map(|path| Some(below(directory, path)?.split_once('/')?.0));
    let mut folders: Vec<String> = names.map(|name| format!("{prefix}{name}")).collect();
    folders.dedup();
    folders
}

fn folder_row(directory: &ScriptDirectory, path: String) -> ListedScript {
    ListedScript {
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        resolved_path: format!("{}/{path}", directory.exec_id()),
        path,
        is_directory: true,
        enabled: false,
        mode: None,
        etag: None,
        script: None,
        metadata: None,
        magic_comments: None,
    }
}

fn script_row(
    query: &ListQuery,
    path: &ScriptPath,
    metadata: &Metadata,
    script: Option<&Arc<Script>>,
    deployment: Option<&Deployment>,
) -> ListedScript {
    ListedScript {
        name: path.file_name().to_owned(),
        path: path.relative().to_owned(),
        resolved_path: path.to_string(),
        is_directory: false,
        enabled: script.is_some_and(|script| script.directives.enabled),
        mode: script.map(|script| script.directives.mode.name()),
        etag: script.map(|script| etag(&script.source_hash)),
        script: Some(match script {
            Some(script) => ScriptView::of(script, deployment),
            None => ScriptView::of_other(path, None),
        }),
        metadata: query
            .metadata
            .then(|| FileMetadata::of(path.file_name(), metadata)),
        magic_comments: script
            .filter(|_| query.include_comments)
            .map(|script| script.comments.clone()),
    }
}
