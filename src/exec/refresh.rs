//! From files that changed on disk to what is live. Which files changed, the
//! watcher says; it may say so late, twice, or about a whole folder.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::directives::Warning;
use super::folder::FolderError;
use super::history::{Author, Origin};
use super::routes::mount::mount;
use super::script::{Problem, Script, hash};
use super::stray::{Stray, link, stray};
use super::watcher::Changed;
use super::{Exec, ExecError};
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;

impl Exec {
    /// Publishes or removes what the changes mean.
    pub async fn changed(self: &Arc<Self>, changes: BTreeSet<Changed>) {
        let author = Author::person(None);
        for change in changes {
            let result = match &change {
                Changed::Inside(path) => self.changed_inside(path, &author).await,
                Changed::Deployment(exec_id) => {
                    self.tell_stray(exec_id.as_str());
                    self.changed_below(exec_id, "", &author).await
                }
                Changed::Outside(name) => {
                    self.tell_stray(name);
                    Ok(())
                }
            };
            if let Err(error) = result {
                tracing::warn!("a changed file was not published: {error}");
            }
        }
    }

    fn tell_stray(&self, name: &str) {
        stray(self.folder(), name).iter().for_each(tell_stray);
    }

    async fn changed_inside(
        self: &Arc<Self>,
        path: &ScriptPath,
        author: &Author,
    ) -> Result<(), ExecError> {
        if self.folder().is_folder(path) {
            // It was moved here: nobody tells of the files in it.
            let prefix = format!("{}/", path.relative());
            return self.changed_below(path.exec_id(), &prefix, author).await;
        }
        if self.folder().exists(path) && mount(path.relative()).is_ok() {
            return self.refresh(path, author).await;
        }
        if !self.folder().exists(path) {
            link(self.folder(), path).iter().for_each(tell_stray);
            self.gone(path, author).await?;
            let prefix = format!("{}/", path.relative());
            return self.changed_below(path.exec_id(), &prefix, author).await;
        }
        tell(&self.republish_users(path, author).await);
        Ok(())
    }

    /// A folder came or went, with all that is or was in it.
    async fn changed_below(
        self: &Arc<Self>,
        exec_id: &ExecId,
        prefix: &str,
        author: &Author,
    ) -> Result<(), ExecError> {
        let deployment = self.live.get(exec_id);
        let live = deployment
            .iter()
            .flat_map(|deployment| deployment.scripts.values());
        let was: Vec<ScriptPath> = live.map(|script| script.path.clone()).collect();
        for path in was
            .iter()
            .filter(|path| path.relative().starts_with(prefix) && !self.folder().exists(path))
        {
            self.gone(path, author).await?;
        }
        for file in self.folder().files(exec_id).into_keys() {
            if file.starts_with(prefix) && mount(&file).is_ok() {
                let Ok(path) = ScriptPath::in_deployment(exec_id, &file) else {
                    continue;
                };
                self.refresh(&path, author).await?;
            }
        }
        Ok(())
    }

    async fn gone(self: &Arc<Self>, path: &ScriptPath, author: &Author) -> Result<(), ExecError> {
        let changing = self.changing.lock().await;
        if !self.folder().exists(path) {
            self.remove(path, &changing)?;
        }
        drop(changing);
        tell(&self.republish_users(path, author).await);
        Ok(())
    }

    async fn refresh(
        self: &Arc<Self>,
        path: &ScriptPath,
        author: &Author,
    ) -> Result<(), ExecError> {
        // What the server itself writes is live a moment after the file is there.
        drop(self.changing.lock().await);
        let source = match self.folder().read(path) {
            Ok(source) => source,
            Err(error @ (FolderError::NotText { .. } | FolderError::TooLarge { .. })) => {
                return self.keep_before_unreadable(path, &error).await;
            }
            Err(error) => return Err(error.into()),
        };
        let live = self.live.get(path.exec_id());
        let live = live
            .as_ref()
            .and_then(|deployment| deployment.scripts.get(path.relative()));
        if live
            .is_some_and(|live| live.source_hash == hash(source.as_bytes()) && !live.is_waiting())
        {
            return Ok(());
        }
        let published = self.publish(path, author).await?;
        tell(&[published.script]);
        tell(&published.republished);
        Ok(())
    }

    /// A file that is no text is like one that does not compile: what answered goes
    /// on under its own directives, and the listing says why.
    async fn keep_before_unreadable(
        &self,
        path: &ScriptPath,
        error: &FolderError,
    ) -> Result<(), ExecError> {
        let _changing = self.changing.lock().await;
        let state = self.state(path.exec_id())?;
        let live = self.live.get(path.exec_id());
        let live = live
            .as_ref()
            .and_then(|deployment| deployment.scripts.get(path.relative()));
        let mut script = live.map_or_else(
            || self.script(path.clone(), "", Origin::Person),
            |live| Script::clone(live),
        );
        // No text has the hash of a byte that is no UTF-8, so whatever is saved
        // next differs, also the text that was there before.
        script.source_hash = hash(&[0xff]);
        script.problem = Some(Problem::of(error));
        let script = Arc::new(script);
        self.live.change(&state, vec![script.clone()], &[]);
        tell(&[script]);
        Ok(())
    }

    /// Takes a script out of the table; its file is gone already.
    pub(super) fn remove(
        &self,
        path: &ScriptPath,
        _changing: &super::publishing::Changing<'_>,
    ) -> Result<(), ExecError> {
        let state = self.state(path.exec_id())?;
        self.live.change(&state, Vec::new(), &[path.relative()]);
        self.outside.monitor.forget(path);
        Ok(())
    }
}

/// A file or folder that will never answer.
pub fn tell_stray(stray: &Stray) {
    tracing::warn!(name = stray.name, "{}", stray.reason);
}

/// What became of scripts whose files, or whose imports' files, have changed.
fn tell(scripts: &[Arc<Script>]) {
    for script in scripts {
        if script.problem.is_none() {
            tracing::info!(script = %script.path, "published");
        }
        tell_wrong(script);
    }
}

/// Why a script does not compile, and what of its directives has no effect.
pub fn tell_wrong(script: &Script) {
    if let Some(problem) = &script.problem {
        tracing::warn!(script = %script.path, "{}", problem.message);
    }
    for warning in &script.warnings {
        let Warning {
            directive,
            value,
            message,
        } = warning;
        tracing::warn!(script = %script.path, value, "{directive} {message}");
    }
}
