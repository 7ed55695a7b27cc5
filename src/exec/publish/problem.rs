//! Why a script cannot answer, in the words of its diagnostics. It must not decide
//! whether it can.

use crate::compile::stack::SourceMaps;
use crate::exec::script::Problem;
use crate::model::diagnostic::Diagnostic;
use crate::sandbox::failure::ScriptError;

/// A problem without a place.
pub fn problem(message: &str) -> Problem {
    Problem {
        message: message.to_owned(),
        diagnostics: Vec::new(),
    }
}

/// The top level threw: where, in the script's own lines.
pub fn threw(error: &ScriptError, maps: &SourceMaps) -> Problem {
    let stack = maps.map_stack(&error.stack);
    let message = format!(
        "the script's top level threw {}: {}",
        error.name, error.message
    );
    let diagnostic = maps.first_frame(&error.stack).map(|place| Diagnostic {
        frame: maps.code_frame(&place).unwrap_or_default(),
        path: place.path,
        line: place.line,
        column: place.column,
        message: message.clone(),
        hint: None,
    });
    Problem {
        message: format!("{message}\n{stack}").trim_end().to_owned(),
        diagnostics: diagnostic.into_iter().collect(),
    }
}
