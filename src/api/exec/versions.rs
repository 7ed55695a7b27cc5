//! `scripts/versions` and `scripts/rollback`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::scripts::WriteAnswer;
use super::view::iso;
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::extract::{Place, required};
use crate::api::reply::Answer;
use crate::exec::directives::redact::redact;
use crate::exec::edit::EditError;
use crate::exec::history::Version;
use crate::exec::precondition::etag;
use crate::exec::versions::{Named, diff};
use crate::model::generation::Authorship;
use crate::model::script::ScriptPath;

#[derive(Debug, Deserialize, ToSchema)]
pub struct VersionsQuery {
    pub path: String,
    /// Answer with this version's text.
    pub hash: Option<String>,
    /// Answer with what changed from this version; a number or at least 8 characters of a hash.
    pub from: Option<String>,
    /// To this version; to the file as it is by default.
    pub to: Option<String>,
}

/// The list; with `hash` also `content`, with `from` also `diff`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionsAnswer {
    pub path: String,
    pub resolved_path: String,
    pub count: usize,
    /// The newest first.
    pub versions: Vec<VersionView>,
    /// The version that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionView>,
    /// Its text, with `[REDACTED]` for secrets in directives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// A unified diff; empty if nothing but secrets differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// Counts up from 1 per script.
    pub version: u64,
    /// SHA-256 of the text.
    pub hash: String,
    pub etag: String,
    /// Name of the compiled component.
    pub component: String,
    /// `person` or `script`: whose text it is.
    pub origin: &'static str,
    /// The name of the token that wrote it; null for a file that somebody saved.
    pub token: Option<String>,
    pub created_at: String,
    /// How a model came to write it: the request, prompts, usage, cost, trial; null otherwise.
    #[schema(value_type = Option<Object>)]
    pub authorship: Option<Box<Authorship>>,
    /// In bytes.
    pub size: u64,
    /// Whether it is what answers.
    pub live: bool,
}

impl VersionView {
    fn of(version: &Version, live: Option<u64>) -> Self {
        Self {
            version: version.number,
            hash: version.hash.clone(),
            etag: etag(&version.hash),
            component: version.component.clone(),
            origin: version.author.origin.name(),
            token: version.author.token.clone(),
            created_at: iso(version.created_at),
            authorship: version.author.authorship.clone(),
            size: version.size,
            live: live == Some(version.number),
        }
    }
}

pub async fn list(call: Call<VersionsQuery>) -> Result<Answer<VersionsAnswer>, ApiError> {
    let VersionsQuery {
        path,
        hash,
        from,
        to,
    } = &call.query;
    let resolved = call.scope.script(path)?;
    let exec = call.exec();
    let versions = exec.history.versions(&resolved)?;
    if versions.is_empty() && !exec.folder().exists(&resolved) {
        return Err(ApiError::not_found("Script not found"));
    }
    let deployment = exec.live.get(resolved.exec_id());
    let script = deployment
        .as_ref()
        .and_then(|deployment| deployment.scripts.get(resolved.relative()));
    let live = script
        .and_then(|script| script.program.as_ref())
        .map(|program| program.manifest.number);
    let mut answer = VersionsAnswer {
        path: path.clone(),
        resolved_path: resolved.to_string(),
        count: versions.len(),
        versions: versions
            .iter()
            .map(|version| VersionView::of(version, live))
            .collect(),
        version: None,
        content: None,
        diff: None,
    };
    if let Some(selector) = hash {
        let (version, text) = text_of(&call, &resolved, selector)?;
        answer.version = Some(VersionView::of(&version, live));
        answer.content = Some(redact(&text));
    }
    match (from, to) {
        (Some(from), to) => answer.diff = Some(difference(&call, &resolved, from, to.as_deref())?),
        (None, Some(_)) => return Err(required("from", Place::Query)),
        (None, None) => {}
    }
    Ok(Answer::ok(answer))
}

fn difference(
    call: &Call<VersionsQuery>,
    path: &ScriptPath,
    from: &str,
    to: Option<&str>,
) -> Result<String, ApiError> {
    let (old, old_text) = text_of(call, path, from)?;
    let (new_name, new_text) = match to {
        Some(to) => {
            let (new, text) = text_of(call, path, to)?;
            (format!("version {}", new.number), text)
        }
        None => ("the file".to_owned(), call.exec().folder().read(path)?),
    };
    let old_name = format!("version {}", old.number);
    Ok(diff(
        Named {
            name: &old_name,
            source: &old_text,
        },
        Named {
            name: &new_name,
            source: &new_text,
        },
    ))
}

fn text_of(
    call: &Call<VersionsQuery>,
    path: &ScriptPath,
    selector: &str,
) -> Result<(Version, String), ApiError> {
    let none = || EditError::NoVersion {
        path: path.to_string(),
        selector: selector.to_owned(),
    };
    let history = &call.exec().history;
    let version = history.find(path, selector)?.ok_or_else(none)?;
    let text = history.source(path, &version.hash)?.ok_or_else(none)?;
    Ok((version, text))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct RollbackRequest {
    pub path: String,
    /// The number of a version. This or `hash`.
    pub version: Option<u64>,
    /// At least 8 characters of its hash.
    pub hash: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackAnswer {
    pub rolled_back_to: VersionView,
    #[serde(flatten)]
    pub written: WriteAnswer,
}

pub async fn roll_back(
    call: Call<Nothing, RollbackRequest>,
) -> Result<Answer<RollbackAnswer>, ApiError> {
    let RollbackRequest {
        path,
        version,
        hash,
    } = &call.body;
    if path.is_empty() {
        return Err(required("path", Place::Body));
    }
    let selector = match (version, hash) {
        (Some(number), None) => number.to_string(),
        (None, Some(hash)) => hash.clone(),
        (Some(_), Some(_)) => return Err(ApiError::bad_request("give version or hash, not both")),
        (None, None) => return Err(required("version or hash", Place::Body)),
    };
    let resolved = call.scope.script(path)?;
    let exec = call.exec();
    let (version, written) = exec
        .roll_back(&resolved, &selector, call.terms(true, false))
        .await?;
    let mut answer = WriteAnswer::new(exec, path.clone(), &resolved, &written, true);
    answer.dry_run = call.scope.dry_run;
    let etag = Some(answer.etag.clone());
    let rolled_back_to = VersionView::of(&version, answer.script.version);
    Ok(Answer::ok(RollbackAnswer {
        rolled_back_to,
        written: answer,
    })
    .with_etag(etag))
}
