//! Scripts to routes to live handlers: the folder on disk, the versions in the
//! store, the table in memory. It must not know HTTP surfaces; `api` asks it.
//!
//! Requests read `live`. Whatever changes a script goes through `Exec::publish`
//! or `Exec::remove`: compile, save, swap, one at a time, so a request sees the
//! old version or the new one and a crash leaves one of them.

pub mod check;
pub mod comments;
pub mod cors;
pub mod directives;
pub mod drafts;
pub mod edit;
pub mod environment;
pub mod folder;
pub mod grant;
pub mod history;
pub mod listing;
pub mod live;
pub mod loaded;
pub mod log;
pub mod monitor;
pub mod notes;
pub mod precondition;
pub mod publish;
pub mod publishing;
pub mod refresh;
pub mod return_type;
pub mod routes;
pub mod script;
pub mod services;
pub mod shared;
pub mod stray;
pub mod traffic;
pub mod unload;
pub mod user_openapi;
pub mod validation;
pub mod versions;
pub mod watcher;

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::compile::stack::SourceMaps;
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;
use crate::sandbox::PUBLISHERS_MAX;
use crate::sandbox::handler::Handler;
use crate::sandbox::lane::blocking;
use crate::sandbox::services::Services;
use crate::store::kv::Kv;
use crate::store::{Store, StoreError};
use drafts::Drafts;
use folder::{Folder, FolderError};
use history::{History, Origin};
use live::{Deployment, Live};
use notes::Notes;
use publish::Publisher;
use script::{Problem, Program, Script};
use services::{DeploymentState, Outside, ScriptServices};
use traffic::Traffic;
use unload::{Keep, Keeping};

/// Scripts that compile at once: more would only take turns on the cores, or ask
/// the sandbox for more than it has for them.
fn compiling_at_once() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    cores.min(PUBLISHERS_MAX as usize)
}

pub struct Exec {
    pub live: Live,
    pub history: History,
    pub drafts: Drafts,
    /// What calls look like.
    pub traffic: Traffic,
    pub publisher: Arc<Publisher>,
    pub outside: Arc<Outside>,
    store: Store,
    states: Mutex<HashMap<ExecId, Arc<DeploymentState>>>,
    /// Held from writing a file to swapping it in.
    changing: tokio::sync::Mutex<()>,
    /// The turns of those who publish.
    publishing: Arc<Semaphore>,
    /// The turns of calls that compile for themselves, such as for an isolate: they wait
    /// for each other, and a start that publishes a thousand scripts for none of them.
    calls_compile: Arc<Semaphore>,
    keeping: Keeping,
}

/// A change did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}", .0.message)]
    Invalid(Problem),
    #[error("the server is stopping; nothing was changed")]
    Stopping,
}

impl Exec {
    pub fn new(
        store: Store,
        publisher: Publisher,
        outside: Outside,
        versions_max: usize,
        keep: Keep,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            traffic: Traffic::open(store.clone())?,
            live: Live::default(),
            history: History::new(store.clone(), versions_max),
            drafts: Drafts::open(store.clone())?,
            publisher: Arc::new(publisher),
            outside: Arc::new(outside),
            store,
            states: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
            publishing: Arc::new(Semaphore::new(compiling_at_once())),
            calls_compile: Arc::new(Semaphore::new(compiling_at_once())),
            keeping: Keeping::new(keep),
        })
    }

    pub fn folder(&self) -> &Folder {
        &self.publisher.folder
    }

    /// Reads the folder and makes every script live whose compiled form is known;
    /// those that come back are still to be published.
    pub async fn open(self: &Arc<Self>) -> Result<Vec<Arc<Script>>, ExecError> {
        let mut waiting = Vec::new();
        for exec_id in self.folder().deployments() {
            let state = self.state(&exec_id)?;
            let exec = self.clone();
            let scan = move || exec.scan(&exec_id);
            let scripts = tokio::task::spawn_blocking(scan)
                .await
                .map_err(|_| ExecError::Stopping)?;
            let scripts: Vec<Arc<Script>> = scripts.into_iter().map(Arc::new).collect();
            waiting.extend(scripts.iter().filter(|script| script.is_waiting()).cloned());
            self.live.change(&state, scripts, &[]);
        }
        Ok(waiting)
    }

    fn scan(&self, exec_id: &ExecId) -> Vec<Script> {
        let mut scripts = Vec::new();
        for path in self.folder().files(exec_id).into_keys() {
            let Ok(path) = ScriptPath::in_deployment(exec_id, &path) else {
                continue;
            };
            if routes::mount::mount(path.relative()).is_err() {
                continue;
            }
            let source = match self.folder().read(&path) {
                Ok(source) => source,
                Err(error) => {
                    let mut script = Script::new(path, "", Vec::new(), &self.publisher.caps);
                    script.problem = Some(Problem {
                        message: error.to_string(),
                        diagnostics: Vec::new(),
                    });
                    scripts.push(script);
                    continue;
                }
            };
            let origin = self.history.origin(&path, &script::hash(source.as_bytes()));
            let mut script = self.script(path, &source, origin);
            let manifest = self.history.manifest(&script.path);
            let current = manifest.filter(|manifest| {
                self.publisher
                    .is_current(&script.path, &script.source_hash, manifest)
            });
            script.program = current.map(|manifest| Arc::new(self.publisher.known(manifest)));
            scripts.push(script);
        }
        scripts
    }

    /// A script of this text, without its program. What nobody has read gets no
    /// environment: that holds secrets.
    pub(crate) fn script(&self, path: ScriptPath, source: &str, origin: Origin) -> Script {
        let environment = match origin {
            Origin::Person => environment::of_script(self.folder(), &path),
            Origin::Script => Vec::new(),
        };
        Script::new(path, source, environment, &self.publisher.caps).of(origin)
    }

    /// The handler of a script, from the cache if it is not loaded.
    pub async fn handler(self: &Arc<Self>, script: &Arc<Script>) -> Result<Handler, Problem> {
        let Some(program) = &script.program else {
            return Err(script.problem.clone().unwrap_or_else(Problem::not_ready));
        };
        let load = async || {
            let (publisher, script, program) =
                (self.publisher.clone(), script.clone(), program.clone());
            let source = self.source_of(&script);
            let load = move || {
                let source = source.map_err(|error| Problem::of(&error))?;
                publisher.load(
                    &script.path,
                    &source,
                    &script.directives,
                    script.origin,
                    &program,
                )
            };
            let loaded = blocking(load).await;
            self.keeping.loaded();
            loaded.unwrap_or_else(|_| Err(Problem::not_ready()))
        };
        program.handler.get(load).await
    }

    /// The text that answers, which is not the file's while that does not compile.
    pub fn source_of(&self, script: &Script) -> Result<String, ExecError> {
        if let Some(program) = script.program.as_ref().filter(|_| script.problem.is_some())
            && let Some(source) = self
                .history
                .source(&script.path, &program.manifest.source_hash)?
        {
            return Ok(source);
        }
        Ok(self.folder().read(&script.path)?)
    }

    /// The source maps of what answers; made from its text when they are first needed.
    pub fn maps_of(&self, path: &ScriptPath, program: &Program) -> Arc<SourceMaps> {
        let maps = program.maps.get_or_init(|| {
            let published = self.history.source(path, &program.manifest.source_hash);
            let source = published.ok().flatten();
            let source = source.or_else(|| self.folder().read(path).ok());
            Arc::new(self.publisher.maps(path, &source.unwrap_or_default()))
        });
        maps.clone()
    }

    /// The services of a script, for one call.
    pub fn services(
        self: &Arc<Self>,
        deployment: &Deployment,
        script: &Script,
        notes: Notes,
    ) -> Arc<dyn Services> {
        Arc::new(ScriptServices {
            exec: self.clone(),
            notes,
            script: script.path.clone(),
            program: script.program.as_ref().map(Arc::downgrade),
            ai: script.directives.ai.clone(),
            is_persons: script.origin == Origin::Person,
            detail: script.directives.log.level,
            environment: script.environment.clone(),
            deployment: deployment.state.clone(),
            outside: self.outside.clone(),
        })
    }

    /// The state that the scripts of a deployment share; made on first use.
    pub fn state(&self, exec_id: &ExecId) -> Result<Arc<DeploymentState>, StoreError> {
        // The map only grows by whole values; a panic elsewhere leaves it sound.
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get(exec_id) {
            return Ok(state.clone());
        }
        let kv = Kv::new(self.store.clone(), exec_id.as_str())?;
        let state = Arc::new(DeploymentState {
            exec_id: exec_id.clone(),
            shared: shared::Shared::default(),
            kv,
        });
        states.insert(exec_id.clone(), state.clone());
        Ok(state)
    }
}
