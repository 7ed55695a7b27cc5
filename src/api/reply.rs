//! What an operation of the management API answers with, and how the OpenAPI
//! document shows it.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::extract;
use crate::exec::precondition::{self, Precondition, PreconditionError};

/// An answer as the document shows it.
#[derive(Debug, Clone)]
pub struct Described {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub schema: Value,
}

/// What an operation answers with.
pub trait Reply {
    fn described(components: &mut Vec<(String, Value)>) -> Described;
    fn into_reply(self) -> Response;
}

/// A JSON answer.
pub struct Answer<T> {
    pub status: StatusCode,
    pub body: T,
    /// In double quotes.
    pub etag: Option<String>,
}

impl<T> Answer<T> {
    pub fn ok(body: T) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            etag: None,
        }
    }

    #[must_use]
    pub fn with_etag(self, etag: Option<String>) -> Self {
        Self { etag, ..self }
    }
}

impl<T: Serialize + ToSchema> Reply for Answer<T> {
    fn described(components: &mut Vec<(String, Value)>) -> Described {
        describe::<T>(components, StatusCode::OK)
    }

    fn into_reply(self) -> Response {
        let mut response = (self.status, axum::Json(self.body)).into_response();
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// An answer that no type of ours describes; see [`Endpoint::media`] and
/// [`Endpoint::shape`].
impl Reply for Response {
    fn described(_: &mut Vec<(String, Value)>) -> Described {
        Described {
            status: StatusCode::OK,
            content_type: "application/json",
            schema: Value::default(),
        }
    }

    fn into_reply(self) -> Response {
        self
    }
}

/// A type as the document shows it; the types in it go to `components`.
pub fn describe<T: ToSchema>(
    components: &mut Vec<(String, Value)>,
    status: StatusCode,
) -> Described {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    let as_json = |schema| serde_json::to_value(schema).unwrap_or_default();
    components.extend(
        schemas
            .into_iter()
            .map(|(name, schema)| (name, as_json(schema))),
    );
    Described {
        status,
        content_type: "application/json",
        schema: extract::schema::<T>(),
    }
}

/// A schema from a shape: a text names a type, with `?` behind it if it may be
/// null; a key with `?` behind it may be missing.
pub fn shape_schema(shape: &Value) -> Value {
    match shape {
        Value::String(name) => match name.strip_suffix('?') {
            Some(name) => json!({ "type": [name, "null"] }),
            None => json!({ "type": name }),
        },
        Value::Array(items) => json!({ "type": "array", "items": items.first().map(shape_schema) }),
        Value::Object(fields) => {
            let bare = |name: &String| name.trim_end_matches('?').to_owned();
            let required: Vec<&String> =
                fields.keys().filter(|name| !name.ends_with('?')).collect();
            let properties: Map<String, Value> = fields
                .iter()
                .map(|(name, shape)| (bare(name), shape_schema(shape)))
                .collect();
            json!({ "type": "object", "required": required, "properties": properties })
        }
        _ => json!({}),
    }
}

/// 304 for whoever has this very answer already (RFC 9110, section 13.1.2).
pub fn unless_unchanged(response: Response, if_none_match: Option<HeaderValue>) -> Response {
    let etag = response.headers().get(header::ETAG).cloned();
    let (Some(etag), Some(known)) = (etag, if_none_match) else {
        return response;
    };
    let hash = etag.to_str().unwrap_or_default().trim_matches('"');
    let precondition = Precondition {
        if_none_match: known.to_str().ok(),
        ..Precondition::default()
    };
    if precondition::check(precondition, Some(hash)) != Err(PreconditionError::Unchanged) {
        return response;
    }
    let mut unchanged = StatusCode::NOT_MODIFIED.into_response();
    unchanged.headers_mut().insert(header::ETAG, etag);
    unchanged
}
