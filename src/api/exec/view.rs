//! Scripts, problems and times as the exec API shows them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::exec::live::Deployment;
use crate::exec::routes::mount::mount;
use crate::exec::script::{Problem, Script};
use crate::model::script::ScriptPath;

/// RFC 3339 in UTC, with milliseconds.
pub fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What answers for a script, and why that may not be its newest text.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptView {
    /// Number of the version that answers; null if none does.
    pub version: Option<u64>,
    /// Name of that version's component.
    pub component: Option<String>,
    /// How the script is called: `node`, `commonjs`, `web`, `evaluate`; `library` is not.
    pub shape: Option<String>,
    /// False when the top level runs with each request, since it waits for I/O.
    pub evaluated: Option<bool>,
    /// The globals that the script may use.
    pub capabilities: Vec<String>,
    /// The route that it answers at.
    pub route: Option<String>,
    /// Why the newest text is not what answers.
    pub problem: Option<ProblemView>,
    pub warnings: Vec<WarningView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemView {
    pub message: String,
    /// File (relative to its deployment), line, column, message, code frame.
    #[schema(value_type = Vec<Object>)]
    pub diagnostics: serde_json::Value,
}

/// Something that has another effect than it seems, or none.
#[derive(Debug, Serialize, ToSchema)]
pub struct WarningView {
    /// With the `@`; null when it is about no directive.
    pub directive: Option<String>,
    pub value: Option<String>,
    pub message: String,
}

/// A script that imports a changed file and was published again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepublishedView {
    pub path: String,
    /// Why the script cannot be published with it; its old version goes on answering.
    pub problem: Option<ProblemView>,
}

impl ScriptView {
    pub fn of(script: &Script, deployment: Option<&Deployment>) -> Self {
        let manifest = script.program.as_ref().map(|program| &program.manifest);
        let relative = script.path.relative();
        let mut warnings: Vec<WarningView> = script.warnings.iter().map(WarningView::of).collect();
        let conflicts = deployment
            .map(|one| one.routes.conflicts())
            .unwrap_or_default();
        let of_this = conflicts
            .iter()
            .filter(|conflict| conflict.files.iter().any(|file| file == relative));
        warnings.extend(of_this.map(|conflict| WarningView::text(conflict.reason.to_string())));
        let pattern = || mount(relative).ok().map(|mount| mount.pattern.to_string());
        Self {
            version: manifest
                .map(|manifest| manifest.number)
                .filter(|number| *number > 0),
            component: manifest.map(|manifest| manifest.version.clone()),
            shape: manifest.map(|manifest| manifest.shape.clone()),
            evaluated: manifest.map(|manifest| manifest.evaluated),
            capabilities: manifest
                .map(|manifest| manifest.capabilities.clone())
                .unwrap_or_default(),
            route: if script.is_library() { None } else { pattern() },
            problem: script.problem.as_ref().map(ProblemView::of),
            warnings,
        }
    }

    /// A file that no script is.
    pub fn of_other(path: &ScriptPath, problem: Option<&Problem>) -> Self {
        let mistake = mount(path.relative())
            .err()
            .filter(|reason| reason.is_mistake());
        Self {
            problem: problem.map(ProblemView::of),
            warnings: mistake
                .map(|reason| WarningView::text(reason.to_string()))
                .into_iter()
                .collect(),
            ..Self::default()
        }
    }
}

impl ProblemView {
    pub fn of(problem: &Problem) -> Self {
        // Diagnostics are plain data and always have a JSON form.
        let diagnostics = serde_json::to_value(&problem.diagnostics).unwrap_or_default();
        Self {
            message: problem.message.clone(),
            diagnostics,
        }
    }
}

impl WarningView {
    pub fn of(warning: &crate::exec::directives::Warning) -> Self {
        let crate::exec::directives::Warning {
            directive,
            value,
            message,
        } = warning.clone();
        Self {
            directive: Some(directive),
            value: Some(value),
            message,
        }
    }

    fn text(message: String) -> Self {
        Self {
            directive: None,
            value: None,
            message,
        }
    }
}

impl RepublishedView {
    pub fn of(script: &Script) -> Self {
        Self {
            path: script.path.to_string(),
            problem: script.problem.as_ref().map(ProblemView::of),
        }
    }
}
