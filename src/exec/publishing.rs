//! How a text becomes what answers: compile it, take the lock, see that it is
//! still what the file says, save the version, swap. Then the same for whatever
//! imports it.

use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;

use super::folder::FolderError;
use super::history::{Author, Origin};
use super::script::{Problem, Program, Script, hash};
use super::{Exec, ExecError, environment};
use crate::compile::hooks;
use crate::model::script::ScriptPath;
use crate::sandbox::lane::in_turn;

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
    /// When compiling began.
    pub started: Instant,
}

/// Held from writing a file to swapping it in.
pub type Changing<'a> = tokio::sync::MutexGuard<'a, ()>;

impl Exec {
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
            let source = self.folder().read(path)?;
            let origin = self.history.origin(path, &hash(source.as_bytes()));
            let prepared = self.prepare(path, source, origin).await?;
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

    /// Publishes the scripts that import a file, read it into `process.env`, or
    /// have it as a hook.
    pub async fn republish_users(
        self: &Arc<Self>,
        path: &ScriptPath,
        author: &Author,
    ) -> Vec<Arc<Script>> {
        let mut republished = Vec::new();
        for user in self
            .users_of(path)
            .into_iter()
            .chain(self.neighbours_of(path))
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
        origin: Origin,
    ) -> Result<Prepared, ExecError> {
        let started = Instant::now();
        let script = self.script(path.clone(), &source, origin);
        let built = if script.is_markdown() {
            None
        } else {
            Some(self.build(&script, source.clone()).await?)
        };
        Ok(Prepared {
            script,
            source,
            built,
            started,
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
            started,
        } = prepared;
        let state = self.state(script.path.exec_id())?;
        // A file that a script wrote is still the script's when it is found again.
        let author = &Author {
            origin: script.origin,
            ..author.clone()
        };
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
                self.keeping.loaded();
            }
            Some(Err(problem)) => {
                script.program = self.last_program(&script.path);
                script.problem = Some(problem);
            }
            None => {}
        }
        let script = Arc::new(script);
        self.live.change(&state, vec![script.clone()], &[]);
        if !script.is_markdown() {
            self.outside
                .monitor
                .publish(started.elapsed(), script.problem.is_none());
        }
        Ok(script)
    }

    /// What goes on answering while a text does not compile: what answers now, or
    /// after a restart the version that was published last.
    pub(super) fn last_program(&self, path: &ScriptPath) -> Option<Arc<Program>> {
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
            ..
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
        let publisher = self.publisher.clone();
        let (path, directives) = (script.path.clone(), script.directives.clone());
        let origin = script.origin;
        let build = move || publisher.publish(&path, &source, &directives, origin);
        in_turn(&self.publishing, build)
            .await
            .ok_or(ExecError::Stopping)
    }

    /// The script itself, or the one that publishing it now makes of it: a request
    /// does not wait for its turn among all that a start has to publish.
    pub async fn ready(self: &Arc<Self>, script: &Arc<Script>) -> Arc<Script> {
        if !script.is_waiting() {
            return script.clone();
        }
        // Rare and large: the futures of requests need no room for it.
        let published = Box::pin(self.publish_first(script)).await;
        published.unwrap_or_else(|_| script.clone())
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
        let author = Author::person(None);
        Ok(self.publish(&script.path, &author).await?.script)
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

    /// Scripts that a file counts for although they do not import it: it is part
    /// of their `process.env`, or a hook.
    fn neighbours_of(&self, path: &ScriptPath) -> Vec<ScriptPath> {
        let Some(deployment) = self.live.get(path.exec_id()) else {
            return Vec::new();
        };
        let reads = |script: &&Arc<Script>| {
            let script = script.path.relative();
            hooks::could_be_of(script, path.relative())
                || environment::files(script)
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
}
