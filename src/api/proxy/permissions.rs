//! Who may pass: `…/permissions` of an alias, of a deployment (`containers/{container}`),
//! and of all (`projects/{project}`; a server is one project, whatever it is called).
//! Every write names the version that it changes, as `If-Match: file:v3`; `file:v0`
//! when there is none yet.

use std::collections::BTreeMap;

use chrono::Utc;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::auth::{Envelope, wrapped};
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::reply::Answer;
use crate::model::exec_id::ExecId;
use crate::proxy::alias::{Alias, AliasError};
use crate::proxy::documents::Place;
use crate::proxy::permission::{Group, PermissionError, Permissions, TokenPlace, Verdict};

mod group;
pub mod overview;

pub use group::GroupRequest;

/// The permissions of a place. Secrets are not shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct PermissionsView {
    /// For `If-Match`, such as `file:v3`.
    pub version: String,
    pub enable_proxy: bool,
    /// `allow` or `deny`: for those that are in no group.
    pub default: String,
    #[schema(value_type = Value)]
    pub groups: BTreeMap<String, Value>,
    /// By group and program: `allow` or `deny`.
    #[schema(value_type = Value)]
    pub permissions: Value,
}

impl PermissionsView {
    fn of(permissions: &Permissions) -> Self {
        let groups = permissions.groups.iter();
        Self {
            version: version(permissions),
            enable_proxy: permissions.enable_proxy,
            default: word(permissions.default).to_owned(),
            groups: groups
                .map(|(name, group)| (name.clone(), shown(group)))
                .collect(),
            permissions: json!(permissions.permissions),
        }
    }
}

/// For `If-Match`.
fn version(permissions: &Permissions) -> String {
    format!("file:v{}", permissions.version)
}

fn shown(group: &Group) -> Value {
    match group {
        Group::Token { place, name, .. } => {
            let place = match place {
                TokenPlace::Header => "header",
                TokenPlace::Cookie => "cookie",
                TokenPlace::Param => "param",
            };
            json!({ "type": "token", place: name })
        }
        Group::Password { username, .. } => json!({ "type": "password", "username": username }),
        Group::Ip { range } => json!({ "type": "ip", "range": range.to_string() }),
        Group::Jwt(jwt) => {
            let sources: Vec<String> = jwt.sources.iter().map(ToString::to_string).collect();
            json!({ "type": "jwt", "algorithm": jwt.algorithm, "sources": sources, "claims": jwt.claims })
        }
    }
}

type Reply = Result<Answer<Envelope<PermissionsView>>, ApiError>;

pub async fn get(call: Call<Nothing>) -> Reply {
    Ok(reply(&current(&call)?, "Permissions"))
}

fn current(call: &Call<Nothing>) -> Result<Permissions, ApiError> {
    let aliases = &call.api.aliases;
    match place(call)? {
        Some(place) => Ok(aliases.documents().get(&place)),
        None => Ok(aliases.get(call.parameter("id"))?.permissions.clone()),
    }
}

/// None: an alias.
fn place(call: &Call<Nothing>) -> Result<Option<Place>, ApiError> {
    if !call.parameter("project").is_empty() {
        return Ok(Some(Place::Project));
    }
    match call.parameter("container") {
        "" => Ok(None),
        id => {
            let exec_id = ExecId::parse(id).map_err(AliasError::from)?;
            Ok(Some(Place::Container(exec_id)))
        }
    }
}

/// A whole document; groups must carry their secrets again.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReplaceRequest {
    pub enable_proxy: Option<bool>,
    /// `allow` or `deny`.
    pub default: Option<String>,
    /// By name: `{ header | cookie | param, value }`, `{ username, password, salt }`, `{ range }` or `{ secret, algorithm, sources, claims }`.
    #[schema(value_type = Value, required = false)]
    pub groups: Option<BTreeMap<String, GroupRequest>>,
    #[schema(value_type = Value, required = false)]
    pub permissions: Option<BTreeMap<String, BTreeMap<String, Verdict>>>,
}

pub async fn replace(call: Call<Nothing, ReplaceRequest>) -> Reply {
    let (call, body) = take_body(call);
    let default = body.default.as_deref().map(verdict).transpose()?;
    change(&call, "Permissions replaced", move |permissions| {
        let mut new = Permissions {
            default: default.unwrap_or(Verdict::Allow),
            enable_proxy: body.enable_proxy.unwrap_or(true),
            ..Permissions::default()
        };
        for (name, group) in body.groups.unwrap_or_default() {
            new.put(&name, group.group()?)?;
        }
        for (name, programs) in body.permissions.unwrap_or_default() {
            if !new.groups.contains_key(&name) {
                return Err(PermissionError::NoGroup { name });
            }
            new.permissions.insert(name, programs);
        }
        *permissions = new;
        Ok(())
    })
    .await
}

pub async fn reset(call: Call<Nothing>) -> Reply {
    change(&call, "Permissions deleted", |permissions| {
        *permissions = Permissions::default();
        Ok(())
    })
    .await
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct DefaultRequest {
    /// `allow` or `deny`.
    pub default: String,
}

pub async fn set_default(call: Call<Nothing, DefaultRequest>) -> Reply {
    let (call, body) = take_body(call);
    let default = verdict(&body.default)?;
    change(&call, "Default set", move |permissions| {
        permissions.default = default;
        Ok(())
    })
    .await
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct EnableRequest {
    pub enable_proxy: bool,
}

pub async fn set_state(call: Call<Nothing, EnableRequest>) -> Reply {
    let (call, body) = take_body(call);
    change(&call, "State set", move |permissions| {
        permissions.enable_proxy = body.enable_proxy;
        Ok(())
    })
    .await
}

pub async fn put_group(call: Call<Nothing, GroupRequest>) -> Reply {
    let (call, body) = take_body(call);
    let name = call.parameter("group").to_owned();
    let group = body.of_kind(call.parameter("kind"))?;
    change(&call, "Group set", move |permissions| {
        permissions.put(&name, group)
    })
    .await
}

pub async fn remove_group(call: Call<Nothing>) -> Reply {
    let name = call.parameter("group").to_owned();
    change(&call, "Group deleted", move |permissions| {
        permissions.remove(&name)
    })
    .await
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct AccessRequest {
    /// A program, or `*`.
    pub program: String,
    /// `allow` or `deny`; true and false mean the same.
    #[schema(value_type = Value)]
    pub access: Value,
}

pub async fn put_access(call: Call<Nothing, AccessRequest>) -> Reply {
    let (call, body) = take_body(call);
    let name = call.parameter("group").to_owned();
    let access = match &body.access {
        Value::Bool(true) => Verdict::Allow,
        Value::Bool(false) => Verdict::Deny,
        Value::String(text) => verdict(text)?,
        _ => return Err(ApiError::bad_request("access must be `allow` or `deny`")),
    };
    change(&call, "Permission set", move |permissions| {
        if !permissions.groups.contains_key(&name) {
            return Err(PermissionError::NoGroup { name });
        }
        let programs = permissions.permissions.entry(name).or_default();
        programs.insert(body.program, access);
        Ok(())
    })
    .await
}

pub async fn remove_access(call: Call<Nothing>) -> Reply {
    let name = call.parameter("group").to_owned();
    let program = call.parameter("program").to_owned();
    change(&call, "Permission deleted", move |permissions| {
        let programs = permissions.permissions.get_mut(&name);
        let found = programs.is_some_and(|programs| match program.as_str() {
            "" => true,
            program => programs.remove(program).is_some(),
        });
        if !found {
            return Err(PermissionError::NoGroup { name });
        }
        if program.is_empty() || permissions.permissions[&name].is_empty() {
            permissions.permissions.remove(&name);
        }
        Ok(())
    })
    .await
}

/// The call without its body, which then can be used up.
fn take_body<B>(call: Call<Nothing, B>) -> (Call<Nothing>, B) {
    let Call {
        api,
        query,
        body,
        scope,
        parameters,
        headers,
        client,
        token,
    } = call;
    let call = Call {
        api,
        query,
        body: Nothing {},
        scope,
        parameters,
        headers,
        client,
        token,
    };
    (call, body)
}

async fn change(
    call: &Call<Nothing>,
    message: &str,
    change: impl FnOnce(&mut Permissions) -> Result<(), PermissionError>,
) -> Reply {
    Ok(reply(&changed(call, change).await?, message))
}

/// Changes the permissions if they are at the version that the caller names.
async fn changed(
    call: &Call<Nothing>,
    change: impl FnOnce(&mut Permissions) -> Result<(), PermissionError>,
) -> Result<Permissions, ApiError> {
    let header = call.headers.get(header::IF_MATCH);
    let header = header.ok_or_else(|| {
        let error = "Say which version this changes: `If-Match: file:v0` when there is none yet";
        ApiError::new(StatusCode::PRECONDITION_REQUIRED, error)
    })?;
    let text = header.to_str().unwrap_or_default().trim().trim_matches('"');
    let version = text
        .strip_prefix("file:v")
        .and_then(|text| text.parse::<u64>().ok());
    let version = version
        .ok_or_else(|| ApiError::bad_request("If-Match must be a version such as `file:v3`"))?;
    let apply = |permissions: &mut Permissions| {
        let current = permissions.version;
        if current != version {
            return Err(AliasError::Changed { current });
        }
        change(permissions)?;
        permissions.version = current + 1;
        Ok(())
    };
    let (aliases, dry_run) = (&call.api.aliases, call.scope.dry_run);
    match place(call)? {
        Some(place) => Ok(aliases.documents().update(&place, dry_run, apply).await?),
        None => {
            let apply = |alias: &mut Alias| apply(&mut alias.permissions);
            let id = call.parameter("id");
            let alias = aliases.update(id, Utc::now(), dry_run, apply).await?;
            Ok(alias.permissions.clone())
        }
    }
}

fn reply(permissions: &Permissions, message: &str) -> Answer<Envelope<PermissionsView>> {
    let view = PermissionsView::of(permissions);
    let etag = etag(&view.version);
    wrapped(StatusCode::OK, message, view).with_etag(etag)
}

fn etag(version: &str) -> Option<String> {
    Some(format!("\"{version}\""))
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    }
}

fn verdict(text: &str) -> Result<Verdict, ApiError> {
    match text {
        "allow" => Ok(Verdict::Allow),
        "deny" => Ok(Verdict::Deny),
        _ => Err(ApiError::bad_request("it must be `allow` or `deny`")),
    }
}

impl From<PermissionError> for ApiError {
    fn from(error: PermissionError) -> Self {
        let status = match &error {
            PermissionError::NoGroup { .. } => StatusCode::NOT_FOUND,
            PermissionError::TooMany => StatusCode::CONFLICT,
            PermissionError::BadToken
            | PermissionError::BadPassword
            | PermissionError::BadJwt { .. }
            | PermissionError::BadRange { .. }
            | PermissionError::UnknownKind { .. }
            | PermissionError::BadName => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}
