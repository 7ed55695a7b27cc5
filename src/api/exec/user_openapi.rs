//! `user-openapi/*`: a document of the deployment's own routes, in the envelope
//! `{ success, data, meta? }`; `spec` is the document itself.

use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::header;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::view::iso;
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::extract::{Place, required};
use crate::exec::user_openapi::{Route, Title, companion, document, merged, path_of};
use crate::model::script::directory::ScriptDirectory;

const TITLE_DEFAULT: &str = "Generated API";
const VERSION_DEFAULT: &str = "1.0.0";
/// Documents that one request may merge.
const SPECS_MAX: usize = 32;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GenerateRequest {
    /// The deployment by default.
    pub directory: Option<String>,
    /// Several in the place of one.
    pub directories: Option<Vec<String>>,
    /// Folders below too; true by default.
    pub recursive: Option<bool>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub version: Option<String>,
    pub base_url: Option<String>,
    /// Names such as `*.ts` that count.
    pub include_patterns: Option<Vec<String>>,
    /// Names that do not.
    pub exclude_patterns: Option<Vec<String>>,
}

impl GenerateRequest {
    fn title(&self) -> Title {
        Title {
            title: self
                .title
                .clone()
                .unwrap_or_else(|| TITLE_DEFAULT.to_owned()),
            version: self
                .version
                .clone()
                .unwrap_or_else(|| VERSION_DEFAULT.to_owned()),
            description: self.description.clone(),
            base_url: self.base_url.clone(),
        }
    }

    fn counts(&self, file: &str) -> bool {
        let name = file.rsplit('/').next().unwrap_or(file);
        let any = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, name));
        self.include_patterns.as_deref().is_none_or(any)
            && !self.exclude_patterns.as_deref().is_some_and(any)
    }
}

/// `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len())
                .filter(|at| name.is_char_boundary(*at))
                .any(|at| fits(rest, &name[at..]))
        }),
    }
}

fn routes<Q, B>(call: &Call<Q, B>, folders: &[String]) -> Result<Vec<Route>, ApiError> {
    let exec_id = &call.scope.exec_id;
    let Some(deployment) = call.exec().live.get(exec_id) else {
        return Ok(Vec::new());
    };
    let mut routes = Vec::new();
    for folder in folders {
        let folder = ScriptDirectory::resolve(exec_id, folder)?;
        routes.extend(call.exec().described_routes(&deployment, folder.relative()));
    }
    Ok(routes)
}

fn envelope(data: Value, meta: Option<Value>) -> Response {
    let mut body = json!({ "success": true, "data": data });
    if let Some(meta) = meta {
        body["meta"] = meta;
    }
    axum::Json(body).into_response()
}

pub fn generate_shape() -> Value {
    json!({ "success": "boolean", "data": "object", "meta": {
        "pathCount": "integer", "scanDirectory": "string", "generatedAt": "string",
    } })
}

pub async fn generate(call: Call<Nothing, GenerateRequest>) -> Result<Response, ApiError> {
    let asked = &call.body;
    let folders = match (&asked.directories, &asked.directory) {
        (Some(folders), _) => folders.clone(),
        (None, folder) => vec![folder.clone().unwrap_or_default()],
    };
    let mut found = routes(&call, &folders)?;
    found.retain(|route| asked.counts(&route.script));
    if asked.recursive == Some(false) {
        let depth = |path: &str| path.matches('/').count();
        let above = folders.iter().map(|folder| {
            let folder = ScriptDirectory::resolve(&call.scope.exec_id, folder);
            folder.map_or(0, |one| {
                usize::from(!one.relative().is_empty()) + depth(one.relative())
            })
        });
        let above = above.max().unwrap_or(0);
        found.retain(|route| depth(&route.script) <= above);
    }
    let document = document(&asked.title(), &found);
    let meta = json!({
        "pathCount": document["paths"].as_object().map_or(0, Map::len),
        "scanDirectory": folders.join(", "),
        "generatedAt": iso(Utc::now()),
    });
    Ok(envelope(document, Some(meta)))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct SpecQuery {
    /// `json` (the default) or `yaml`.
    pub format: Option<String>,
}

/// Made anew on every call.
pub async fn spec(call: Call<SpecQuery>) -> Result<Response, ApiError> {
    let found = routes(&call, &[String::new()])?;
    let document = document(&GenerateRequest::default().title(), &found);
    match call.query.format.as_deref() {
        None | Some("json") => Ok(axum::Json(document).into_response()),
        Some("yaml") => {
            let text = serde_norway::to_string(&document)
                .map_err(|error| ApiError::bad_request(error.to_string()))?;
            Ok(([(header::CONTENT_TYPE, "application/yaml")], text).into_response())
        }
        Some(_) => Err(ApiError::bad_request("format is json or yaml")),
    }
}

pub fn list_shape() -> Value {
    json!({ "success": "boolean", "data": {
        "directory": "string", "totalScripts": "integer", "withSchemas": "integer",
        "scripts": [{ "path": "string", "routePath": "string", "hasSchema": "boolean", "pathParameters": ["string"] }],
    } })
}

pub async fn list(call: Call<Nothing>) -> Result<Response, ApiError> {
    let found = routes(&call, &[String::new()])?;
    let scripts: Vec<Value> = found
        .iter()
        .map(|route| {
            let parameters: Vec<&str> = route
                .segments
                .iter()
                .filter_map(|one| one.parameter())
                .collect();
            let mut script = json!({
                "path": route.script,
                "routePath": path_of(&route.segments),
                "hasSchema": matches!(route.companion, Some(Ok(_))),
            });
            if matches!(route.companion, Some(Ok(_))) {
                script["schemaFormat"] = json!("openapi");
            }
            if !parameters.is_empty() {
                script["pathParameters"] = json!(parameters);
            }
            script
        })
        .collect();
    let data = json!({
        "directory": call.scope.exec_id.as_str(),
        "totalScripts": scripts.len(),
        "withSchemas": scripts.iter().filter(|one| one["hasSchema"] == true).count(),
        "scripts": scripts,
    });
    Ok(envelope(data, None))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct SchemaQuery {
    /// The script whose companion file is meant.
    pub file: String,
}

pub fn schema_shape() -> Value {
    json!({ "success": "boolean", "data": "object", "errors": ["string"] })
}

/// A companion, or what is wrong with it.
pub async fn schema(call: Call<SchemaQuery>) -> Result<Response, ApiError> {
    if call.query.file.is_empty() {
        return Err(required("file", Place::Query));
    }
    let script = call.scope.script(&call.query.file)?;
    match call.exec().companion(&script) {
        Some(Ok(companion)) => Ok(envelope(companion, None)),
        Some(Err(error)) => {
            let body = json!({ "success": false, "data": null, "errors": [error] });
            Ok(axum::Json(body).into_response())
        }
        None => Err(ApiError::not_found("Schema not found")),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ValidateRequest {
    /// What a companion file would hold.
    #[schema(value_type = Option<Object>)]
    pub schema: Option<Value>,
    /// The script whose companion file is meant, in its place.
    pub file: Option<String>,
}

pub fn validate_shape() -> Value {
    json!({ "success": "boolean", "data": { "valid": "boolean" }, "errors": ["string"] })
}

pub async fn validate(call: Call<Nothing, ValidateRequest>) -> Result<Response, ApiError> {
    let ValidateRequest { schema, file } = &call.body;
    let errors = match (schema, file) {
        (Some(schema), None) => companion::errors(schema),
        (None, Some(file)) => match call.exec().companion(&call.scope.script(file)?) {
            Some(stored) => stored.err().into_iter().collect(),
            None => return Err(ApiError::not_found("Schema not found")),
        },
        _ => {
            return Err(ApiError::bad_request(
                "schema or file is required, not both",
            ));
        }
    };
    let valid = errors.is_empty();
    let mut body = json!({ "success": valid, "data": { "valid": valid } });
    if !valid {
        body["errors"] = json!(errors);
    }
    Ok(axum::Json(body).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct MergeRequest {
    /// Folders whose routes are described.
    #[serde(default)]
    pub directories: Vec<String>,
    /// Other documents.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub specs: Vec<Value>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub version: Option<String>,
}

pub async fn merge(call: Call<Nothing, MergeRequest>) -> Result<Response, ApiError> {
    let MergeRequest {
        directories,
        specs,
        title,
        description,
        version,
    } = &call.body;
    if specs.len() > SPECS_MAX {
        return Err(ApiError::bad_request(format!(
            "at most {SPECS_MAX} specs can be merged"
        )));
    }
    for (index, spec) in specs.iter().enumerate() {
        let faults = companion::errors(spec);
        let is_document = spec["paths"].is_object();
        if let Some(fault) = faults.first().filter(|_| is_document) {
            return Err(ApiError::bad_request(format!("specs[{index}]: {fault}")));
        }
        if !is_document {
            let error = format!("specs[{index}] is no OpenAPI document: it has no `paths`");
            return Err(ApiError::bad_request(error));
        }
    }
    let title = GenerateRequest {
        title: title.clone(),
        description: description.clone(),
        version: version.clone(),
        ..GenerateRequest::default()
    }
    .title();
    let own = document(&title, &routes(&call, directories)?);
    let all: Vec<Value> = std::iter::once(own).chain(specs.iter().cloned()).collect();
    Ok(envelope(merged(&title, &all), None))
}
