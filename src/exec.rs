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
pub mod edit;
pub mod environment;
pub mod folder;
pub mod history;
pub mod listing;
pub mod live;
pub mod log;
pub mod monitor;
pub mod precondition;
pub mod publish;
pub mod refresh;
pub mod return_type;
pub mod routes;
pub mod script;
pub mod services;
pub mod shared;
pub mod unload;
pub mod validation;
pub mod versions;
pub mod watcher;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use tokio::sync::Semaphore;

use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;
use crate::sandbox::handler::Handler;
use crate::sandbox::services::Services;
use crate::store::kv::Kv;
use crate::store::{Store, StoreError};
use folder::{Folder, FolderError};
use history::{Author, History, Origin};
use live::{Deployment, Live};
use publish::Publisher;
use script::{Problem, Program, Script};
use services::{DeploymentState, Outside, ScriptServices};

/// Scripts that compile at once: more would only take turns on the cores.
const PUBLISHING_AT_ONCE: usize = 2;

pub struct Exec {
    pub live: Live,
    pub history: History,
    pub publisher: Arc<Publisher>,
    pub outside: Arc<Outside>,
    store: Store,
    states: Mutex<HashMap<ExecId, Arc<DeploymentState>>>,
    /// Held from writing a file to swapping it in.
    changing: tokio::sync::Mutex<()>,
    publishing: Semaphore,
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

/// What publishing did.
pub struct Published {
    pub script: Arc<Script>,
    /// Scripts that import it and were published again.
    pub republished: Vec<Arc<Script>>,
}

/// A text that was compiled and is not live yet.
pub struct Prepared {
    pub script: Script,
    pub source: String,
    /// None for a page, which needs no compiling.
    pub built: Option<Result<Program, Problem>>,
}

/// Held from writing a file to swapping it in.
pub type Changing<'a> = tokio::sync::MutexGuard<'a, ()>;

impl Exec {
    pub fn new(store: Store, publisher: Publisher, outside: Outside, versions_max: usize) -> Self {
        Self {
            live: Live::default(),
            history: History::new(store.clone(), versions_max),
            publisher: Arc::new(publisher),
            outside: Arc::new(outside),
            store,
            states: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
            publishing: Semaphore::new(PUBLISHING_AT_ONCE),
        }
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
                    let mut script = Script::new(path, "", Vec::new());
                    script.problem = Some(Problem {
                        message: error.to_string(),
                        diagnostics: Vec::new(),
                    });
                    scripts.push(script);
                    continue;
                }
            };
            let environment = environment::of_script(self.folder(), &path);
            let mut script = Script::new(path, &source, environment);
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

    /// Compiles what the file says now, saves it as a version and makes it live,
    /// then does the same for the scripts that import it. A text that does not
    /// compile leaves the old version up and says why.
    pub async fn publish(
        self: &Arc<Self>,
        path: &ScriptPath,
        author: &Author,
    ) -> Result<Published, ExecError> {
        let script = self.publish_file(path, author).await?;
        let republished = self.republish_users(path, author).await;
        Ok(Published {
            script,
            republished,
        })
    }

    async fn publish_file(
        self: &Arc<Self>,
        path: &ScriptPath,
        author: &Author,
    ) -> Result<Arc<Script>, ExecError> {
        loop {
            let prepared = self.prepare(path, self.folder().read(path)?).await?;
            let changing = self.changing.lock().await;
            if let Some(live) = self.live_as(&prepared) {
                return Ok(live);
            }
            // What was written while this compiled is newer than what it compiled.
            if self.is_still(&prepared)? {
                return self.install(prepared, author, &changing).await;
            }
        }
    }

    /// Publishes the scripts that import a file, or read it into `process.env`.
    pub async fn republish_users(
        self: &Arc<Self>,
        path: &ScriptPath,
        author: &Author,
    ) -> Vec<Arc<Script>> {
        let mut republished = Vec::new();
        for user in self
            .users_of(path)
            .into_iter()
            .chain(self.environment_users(path))
        {
            // A user that cannot be read is gone, or has a problem of its own.
            republished.extend(self.publish_file(&user, author).await.ok());
        }
        republished
    }

    /// Compiles a text as the script at this path; nothing changes.
    pub async fn prepare(
        self: &Arc<Self>,
        path: &ScriptPath,
        source: String,
    ) -> Result<Prepared, ExecError> {
        let environment = environment::of_script(self.folder(), path);
        let script = Script::new(path.clone(), &source, environment);
        let built = if script.is_markdown() {
            None
        } else {
            Some(self.build(&script, source.clone()).await?)
        };
        Ok(Prepared {
            script,
            source,
            built,
        })
    }

    /// Saves what was prepared and swaps it in.
    pub async fn install(
        &self,
        prepared: Prepared,
        author: &Author,
        _changing: &Changing<'_>,
    ) -> Result<Arc<Script>, ExecError> {
        let Prepared {
            mut script,
            source,
            built,
        } = prepared;
        let state = self.state(script.path.exec_id())?;
        match built {
            Some(Ok(mut program)) => {
                self.history
                    .save(
                        &script.path,
                        &source,
                        &mut program.manifest,
                        author,
                        Utc::now(),
                    )
                    .await?;
                script.program = Some(Arc::new(program));
            }
            Some(Err(problem)) => {
                script.program = self.last_program(&script.path);
                script.problem = Some(problem);
            }
            None => {}
        }
        let script = Arc::new(script);
        self.live.change(&state, vec![script.clone()], &[]);
        Ok(script)
    }

    /// What goes on answering while a text does not compile: what answers now, or
    /// after a restart the version that was published last.
    fn last_program(&self, path: &ScriptPath) -> Option<Arc<Program>> {
        let live = self.live.get(path.exec_id());
        let script = live
            .as_ref()
            .and_then(|deployment| deployment.scripts.get(path.relative()));
        script
            .and_then(|script| script.program.clone())
            .or_else(|| {
                let manifest = self
                    .history
                    .manifest(path)
                    .filter(|manifest| !manifest.library)?;
                Some(Arc::new(self.publisher.known(manifest)))
            })
    }

    /// The live script, if publishing would change nothing about it: somebody
    /// else was quicker.
    fn live_as(&self, prepared: &Prepared) -> Option<Arc<Script>> {
        let Prepared { script, built, .. } = prepared;
        let Some(Ok(program)) = built else {
            return None;
        };
        let deployment = self.live.get(script.path.exec_id())?;
        let live = deployment.scripts.get(script.path.relative())?;
        let same = live.source_hash == script.source_hash
            && live.problem.is_none()
            && live.environment == script.environment
            && live.program.as_ref()?.manifest.version == program.manifest.version;
        same.then(|| live.clone())
    }

    /// Whether the files that a text was compiled from have not changed since.
    fn is_still(&self, prepared: &Prepared) -> Result<bool, FolderError> {
        let Prepared {
            script,
            source,
            built,
        } = prepared;
        let now = self.folder().read(&script.path)?;
        let imports = match built {
            Some(Ok(program)) => {
                self.publisher
                    .is_current(&script.path, &script.source_hash, &program.manifest)
            }
            Some(Err(_)) | None => true,
        };
        Ok(now == *source && imports)
    }

    /// Compiles a script's text without making it live.
    async fn build(
        self: &Arc<Self>,
        script: &Script,
        source: String,
    ) -> Result<Result<Program, Problem>, ExecError> {
        let _turn = self
            .publishing
            .acquire()
            .await
            .map_err(|_| ExecError::Stopping)?;
        let publisher = self.publisher.clone();
        let (path, directives) = (script.path.clone(), script.directives.clone());
        let build = move || publisher.publish(&path, &source, &directives);
        tokio::task::spawn_blocking(build)
            .await
            .map_err(|_| ExecError::Stopping)
    }

    /// The script itself, or the one that publishing it now makes of it: a request
    /// does not wait for its turn among all that a start has to publish.
    pub async fn ready(self: &Arc<Self>, script: &Arc<Script>) -> Arc<Script> {
        if !script.is_waiting() {
            return script.clone();
        }
        self.publish_first(script)
            .await
            .unwrap_or_else(|_| script.clone())
    }

    /// Publishes a script that waits for it. Of all who ask at once one compiles,
    /// and the others get what it made.
    pub async fn publish_first(
        self: &Arc<Self>,
        script: &Arc<Script>,
    ) -> Result<Arc<Script>, ExecError> {
        let _leader = script.first.lock().await;
        let deployment = self.live.get(script.path.exec_id());
        let live = deployment
            .as_ref()
            .and_then(|one| one.scripts.get(script.path.relative()));
        if let Some(live) = live.filter(|live| !live.is_waiting()) {
            return Ok(live.clone());
        }
        let author = Author {
            origin: Origin::Person,
            token: None,
        };
        Ok(self.publish(&script.path, &author).await?.script)
    }

    /// The handler of a script, loaded from the cache on its first call.
    pub async fn handler(self: &Arc<Self>, script: &Arc<Script>) -> Result<Handler, Problem> {
        let Some(program) = &script.program else {
            return Err(script.problem.clone().unwrap_or_else(Problem::not_ready));
        };
        let load = || async {
            let (publisher, script, program) =
                (self.publisher.clone(), script.clone(), program.clone());
            let source = self.source_of(&script);
            let load = move || {
                let source = source.map_err(|error| Problem::of(&error))?;
                publisher.load(&script.path, &source, &script.directives, &program)
            };
            tokio::task::spawn_blocking(load)
                .await
                .unwrap_or_else(|_| Err(Problem::not_ready()))
        };
        program.handler.get_or_try_init(load).await.cloned()
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

    /// The services of a script, for one call.
    pub fn services(&self, deployment: &Deployment, script: &Script) -> Arc<dyn Services> {
        Arc::new(ScriptServices {
            script: script.path.to_string(),
            environment: script.environment.clone(),
            deployment: deployment.state.clone(),
            outside: self.outside.clone(),
        })
    }

    /// Every live script that imports a file.
    pub fn users_of(&self, path: &ScriptPath) -> Vec<ScriptPath> {
        let Some(deployment) = self.live.get(path.exec_id()) else {
            return Vec::new();
        };
        let uses = |script: &&Arc<Script>| {
            let program = script.program.as_ref();
            program.is_some_and(|program| {
                program
                    .manifest
                    .dependencies
                    .iter()
                    .any(|(file, _)| file == path.relative())
            }) || script
                .problem
                .as_ref()
                .is_some_and(|problem| problem.message.contains(path.relative()))
        };
        let users = deployment
            .scripts
            .values()
            .filter(uses)
            .map(|script| script.path.clone());
        users.filter(|user| user != path).collect()
    }

    /// Scripts whose `process.env` a file is part of.
    fn environment_users(&self, path: &ScriptPath) -> Vec<ScriptPath> {
        let Some(deployment) = self.live.get(path.exec_id()) else {
            return Vec::new();
        };
        let reads = |script: &&Arc<Script>| {
            environment::files(script.path.relative())
                .iter()
                .any(|file| file == path.relative())
        };
        deployment
            .scripts
            .values()
            .filter(reads)
            .map(|script| script.path.clone())
            .collect()
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
