//! The OpenAPI document of our own API, made from the list of operations that
//! the router is made from.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Map, Value, json};

use super::endpoint::{Call, Endpoint, Nothing, Surface};
use super::error::ApiError;
use super::{routes, scope};

pub async fn json(_: Call<Nothing>) -> Result<Response, ApiError> {
    Ok(axum::Json(document(&routes::all())).into_response())
}

pub async fn yaml(_: Call<Nothing>) -> Result<Response, ApiError> {
    let text = serde_norway::to_string(&document(&routes::all()));
    let text = text.map_err(|error| {
        ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    })?;
    Ok(([(header::CONTENT_TYPE, "application/yaml")], text).into_response())
}

/// The document, version 3.1.
pub fn document(endpoints: &[Endpoint]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut schemas = errors();
    for endpoint in endpoints {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        paths
            .entry(endpoint.path)
            .or_default()
            .insert(method, operation(endpoint));
        schemas.extend(endpoint.components.iter().cloned());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Footpath",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A TypeScript file is an HTTP route. These are the operations that manage the files; \
                            the routes themselves are whatever the files say.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "header": { "type": "apiKey", "in": "header", "name": "X-Token" },
                "basic": { "type": "http", "scheme": "basic", "description": "The token is the password." },
                "query": { "type": "apiKey", "in": "query", "name": "token" },
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut operation = Map::new();
    let mut put = |name: &str, value: Value| operation.insert(name.to_owned(), value);
    put("operationId", operation_id(endpoint).into());
    put("tags", json!([tag(endpoint.path)]));
    put("summary", endpoint.summary.into());
    if let Some(permission) = endpoint.terms.permission {
        put(
            "description",
            format!("Needs the permission `{permission}`.").into(),
        );
        put(
            "security",
            json!([{ "bearer": [] }, { "header": [] }, { "basic": [] }, { "query": [] }]),
        );
    }
    let parameters = parameters(endpoint);
    if !parameters.is_empty() {
        put("parameters", parameters.into());
    }
    if let Some(body) = &endpoint.body {
        let has_required = body["required"]
            .as_array()
            .is_some_and(|required| !required.is_empty());
        let content = json!({ "application/json": { "schema": with_scope(body, endpoint) } });
        put(
            "requestBody",
            json!({ "required": has_required, "content": content }),
        );
    }
    put("responses", responses(endpoint));
    Value::Object(operation)
}

/// `/api/v1/exec/scripts/read` is `exec_scripts_read`; a method that shares its
/// path comes behind.
fn operation_id(endpoint: &Endpoint) -> String {
    let path = endpoint
        .path
        .trim_start_matches("/api/v1")
        .trim_matches('/');
    let words: Vec<&str> = path.split(['/', '-', '.']).collect();
    let id = words.join("_").replace(['{', '}'], "");
    match endpoint.terms.surface {
        Surface::ControlPlane | Surface::Cron => {
            format!("{id}_{}", endpoint.method.as_str().to_ascii_lowercase())
        }
        Surface::Exec | Surface::Open => id,
    }
}

fn tag(path: &str) -> &str {
    let below = path
        .strip_prefix("/api/v1/exec/")
        .or_else(|| path.strip_prefix("/api/v1/"));
    below
        .and_then(|path| path.split('/').next())
        .unwrap_or("document")
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let in_path = endpoint
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let required = |name: &str| {
        let names = endpoint.query["required"].as_array();
        names.is_some_and(|names| names.iter().any(|one| one == name))
    };
    let own = endpoint.query["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let in_query = own
        .into_iter()
        .chain(scope::properties(endpoint.terms))
        .map(|(name, mut schema)| {
            let about = schema
                .as_object_mut()
                .and_then(|schema| schema.shift_remove("description"));
            json!({
                "name": name, "in": "query", "required": required(&name),
                "description": about.unwrap_or_else(|| "".into()), "schema": schema,
            })
        });
    let mut parameters: Vec<Value> = in_path.chain(in_query).collect();
    if endpoint.terms.mutates && endpoint.terms.surface == Surface::Exec {
        for (name, about) in [
            ("If-Match", "Go on only if the file has this entity tag."),
            (
                "If-None-Match",
                "Go on only if it has not; `*` if there is no file.",
            ),
        ] {
            let schema = json!({ "type": "string" });
            parameters.push(
                json!({ "name": name, "in": "header", "description": about, "schema": schema }),
            );
        }
    }
    parameters
}

/// The body's own fields, and those that every operation takes.
fn with_scope(body: &Value, endpoint: &Endpoint) -> Value {
    let mut body = body.clone();
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.extend(scope::properties(endpoint.terms));
    }
    body
}

fn responses(endpoint: &Endpoint) -> Value {
    let answer = &endpoint.answer;
    let schema = if answer.schema.is_null() {
        json!({})
    } else {
        answer.schema.clone()
    };
    let mut responses = Map::new();
    let reason = answer.status.canonical_reason().unwrap_or_default();
    let content = json!({ answer.content_type: { "schema": schema } });
    responses.insert(
        answer.status.as_u16().to_string(),
        json!({ "description": reason, "content": content }),
    );
    let error = match endpoint.terms.surface {
        Surface::Exec | Surface::Open => "#/components/schemas/Error",
        Surface::Cron => "#/components/schemas/CronError",
        Surface::ControlPlane => "#/components/schemas/ControlPlaneError",
    };
    let content = json!({ "application/json": { "schema": { "$ref": error } } });
    if endpoint.terms.permission.is_some() {
        responses.insert(
            "401".to_owned(),
            json!({ "description": "No valid token", "content": content }),
        );
        responses.insert(
            "403".to_owned(),
            json!({ "description": "Not allowed", "content": content }),
        );
    }
    responses.insert(
        "default".to_owned(),
        json!({ "description": "An error", "content": content }),
    );
    Value::Object(responses)
}

fn errors() -> BTreeMap<String, Value> {
    let error = json!({
        "type": "object",
        "required": ["error", "code", "timestamp"],
        "properties": {
            "error": { "type": "string", "description": "For people." },
            "code": { "type": "string", "description": "`ERROR_<status>`, or a name." },
            "timestamp": { "type": "string", "format": "date-time" },
            "details": { "type": "object" },
            "retryAfter": { "type": "integer", "description": "Seconds." },
        },
    });
    let control_plane = json!({
        "type": "object",
        "required": ["statusCode", "error", "message"],
        "properties": {
            "statusCode": { "type": "integer" },
            "error": { "type": "string", "description": "The status in words." },
            "message": { "type": "string", "description": "For people." },
        },
    });
    let cron = json!({
        "type": "object",
        "required": ["code", "message", "details"],
        "properties": {
            "code": { "type": "string", "description": "Such as `INVALID_SCHEDULE`." },
            "message": { "type": "string", "description": "For people." },
            "details": { "type": ["object", "null"] },
        },
    });
    BTreeMap::from([
        ("Error".to_owned(), error),
        ("CronError".to_owned(), cron),
        ("ControlPlaneError".to_owned(), control_plane),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_is_described_once() {
        let endpoints = routes::all();
        let document = document(&endpoints);
        let mut described = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                described.insert(format!("{} {path}", method.to_uppercase()));
                assert!(
                    ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                    "{operation}"
                );
                assert_ne!(operation["summary"], "", "{method} {path}");
            }
        }
        let served: BTreeSet<String> = endpoints
            .iter()
            .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
            .collect();
        assert_eq!((described, endpoints.len()), (served.clone(), served.len()));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(&routes::all());
        let mut waiting = vec![&document];
        let mut found = 0;
        while let Some(value) = waiting.pop() {
            if let Some(reference) = value["$ref"].as_str() {
                found += 1;
                let pointer = reference.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            match value {
                Value::Object(fields) => waiting.extend(fields.values()),
                Value::Array(values) => waiting.extend(values),
                _ => {}
            }
        }
        assert!(found > 50, "{found}");
    }

    #[test]
    fn what_every_operation_takes_is_described() {
        let document = document(&routes::all());
        let write = &document["paths"]["/api/v1/exec/scripts/write"]["post"];
        let body = &write["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["required"], json!(["path", "content"]));
        for name in ["createDirs", "ifNotExists", "execId", "exec_id", "dry_run"] {
            assert!(body["properties"][name].is_object(), "{name}");
        }
        let read = &document["paths"]["/api/v1/exec/scripts/read"]["get"];
        let names: Vec<&str> = read["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["path", "execId", "exec_id", "hostname", "subdomain"]
        );
    }
}
