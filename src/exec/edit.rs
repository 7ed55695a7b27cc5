//! Changes to scripts on somebody's behalf: write, delete, move, roll back.
//!
//! Each goes the same way: look at what is there, check preconditions, compile,
//! and only then take the lock, look again, change the file, save the version
//! and swap. Whatever fails before the last step leaves everything as it was. It
//! must not know HTTP.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::check::Checked;
use super::directives::redact::{Unresolved, restore};
use super::folder::FolderError;
use super::history::{Author, Version};
use super::precondition::{self, Precondition, PreconditionError};
use super::publishing::Changing;
use super::script::{Problem, Script, hash};
use super::{Exec, ExecError};
use crate::model::directives::Secret;
use crate::model::script::ScriptPath;
use crate::sandbox::lane::blocking;
use crate::store::StoreError;

/// What a caller believes is stored, as [`Precondition`] says.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub if_not_exists: bool,
}

/// How a change is to be made, whatever it changes.
#[derive(Debug, Clone)]
pub struct Terms {
    pub author: Author,
    pub condition: Condition,
    /// Do everything but change something.
    pub dry_run: bool,
    /// Refuse a text that does not compile; otherwise it is stored, and what
    /// answered goes on answering.
    pub validate: bool,
}

/// A text to write.
#[derive(Debug, Clone)]
pub struct Write {
    pub path: ScriptPath,
    pub content: String,
    pub create_folders: bool,
    pub terms: Terms,
}

/// What writing did, or would do.
#[derive(Debug)]
pub struct Written {
    /// False when it replaced a text.
    pub created: bool,
    pub hash: String,
    pub size: u64,
    pub modified: DateTime<Utc>,
    /// The script, when the file is one that may answer requests.
    pub script: Option<Arc<Script>>,
    /// Why the text is not what answers.
    pub problem: Option<Problem>,
    /// Scripts that import it and were published again.
    pub republished: Vec<Arc<Script>>,
}

/// What deleting or moving did, or would do.
#[derive(Debug)]
pub struct Removed {
    pub size: u64,
    /// At its new place.
    pub script: Option<Arc<Script>>,
    pub republished: Vec<Arc<Script>>,
}

/// A change did not happen, and nothing else did.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(transparent)]
    Precondition(#[from] PreconditionError),
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    #[error("{0} is pinned: a person must unpin it first (scripts/pin)")]
    Pinned(String),
    #[error("{}", .0.message)]
    InvalidJson(Problem),
    #[error("{path} has no version {selector}; scripts/versions lists those it has")]
    NoVersion { path: String, selector: String },
}

impl From<FolderError> for EditError {
    fn from(error: FolderError) -> Self {
        Self::Exec(error.into())
    }
}

impl From<StoreError> for EditError {
    fn from(error: StoreError) -> Self {
        Self::Exec(error.into())
    }
}

/// What a file holds now.
pub struct Stored {
    /// Of its bytes; of a file that is no text, something that no tag matches.
    pub hash: String,
    /// None when it is no text, or too large for one.
    pub text: Option<String>,
}

impl Condition {
    pub fn check(&self, stored: Option<&Stored>) -> Result<(), PreconditionError> {
        let precondition = Precondition {
            if_match: self.if_match.as_deref(),
            if_none_match: self.if_none_match.as_deref(),
            if_not_exists: self.if_not_exists,
        };
        precondition::check(precondition, stored.map(|stored| stored.hash.as_str()))
    }
}

impl Exec {
    /// What a path holds now; none if there is no such file.
    pub fn stored(&self, path: &ScriptPath) -> Result<Option<Stored>, FolderError> {
        match self.folder().read(path) {
            Ok(text) => Ok(Some(Stored {
                hash: hash(text.as_bytes()),
                text: Some(text),
            })),
            Err(FolderError::NotFound(_)) => Ok(None),
            Err(FolderError::NotText { .. } | FolderError::TooLarge { .. }) => Ok(Some(Stored {
                hash: "no text".to_owned(),
                text: None,
            })),
            Err(error) => Err(error),
        }
    }

    /// Writes a text and makes it live. `[REDACTED]` stands for the stored secret.
    pub async fn write(self: &Arc<Self>, write: Write) -> Result<Written, EditError> {
        let Write {
            path,
            content,
            create_folders,
            terms,
        } = write;
        self.folder().check(&path, &content, !create_folders)?;
        let before = self.stored(&path)?;
        terms.condition.check(before.as_ref())?;
        let content = with_secrets(&path, content, before.as_ref())?;
        let same = |before: &Stored| before.text.as_ref() == Some(&content);
        if !before.as_ref().is_some_and(same) {
            self.refuse_pinned(&path)?;
        }
        let checked = self.check(&path, &content, terms.author.origin).await?;
        if terms.validate {
            refuse(&path, &checked)?;
        }
        let mut written = Written {
            created: before.is_none(),
            hash: hash(content.as_bytes()),
            size: content.len() as u64,
            modified: Utc::now(),
            problem: checked.problem().cloned(),
            script: None,
            republished: Vec::new(),
        };
        if terms.dry_run {
            written.script = checked.into_script(self);
            return Ok(written);
        }
        let changing = self.changing.lock().await;
        let before = self.stored(&path)?;
        terms.condition.check(before.as_ref())?;
        written.created = before.is_none();
        let only_new = terms.condition.if_not_exists;
        // Whose text it is must be known before the file is there: what is found
        // without that after a crash is taken for a person's.
        self.history
            .set_origin(&path, &written.hash, &terms.author)
            .await?;
        self.write_file(&path, content, only_new).await?;
        written.script = match self
            .install_checked(checked, &terms.author, &changing)
            .await
        {
            Ok(script) => script,
            Err(error) => {
                self.restore_file(&path, before).await;
                return Err(error.into());
            }
        };
        drop(changing);
        written.modified = self
            .folder()
            .metadata(&path)?
            .modified()
            .map_or(written.modified, Into::into);
        written.republished = self.republish_users(&path, &terms.author).await;
        Ok(written)
    }

    /// Deletes a file; its versions stay, so that a rollback brings it back.
    pub async fn delete(
        self: &Arc<Self>,
        path: &ScriptPath,
        terms: &Terms,
    ) -> Result<Removed, EditError> {
        let changing = self.changing.lock().await;
        self.refuse_pinned(path)?;
        let stored = self.stored(path)?;
        terms.condition.check(stored.as_ref())?;
        let size = self.folder().metadata(path)?.len();
        let mut removed = Removed {
            size,
            script: None,
            republished: Vec::new(),
        };
        if terms.dry_run {
            return Ok(removed);
        }
        self.folder().delete(path)?;
        self.remove(path, &changing)?;
        drop(changing);
        removed.republished = self.republish_users(path, &terms.author).await;
        Ok(removed)
    }

    /// Moves a file. Its versions stay with the old path; the new one starts afresh.
    pub async fn rename(
        self: &Arc<Self>,
        from: &ScriptPath,
        to: &ScriptPath,
        overwrite: bool,
        terms: &Terms,
    ) -> Result<Removed, EditError> {
        let missing = || FolderError::NotFound(from.to_string());
        let before = self.stored(from)?.ok_or_else(missing)?;
        terms.condition.check(Some(&before))?;
        self.refuse_pinned(from)?;
        self.refuse_pinned(to)?;
        if from == to || (!overwrite && self.folder().exists(to)) {
            return Err(FolderError::Exists(to.to_string()).into());
        }
        let text = before.text.as_deref().unwrap_or_default();
        self.folder().check(to, text, false)?;
        // Relative imports mean other files there, so it may not compile.
        let origin = self.history.origin(from, &before.hash);
        let checked = self.check(to, text, origin).await?;
        if terms.validate {
            refuse(to, &checked)?;
        }
        let mut removed = Removed {
            size: text.len() as u64,
            script: None,
            republished: Vec::new(),
        };
        if terms.dry_run {
            removed.script = checked.into_script(self);
            return Ok(removed);
        }
        let changing = self.changing.lock().await;
        let now = self.stored(from)?.ok_or_else(missing)?;
        if now.hash != before.hash {
            return Err(PreconditionError::Changed.into());
        }
        // Moving is not adopting either.
        let versions = self.history.versions(from)?.into_iter();
        let mut same = versions.filter(|one| one.hash == now.hash && one.author.origin == origin);
        let author = Author {
            origin,
            token: terms.author.token.clone(),
            authorship: same.next().and_then(|one| one.author.authorship),
        };
        self.history.set_origin(to, &now.hash, &author).await?;
        self.folder().rename(from, to, overwrite)?;
        removed.script = match self.install_checked(checked, &author, &changing).await {
            Ok(script) => script,
            Err(error) => {
                // What `overwrite` replaced is in the store's versions.
                let _ = self.folder().rename(to, from, false);
                return Err(error.into());
            }
        };
        self.remove(from, &changing)?;
        drop(changing);
        removed.republished = self.republish_users(from, &terms.author).await;
        removed
            .republished
            .extend(self.republish_users(to, &terms.author).await);
        Ok(removed)
    }

    /// Writes the text of an earlier version back. Its code is still compiled.
    pub async fn roll_back(
        self: &Arc<Self>,
        path: &ScriptPath,
        selector: &str,
        terms: Terms,
    ) -> Result<(Version, Written), EditError> {
        let none = || EditError::NoVersion {
            path: path.to_string(),
            selector: selector.to_owned(),
        };
        let version = self.history.find(path, selector)?.ok_or_else(none)?;
        let content = self.history.source(path, &version.hash)?.ok_or_else(none)?;
        // Going back is not adopting: the text stays whose it was.
        let author = Author {
            token: terms.author.token.clone(),
            ..version.author.clone()
        };
        let terms = Terms { author, ..terms };
        let write = Write {
            path: path.clone(),
            content,
            create_folders: true,
            terms,
        };
        Ok((version, self.write(write).await?))
    }

    /// Whoever pins a script wants its text to stay, whoever would replace it.
    pub(super) fn refuse_pinned(&self, path: &ScriptPath) -> Result<(), EditError> {
        match self.history.is_pinned(path)? {
            true => Err(EditError::Pinned(path.to_string())),
            false => Ok(()),
        }
    }

    async fn install_checked(
        self: &Arc<Self>,
        checked: Checked,
        author: &Author,
        changing: &Changing<'_>,
    ) -> Result<Option<Arc<Script>>, ExecError> {
        match checked {
            Checked::Script(prepared) => Ok(Some(self.install(*prepared, author, changing).await?)),
            Checked::Other(_) => Ok(None),
        }
    }

    async fn write_file(
        &self,
        path: &ScriptPath,
        content: String,
        only_new: bool,
    ) -> Result<(), ExecError> {
        let (folder, path) = (self.folder().clone(), path.clone());
        let write = move || folder.write(&path, &content, only_new);
        Ok(blocking(write).await.map_err(|_| ExecError::Stopping)??)
    }

    /// After a failure further on. If this fails too, the watcher publishes what is there.
    async fn restore_file(&self, path: &ScriptPath, before: Option<Stored>) {
        let _ = match before.map(|before| before.text) {
            Some(Some(text)) => self.write_file(path, text, false).await,
            Some(None) => Ok(()),
            None => self.folder().delete(path).map_err(Into::into),
        };
    }
}

/// Puts stored secrets where a script's new text has placeholders.
fn with_secrets(
    path: &ScriptPath,
    content: String,
    stored: Option<&Stored>,
) -> Result<String, Unresolved> {
    let is_code = matches!(path.extension(), Some("ts" | "js"));
    if !is_code || !content.contains(Secret::PLACEHOLDER) {
        return Ok(content);
    }
    let stored = stored.and_then(|stored| stored.text.as_deref());
    restore(&content, stored.unwrap_or_default())
}

fn refuse(path: &ScriptPath, checked: &Checked) -> Result<(), EditError> {
    let Some(problem) = checked.problem() else {
        return Ok(());
    };
    match path.extension() {
        Some("json") => Err(EditError::InvalidJson(problem.clone())),
        _ => Err(ExecError::Invalid(problem.clone()).into()),
    }
}
