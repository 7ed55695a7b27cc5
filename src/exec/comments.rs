//! Changes of directives in stored scripts; the rest of a text stays as it is.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Exec;
use super::directives::edit::{self, Edited};
use super::edit::{EditError, Terms, Write, Written};
use super::folder::FolderError;
use super::precondition::{PreconditionError, etag};
use crate::model::script::ScriptPath;
use crate::model::script::directory::ScriptDirectory;

/// Directives were not changed; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum CommentsError {
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Comments(#[from] edit::EditError),
    #[error("{0} is no `.ts` or `.js` file and has no directives")]
    NoScript(String),
}

impl From<FolderError> for CommentsError {
    fn from(error: FolderError) -> Self {
        Self::Edit(error.into())
    }
}

impl Exec {
    /// Changes directives of a script and publishes it. It need not compile.
    pub async fn update_comments(
        self: &Arc<Self>,
        path: &ScriptPath,
        changes: &Map<String, Value>,
        terms: &Terms,
    ) -> Result<(Edited, Written), CommentsError> {
        if !matches!(path.extension(), Some("ts" | "js")) {
            return Err(CommentsError::NoScript(path.to_string()));
        }
        loop {
            let missing = || FolderError::NotFound(path.to_string());
            let stored = self.stored(path)?.ok_or_else(missing)?;
            terms
                .condition
                .check(Some(&stored))
                .map_err(EditError::from)?;
            let edited = edit::apply(&self.folder().read(path)?, changes)?;
            let mut terms = Terms {
                validate: false,
                ..terms.clone()
            };
            terms.condition.if_match = Some(etag(&stored.hash));
            let write = Write {
                path: path.clone(),
                content: edited.source.clone(),
                create_folders: false,
                terms,
            };
            match self.write(write).await {
                // Somebody else was quicker: the change is made to what is there now.
                Err(EditError::Precondition(PreconditionError::Changed)) => {}
                written => return Ok((edited, written?)),
            }
        }
    }

    /// The scripts in a folder with this extension.
    pub fn scripts_in(
        &self,
        directory: &ScriptDirectory,
        extension: &str,
        recursive: bool,
    ) -> Vec<ScriptPath> {
        let extension = extension.trim_start_matches('.');
        let depth = |path: &str| path.matches('/').count();
        let direct = if directory.relative().is_empty() {
            0
        } else {
            depth(directory.relative()) + 1
        };
        let files = self.folder().files(directory.exec_id()).into_keys();
        let paths =
            files.filter_map(|file| ScriptPath::in_deployment(directory.exec_id(), &file).ok());
        let wanted = |path: &ScriptPath| {
            path.extension() == Some(extension)
                && directory.contains(path)
                && (recursive || depth(path.relative()) == direct)
        };
        paths.filter(wanted).collect()
    }
}
