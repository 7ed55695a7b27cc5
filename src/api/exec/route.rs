//! `route/resolve`, `discover` and `test`: what answers where.

use std::sync::Arc;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::endpoint::{Answer, Call, Nothing};
use crate::api::error::ApiError;
use crate::api::extract::{Place, required};
use crate::exec::live::Deployment;
use crate::exec::routes::answer::{self, Resolution};
use crate::exec::routes::table::{Route, RouteTable};
use crate::exec::routes::url_path::UrlPathError;
use crate::exec::script::Script;
use crate::model::directives::Access;
use crate::model::script::ScriptPath;
use crate::model::script::directory::ScriptDirectory;

/// Paths of one `route/test`.
const PATHS_MAX: usize = 1000;

#[derive(Debug, Deserialize, ToSchema)]
pub struct ResolveRequest {
    /// A URL's path, such as `/api/users/7`.
    pub path: String,
}

/// `matched` with `scriptPath`, `routePattern`, `parameters`, `type`, `baseDir`,
/// or not, with `hostname`, `execId`, `triedDirectories`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResolveAnswer {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub resolution: Value,
}

pub async fn resolve(
    call: Call<Nothing, ResolveRequest>,
) -> Result<Answer<ResolveAnswer>, ApiError> {
    let path = &call.body.path;
    if path.is_empty() {
        return Err(required("path", Place::Body));
    }
    let resolution =
        lookup(&call, path).map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(Answer::ok(ResolveAnswer {
        resolution: json!(resolution),
    }))
}

fn lookup<B>(call: &Call<Nothing, B>, path: &str) -> Result<Resolution, UrlPathError> {
    let exec_id = &call.scope.exec_id;
    let hostname = call.scope.hostname.as_deref();
    match call.exec().live.get(exec_id) {
        Some(deployment) => answer::resolve(&deployment.routes, exec_id, hostname, path),
        None => answer::resolve(&RouteTable::<()>::build([]), exec_id, hostname, path),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverRequest {
    /// A folder of the deployment; all of it by default.
    #[serde(default)]
    pub base_dir: String,
    /// With description, label, tags, mode and whether a token is needed.
    #[serde(default)]
    pub include_metadata: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverAnswer {
    pub base_dir: String,
    pub count: usize,
    /// Pattern, scriptPath, type, parameters, kind.
    #[schema(value_type = Vec<Object>)]
    pub routes: Vec<Value>,
    /// Files that contradict each other: route, files, severity, message.
    #[schema(value_type = Vec<Object>)]
    pub conflicts: Value,
}

pub async fn discover(
    call: Call<Nothing, DiscoverRequest>,
) -> Result<Answer<DiscoverAnswer>, ApiError> {
    let directory = call.scope.directory(&call.body.base_dir)?;
    let deployment = call.exec().live.get(directory.exec_id());
    let routes = deployment
        .as_ref()
        .map(|one| rows(one, &directory, call.body.include_metadata));
    let routes = routes.unwrap_or_default();
    let conflicts = deployment.as_ref().map(|one| json!(one.routes.conflicts()));
    Ok(Answer::ok(DiscoverAnswer {
        base_dir: directory.relative().to_owned(),
        count: routes.len(),
        routes,
        conflicts: conflicts.unwrap_or_else(|| json!([])),
    }))
}

fn rows(deployment: &Deployment, directory: &ScriptDirectory, with_metadata: bool) -> Vec<Value> {
    let exec_id = directory.exec_id();
    let below = |file: &str| {
        ScriptPath::in_deployment(exec_id, file).is_ok_and(|path| directory.contains(&path))
    };
    let routes = deployment
        .routes
        .routes()
        .iter()
        .filter(|route| below(&route.file));
    let row = |route: &Route<Arc<Script>>| {
        let mut row = json!(answer::row(exec_id, route));
        if with_metadata {
            let directives = &route.script.directives;
            row["metadata"] = json!({
                "description": directives.description,
                "label": directives.label,
                "tags": directives.tags,
                "mode": directives.mode.name(),
                "enabled": directives.enabled,
                "token": directives.access != Access::Everybody,
            });
        }
        row
    };
    routes.map(row).collect()
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct TestRequest {
    /// URL paths.
    pub paths: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestAnswer {
    pub tested: usize,
    pub matched: usize,
    pub not_matched: usize,
    /// As of `route/resolve`; a path that is none has `error`.
    #[schema(value_type = Vec<Object>)]
    pub results: Vec<Value>,
}

pub async fn test(call: Call<Nothing, TestRequest>) -> Result<Answer<TestAnswer>, ApiError> {
    let paths = &call.body.paths;
    if paths.len() > PATHS_MAX {
        let error = ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("paths has more than {PATHS_MAX} entries"),
        );
        return Err(error);
    }
    let results = paths.iter().map(|path| match lookup(&call, path) {
        Ok(resolution) => json!(resolution),
        Err(error) => json!({ "matched": false, "path": path, "error": error.to_string() }),
    });
    let results: Vec<Value> = results.collect();
    let matched = results
        .iter()
        .filter(|result| result["matched"] == true)
        .count();
    Ok(Answer::ok(TestAnswer {
        tested: results.len(),
        matched,
        not_matched: results.len() - matched,
        results,
    }))
}
