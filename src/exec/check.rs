//! What is said about a text before anybody stores it: by its file's kind the
//! whole way to a component, or the syntax, or nothing. It changes nothing.

use std::sync::Arc;

use super::history::Origin;
use super::publishing::Prepared;
use super::routes::mount::{NotMounted, mount};
use super::script::{Problem, Script};
use super::{Exec, ExecError};
use crate::compile::typescript::{self, Language, Role};
use crate::model::diagnostic::{Diagnostic, code_frame};
use crate::model::script::ScriptPath;
use crate::sandbox::lane::in_turn;

/// A text that was looked at.
pub enum Checked {
    /// It belongs to a file that may answer requests.
    Script(Box<Prepared>),
    /// It belongs to any other file; why that would not work.
    Other(Option<Problem>),
}

impl Checked {
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Script(prepared) => prepared.built.as_ref()?.as_ref().err(),
            Self::Other(problem) => problem.as_ref(),
        }
    }

    /// The script as it would be if the text were stored.
    pub fn into_script(self, exec: &Exec) -> Option<Arc<Script>> {
        let Self::Script(prepared) = self else {
            return None;
        };
        let Prepared {
            mut script, built, ..
        } = *prepared;
        match built {
            Some(Ok(program)) => script.program = Some(Arc::new(program)),
            Some(Err(problem)) => {
                script.program = exec.last_program(&script.path);
                script.problem = Some(problem);
            }
            None => {}
        }
        Some(Arc::new(script))
    }
}

impl Exec {
    /// Checks a text as the content of the file at this path.
    pub async fn check(
        self: &Arc<Self>,
        path: &ScriptPath,
        content: &str,
        origin: Origin,
    ) -> Result<Checked, ExecError> {
        let reason = match mount(path.relative()) {
            Ok(_) => {
                return Ok(Checked::Script(Box::new(
                    self.prepare(path, content.to_owned(), origin).await?,
                )));
            }
            Err(reason) => reason,
        };
        if path.extension() == Some("json") {
            return Ok(Checked::Other(json_problem(path.relative(), content)));
        }
        let Some(language) = Language::of(path.relative()) else {
            return Ok(Checked::Other(None));
        };
        let alone = matches!(reason, NotMounted::Declaration | NotMounted::Test);
        let (publisher, path, content) = (self.publisher.clone(), path.clone(), content.to_owned());
        let check = move || match alone {
            true => syntax(path.relative(), &content, language),
            false => publisher.check_import(&path, &content),
        };
        let result = in_turn(&self.publishing, check).await;
        let result = result.ok_or(ExecError::Stopping)?;
        Ok(Checked::Other(result.err()))
    }
}

/// Files for editors and test runners may import what this server has not.
fn syntax(path: &str, content: &str, language: Language) -> Result<(), Problem> {
    let anything = |specifier: &str| Ok(specifier.to_owned());
    let compiled = typescript::compile(path, content, language, Role::Import, &anything);
    compiled.map(|_| ()).map_err(|diagnostics| Problem {
        message: diagnostics
            .first()
            .map(ToString::to_string)
            .unwrap_or_default(),
        diagnostics,
    })
}

fn json_problem(path: &str, content: &str) -> Option<Problem> {
    let content = content.trim_start_matches('\u{FEFF}');
    let error = serde_json::from_str::<serde::de::IgnoredAny>(content).err()?;
    let (line, column) = (error.line() as u32, error.column() as u32);
    let diagnostic = Diagnostic {
        path: path.to_owned(),
        line,
        column,
        message: error.to_string(),
        frame: code_frame(content, line, column),
        hint: None,
    };
    Some(Problem {
        message: diagnostic.to_string(),
        diagnostics: vec![diagnostic],
    })
}
