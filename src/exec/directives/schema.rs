//! The document that says which directives there are, for editors and agents.

use serde_json::{Map, Value, json};

use super::block::PARSE_WINDOW_LINES;
use super::fields::{self, Category, Effect, Field, Kind};
use super::value::{MAX_DURATION_MS, NO_TIMEOUT};
use crate::model::directives::{BodyLogging, Directives, MAX_TOKENS};

/// Changes when a field of the document changes its meaning.
const SCHEMA_VERSION: &str = "1";

/// The answer of `magic-comments/schema`.
pub fn document() -> Value {
    let fields: Vec<Value> = fields::all().map(describe).collect();
    let in_category = |category: Category| -> Vec<&str> {
        fields::all()
            .filter(|field| field.category == category)
            .map(|field| field.key)
            .collect()
    };
    json!({
        "schema_version": SCHEMA_VERSION,
        "total_fields": fields.len(),
        "parse_window_lines": PARSE_WINDOW_LINES,
        "unknown_keys_behavior": "ignored",
        "defaults_context": "when_omitted is the value without the line, null if the server's configuration decides; \
                             runtime is what then holds",
        "source_of_truth": "the comments at the top of each script",
        "categories": {
            "execution": in_category(Category::Execution),
            "logging": in_category(Category::Logging),
            "cors": in_category(Category::Cors),
            "ai": in_category(Category::Ai),
            "metadata": in_category(Category::Metadata),
        },
        "fields": fields,
    })
}

fn describe(field: &Field) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    put("key", field.key.into());
    put("directive", field.directive().into());
    put("category", json!(field.category));
    put("type", type_name(&field.kind).into());
    if let Some(values) = enum_values(&field.kind) {
        put("enum_values", json!(values));
    }
    if let Some(keywords) = keywords(&field.kind) {
        put("accepts_keywords", json!(keywords));
    }
    if let Some(range) = range(&field.kind) {
        put("range", range);
    }
    put("repeatable", field.is_repeatable().into());
    put("secret", field.is_secret().into());
    put("available", (field.effect == Effect::Works).into());
    let when_omitted = (field.get)(&Directives::default());
    let runtime = field
        .runtime
        .map_or_else(|| when_omitted.clone(), Value::from);
    put(
        "defaults",
        json!({ "when_omitted": when_omitted, "runtime": runtime, "sdk_import": null }),
    );
    if !field.examples.is_empty() {
        let line = |example: &&str| format!("// @{} {example}", field.name);
        put("examples", field.examples.iter().map(line).collect());
    }
    let notes = match field.effect {
        Effect::Works => field.notes.to_owned(),
        Effect::Inert => format!("Has no effect here. {}", field.notes),
        Effect::Later => format!("Not available yet. {}", field.notes),
    };
    if !notes.is_empty() {
        put("notes", notes.trim_end().into());
    }
    entry.into()
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean(_) | Kind::Flag(_) => "boolean",
        Kind::Choice(..) | Kind::BodyLogging(_) => "enum",
        Kind::Duration(_) => "duration",
        Kind::Concurrency(_) => "boolean | integer",
        Kind::Integer { .. } | Kind::Amount(_) => "integer",
        Kind::Number { .. } => "number",
        Kind::Size(_) => "size",
        Kind::Text(_)
        | Kind::Word(_)
        | Kind::CorsPolicy(_)
        | Kind::Schedule(_)
        | Kind::SecretWord(_) => "string",
        Kind::List(_) | Kind::Names(_) | Kind::Token | Kind::RemoteToken => "string[]",
    }
}

fn enum_values(kind: &Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::Choice(values, _) => Some(values),
        Kind::BodyLogging(_) => Some(BodyLogging::NAMES),
        _ => None,
    }
}

fn keywords(kind: &Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::Duration(_) => Some(&NO_TIMEOUT),
        Kind::Concurrency(_) | Kind::BodyLogging(_) => Some(&["true", "false"]),
        Kind::CorsPolicy(_) => Some(&["reflective", "*", "none"]),
        _ => None,
    }
}

fn range(kind: &Kind) -> Option<Value> {
    match kind {
        Kind::Integer { min, max, .. } => Some(json!({ "min": min, "max": max })),
        Kind::Number { min, max, .. } => Some(json!({ "min": min, "max": max })),
        Kind::Duration(_) => Some(json!({ "min": 0, "max": MAX_DURATION_MS })),
        Kind::Concurrency(_) => Some(json!({ "min": 1, "max": u32::MAX })),
        Kind::Size(_) | Kind::Amount(_) => Some(json!({ "min": 1 })),
        Kind::Token => Some(json!({ "min": 0, "max": MAX_TOKENS })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::exec::directives::parse;

    #[test]
    fn the_document_names_every_directive_once() {
        let document = document();
        let fields = document["fields"].as_array().unwrap();
        let names: BTreeSet<&str> = fields
            .iter()
            .map(|field| field["directive"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), fields.len());
        assert_eq!(document["total_fields"], fields.len());
        let categories = document["categories"].as_object().unwrap().values();
        let keys: usize = categories.map(|keys| keys.as_array().unwrap().len()).sum();
        assert_eq!(keys, fields.len());
        for name in [
            "@mode",
            "@enabled",
            "@timeout",
            "@token",
            "@cors",
            "@fuel",
            "@memory",
            "@rawBody",
            "@ai",
            "@schedule",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn a_field_says_all_there_is_to_know() {
        let mode = describe(fields::by_name("mode").unwrap());
        assert_eq!(mode["enum_values"], json!(["serverless", "worker"]));
        assert_eq!(
            mode["defaults"],
            json!({"when_omitted": "serverless", "runtime": "serverless", "sdk_import": null})
        );
        assert_eq!(
            mode["examples"],
            json!(["// @mode serverless", "// @mode worker"])
        );
        let days = describe(fields::by_name("log-retention-days").unwrap());
        assert_eq!(
            (&days["key"], &days["type"]),
            (&json!("logRetentionDays"), &json!("integer"))
        );
        assert_eq!(days["range"], json!({"min": 0, "max": 3650}));
        assert_eq!(days["defaults"]["when_omitted"], Value::Null);
        assert_eq!(describe(fields::by_name("ai").unwrap())["available"], true);
        let later = describe(fields::by_name("websocket").unwrap());
        assert_eq!(later["available"], false);
    }

    #[test]
    fn the_parser_takes_what_the_document_promises() {
        let warnings = |line: &str| {
            let about = |message: &str| {
                !message.contains("not available yet") && !message.contains("no effect")
            };
            parse(line)
                .warnings
                .into_iter()
                .filter(|warning| about(&warning.message))
                .count()
        };
        for field in document()["fields"].as_array().unwrap() {
            let line = |value: &str| format!("// {} {value}", field["directive"].as_str().unwrap());
            for example in field["examples"].as_array().into_iter().flatten() {
                assert_eq!(warnings(example.as_str().unwrap()), 0, "{example}");
            }
            for value in ["enum_values", "accepts_keywords"]
                .iter()
                .flat_map(|list| field[list].as_array())
                .flatten()
            {
                assert_eq!(warnings(&line(value.as_str().unwrap())), 0, "{field}");
            }
            if field["type"] == "integer" || field["type"] == "duration" {
                for bound in ["min", "max"]
                    .iter()
                    .filter_map(|bound| field["range"][bound].as_u64())
                {
                    assert_eq!(warnings(&line(&bound.to_string())), 0, "{field}");
                }
            }
            if let (true, Some(max)) = (field["type"] != "string[]", field["range"]["max"].as_u64())
            {
                assert_eq!(warnings(&line(&(max + 1).to_string())), 1, "{field}");
            }
            if field["type"] != "string" && field["type"] != "string[]" {
                assert_eq!(warnings(&line("certainly not")), 1, "{field}");
            }
        }
    }

    #[test]
    fn every_directive_changes_its_value() {
        for field in fields::all() {
            let value = match (&field.kind, (field.get)(&Directives::default())) {
                (Kind::Boolean(_) | Kind::Flag(_), Value::Bool(default)) => (!default).to_string(),
                (Kind::Choice(values, _), default) => values
                    .iter()
                    .find(|value| **value != default)
                    .unwrap()
                    .to_string(),
                (Kind::Concurrency(_), _) => "3".to_owned(),
                (Kind::BodyLogging(_), _) => "full".to_owned(),
                _ => (*field
                    .examples
                    .first()
                    .expect("a field without obvious values has an example"))
                .to_owned(),
            };
            let parsed = parse(&format!("// @{} {value}", field.name));
            assert_ne!(
                parsed.directives,
                Directives::default(),
                "@{} {value}",
                field.name
            );
            assert_ne!(
                parsed.comments[field.key],
                (field.get)(&Directives::default()),
                "@{} {value}",
                field.name
            );
        }
    }
}
