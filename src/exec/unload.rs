//! Forgetting what is only kept to be quick: loaded handlers and kept instances.

use std::sync::Arc;

use super::{Exec, ExecError};
use crate::exec::script::{Program, Script};
use crate::model::exec_id::ExecId;

/// How many handlers were let go, and how many of other deployments stay loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unloaded {
    pub cleared: usize,
    pub remaining: usize,
}

impl Exec {
    /// Drops the loaded handlers and kept instances of one deployment, or of all;
    /// the next call loads them again. Calls under way keep theirs.
    pub async fn unload(&self, exec_id: Option<&ExecId>) -> Result<Unloaded, ExecError> {
        let _changing = self.changing.lock().await;
        let mut unloaded = Unloaded::default();
        for (id, deployment) in self.live.all().iter() {
            let loaded: Vec<&Arc<Script>> = deployment
                .scripts
                .values()
                .filter(|script| is_loaded(script))
                .collect();
            if exec_id.is_some_and(|wanted| wanted != id) {
                unloaded.remaining += loaded.len();
                continue;
            }
            unloaded.cleared += loaded.len();
            let fresh = loaded.into_iter().map(|script| {
                let known = |program: &Arc<Program>| {
                    Arc::new(self.publisher.known(program.manifest.clone()))
                };
                let program = script.program.as_ref().map(known);
                Arc::new(Script {
                    program,
                    ..Script::clone(script)
                })
            });
            self.live.change(&deployment.state, fresh.collect(), &[]);
        }
        Ok(unloaded)
    }
}

pub fn is_loaded(script: &Script) -> bool {
    script
        .program
        .as_ref()
        .is_some_and(|program| program.handler.initialized())
}
