//! `cache/clear`: forget loaded handlers, kept instances and shared state.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::endpoint::{Answer, Call, Nothing};
use crate::api::error::ApiError;
use crate::exec::unload::{Unloaded, is_loaded};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClearRequest {
    /// Drop loaded handlers and the kept instances of workers.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub clear_vm: bool,
    /// Delete the `shared` object.
    #[serde(default)]
    pub clear_state: bool,
    /// Both, of all deployments.
    #[serde(default)]
    pub clear_all: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClearAnswer {
    pub cleared: bool,
    pub selector: Selector,
    /// Deployments that the selector chose.
    pub matched: usize,
    /// Loaded handlers.
    pub vm_cache: Counts,
    /// Keys of `shared` objects.
    pub shared_state: Counts,
    #[serde(rename = "dry_run")]
    pub dry_run: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    pub hostname: Option<String>,
    /// Null for all deployments.
    pub exec_id: Option<String>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Counts {
    pub cleared: usize,
    pub remaining: usize,
}

pub async fn clear(call: Call<Nothing, ClearRequest>) -> Result<Answer<ClearAnswer>, ApiError> {
    let ClearRequest {
        clear_vm,
        clear_state,
        clear_all,
    } = call.body;
    let dry_run = call.scope.dry_run;
    let exec_id = (!clear_all).then_some(&call.scope.exec_id);
    let deployments = call.exec().live.all();
    let is_chosen = |id| exec_id.is_none_or(|wanted| wanted == id);
    let mut handlers = Unloaded::default();
    let mut keys = Counts::default();
    for (id, deployment) in deployments.iter() {
        let loaded = deployment
            .scripts
            .values()
            .filter(|script| is_loaded(script))
            .count();
        let shared = deployment.state.shared.load().len();
        let (vm, state) = (clear_vm || clear_all, clear_state || clear_all);
        if is_chosen(id) && vm {
            handlers.cleared += loaded
        } else {
            handlers.remaining += loaded
        }
        if is_chosen(id) && state {
            keys.cleared += shared
        } else {
            keys.remaining += shared
        }
        if is_chosen(id) && state && !dry_run {
            deployment.state.shared.clear();
        }
    }
    if (clear_vm || clear_all) && !dry_run {
        handlers = call.exec().unload(exec_id).await?;
    }
    Ok(Answer::ok(ClearAnswer {
        cleared: !dry_run,
        selector: Selector {
            hostname: call.scope.hostname.clone(),
            exec_id: exec_id.map(ToString::to_string),
        },
        matched: deployments.keys().filter(|id| is_chosen(id)).count(),
        vm_cache: Counts {
            cleared: handlers.cleared,
            remaining: handlers.remaining,
        },
        shared_state: keys,
        dry_run,
    }))
}
