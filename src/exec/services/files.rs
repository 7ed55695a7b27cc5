//! `fs`: the deployment's files, for a script that a person wrote. What is written
//! this way has the origin `script`; what a model's text may become is stricter
//! than what a person's own text may.

use std::sync::Arc;

use chrono::Utc;

use super::ScriptServices;
use crate::compile::fences;
use crate::exec::ExecError;
use crate::exec::drafts::Draft;
use crate::exec::edit::{Condition, EditError, Terms, Write};
use crate::exec::folder::FolderError;
use crate::exec::history::{Author, Origin};
use crate::exec::notes::Noted;
use crate::exec::precondition::PreconditionError;
use crate::exec::routes::mount::{MountKind, mount};
use crate::model::generation::Authorship;
use crate::model::script::ScriptPath;
use crate::model::script::directory::ScriptDirectory;
use crate::model::script::error::PathError;
use crate::sandbox::lane::blocking;
use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::files::{FileEntry, FileError, FileStat, WriteOptions};
use crate::sandbox::services::{CallContext, Charged, FileResult};
use crate::store::StoreError;

/// Entries of one listing.
const ENTRIES_MAX: usize = 10_000;

pub(super) fn error(code: &'static str, message: impl Into<String>) -> FileError {
    FileError {
        code,
        message: message.into(),
        position: None,
    }
}

impl ScriptServices {
    fn path(&self, text: &str) -> Result<ScriptPath, FileError> {
        Ok(ScriptPath::resolve(&self.deployment.exec_id, text)?)
    }

    pub fn exists(&self, path: &str) -> Result<bool, FileError> {
        Ok(self.exec.folder().exists(&self.path(path)?))
    }

    pub fn read(&self, path: &str) -> Result<String, FileError> {
        Ok(self.exec.folder().read(&self.path(path)?)?)
    }

    pub fn stat(&self, path: &str) -> Result<FileStat, FileError> {
        Ok(stat(&self.exec.folder().metadata(&self.path(path)?)?))
    }

    pub fn list(&self, path: &str) -> Result<Vec<FileEntry>, FileError> {
        let directory = ScriptDirectory::resolve(&self.deployment.exec_id, path)?;
        let place = self.exec.folder().directory(&directory)?;
        let entries = std::fs::read_dir(place)
            .map_err(|failed| error("UNAVAILABLE", format!("{path}: {failed}")))?;
        let mut found = Vec::new();
        for entry in entries.flatten().take(ENTRIES_MAX) {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // Links lead nowhere, so they are not shown either.
            let metadata = entry.metadata().ok().filter(|one| !one.is_symlink());
            if let Some(metadata) = metadata.filter(|_| !name.starts_with('.')) {
                found.push(FileEntry {
                    name,
                    stat: stat(&metadata),
                });
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    pub fn mkdir(&self, path: &str) -> Result<(), FileError> {
        Ok(self.exec.folder().make(&self.path(path)?)?)
    }

    pub async fn delete(&self, path: &str) -> Result<(), FileError> {
        let path = self.path(path)?;
        if self.exec.folder().is_folder(&path) {
            let remove = move |own: &Self| Ok(own.exec.folder().remove_folder(&path)?);
            return off_the_threads(self, remove).await;
        }
        self.exec.delete(&path, &self.terms(None, false)).await?;
        Ok(())
    }

    /// Writes a text and makes it live, or keeps it as a draft.
    pub async fn write(
        &self,
        call: &CallContext,
        path: String,
        text: String,
        options: WriteOptions,
        limits: CallLimits,
    ) -> Charged<FileResult<Option<String>>> {
        let mut fuel = 0;
        let written = self.written(call, &path, text, options, (limits, &mut fuel));
        Charged {
            result: written.await,
            fuel,
        }
    }

    async fn written(
        &self,
        call: &CallContext,
        path: &str,
        text: String,
        options: WriteOptions,
        (limits, fuel): (CallLimits, &mut u64),
    ) -> FileResult<Option<String>> {
        let path = self.path(path)?;
        let noted = self.notes.now();
        let is_generated = !noted.generations.is_empty();
        let mut text = text;
        if options.append {
            let before = self.exec.stored(&path)?.map(|stored| stored.text);
            let before = before.map(Option::unwrap_or_default).unwrap_or_default();
            text.insert_str(0, &before);
        }
        if is_generated {
            if matches!(path.extension(), Some("ts" | "js")) {
                text = fences::strip(&text).into_owned();
            }
            self.exec.refuse_pinned(&path)?;
            self.check_generated(&path, &text, &noted, options)?;
            if is_script(&path) {
                let Charged { result, fuel: used } = self.try_out(call, &path, &text, limits).await;
                *fuel = used;
                result?;
            }
        }
        let authorship = self.notes.authorship(call, self.script.as_str());
        if authorship.is_some() && self.outside.approval && is_script(&path) {
            return self.draft(path, text, authorship).await.map(Some);
        }
        let terms = self.terms(authorship, options.if_not_exists);
        let write = Write {
            path: path.clone(),
            content: text,
            create_folders: true,
            terms,
        };
        let tried = write.content.clone();
        let written = self.exec.write(write).await.inspect_err(|failed| {
            if let EditError::Exec(ExecError::Invalid(problem)) = failed {
                self.did_not_compile(&tried, problem);
            }
        })?;
        if written.script.is_some() {
            let path = path.to_string();
            self.notes.change(|noted| noted.written.push(path));
        }
        Ok(None)
    }

    fn terms(&self, authorship: Option<Authorship>, if_not_exists: bool) -> Terms {
        Terms {
            author: Author {
                origin: Origin::Script,
                token: None,
                authorship: authorship.map(Box::new),
            },
            condition: Condition {
                if_not_exists,
                ..Condition::default()
            },
            dry_run: false,
            validate: true,
        }
    }

    /// What holds for a text that a model may have written, wherever it goes.
    fn check_generated(
        &self,
        path: &ScriptPath,
        text: &str,
        noted: &Noted,
        options: WriteOptions,
    ) -> Result<(), FileError> {
        refused_place(path)?;
        // Nothing at all is in every text.
        let mut failed = noted.failed_code.iter().map(|code| code.trim());
        if failed.any(|code| !code.is_empty() && text.contains(code)) {
            let why = "this code failed when it was tried, so it is not saved";
            return Err(error("REFUSED", format!("{path}: {why}")));
        }
        let cut = noted
            .generations
            .last()
            .is_some_and(|last| last.finish_reason != "stop");
        if cut {
            let why =
                "the model's answer is not complete, so it is not saved; raise @ai-max-tokens";
            return Err(error("REFUSED", format!("{path}: {why}")));
        }
        let folder = self.exec.folder();
        if folder.exists(path) && !options.overwrite {
            let why = "exists already; a model's text replaces it only with { overwrite: true }";
            return Err(error("EXISTS", format!("{path} {why}")));
        }
        // On a disk that ignores case the two would be one file.
        let files = folder.files(path.exec_id());
        let twin = files
            .keys()
            .find(|file| *file != path.relative() && file.eq_ignore_ascii_case(path.relative()));
        match twin {
            Some(twin) => Err(error(
                "EXISTS",
                format!("{path} differs from {twin} only by case"),
            )),
            None => Ok(()),
        }
    }

    async fn draft(
        &self,
        path: ScriptPath,
        text: String,
        authorship: Option<Authorship>,
    ) -> Result<String, FileError> {
        let check = self.exec.check(&path, &text, Origin::Script).await?;
        if let Some(problem) = check.problem() {
            return Err(ExecError::Invalid(problem.clone()).into());
        }
        let draft = Draft::new(path, text, authorship, Utc::now());
        let id = draft.id.clone();
        self.exec.drafts.save(&draft).await?;
        self.notes.change(|noted| noted.drafts.push(id.clone()));
        Ok(id)
    }
}

fn is_script(path: &ScriptPath) -> bool {
    mount(path.relative()).is_ok_and(|mount| mount.kind == MountKind::Script)
}

/// Places where a text that nobody has read does harm: other scripts' settings,
/// hooks, catch-alls, and the paths of the server's own API.
fn refused_place(path: &ScriptPath) -> Result<(), FileError> {
    let relative = path.relative();
    let refuse = |why: &str| Err(error("REFUSED", format!("{path}: {why}")));
    if relative
        .split('/')
        .any(|name| name.starts_with(['.', '_']) || name.contains(['[', ']', '%']))
    {
        return refuse("a model's text cannot become a hidden file or a pattern of routes");
    }
    if relative.starts_with("api/v1/") || relative.starts_with("scripts/") {
        return refuse("this place belongs to the server");
    }
    if !matches!(path.extension(), Some("ts" | "js" | "json" | "md" | "txt")) {
        return refuse("a model's text is saved as .ts, .js, .json, .md or .txt");
    }
    if relative.ends_with(".system.md") {
        return refuse("a model does not write its own prompt");
    }
    let file = path.file_name();
    let stem = file.split('.').next().unwrap_or(file);
    let reserved = ["index", "pre", "post"];
    if reserved.iter().any(|name| stem.eq_ignore_ascii_case(name)) {
        return refuse("this name has a meaning of its own");
    }
    Ok(())
}

fn stat(metadata: &std::fs::Metadata) -> FileStat {
    let modified = metadata.modified().ok();
    let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    FileStat {
        size: metadata.len(),
        modified_ms: since.map_or(0, |since| since.as_millis() as u64),
        directory: metadata.is_dir(),
    }
}

impl From<PathError> for FileError {
    fn from(failed: PathError) -> Self {
        error("INVALID_PATH", failed.to_string())
    }
}

impl From<FolderError> for FileError {
    fn from(failed: FolderError) -> Self {
        let code = match &failed {
            FolderError::NotFound(_) | FolderError::NoFolder(_) => "NOT_FOUND",
            FolderError::Exists(_) => "EXISTS",
            FolderError::Symlink(_) | FolderError::IsFolder(_) => "INVALID_PATH",
            FolderError::NotEmpty(_) => "REFUSED",
            FolderError::NotText { .. } | FolderError::TooLarge { .. } => "TOO_LARGE",
            FolderError::DiskFull(_) | FolderError::Io { .. } => "UNAVAILABLE",
        };
        error(code, failed.to_string())
    }
}

impl From<StoreError> for FileError {
    fn from(failed: StoreError) -> Self {
        error("UNAVAILABLE", failed.to_string())
    }
}

impl From<ExecError> for FileError {
    fn from(failed: ExecError) -> Self {
        match failed {
            ExecError::Folder(failed) => failed.into(),
            ExecError::Store(failed) => failed.into(),
            ExecError::Invalid(problem) => {
                let place = problem.diagnostics.first();
                FileError {
                    code: "INVALID_SCRIPT",
                    position: place.map(|one| format!("{}:{}:{}", one.path, one.line, one.column)),
                    message: problem.message,
                }
            }
            ExecError::Stopping => error("UNAVAILABLE", failed.to_string()),
        }
    }
}

impl From<EditError> for FileError {
    fn from(failed: EditError) -> Self {
        match failed {
            EditError::Exec(failed) => failed.into(),
            EditError::Precondition(PreconditionError::Exists) => {
                error("EXISTS", "the file exists already")
            }
            EditError::InvalidJson(problem) => ExecError::Invalid(problem).into(),
            EditError::Precondition(_)
            | EditError::Pinned(_)
            | EditError::Unresolved(_)
            | EditError::NoVersion { .. } => error("REFUSED", failed.to_string()),
        }
    }
}

/// The answer of a task that may block on the disk.
pub async fn off_the_threads<T: Send + 'static>(
    services: &ScriptServices,
    work: impl FnOnce(&ScriptServices) -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let services = Arc::new(services.clone());
    blocking(move || work(&services))
        .await
        .unwrap_or_else(|_| Err(error("UNAVAILABLE", "the server is stopping")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_text_goes_to_few_places() {
        let allowed = |path: &str| refused_place(&ScriptPath::parse(path).unwrap()).is_ok();
        for path in ["1/api/x.ts", "1/a/b/c.js", "1/data.json", "1/api/v2/x.ts"] {
            assert!(allowed(path), "{path}");
        }
        for path in [
            "1/_default.env",
            "1/api/_lib/x.ts",
            "1/api/.x.ts",
            "1/api/[id].ts",
            "1/[...all].ts",
            "1/index.ts",
            "1/api/Index.ts",
            "1/api/pre.ts",
            "1/api/v1/exec/x.ts",
            "1/scripts/x.ts",
            "1/api/x.env",
            "1/api/x",
            "1/api/x.system.md",
            "1/api/a%2fb.ts",
        ] {
            assert!(!allowed(path), "{path}");
        }
    }
}
