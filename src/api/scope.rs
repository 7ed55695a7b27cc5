//! The fields that every operation of the exec API takes, in its query or in its
//! body: which deployment is meant, and whether to change anything. The query
//! wins over the body, both win over the host name.

use http::header;
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::endpoint::{Surface, Terms};
use super::error::ApiError;
use crate::exec::live::Live;
use crate::exec::routes::host::deployment_for_host;
use crate::model::exec_id::{ExecId, SUBDOMAIN};
use crate::model::script::ScriptPath;
use crate::model::script::directory::ScriptDirectory;
use crate::model::script::error::{PathError, Refusal};

/// Which deployment an operation is about.
#[derive(Debug, Clone)]
pub struct Scope {
    pub exec_id: ExecId,
    pub hostname: Option<String>,
    /// Do everything but change something.
    pub dry_run: bool,
}

impl Scope {
    /// Takes its fields out of the others.
    pub fn take(
        query: &mut Map<String, Value>,
        body: &mut Map<String, Value>,
        head: &Parts,
        live: &Live,
        terms: Terms,
    ) -> Result<Self, ApiError> {
        let mut take = |name: &str| {
            let (from_query, from_body) = (query.remove(name), body.remove(name));
            from_query.or(from_body).filter(|value| !value.is_null())
        };
        let dry_run = terms.mutates.then(|| take("dry_run")).flatten();
        let dry_run = dry_run.map(flag).transpose()?.unwrap_or(false);
        if terms.surface != Surface::Exec {
            return Ok(Self {
                exec_id: ExecId::default(),
                hostname: None,
                dry_run,
            });
        }
        let (exec_id, alias) = (take("execId"), take("exec_id"));
        let exec_id = exec_id
            .or(alias)
            .map(|value| text(value, "execId"))
            .transpose()?;
        let hostname = take("hostname")
            .map(|value| text(value, "hostname"))
            .transpose()?;
        let subdomain = take("subdomain")
            .map(|value| text(value, "subdomain"))
            .transpose()?;
        if subdomain.is_some_and(|subdomain| !subdomain.is_empty() && subdomain != SUBDOMAIN) {
            return Err(ApiError::bad_request(format!(
                "there is no subdomain but `{SUBDOMAIN}`"
            )));
        }
        let exec_id = match (exec_id.filter(|id| !id.is_empty()), &hostname) {
            (Some(id), _) => {
                ExecId::parse(&id).map_err(|error| ApiError::bad_request(error.to_string()))?
            }
            (None, Some(host)) => deployment_for_host(host, |name| live.exists(name)),
            (None, None) => deployment_for_host(host(head), |name| live.exists(name)),
        };
        Ok(Self {
            exec_id,
            hostname,
            dry_run,
        })
    }

    /// A file of the deployment.
    pub fn script(&self, path: &str) -> Result<ScriptPath, ApiError> {
        Ok(ScriptPath::resolve(&self.exec_id, path)?)
    }

    /// A folder of the deployment; empty for the deployment itself.
    pub fn directory(&self, path: &str) -> Result<ScriptDirectory, ApiError> {
        ScriptDirectory::resolve(&self.exec_id, path).map_err(|error: PathError| {
            let refused = ApiError::from(error.clone());
            match error.refusal() {
                Refusal::Excluded => ApiError {
                    error: "Directory is excluded from script discovery".to_owned(),
                    ..refused
                },
                Refusal::Malformed | Refusal::Outside => refused,
            }
        })
    }
}

/// The properties of these fields, for the document.
pub fn properties(terms: Terms) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut put = |name: &str, kind: &str, about: &str| {
        properties.insert(
            name.to_owned(),
            json!({ "type": kind, "description": about }),
        );
    };
    if terms.surface == Surface::Exec {
        put(
            "execId",
            "string",
            "The deployment; else `hostname` or the request's own host name chooses it.",
        );
        put("exec_id", "string", "The same as execId.");
        put(
            "hostname",
            "string",
            "A host name that chooses the deployment.",
        );
        put("subdomain", "string", "Only `default`.");
    }
    if terms.mutates {
        put("dry_run", "boolean", "Do everything but change something.");
    }
    properties
}

fn host(head: &Parts) -> &str {
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    let header = || head.headers.get(header::HOST)?.to_str().ok();
    authority.or_else(header).unwrap_or_default()
}

/// A name that is all digits may come as a number.
fn text(value: Value, name: &str) -> Result<String, ApiError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(ApiError::bad_request(format!("{name} must be a string"))),
    }
}

fn flag(value: Value) -> Result<bool, ApiError> {
    match value {
        Value::Bool(flag) => Ok(flag),
        Value::String(text) if ["", "1", "true"].contains(&text.as_str()) => Ok(true),
        Value::String(text) if ["0", "false"].contains(&text.as_str()) => Ok(false),
        _ => Err(ApiError::bad_request("dry_run must be a boolean")),
    }
}
