//! `shared-state/get`, `set` and `clear`: the `shared` object of a deployment.
//! A path is a key, and further keys behind dots.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::reply::Answer;
use crate::exec::live::Deployment;
use crate::exec::shared::SHARED_BYTES_MAX;

#[derive(Debug, Deserialize, ToSchema)]
pub struct GetRequest {
    /// Such as `counters.visits`; the whole object by default.
    pub path: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetAnswer {
    pub hostname: Option<String>,
    pub exec_id: String,
    pub path: Option<String>,
    pub exists: bool,
    /// Null if there is none.
    #[schema(value_type = Value)]
    pub value: Value,
}

pub async fn get(call: Call<Nothing, GetRequest>) -> Result<Answer<GetAnswer>, ApiError> {
    let deployment = call.exec().live.get(&call.scope.exec_id);
    let whole = deployment
        .as_ref()
        .map(|deployment| Value::Object(object(deployment)))
        .unwrap_or_else(|| json!({}));
    let path = call.body.path.filter(|path| !path.is_empty());
    let found = segments(path.as_deref()).try_fold(&whole, |value, key| value.get(key));
    Ok(Answer::ok(GetAnswer {
        hostname: call.scope.hostname,
        exec_id: call.scope.exec_id.to_string(),
        path,
        exists: found.is_some(),
        value: found.cloned().unwrap_or_default(),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct SetRequest {
    /// Such as `counters.visits`; without one `value` is the whole object.
    pub path: Option<String>,
    /// Any JSON value.
    #[serde(deserialize_with = "present")]
    #[schema(required = true)]
    pub value: Value,
    /// Keep the keys that `value` does not have.
    #[serde(default)]
    pub merge: bool,
}

/// Null is a value like any other.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Value::deserialize(deserializer)
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetAnswer {
    pub hostname: Option<String>,
    pub exec_id: String,
    pub path: Option<String>,
    pub updated: bool,
    #[serde(rename = "dry_run")]
    pub dry_run: bool,
    /// What is there now.
    #[schema(value_type = Value)]
    pub value: Value,
}

pub async fn set(call: Call<Nothing, SetRequest>) -> Result<Answer<SetAnswer>, ApiError> {
    let deployment = deployment(&call)?;
    let SetRequest { path, value, merge } = call.body;
    let path = path.filter(|path| !path.is_empty());
    let old = object(&deployment);
    let mut whole = Value::Object(old.clone());
    let place = place(&mut whole, path.as_deref())
        .ok_or_else(|| ApiError::bad_request("path leads through a value that is no object"))?;
    put(place, value, merge);
    let now = place.clone();
    let Value::Object(new) = whole else {
        return Err(ApiError::bad_request(
            "value must be an object when there is no path",
        ));
    };
    if !call.scope.dry_run {
        store(&deployment, &old, &new)?;
    }
    Ok(Answer::ok(SetAnswer {
        hostname: call.scope.hostname,
        exec_id: call.scope.exec_id.to_string(),
        path,
        updated: !call.scope.dry_run,
        dry_run: call.scope.dry_run,
        value: now,
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ClearRequest {
    /// Such as `counters.visits`; everything by default.
    pub path: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClearAnswer {
    pub hostname: Option<String>,
    pub exec_id: String,
    pub path: Option<String>,
    /// Whether there was something.
    pub cleared: bool,
    #[serde(rename = "dry_run")]
    pub dry_run: bool,
    /// Keys that were there, or would go.
    pub keys: usize,
}

pub async fn clear(call: Call<Nothing, ClearRequest>) -> Result<Answer<ClearAnswer>, ApiError> {
    let deployment = deployment(&call)?;
    let path = call.body.path.filter(|path| !path.is_empty());
    let old = object(&deployment);
    let (keys, new) = match &path {
        None => (old.len(), Map::new()),
        Some(path) => {
            let mut whole = Value::Object(old.clone());
            let (parent, key) = path
                .rsplit_once('.')
                .map_or((None, path.as_str()), |(parent, key)| (Some(parent), key));
            let parent = segments(parent).try_fold(&mut whole, |value, key| value.get_mut(key));
            let removed = parent
                .and_then(Value::as_object_mut)
                .and_then(|parent| parent.shift_remove(key));
            let new = whole.as_object().cloned().unwrap_or_default();
            (usize::from(removed.is_some()), new)
        }
    };
    if !call.scope.dry_run {
        store(&deployment, &old, &new)?;
    }
    Ok(Answer::ok(ClearAnswer {
        hostname: call.scope.hostname,
        exec_id: call.scope.exec_id.to_string(),
        path,
        cleared: keys > 0,
        dry_run: call.scope.dry_run,
        keys,
    }))
}

fn deployment<B>(call: &Call<Nothing, B>) -> Result<std::sync::Arc<Deployment>, ApiError> {
    let missing =
        || ApiError::not_found(format!("There is no deployment `{}`", call.scope.exec_id));
    call.exec()
        .live
        .get(&call.scope.exec_id)
        .ok_or_else(missing)
}

fn object(deployment: &Deployment) -> Map<String, Value> {
    let values = deployment.state.shared.load().into_iter();
    values
        .map(|(key, text)| (key, serde_json::from_str(&text).unwrap_or_default()))
        .collect()
}

/// Stores what differs, so that other keys may change meanwhile.
fn store(
    deployment: &Deployment,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<(), ApiError> {
    let gone = old
        .keys()
        .filter(|key| !new.contains_key(*key))
        .map(|key| (key.clone(), None));
    let changed = new
        .iter()
        .filter(|(key, value)| old.get(*key) != Some(*value));
    let changed = changed.map(|(key, value)| (key.clone(), Some(value.to_string())));
    deployment
        .state
        .shared
        .store(gone.chain(changed).collect())
        .map_err(|bytes| {
            let error = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large");
            error.details(json!({ "bytes": bytes, "maxBytes": SHARED_BYTES_MAX }))
        })
}

fn segments(path: Option<&str>) -> impl Iterator<Item = &str> {
    path.into_iter().flat_map(|path| path.split('.'))
}

/// The value at a path; objects on the way are made.
fn place<'a>(whole: &'a mut Value, path: Option<&str>) -> Option<&'a mut Value> {
    segments(path).try_fold(whole, |value, key| {
        if value.is_null() {
            *value = json!({});
        }
        Some(value.as_object_mut()?.entry(key).or_insert(Value::Null))
    })
}

fn put(place: &mut Value, value: Value, merge: bool) {
    match (place, value) {
        (Value::Object(old), Value::Object(new)) if merge => old.extend(new),
        (place, value) => *place = value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_at_paths() {
        let set = |path: Option<&str>, value: Value, merge: bool| {
            let mut whole = json!({ "a": { "b": 1 }, "n": 1 });
            put(place(&mut whole, path)?, value, merge);
            Some(whole)
        };
        assert_eq!(
            set(Some("a.c"), json!(2), false),
            Some(json!({ "a": { "b": 1, "c": 2 }, "n": 1 }))
        );
        assert_eq!(
            set(Some("a"), json!({ "c": 2 }), true),
            Some(json!({ "a": { "b": 1, "c": 2 }, "n": 1 }))
        );
        assert_eq!(
            set(Some("a"), json!({ "c": 2 }), false),
            Some(json!({ "a": { "c": 2 }, "n": 1 }))
        );
        assert_eq!(
            set(Some("x.y.z"), json!(1), false),
            Some(json!({ "a": { "b": 1 }, "n": 1, "x": { "y": { "z": 1 } } }))
        );
        assert_eq!(
            set(None, json!({ "c": 2 }), true),
            Some(json!({ "a": { "b": 1 }, "n": 1, "c": 2 }))
        );
        assert_eq!(set(None, json!({}), false), Some(json!({})));
        assert_eq!(set(Some("n.x"), json!(1), false), None);
    }
}
