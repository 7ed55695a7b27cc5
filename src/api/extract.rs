//! From what came over the wire to typed values: the query, a JSON body with
//! whatever content type, and the checks that both share. Which fields there
//! are and what types they have is read off the same schema that the OpenAPI
//! document shows, so the two cannot disagree.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::error::ApiError;

/// How much of a body that is no JSON its error repeats, in characters.
const PREVIEW_CHARS: usize = 100;

/// Where fields stand; it shows in the texts of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Query,
    Body,
}

/// The parameters of a query, all as texts; of a repeated one the last counts.
pub fn query(query: Option<&str>) -> Result<Map<String, Value>, ApiError> {
    let query = query.unwrap_or_default();
    if !is_well_encoded(query) {
        let hint = "Percent-encoding failed to decode. Use valid %XX escapes.";
        return Err(
            ApiError::bad_request("Malformed query string").details(json!({ "hint": hint }))
        );
    }
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = Value::String(value.into_owned());
        let before = fields.insert(name.to_string(), value.clone());
        // Neither `dry_run=true` nor what contradicts it may win by its place.
        if before.is_some_and(|before| before != value) {
            let error = format!("The query has two values for `{name}`");
            return Err(ApiError::bad_request(error));
        }
    }
    Ok(fields)
}

fn is_well_encoded(query: &str) -> bool {
    let escapes = query.match_indices('%').all(|(at, _)| {
        let digits = query.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    escapes && percent_decode_str(query).decode_utf8().is_ok()
}

/// The fields of a JSON body; an empty body has none.
pub async fn json_body(
    headers: &HeaderMap,
    body: Body,
    bytes_max: u64,
    read_timeout: Duration,
) -> Result<Map<String, Value>, ApiError> {
    let bytes = read_body(body, bytes_max, read_timeout).await?;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    if text.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let invalid = |parse_error: String| {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let preview: String = String::from_utf8_lossy(text)
            .chars()
            .take(PREVIEW_CHARS)
            .collect();
        ApiError::bad_request("Invalid JSON body").details(json!({
            "hint": "Send one JSON object, such as {\"name\": \"value\"}.",
            "parseError": parse_error,
            "contentType": content_type,
            "bodyPreview": preview,
        }))
    };
    match serde_json::from_slice(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(invalid(format!("expected an object, not {}", kind(&other)))),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// Refuses a body that says of itself that it is a text or a form of parts.
pub fn refuse_text(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match kind.starts_with("text/") || kind.starts_with("multipart/") {
        true => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send one JSON object as application/json",
        )),
        false => Ok(()),
    }
}

async fn read_body(body: Body, bytes_max: u64, read_timeout: Duration) -> Result<Bytes, ApiError> {
    let too_large = || {
        let error = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large");
        error.details(json!({ "maxBytes": bytes_max }))
    };
    if body.size_hint().lower() > bytes_max {
        return Err(too_large());
    }
    let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let read = Limited::new(body, limit).collect();
    match tokio::time::timeout(read_timeout, read).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::bad_request(
            "Request aborted before the body was fully received",
        )),
        Err(_) => {
            let timeout_ms = read_timeout.as_millis() as u64;
            let error = ApiError::new(StatusCode::REQUEST_TIMEOUT, "Request body read timeout");
            Err(error.details(json!({ "timeoutMs": timeout_ms })))
        }
    }
}

/// Checks fields against their type's schema and reads them.
pub fn fields<T: DeserializeOwned + ToSchema>(
    mut fields: Map<String, Value>,
    place: Place,
) -> Result<T, ApiError> {
    let schema = schema::<T>();
    let none = Map::new();
    let known = schema["properties"].as_object().unwrap_or(&none);
    for (name, value) in &mut fields {
        let Some(property) = known.get(name) else {
            return Err(unknown(name, known, place));
        };
        if place == Place::Query {
            *value = typed(value.take(), property);
        }
        if let Some(expected) = mismatch(value, property) {
            return Err(ApiError::bad_request(format!("{name} must be {expected}")));
        }
    }
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if fields
            .get(name)
            .is_none_or(|value| value == "" && place == Place::Query)
        {
            return Err(required(name, place));
        }
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| ApiError::bad_request(error.to_string()))
}

/// The error for a field that is not there.
pub fn required(name: &str, place: Place) -> ApiError {
    ApiError::bad_request(match place {
        Place::Query => format!("{name} parameter is required"),
        Place::Body => format!("{name} is required"),
    })
}

/// A type's JSON schema.
pub fn schema<T: ToSchema>() -> Value {
    // A schema is plain data and always has a JSON form.
    serde_json::to_value(T::schema()).unwrap_or_default()
}

fn unknown(name: &str, known: &Map<String, Value>, place: Place) -> ApiError {
    let what = match place {
        Place::Query => "query parameter",
        Place::Body => "field",
    };
    let distance = |known: &&String| strsim::damerau_levenshtein(name, known);
    let nearest = known
        .keys()
        .min_by_key(distance)
        .filter(|one| distance(one) <= name.len().div_ceil(2));
    let hint = nearest
        .map(|nearest| format!("; did you mean `{nearest}`?"))
        .unwrap_or_default();
    let known: Vec<&String> = known.keys().collect();
    ApiError::bad_request(format!("Unknown {what} `{name}`{hint}"))
        .details(json!({ "field": name, "nearest": nearest, "known": known }))
}

/// A query's text as the type that is expected, if it can be read as that.
fn typed(value: Value, property: &Value) -> Value {
    let Value::String(text) = value else {
        return value;
    };
    if expects(property, "boolean") {
        match text.as_str() {
            "" | "true" | "1" => return true.into(),
            "false" | "0" => return false.into(),
            _ => {}
        }
    }
    if expects(property, "integer")
        && let Ok(number) = text.parse::<i64>()
    {
        return number.into();
    }
    Value::String(text)
}

/// What a value should have been.
fn mismatch(value: &Value, property: &Value) -> Option<&'static str> {
    let types: Vec<&str> = match &property["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = |expected: &&str| match *expected {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    };
    if types.iter().any(fits) {
        return out_of_range(value, property);
    }
    Some(match types.first().copied() {
        Some("string") => "a string",
        Some("boolean") => "a boolean",
        Some("integer") => "an integer",
        Some("number") => "a number",
        Some("array") => "an array",
        _ => "an object",
    })
}

/// What a whole number should have been that the type behind it cannot hold.
fn out_of_range(value: &Value, property: &Value) -> Option<&'static str> {
    let least = property["minimum"].as_i64();
    if value
        .as_i64()
        .is_some_and(|number| least == Some(0) && number < 0)
    {
        return Some("at least 0");
    }
    let is_small = property["format"] == "int32";
    let is_large = value
        .as_u64()
        .is_some_and(|number| number > u32::MAX.into());
    (is_small && is_large).then_some("a smaller number")
}

fn expects(property: &Value, expected: &str) -> bool {
    match &property["type"] {
        Value::Array(several) => several.iter().any(|one| one == expected),
        one => one == expected,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
