//! Parts of a deployment's or the project's permissions by themselves: settings,
//! groups, and services, which are the aliases that the permissions hold for.

use std::collections::BTreeMap;

use chrono::Utc;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{changed, current, etag, place, shown, take_body, verdict, version, word};
use crate::api::auth::{Envelope, wrapped};
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::reply::Answer;
use crate::proxy::alias::{Alias, Target};
use crate::proxy::aliases::Aliases;
use crate::proxy::documents::Place;
use crate::proxy::permission::{Permissions, Verdict};

type Reply<T> = Result<Answer<Envelope<T>>, ApiError>;

/// What holds for everybody.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingsView {
    /// For `If-Match`, such as `file:v3`; it counts the changes of all permissions.
    pub version: String,
    pub enable_proxy: bool,
    /// `allow` or `deny`: for those that are in no group.
    pub default: String,
}

impl SettingsView {
    fn of(permissions: &Permissions) -> Self {
        Self {
            version: version(permissions),
            enable_proxy: permissions.enable_proxy,
            default: word(permissions.default).to_owned(),
        }
    }

    fn reply(self, message: &str) -> Answer<Envelope<Self>> {
        let etag = etag(&self.version);
        wrapped(StatusCode::OK, message, self).with_etag(etag)
    }
}

pub async fn settings(call: Call<Nothing>) -> Reply<SettingsView> {
    Ok(SettingsView::of(&current(&call)?).reply("Settings"))
}

/// What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SettingsRequest {
    pub enable_proxy: Option<bool>,
    /// `allow` or `deny`.
    pub default: Option<String>,
}

pub async fn set_settings(call: Call<Nothing, SettingsRequest>) -> Reply<SettingsView> {
    let (call, body) = take_body(call);
    let default = body.default.as_deref().map(verdict).transpose()?;
    let changed = changed(&call, move |permissions| {
        permissions.enable_proxy = body.enable_proxy.unwrap_or(permissions.enable_proxy);
        permissions.default = default.unwrap_or(permissions.default);
        Ok(())
    });
    Ok(SettingsView::of(&changed.await?).reply("Settings set"))
}

/// Groups by name, without their secrets.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupsView {
    pub version: String,
    #[schema(value_type = Value)]
    pub groups: BTreeMap<String, Value>,
    pub count: usize,
}

pub async fn groups(call: Call<Nothing>) -> Reply<GroupsView> {
    let permissions = current(&call)?;
    let groups = permissions.groups.iter();
    let view = GroupsView {
        version: version(&permissions),
        groups: groups
            .map(|(name, group)| (name.clone(), shown(group)))
            .collect(),
        count: permissions.groups.len(),
    };
    let etag = etag(&view.version);
    Ok(wrapped(StatusCode::OK, "Groups", view).with_etag(etag))
}

/// An alias, and who may use it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceView {
    /// The id of the alias.
    pub service: String,
    pub host: String,
    /// Empty for all paths.
    pub path_prefix: String,
    /// Switched on, and not expired.
    pub enabled: bool,
    /// `allow`: everybody; `groups`: who is in one; `deny`: nobody.
    pub access: String,
    /// The documents that must all let a request in.
    pub documents: Vec<DocumentView>,
}

/// What one document says about an alias.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentView {
    /// `project`, `container` or `alias`.
    pub of: String,
    pub enable_proxy: bool,
    pub default: String,
    /// By the name of a group: `allow` or `deny`.
    #[schema(value_type = Value)]
    pub groups: BTreeMap<String, &'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceList {
    /// Oldest first.
    pub services: Vec<ServiceView>,
    pub count: usize,
}

pub async fn services(call: Call<Nothing>) -> Reply<ServiceList> {
    let place = place(&call)?;
    let aliases = &call.api.aliases;
    let all = aliases.list();
    let found = all.iter().filter(|alias| is_in(alias, place.as_ref()));
    let services: Vec<_> = found.map(|alias| ServiceView::of(alias, aliases)).collect();
    let count = services.len();
    let list = ServiceList { services, count };
    Ok(wrapped(StatusCode::OK, "Services", list))
}

pub async fn service(call: Call<Nothing>) -> Reply<ServiceView> {
    let place = place(&call)?;
    let aliases = &call.api.aliases;
    let alias = aliases.get(call.parameter("service"))?;
    if !is_in(&alias, place.as_ref()) {
        return Err(ApiError::not_found("This alias leads elsewhere"));
    }
    let view = ServiceView::of(&alias, aliases);
    Ok(wrapped(StatusCode::OK, "Service", view))
}

/// Whether the permissions of a place hold for an alias.
fn is_in(alias: &Alias, place: Option<&Place>) -> bool {
    match (place, &alias.target) {
        (Some(Place::Container(id)), Target::Scripts { exec_id }) => id == exec_id,
        (Some(Place::Container(_)), Target::Upstream { .. }) => false,
        (Some(Place::Project) | None, _) => true,
    }
}

impl ServiceView {
    fn of(alias: &Alias, aliases: &Aliases) -> Self {
        let mut documents = Vec::new();
        let mut places = vec![("project", Place::Project)];
        if let Target::Scripts { exec_id } = &alias.target {
            places.push(("container", Place::Container(exec_id.clone())));
        }
        for (of, place) in places {
            documents.push((of, aliases.documents().get(&place)));
        }
        documents.push(("alias", alias.permissions.clone()));
        Self {
            service: alias.id.clone(),
            host: alias.host.clone(),
            path_prefix: alias.path_prefix.clone(),
            enabled: alias.is_on(Utc::now()),
            access: access(documents.iter().map(|(_, one)| one), alias.program()).to_owned(),
            documents: documents
                .iter()
                .map(|(of, one)| DocumentView::of(of, one, alias.program()))
                .collect(),
        }
    }
}

impl DocumentView {
    fn of(of: &str, permissions: &Permissions, program: &str) -> Self {
        let names = permissions.groups.keys();
        let groups = names.map(|name| (name.clone(), word(permissions.of_group(name, program))));
        Self {
            of: of.to_owned(),
            enable_proxy: permissions.enable_proxy,
            default: word(permissions.default).to_owned(),
            groups: groups.collect(),
        }
    }
}

/// All of them must let a request in.
fn access<'a>(documents: impl Iterator<Item = &'a Permissions>, program: &str) -> &'static str {
    let mut access = "allow";
    for one in documents {
        let mut groups = one.groups.keys();
        let lets_some_in = groups.any(|name| one.of_group(name, program) == Verdict::Allow);
        match (one.enable_proxy, one.default, lets_some_in) {
            (true, Verdict::Allow, _) => {}
            (true, Verdict::Deny, true) => access = "groups",
            (false, _, _) | (true, Verdict::Deny, false) => return "deny",
        }
    }
    access
}
