//! Companion files, `<script>.openapi.json`: an OpenAPI document or a single path
//! item, by which a person says what a route does. Pure.

use serde_json::{Map, Value, json};

pub const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];
/// Where parameters stand.
const PLACES: [&str; 4] = ["path", "query", "header", "cookie"];
/// Faults of one companion that are told.
const ERRORS_MAX: usize = 50;

/// All that is wrong with a companion, each with its place.
pub fn errors(companion: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    let Some(object) = companion.as_object() else {
        return vec!["a companion is a JSON object".to_owned()];
    };
    if let Some(version) = object.get("openapi")
        && !version.as_str().is_some_and(|text| text.starts_with("3."))
    {
        errors.push(format!("openapi: {version} is not \"3.…\""));
    }
    match object.get("paths").map(Value::as_object) {
        Some(Some(paths)) if paths.is_empty() => errors.push("paths: it is empty".to_owned()),
        Some(Some(paths)) => {
            for (path, item) in paths {
                if !path.starts_with('/') {
                    errors.push(format!("paths.{path}: a path starts with /"));
                }
                match item.as_object() {
                    Some(item) => check_item(item, &format!("paths.{path}"), &mut errors),
                    None => errors.push(format!("paths.{path}: it is no object")),
                }
            }
        }
        Some(None) => errors.push("paths: it is no object".to_owned()),
        None if METHODS.iter().any(|method| object.contains_key(*method)) => {
            check_item(object, "", &mut errors);
        }
        None => errors.push(format!(
            "it has neither `paths` nor a method: {}",
            METHODS.join(", ")
        )),
    }
    errors.truncate(ERRORS_MAX);
    errors
}

fn check_item(item: &Map<String, Value>, at: &str, errors: &mut Vec<String>) {
    let dot = if at.is_empty() { "" } else { "." };
    for method in METHODS {
        let Some(operation) = item.get(method) else {
            continue;
        };
        let at = format!("{at}{dot}{method}");
        match operation.as_object() {
            Some(operation) => check_operation(operation, &at, errors),
            None => errors.push(format!("{at}: an operation is an object")),
        }
    }
}

fn check_operation(operation: &Map<String, Value>, at: &str, errors: &mut Vec<String>) {
    if let Some(responses) = operation.get("responses") {
        match responses.as_object() {
            Some(responses) => {
                let odd = responses.keys().filter(|status| !is_status(status));
                errors.extend(odd.map(|one| format!("{at}.responses.{one}: it is no status")));
            }
            None => errors.push(format!("{at}.responses: it is no object")),
        }
    }
    let Some(parameters) = operation.get("parameters") else {
        return;
    };
    let Some(parameters) = parameters.as_array() else {
        errors.push(format!("{at}.parameters: it is no list"));
        return;
    };
    for (index, parameter) in parameters.iter().enumerate() {
        let place = parameter["in"].as_str();
        let known = place.is_some_and(|place| PLACES.contains(&place));
        let named = parameter["name"].is_string() && known;
        if !named && !parameter["$ref"].is_string() {
            errors.push(format!(
                "{at}.parameters[{index}]: it needs a name, and `in` with one of {}",
                PLACES.join(", ")
            ));
        }
    }
}

/// `200`, `4XX`, `default`, or an extension.
fn is_status(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.len() == 3 && (b'1'..=b'5').contains(&bytes[0]);
    text == "default"
        || text.starts_with("x-")
        || digits && (text.ends_with("XX") || bytes[1..].iter().all(u8::is_ascii_digit))
}

/// What a companion says of a path takes the place of what was seen: member by
/// member. Of a document with one path it does not matter how that is written.
pub fn lay_over(item: &mut Map<String, Value>, companion: &Value, path: &str) {
    let own = match companion.get("paths").and_then(Value::as_object) {
        Some(paths) if paths.len() == 1 => paths.values().next(),
        Some(paths) => paths.get(path),
        None => Some(companion),
    };
    for (name, value) in own.and_then(Value::as_object).into_iter().flatten() {
        let known = item.entry(name.clone()).or_insert_with(|| json!({}));
        match (known.as_object_mut(), value.as_object()) {
            (Some(known), Some(value)) => {
                for (name, value) in value {
                    known.insert(name.clone(), value.clone());
                }
            }
            _ => *known = value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_with_their_place() {
        let cases = [
            (json!([]), "a companion is"),
            (json!({}), "neither"),
            (json!({ "get": 1 }), "get: an operation"),
            (json!({ "paths": 1 }), "paths: it is no object"),
            (json!({ "paths": {} }), "paths: it is empty"),
            (json!({ "paths": { "x": {} } }), "paths.x: a path starts"),
            (json!({ "openapi": "2.0", "get": {} }), "openapi: \"2.0\""),
            (
                json!({ "get": { "responses": { "ok": {} } } }),
                "get.responses.ok",
            ),
            (json!({ "get": { "parameters": {} } }), "get.parameters: "),
            (
                json!({ "paths": { "/x": { "put": { "parameters": [{ "name": "a", "in": "body" }] } } } }),
                "paths./x.put.parameters[0]",
            ),
        ];
        for (companion, told) in cases {
            let errors = errors(&companion);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(
                errors[0].starts_with(told) || errors[0].contains(told),
                "{errors:?}"
            );
        }
        let good = json!({ "openapi": "3.1.0", "paths": { "/x": { "get": {
            "parameters": [{ "name": "a", "in": "query" }, { "$ref": "#/x" }],
            "responses": { "200": {}, "4XX": {}, "default": {} },
        } } } });
        assert_eq!(errors(&good), Vec::<String>::new());
    }

    #[test]
    fn of_several_paths_the_routes_own_counts() {
        let companion = json!({ "paths": { "/a": { "get": { "summary": "A" } }, "/b": { "get": { "summary": "B" } } } });
        let laid = |companion: &Value| {
            let mut item = Map::new();
            lay_over(&mut item, companion, "/b");
            item["get"]["summary"].clone()
        };
        assert_eq!(laid(&companion), "B");
        let alone = json!({ "paths": { "/other/{id}": { "get": { "summary": "C" } } } });
        assert_eq!(laid(&alone), "C");
    }
}
