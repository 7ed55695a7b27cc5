//! An OpenAPI document of a deployment's own routes, from three sources: the
//! scripts, the companion files beside them, and the traffic that was seen. What a
//! person wrote wins over what was seen. Pure, but for reading companion files.

pub mod companion;

use std::collections::BTreeMap;

use companion::{METHODS, lay_over};
use serde_json::{Map, Value, json};

use super::Exec;
use super::folder::FolderError;
use super::live::Deployment;
use super::routes::mount::MountKind;
use super::routes::pattern::Segment;
use super::script::Script;
use super::traffic::{Seen, SeenBody, SeenStatus};
use crate::model::script::ScriptPath;

/// What a document is made of.
#[derive(Debug, Clone)]
pub struct Title {
    pub title: String,
    pub version: String,
    pub description: Option<String>,
    pub base_url: Option<String>,
}

/// One route and all that is known of it.
#[derive(Debug)]
pub struct Route {
    pub script: String,
    pub segments: Vec<Segment>,
    pub description: Option<String>,
    pub tags: Vec<String>,
    /// The companion file, or why it is of no use.
    pub companion: Option<Result<Value, String>>,
    pub seen: BTreeMap<String, Seen>,
}

/// Where the companion of a script lies; it may be named itself, too.
pub fn companion_path(script: &ScriptPath) -> Option<ScriptPath> {
    let relative = script.relative();
    if relative.ends_with(".openapi.json") {
        return Some(script.clone());
    }
    let stem = relative.rsplit_once('.').map_or(relative, |(stem, _)| stem);
    ScriptPath::in_deployment(script.exec_id(), &format!("{stem}.openapi.json")).ok()
}

impl Exec {
    /// What is known of the routes of a deployment below a folder.
    pub fn described_routes(&self, deployment: &Deployment, folder: &str) -> Vec<Route> {
        let routes = deployment.routes.routes().iter();
        let scripts = routes.filter(|route| route.kind == MountKind::Script);
        let below = scripts
            .filter(|route| folder.is_empty() || route.file.starts_with(&format!("{folder}/")));
        below
            .map(|route| {
                let script: &Script = &route.script;
                Route {
                    script: script.path.relative().to_owned(),
                    segments: route.pattern.segments().to_vec(),
                    description: script
                        .comments
                        .get("description")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                    tags: tags(script),
                    companion: self.companion(&script.path),
                    seen: self.traffic.of(&script.path),
                }
            })
            .collect()
    }

    /// The companion file of a script.
    pub fn companion(&self, script: &ScriptPath) -> Option<Result<Value, String>> {
        let path = companion_path(script)?;
        let text = match self.folder().read(&path) {
            Ok(text) => text,
            Err(FolderError::NotFound(_)) => return None,
            Err(error) => return Some(Err(error.to_string())),
        };
        let parsed = serde_json::from_str(text.trim_start_matches('\u{FEFF}'));
        Some(match parsed {
            Ok(value) => match companion::errors(&value) {
                errors if errors.is_empty() => Ok(value),
                errors => Err(errors.join("; ")),
            },
            Err(error) => Err(error.to_string()),
        })
    }
}

fn tags(script: &Script) -> Vec<String> {
    let tags = script.comments.get("tags").and_then(Value::as_array);
    let tags = tags.into_iter().flatten().filter_map(Value::as_str);
    tags.map(str::to_owned).collect()
}

/// The document, OpenAPI 3.0.
pub fn document(title: &Title, routes: &[Route]) -> Value {
    let mut paths = Map::new();
    let mut errors = Vec::new();
    let mut components = json!({});
    for route in routes {
        let (mut item, path) = (from_traffic(route), path_of(&route.segments));
        match &route.companion {
            Some(Ok(companion)) => {
                lay_over(&mut item, companion, &path);
                let own = companion.get("components").and_then(Value::as_object);
                for (name, value) in own.into_iter().flatten() {
                    merge_member(&mut components, name, value);
                }
            }
            Some(Err(error)) => errors.push(json!({ "script": route.script, "error": error })),
            None => {}
        }
        paths.insert(path, Value::Object(item));
    }
    let mut info = json!({ "title": title.title, "version": title.version });
    if let Some(description) = &title.description {
        info["description"] = json!(description);
    }
    let mut document = json!({ "openapi": "3.0.3", "info": info, "paths": paths });
    if let Some(base_url) = &title.base_url {
        document["servers"] = json!([{ "url": base_url }]);
    }
    if components != json!({}) {
        document["components"] = components;
    }
    if !errors.is_empty() {
        document["x-schema-errors"] = json!(errors);
    }
    document
}

/// `/users/{id}`.
pub fn path_of(segments: &[Segment]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        match segment {
            Segment::Static(name) => path.push_str(name),
            other => {
                path.push('{');
                path.push_str(other.parameter().unwrap_or_default());
                path.push('}');
            }
        }
    }
    if path.is_empty() {
        "/".to_owned()
    } else {
        path
    }
}

/// A path item from what was seen; without calls a GET of which nothing is known.
fn from_traffic(route: &Route) -> Map<String, Value> {
    let mut item = Map::new();
    for (method, seen) in &route.seen {
        let method = method.to_ascii_lowercase();
        // A HEAD that nobody described says what GET does.
        if METHODS.contains(&method.as_str()) && method != "head" {
            item.insert(method, operation(route, Some(seen)));
        }
    }
    if item.is_empty() {
        item.insert("get".to_owned(), operation(route, None));
    }
    item
}

fn operation(route: &Route, seen: Option<&Seen>) -> Value {
    let named = route.segments.iter().filter_map(Segment::parameter);
    let mut parameters: Vec<Value> = named
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let keys = seen.into_iter().flat_map(|seen| &seen.query_keys);
    parameters.extend(
        keys.map(|key| json!({ "name": key, "in": "query", "schema": { "type": "string" } })),
    );
    let mut responses = Map::new();
    for (status, of_status) in seen.into_iter().flat_map(|seen| &seen.statuses) {
        responses.insert(status.to_string(), response(*status, of_status));
    }
    if responses.is_empty() {
        responses.insert(
            "default".to_owned(),
            json!({ "description": "Nobody has called it yet" }),
        );
    }
    let mut operation = json!({ "parameters": parameters, "responses": responses });
    if let Some(content) = seen.and_then(|seen| content(&seen.request)) {
        operation["requestBody"] = json!({ "content": content });
    }
    if let Some(description) = &route.description {
        operation["summary"] = json!(description);
    }
    if !route.tags.is_empty() {
        operation["tags"] = json!(route.tags);
    }
    if let Some(seen) = seen {
        operation["x-calls"] = json!(seen.calls);
        operation["x-last-call"] = json!(seen.last_at);
    }
    operation
}

fn response(status: u16, seen: &SeenStatus) -> Value {
    let name = http::StatusCode::from_u16(status).ok();
    let name = name.and_then(|status| status.canonical_reason());
    let mut response = json!({ "description": name.unwrap_or("An answer") });
    if let Some(content) = content(&seen.answer) {
        response["content"] = content;
    }
    response
}

fn content(seen: &SeenBody) -> Option<Value> {
    let media = seen.content_type.as_ref()?;
    let mut content = Map::new();
    if let Some(schema) = &seen.schema {
        content.insert("schema".to_owned(), schema.clone());
    }
    if let Some(example) = &seen.example {
        content.insert("example".to_owned(), example.clone());
    }
    Some(json!({ media: content }))
}

/// Several documents as one; the first that has a path keeps it.
pub fn merged(title: &Title, documents: &[Value]) -> Value {
    let mut merged = document(title, &[]);
    for one in documents {
        for part in ["paths", "components"] {
            let Some(from) = one.get(part).and_then(Value::as_object) else {
                continue;
            };
            for (name, value) in from {
                let target = &mut merged[part];
                if target.is_null() {
                    *target = json!({});
                }
                merge_member(target, name, value);
            }
        }
    }
    merged
}

fn merge_member(target: &mut Value, name: &str, value: &Value) {
    match target.get_mut(name) {
        None => target[name] = value.clone(),
        Some(known) => {
            if let (Some(known), Some(value)) = (known.as_object_mut(), value.as_object()) {
                for (name, value) in value {
                    known.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title() -> Title {
        Title {
            title: "x".to_owned(),
            version: "1".to_owned(),
            description: None,
            base_url: None,
        }
    }

    fn route(companion: Option<Result<Value, String>>) -> Route {
        let mut seen = Seen {
            calls: 3,
            ..Seen::default()
        };
        seen.query_keys.insert("q".to_owned());
        let body = |example: Value| SeenBody {
            samples: 1,
            content_type: Some("application/json".to_owned()),
            schema: Some(json!({ "type": "integer" })),
            example: Some(example),
        };
        let answer = body(json!(1));
        seen.statuses.insert(200, SeenStatus { calls: 3, answer });
        seen.request = body(json!(2));
        Route {
            script: "users/[id].ts".to_owned(),
            segments: vec![
                Segment::Static("users".to_owned()),
                Segment::Parameter("id".to_owned()),
            ],
            description: Some("One user".to_owned()),
            tags: Vec::new(),
            companion,
            seen: BTreeMap::from([("GET".to_owned(), seen)]),
        }
    }

    #[test]
    fn the_documentation_is_the_traffic() {
        let document = document(&title(), &[route(None)]);
        let get = &document["paths"]["/users/{id}"]["get"];
        assert_eq!(get["summary"], "One user");
        assert_eq!(get["parameters"][0]["name"], "id");
        assert_eq!(
            get["parameters"][1],
            json!({ "name": "q", "in": "query", "schema": { "type": "string" } })
        );
        assert_eq!(
            get["responses"]["200"]["content"]["application/json"]["example"],
            1
        );
        assert_eq!(
            get["requestBody"]["content"]["application/json"]["example"],
            2
        );
        assert_eq!(get["x-calls"], 3);
    }

    #[test]
    fn what_a_person_wrote_wins_and_what_is_wrong_is_told() {
        let companion = json!({ "get": { "summary": "Mine" }, "post": { "responses": {} } });
        let own = document(&title(), &[route(Some(Ok(companion)))]);
        let item = &own["paths"]["/users/{id}"];
        assert_eq!(item["get"]["summary"], "Mine");
        assert!(item["get"]["responses"]["200"].is_object());
        assert!(item["post"].is_object());
        let wrong = document(&title(), &[route(Some(Err("no".to_owned())))]);
        assert_eq!(
            wrong["x-schema-errors"],
            json!([{ "script": "users/[id].ts", "error": "no" }])
        );
    }

    #[test]
    fn documents_merge_and_the_first_wins() {
        let one = json!({ "paths": { "/a": { "get": { "summary": "1" } } } });
        let other = json!({ "paths": { "/a": { "get": { "summary": "2" }, "put": {} }, "/b": {} }, "components": { "schemas": { "X": {} } } });
        let merged = merged(&title(), &[one, other]);
        assert_eq!(
            merged["paths"]["/a"],
            json!({ "get": { "summary": "1" }, "put": {} })
        );
        assert!(merged["paths"]["/b"].is_object());
        assert!(merged["components"]["schemas"]["X"].is_object());
    }
}
