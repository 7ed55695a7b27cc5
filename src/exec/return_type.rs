//! Whether a JSON value has a type that is written as in TypeScript: primitives,
//! literals, arrays, objects with optional keys, `Record`, unions. It is a check
//! of shapes for people and agents who test their scripts, not a type system:
//! what it does not know is an error that says so.

mod parse;

use serde::Serialize;
use serde_json::Value;

pub use parse::{TypeError, parse};

/// Errors of one value that are told.
const ERRORS_MAX: usize = 20;

/// A type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Type {
    Any,
    String,
    Number,
    Boolean,
    /// Also `undefined` and `void`, which JSON has not.
    Null,
    Literal {
        value: Value,
    },
    Array {
        items: Box<Type>,
    },
    Object {
        properties: Vec<Property>,
    },
    Record {
        values: Box<Type>,
    },
    Union {
        types: Vec<Type>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Property {
    pub name: String,
    pub optional: bool,
    #[serde(rename = "type")]
    pub of: Type,
}

/// What is wrong with a value, as `$.items[0].name: expected string, got 7`;
/// empty if it has the type. Keys that the type does not name are allowed, as
/// they are in TypeScript.
pub fn check(of: &Type, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    visit(of, value, "$", &mut errors);
    errors.truncate(ERRORS_MAX);
    errors
}

fn visit(of: &Type, value: &Value, path: &str, errors: &mut Vec<String>) {
    if errors.len() >= ERRORS_MAX {
        return;
    }
    let fits = match (of, value) {
        (Type::Any, _) => true,
        (Type::String, value) => value.is_string(),
        (Type::Number, value) => value.is_number(),
        (Type::Boolean, value) => value.is_boolean(),
        (Type::Null, value) => value.is_null(),
        (Type::Literal { value: wanted }, value) => same(wanted, value),
        (Type::Array { items }, Value::Array(values)) => {
            for (at, value) in values.iter().enumerate() {
                visit(items, value, &format!("{path}[{at}]"), errors);
            }
            true
        }
        (Type::Object { properties }, Value::Object(fields)) => {
            for property in properties {
                let path = format!("{path}.{}", property.name);
                match fields.get(&property.name) {
                    Some(value) => visit(&property.of, value, &path, errors),
                    None if property.optional || accepts_nothing(&property.of) => {}
                    None => errors.push(format!(
                        "{path}: expected {}, got nothing",
                        name(&property.of)
                    )),
                }
            }
            true
        }
        (Type::Record { values }, Value::Object(fields)) => {
            for (key, value) in fields {
                visit(values, value, &format!("{path}.{key}"), errors);
            }
            true
        }
        (Type::Union { types }, value) => types.iter().any(|one| check(one, value).is_empty()),
        (Type::Array { .. } | Type::Object { .. } | Type::Record { .. }, _) => false,
    };
    if !fits {
        errors.push(format!(
            "{path}: expected {}, got {}",
            name(of),
            shown(value)
        ));
    }
}

/// `1` and `1.0` are one number.
fn same(wanted: &Value, value: &Value) -> bool {
    match (wanted.as_f64(), value.as_f64()) {
        (Some(wanted), Some(value)) => wanted == value,
        _ => wanted == value,
    }
}

/// Whether a key with this type may be missing: one that may be `undefined`.
fn accepts_nothing(of: &Type) -> bool {
    match of {
        Type::Any => true,
        Type::Union { types } => types.iter().any(accepts_nothing),
        _ => false,
    }
}

fn name(of: &Type) -> String {
    match of {
        Type::Any => "any".to_owned(),
        Type::String => "string".to_owned(),
        Type::Number => "number".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Null => "null".to_owned(),
        Type::Literal { value } => value.to_string(),
        Type::Array { .. } => "an array".to_owned(),
        Type::Object { .. } | Type::Record { .. } => "an object".to_owned(),
        Type::Union { types } if types.is_empty() => "never".to_owned(),
        Type::Union { types } => types.iter().map(name).collect::<Vec<_>>().join(" | "),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > 40 => "a string".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(definition: &str, value: Value) -> Vec<String> {
        check(&parse(definition).unwrap(), &value)
    }

    #[test]
    fn values_that_fit() {
        let cases = [
            ("string", json!("x")),
            ("number", json!(1.5)),
            ("boolean | null", json!(null)),
            ("void", json!(null)),
            ("any", json!([1, {}])),
            ("'ok' | \"error\"", json!("error")),
            ("-1 | 2", json!(2.0)),
            ("true", json!(true)),
            ("string[]", json!([])),
            ("Array<number[]>", json!([[1], []])),
            ("(string | number)[]", json!(["a", 1])),
            (
                "{ a: string; b?: number, 'c-d': boolean }",
                json!({ "a": "", "c-d": true, "more": 1 }),
            ),
            (
                "{ readonly a: { b: null }[]\n  c?: {} }",
                json!({ "a": [{ "b": null }] }),
            ),
            ("Record<string, number>", json!({ "a": 1 })),
            ("{ [key: string]: number }", json!({ "a": 1 })),
            ("Promise<{ ok: true }>", json!({ "ok": true })),
            ("| 'a'\n| 'b'", json!("b")),
            ("unknown", json!(null)),
        ];
        for (definition, value) in cases {
            assert_eq!(errors(definition, value), [""; 0], "{definition}");
        }
    }

    #[test]
    fn values_that_do_not() {
        let cases: [(&str, Value, &[&str]); 8] = [
            ("string", json!(1), &["$: expected string, got 1"]),
            (
                "'a' | 'b'",
                json!("c"),
                &["$: expected \"a\" | \"b\", got \"c\""],
            ),
            (
                "number[]",
                json!([1, "2", null]),
                &[
                    "$[1]: expected number, got \"2\"",
                    "$[2]: expected number, got null",
                ],
            ),
            (
                "{ a: string; b: { c: number } }",
                json!({ "b": { "c": [] } }),
                &[
                    "$.a: expected string, got nothing",
                    "$.b.c: expected number, got an array",
                ],
            ),
            (
                "{ a?: string }",
                json!({ "a": null }),
                &["$.a: expected string, got null"],
            ),
            (
                "Record<string, number>",
                json!({ "a": "x" }),
                &["$.a: expected number, got \"x\""],
            ),
            ("{}", json!([]), &["$: expected an object, got an array"]),
            ("never", json!(1), &["$: expected never, got 1"]),
        ];
        for (definition, value, expected) in cases {
            assert_eq!(errors(definition, value), expected, "{definition}");
        }
        assert_eq!(errors("number[]", json!(vec!["x"; 100])).len(), ERRORS_MAX);
    }
}
