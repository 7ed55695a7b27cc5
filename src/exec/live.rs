//! What answers now: deployments, their scripts and their routes, in memory over
//! the scripts folder and the store. Requests only read it; one writer at a time
//! changes it, by swapping in a whole new table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::routes::table::RouteTable;
use super::script::Script;
use super::services::DeploymentState;
use crate::model::exec_id::ExecId;

/// All scripts of a deployment and where they answer.
#[derive(Debug)]
pub struct Deployment {
    pub state: Arc<DeploymentState>,
    /// By deployment-relative path.
    pub scripts: BTreeMap<String, Arc<Script>>,
    pub routes: RouteTable<Arc<Script>>,
}

impl Deployment {
    pub fn new(state: Arc<DeploymentState>, scripts: BTreeMap<String, Arc<Script>>) -> Self {
        let mounted = scripts.iter().filter(|(_, script)| !script.is_library());
        let routes =
            RouteTable::build(mounted.map(|(path, script)| (path.clone(), script.clone())));
        Self {
            state,
            scripts,
            routes,
        }
    }
}

pub type Deployments = HashMap<ExecId, Arc<Deployment>>;

/// The table of live scripts.
#[derive(Default)]
pub struct Live {
    deployments: ArcSwap<Deployments>,
    /// Told after each change.
    changed: tokio::sync::Notify,
}

impl Live {
    pub fn get(&self, exec_id: &ExecId) -> Option<Arc<Deployment>> {
        self.deployments.load().get(exec_id).cloned()
    }

    pub fn exists(&self, exec_id: &str) -> bool {
        self.deployments
            .load()
            .keys()
            .any(|known| known.as_str() == exec_id)
    }

    /// All deployments as they are now.
    pub fn all(&self) -> Arc<Deployments> {
        self.deployments.load_full()
    }

    /// Puts scripts in and takes paths out. The caller is the only writer.
    pub fn change(&self, state: &Arc<DeploymentState>, put: Vec<Arc<Script>>, take: &[&str]) {
        let mut deployments = Deployments::clone(&self.deployments.load());
        let old = deployments.get(&state.exec_id);
        let mut scripts = old.map(|old| old.scripts.clone()).unwrap_or_default();
        for path in take {
            scripts.remove(*path);
        }
        for script in put {
            scripts.insert(script.path.relative().to_owned(), script);
        }
        let deployment = Arc::new(Deployment::new(state.clone(), scripts));
        deployments.insert(state.exec_id.clone(), deployment);
        self.deployments.store(Arc::new(deployments));
        self.changed.notify_one();
    }

    /// Waits for a change since the last wait; for one waiter.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
