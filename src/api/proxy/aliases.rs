//! `aliases`: which hosts lead where.

use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Api;
use crate::api::auth::{Envelope, end, wrapped};
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::exec::view::iso;
use crate::api::reply::Answer;
use crate::model::exec_id::ExecId;
use crate::model::host_name as name;
use crate::proxy::alias::{
    Alias, AliasError, PROGRAM_SCRIPTS, PROGRAM_UPSTREAM, Target, checked_path, host_of_label,
    prefix, upstream,
};
use crate::proxy::permission::Permissions;

mod error;

/// Random bytes of a name that nobody chose; twice as many characters.
const RANDOM_NAME_BYTES: usize = 24;

/// An alias.
#[derive(Debug, Serialize, ToSchema)]
pub struct AliasView {
    pub id: String,
    /// The host's first label.
    pub alias: String,
    pub host: String,
    /// Empty for all paths.
    pub path_prefix: String,
    /// `exec` for scripts, `http` for an upstream.
    pub program: String,
    /// The deployment, for scripts.
    pub container_id: Option<String>,
    pub upstream: Option<String>,
    pub preserve_host: Option<bool>,
    pub target_path: Option<String>,
    pub allow_path_override: bool,
    pub enabled: bool,
    pub expires_at: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub created_by: String,
    pub url: String,
    /// There is one of everything: these are what clients of a larger system expect.
    pub index: u32,
    pub realm_ids: Vec<String>,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub server_id: Option<String>,
    pub server_name: Option<String>,
}

impl AliasView {
    fn of(alias: &Alias) -> Self {
        let (container_id, upstream, preserve_host) = match &alias.target {
            Target::Scripts { exec_id } => (Some(exec_id.to_string()), None, None),
            Target::Upstream { url, preserve_host } => {
                (None, Some(url.clone()), Some(*preserve_host))
            }
        };
        let label = alias.host.split('.').next().unwrap_or_default();
        Self {
            id: alias.id.clone(),
            alias: label.to_owned(),
            url: format!("https://{}{}/", alias.host, alias.path_prefix),
            host: alias.host.clone(),
            path_prefix: alias.path_prefix.clone(),
            program: alias.program().to_owned(),
            container_id,
            upstream,
            preserve_host,
            target_path: alias.target_path.clone(),
            allow_path_override: alias.allow_path_override,
            enabled: alias.enabled,
            expires_at: alias.expires_at.map(iso),
            created_at: iso(alias.created_at),
            updated_at: iso(alias.updated_at),
            created_by: alias.origin.clone(),
            index: 1,
            realm_ids: Vec::new(),
            user_id: None,
            project_id: None,
            server_id: None,
            server_name: None,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AliasList {
    /// Oldest first.
    pub aliases: Vec<AliasView>,
    pub count: usize,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ListQuery {
    /// Of this deployment only.
    pub container_id: Option<String>,
    pub enabled: Option<bool>,
    pub expired: Option<bool>,
    /// There is one project and one realm; these are taken and mean nothing.
    #[allow(dead_code, reason = "a client may send it")]
    pub project_id: Option<String>,
    #[allow(dead_code, reason = "a client may send it")]
    pub realm_id: Option<String>,
}

pub async fn list(call: Call<ListQuery>) -> Result<Answer<Envelope<AliasList>>, ApiError> {
    let now = Utc::now();
    let query = &call.query;
    let wanted = |alias: &Alias| {
        let expired = alias.expires_at.is_some_and(|end| end <= now);
        let is_of = |id: &String| matches!(&alias.target, Target::Scripts { exec_id } if exec_id.as_str() == id);
        query.container_id.as_ref().is_none_or(is_of)
            && query.enabled.is_none_or(|enabled| enabled == alias.enabled)
            && query.expired.is_none_or(|wanted| wanted == expired)
    };
    let all = call.api.aliases.list();
    let found = all.iter().filter(|alias| wanted(alias));
    let aliases: Vec<AliasView> = found.map(|alias| AliasView::of(alias)).collect();
    let count = aliases.len();
    Ok(wrapped(
        StatusCode::OK,
        "Aliases",
        AliasList { aliases, count },
    ))
}

pub async fn get(call: Call<Nothing>) -> Result<Answer<Envelope<AliasView>>, ApiError> {
    let alias = call.api.aliases.get(call.parameter("id"))?;
    Ok(wrapped(StatusCode::OK, "Alias", AliasView::of(&alias)))
}

/// Absent fields have their default, or stay as they are.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct AliasRequest {
    /// A short name, such as `shop`; null or false for a random one.
    #[schema(value_type = Value, required = false)]
    pub alias: Option<Value>,
    /// A whole host name instead, perhaps a wildcard.
    pub host: Option<String>,
    /// Such as `/api`: the alias holds for it and for what is below it.
    pub path_prefix: Option<String>,
    /// `http://`, `https://` or `h2c://`, a host, perhaps a port and a path.
    pub upstream: Option<String>,
    /// Whether the upstream sees the client's `Host`; true for `http://`.
    pub preserve_host: Option<bool>,
    /// The scripts of this deployment.
    pub container_id: Option<String>,
    /// `exec` or `http`; what the target is says the same.
    pub program: Option<String>,
    /// With the program `http`: a port of this machine.
    pub port: Option<i64>,
    /// There is one instance of everything.
    #[allow(dead_code, reason = "a client may send it")]
    pub index: Option<i64>,
    /// Takes the place of `path_prefix`; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Value, required = false)]
    pub target_path: Option<Value>,
    /// Whether other paths than `target_path` may be asked for; true by default.
    pub allow_path_override: Option<bool>,
    /// RFC 3339, seconds since 1970, `today`, `tomorrow`; null for no end.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Value, required = false)]
    pub expires_at: Option<Value>,
    pub enabled: Option<bool>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

pub async fn create(
    call: Call<Nothing, AliasRequest>,
) -> Result<Answer<Envelope<AliasView>>, ApiError> {
    let now = Utc::now();
    let token = call.token.as_ref();
    let origin = token.map_or_else(String::new, |token| format!("token {}", token.alias));
    let Call {
        api, body, scope, ..
    } = call;
    let host = match body.host(&api)? {
        Some(host) => host,
        None => host_of_label(&random_name(), &api.proxy_domain)?,
    };
    let (target, path) = body.target()?.ok_or(AliasError::NoTarget)?;
    let mut alias = Alias {
        id: Uuid::now_v7().to_string(),
        host,
        path_prefix: String::new(),
        target,
        target_path: path,
        allow_path_override: true,
        enabled: true,
        expires_at: None,
        created_at: now,
        updated_at: now,
        origin,
        permissions: Permissions::default(),
    };
    body.apply(&mut alias, now)?;
    if alias.expires_at.is_some_and(|end| end <= now) {
        return Err(AliasError::AlreadyExpired.into());
    }
    let alias = api.aliases.create(alias, scope.dry_run).await?;
    Ok(wrapped(
        StatusCode::CREATED,
        "Alias created",
        AliasView::of(&alias),
    ))
}

pub async fn update(
    call: Call<Nothing, AliasRequest>,
) -> Result<Answer<Envelope<AliasView>>, ApiError> {
    let now = Utc::now();
    let body = &call.body;
    let host = body.host(&call.api)?;
    let target = body.target()?;
    let mut refused = None;
    let change = |alias: &mut Alias| {
        if let Some(host) = host {
            alias.host = host;
        }
        if let Some((target, path)) = target {
            alias.target = target;
            alias.target_path = path.or(alias.target_path.take());
        }
        body.apply(alias, now).map_err(|error| {
            refused = Some(error);
            AliasError::NoTarget
        })
    };
    let id = call.parameter("id");
    let changed = call
        .api
        .aliases
        .update(id, now, call.scope.dry_run, change)
        .await;
    if let Some(refused) = refused {
        return Err(refused);
    }
    Ok(wrapped(
        StatusCode::OK,
        "Alias updated",
        AliasView::of(&*changed?),
    ))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct StateRequest {
    pub enabled: bool,
}

pub async fn set_state(
    call: Call<Nothing, StateRequest>,
) -> Result<Answer<Envelope<AliasView>>, ApiError> {
    let enabled = call.body.enabled;
    let change = |alias: &mut Alias| {
        alias.enabled = enabled;
        Ok(())
    };
    let id = call.parameter("id");
    let aliases = &call.api.aliases;
    let alias = aliases
        .update(id, Utc::now(), call.scope.dry_run, change)
        .await?;
    Ok(wrapped(
        StatusCode::OK,
        "Alias updated",
        AliasView::of(&alias),
    ))
}

pub async fn remove(call: Call<Nothing>) -> Result<Answer<Envelope<Option<AliasView>>>, ApiError> {
    let id = call.parameter("id");
    call.api.aliases.remove(id, call.scope.dry_run).await?;
    Ok(wrapped(StatusCode::OK, "Alias deleted", None))
}

impl AliasRequest {
    /// The host that is asked for, if one is.
    fn host(&self, api: &Api) -> Result<Option<String>, ApiError> {
        if let Some(host) = &self.host {
            return Ok(Some(name::normalise(host).map_err(AliasError::from)?));
        }
        match &self.alias {
            Some(Value::String(label)) => Ok(Some(host_of_label(label, &api.proxy_domain)?)),
            None | Some(Value::Null | Value::Bool(false)) => Ok(None),
            Some(_) => Err(ApiError::bad_request(
                "alias must be a string, null or false",
            )),
        }
    }

    /// The target that is asked for, and a path that came with it.
    fn target(&self) -> Result<Option<(Target, Option<String>)>, AliasError> {
        let is_upstream = match self.program.as_deref() {
            None | Some(PROGRAM_SCRIPTS) => false,
            Some(PROGRAM_UPSTREAM) => true,
            Some(other) => {
                let program = other.chars().take(40).collect();
                return Err(AliasError::UnknownProgram { program });
            }
        };
        let local = match self.port {
            None => None,
            Some(port @ 1..=65535) if is_upstream => Some(format!("http://127.0.0.1:{port}")),
            Some(_) => return Err(AliasError::BadPort),
        };
        match (&self.upstream, local, &self.container_id) {
            (None, None, None) if self.program.is_none() => Ok(None),
            (Some(url), None, None) if self.program.as_deref() != Some(PROGRAM_SCRIPTS) => {
                self.upstream_at(url)
            }
            // The deployment is on this machine, and so is the port.
            (None, Some(url), id) => {
                id.as_deref().map(ExecId::parse).transpose()?;
                self.upstream_at(&url)
            }
            (None, None, Some(id)) if !is_upstream => {
                let exec_id = ExecId::parse(id)?;
                Ok(Some((Target::Scripts { exec_id }, None)))
            }
            _ => Err(AliasError::NoTarget),
        }
    }

    fn upstream_at(&self, url: &str) -> Result<Option<(Target, Option<String>)>, AliasError> {
        let (url, path) = upstream(url)?;
        let preserve_host = self.preserve_host.unwrap_or(url.starts_with("http://"));
        Ok(Some((Target::Upstream { url, preserve_host }, path)))
    }

    /// The fields that have nothing to do with others.
    fn apply(&self, alias: &mut Alias, now: DateTime<Utc>) -> Result<(), ApiError> {
        if let Some(path) = &self.path_prefix {
            alias.path_prefix = prefix(path)?;
        }
        match &self.target_path {
            None => {}
            Some(Value::Null) => alias.target_path = None,
            Some(Value::String(path)) => {
                alias.target_path = Some(checked_path(path, "target_path")?);
            }
            Some(_) => return Err(ApiError::bad_request("target_path must be a string")),
        }
        match &self.expires_at {
            None => {}
            Some(Value::Null) => alias.expires_at = None,
            Some(value) => alias.expires_at = Some(end(value, now)?),
        }
        if let (Some(preserve), Target::Upstream { preserve_host, .. }) =
            (self.preserve_host, &mut alias.target)
        {
            *preserve_host = preserve;
        }
        alias.allow_path_override = self
            .allow_path_override
            .unwrap_or(alias.allow_path_override);
        alias.enabled = self.enabled.unwrap_or(alias.enabled);
        Ok(())
    }
}

fn random_name() -> String {
    let bytes: [u8; RANDOM_NAME_BYTES] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
