//! The shape of JSON as JSON Schema, and an example that shows no secrets. Pure.

use serde_json::{Map, Value, json};

use crate::model::script::MAX_SEGMENT_BYTES;

/// Properties of one object, items of one array in an example.
const PROPERTIES_MAX: usize = 64;
const ITEMS_MAX: usize = 3;
const DEPTH_MAX: usize = 8;
/// Text of an example, in characters.
const TEXT_CHARS_MAX: usize = 80;

/// Names whose values are nobody's business.
const SECRET: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "authorization",
    "cookie",
    "session",
    "credential",
    "private",
    "ssn",
    "card",
    "iban",
    "cvv",
    "pin",
    "otp",
    "email",
    "phone",
];

/// JSON Schema of one value.
pub fn schema_of(value: &Value) -> Value {
    schema_at(value, 0)
}

fn schema_at(value: &Value, depth: usize) -> Value {
    match value {
        Value::Null => json!({ "type": "null" }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(number) if number.is_f64() => json!({ "type": "number" }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::String(_) => json!({ "type": "string" }),
        Value::Array(_) | Value::Object(_) if depth >= DEPTH_MAX => json!({}),
        Value::Array(items) => {
            let items = items.iter().take(PROPERTIES_MAX);
            let items = items.map(|item| schema_at(item, depth + 1)).reduce(merged);
            json!({ "type": "array", "items": items.unwrap_or_else(|| json!({})) })
        }
        Value::Object(object) => {
            let names = object
                .iter()
                .filter(|(name, _)| name.len() <= MAX_SEGMENT_BYTES);
            let properties: Map<String, Value> = names
                .take(PROPERTIES_MAX)
                .map(|(name, value)| (name.clone(), schema_at(value, depth + 1)))
                .collect();
            let required: Vec<String> = properties.keys().cloned().collect();
            json!({ "type": "object", "properties": properties, "required": required })
        }
    }
}

/// A schema that both fit.
pub fn merged(one: Value, other: Value) -> Value {
    if one == other {
        return one;
    }
    match (one["type"].as_str(), other["type"].as_str()) {
        (Some("object"), Some("object")) => merged_objects(&one, &other),
        (Some("array"), Some("array")) => {
            let items = merged(one["items"].clone(), other["items"].clone());
            json!({ "type": "array", "items": items })
        }
        (Some("integer"), Some("number")) => other,
        (Some("number"), Some("integer")) => one,
        // The empty schema fits all, so it says nothing of the other.
        (None, Some(_)) if one == json!({}) => other,
        (Some(_), None) if other == json!({}) => one,
        _ => any_of(one, other),
    }
}

fn any_of(one: Value, other: Value) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for schema in [one, other] {
        let parts = match schema.get("anyOf").and_then(Value::as_array) {
            Some(parts) => parts.clone(),
            None => vec![schema],
        };
        for part in parts {
            let same = all.iter().position(|known| known["type"] == part["type"]);
            match same {
                Some(at) => all[at] = merged(all[at].clone(), part),
                None => all.push(part),
            }
        }
    }
    match all.len() {
        1 => all.remove(0),
        _ => json!({ "anyOf": all }),
    }
}

fn merged_objects(one: &Value, other: &Value) -> Value {
    let empty = Map::new();
    let of = |schema: &Value| schema["properties"].as_object().unwrap_or(&empty).clone();
    let (mut properties, others) = (of(one), of(other));
    for (name, schema) in others {
        let both = match properties.remove(&name) {
            Some(known) => merged(known, schema),
            None => schema,
        };
        if properties.len() < PROPERTIES_MAX {
            properties.insert(name, both);
        }
    }
    let is_required = |schema: &Value, name: &str| {
        let required = schema["required"].as_array();
        required.is_some_and(|names| names.iter().any(|known| known == name))
    };
    let required: Vec<&String> = properties
        .keys()
        .filter(|name| is_required(one, name) && is_required(other, name))
        .collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The value with secrets, long texts and long lists taken out.
pub fn example_of(value: &Value) -> Value {
    example_at(value, 0)
}

fn example_at(value: &Value, depth: usize) -> Value {
    match value {
        Value::String(text) => Value::String(shown(text)),
        Value::Array(_) | Value::Object(_) if depth >= DEPTH_MAX => Value::Null,
        Value::Array(items) => {
            let items = items.iter().take(ITEMS_MAX);
            items.map(|item| example_at(item, depth + 1)).collect()
        }
        Value::Object(object) => {
            let properties = object.iter().take(PROPERTIES_MAX);
            let shown = properties.map(|(name, value)| {
                let value = if is_secret(name) {
                    json!("[REDACTED]")
                } else {
                    example_at(value, depth + 1)
                };
                (name.clone(), value)
            });
            Value::Object(shown.collect())
        }
        plain => plain.clone(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|secret| match secret.len() {
        // Short words are parts of others.
        0..=4 => name == *secret,
        _ => name.contains(secret),
    })
}

/// Short texts as they are; what looks like a key or an address is not shown.
fn shown(text: &str) -> String {
    let dense = text.len() >= 24 && !text.contains(' ') && !text.contains('/');
    let mixed = text.chars().any(|c| c.is_ascii_digit()) && text.chars().any(char::is_alphabetic);
    if dense && mixed || text.contains('@') {
        return "[REDACTED]".to_owned();
    }
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_merge() {
        let schema = merged(
            schema_of(&json!({ "a": 1, "b": "x" })),
            schema_of(&json!({ "a": 1.5, "c": [1, null] })),
        );
        let expected = json!({
            "type": "object",
            "properties": {
                "b": { "type": "string" },
                "a": { "type": "number" },
                "c": { "type": "array", "items": { "anyOf": [{ "type": "integer" }, { "type": "null" }] } },
            },
            "required": ["a"],
        });
        assert_eq!(schema, expected);
        let same = schema_of(&json!([]));
        assert_eq!(
            merged(same.clone(), schema_of(&json!([true]))),
            json!({ "type": "array", "items": { "type": "boolean" } })
        );
        assert_eq!(merged(same.clone(), same.clone()), same);
    }

    #[test]
    fn examples_are_short_and_keep_secrets() {
        let value = json!({
            "name": "Ada", "apiKey": "x", "nested": { "password": 1 }, "list": [1, 2, 3, 4, 5],
            "key": "a1b2c3d4e5f6a7b8c9d0e1f2", "mail": "ada@example.com", "pin": 1, "spinner": "on", "long": "x ".repeat(100),
        });
        let example = example_of(&value);
        assert_eq!(example["name"], "Ada");
        assert_eq!(example["apiKey"], "[REDACTED]");
        assert_eq!(example["nested"]["password"], "[REDACTED]");
        assert_eq!(example["list"], json!([1, 2, 3]));
        assert_eq!(example["key"], "[REDACTED]");
        assert_eq!(example["mail"], "[REDACTED]");
        assert_eq!(example["pin"], "[REDACTED]");
        assert_eq!(example["spinner"], "on");
        assert_eq!(example["long"].as_str().unwrap().len(), 80);
    }

    #[test]
    fn deep_and_wide_values_are_bounded() {
        let mut deep = json!(1);
        for _ in 0..50 {
            deep = json!([deep]);
        }
        assert!(schema_of(&deep).to_string().len() < 1_000);
        let wide: Map<String, Value> = (0..1_000).map(|n| (format!("n{n}"), json!(n))).collect();
        let schema = schema_of(&Value::Object(wide));
        assert_eq!(
            schema["properties"].as_object().unwrap().len(),
            PROPERTIES_MAX
        );
    }
}
