//! From files that changed on disk to what is live. Which files changed, the
//! watcher says; it may say so late, twice, or about a whole folder.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::history::{Author, Origin};
use super::routes::mount::mount;
use super::script::hash;
use super::{Exec, ExecError};
use crate::model::script::ScriptPath;

impl Exec {
    /// Publishes or removes what the changed files mean.
    pub async fn changed(self: &Arc<Self>, paths: BTreeSet<ScriptPath>) {
        let author = Author {
            origin: Origin::Person,
            token: None,
        };
        for path in paths {
            let result = if !self.folder().exists(&path) {
                self.gone(&path, &author).await
            } else if self.folder().is_folder(&path) {
                self.appeared(&path, &author).await
            } else if mount(path.relative()).is_ok() {
                self.refresh(&path, &author).await
            } else {
                self.republish_users(&path, &author).await;
                Ok(())
            };
            if let Err(error) = result {
                tracing::warn!(script = %path, %error, "a changed file was not published");
            }
        }
    }

    /// A file is gone, or a folder with all that was in it.
    async fn gone(self: &Arc<Self>, path: &ScriptPath, author: &Author) -> Result<(), ExecError> {
        let mut below = self.live_below(path);
        below.push(path.clone());
        for path in below {
            let changing = self.changing.lock().await;
            if !self.folder().exists(&path) {
                self.remove(&path, &changing)?;
            }
            drop(changing);
            self.republish_users(&path, author).await;
        }
        Ok(())
    }

    fn live_below(&self, folder: &ScriptPath) -> Vec<ScriptPath> {
        let Some(deployment) = self.live.get(folder.exec_id()) else {
            return Vec::new();
        };
        let prefix = format!("{}/", folder.relative());
        let scripts = deployment.scripts.values().map(|script| &script.path);
        scripts
            .filter(|path| path.relative().starts_with(&prefix))
            .cloned()
            .collect()
    }

    /// A folder was moved here: nobody tells of the files in it.
    async fn appeared(
        self: &Arc<Self>,
        folder: &ScriptPath,
        author: &Author,
    ) -> Result<(), ExecError> {
        let prefix = format!("{}/", folder.relative());
        for file in self.folder().files(folder.exec_id()).into_keys() {
            if file.starts_with(&prefix) && mount(&file).is_ok() {
                let Ok(path) = ScriptPath::in_deployment(folder.exec_id(), &file) else {
                    continue;
                };
                self.refresh(&path, author).await?;
            }
        }
        Ok(())
    }

    async fn refresh(
        self: &Arc<Self>,
        path: &ScriptPath,
        author: &Author,
    ) -> Result<(), ExecError> {
        let source = self.folder().read(path)?;
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
        match &published.script.problem {
            Some(problem) => tracing::warn!(script = %path, "{}", problem.message),
            None => tracing::info!(script = %path, "published"),
        }
        Ok(())
    }

    /// Takes a script out of the table; its file is gone already.
    pub(super) fn remove(
        &self,
        path: &ScriptPath,
        _changing: &super::Changing<'_>,
    ) -> Result<(), ExecError> {
        let state = self.state(path.exec_id())?;
        self.live.change(&state, Vec::new(), &[path.relative()]);
        Ok(())
    }
}
