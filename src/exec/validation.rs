//! What can be said about code that belongs to no file: whether it compiles, to
//! what, and what it would import. Nothing is stored and nothing runs.

use std::sync::{Arc, Mutex, PoisonError};

use super::directives::{self, Parsed};
use super::{Exec, ExecError};
use crate::compile::imports::is_relative;
use crate::compile::shape::Shape;
use crate::compile::typescript::{self, Compiled, Role};
use crate::model::diagnostic::Diagnostic;
use crate::sandbox::lane::in_turn;

pub use crate::compile::typescript::Language;

/// Code that was looked at.
#[derive(Debug)]
pub struct Analysis {
    pub compiled: Result<Compiled, Vec<Diagnostic>>,
    /// What the code imports that is no file beside it, each once.
    pub packages: Vec<String>,
    pub parsed: Parsed,
    pub language: Language,
}

impl Exec {
    /// Compiles code as a script of its own.
    pub async fn analyse(
        self: &Arc<Self>,
        code: String,
        language: Language,
    ) -> Result<Analysis, ExecError> {
        let caps = self.publisher.caps;
        let analyse = move || {
            let mut analysis = analyse(&code, language);
            caps.apply(&mut analysis.parsed);
            analysis
        };
        in_turn(&self.publishing, analyse)
            .await
            .ok_or(ExecError::Stopping)
    }
}

fn analyse(code: &str, language: Language) -> Analysis {
    // The compiler may resolve from a thread of its own.
    let packages = Mutex::new(Vec::new());
    let collect = |specifier: &str| {
        let mut packages = packages.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_relative(specifier) && !packages.iter().any(|known| known == specifier) {
            packages.push(specifier.to_owned());
        }
        Ok(specifier.to_owned())
    };
    let name = match language {
        Language::TypeScript => "script.ts",
        Language::JavaScript => "script.js",
    };
    let compiled = typescript::compile(name, code, language, Role::Entry, &collect);
    let packages = packages
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Analysis {
        compiled,
        packages,
        parsed: directives::parse(code),
        language,
    }
}

impl Analysis {
    /// What compiling changes about the code, by name.
    pub fn transformations(&self) -> Vec<&'static str> {
        let Ok(compiled) = &self.compiled else {
            return Vec::new();
        };
        let types = (self.language == Language::TypeScript).then_some("strip-types");
        let wrap = match compiled.shape {
            Shape::Body => Some("wrap-top-level-code"),
            Shape::CommonJs => Some("wrap-commonjs"),
            Shape::Node | Shape::Web | Shape::Evaluate | Shape::Library => None,
        };
        types.into_iter().chain(wrap).collect()
    }
}

/// Whether a package is asked for in a certain version, which no import can say.
pub fn is_versioned(package: &str) -> bool {
    package.trim_start_matches('@').contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_compiled_and_its_packages_are_named() {
        let analysis = analyse(
            "import x from 'lodash';\nimport './a.ts';\nimport 'lodash';\nexport default (req: Request) => x",
            Language::TypeScript,
        );
        let compiled = analysis.compiled.as_ref().unwrap();
        assert!(!compiled.code.contains(": Request"), "{}", compiled.code);
        assert_eq!(analysis.packages, ["lodash"]);
        assert_eq!(analysis.transformations(), ["strip-types"]);
        assert_eq!(
            analyse("return 1", Language::JavaScript).transformations(),
            ["wrap-top-level-code"]
        );
        let broken = analyse("let a: string", Language::JavaScript);
        assert_eq!(broken.compiled.unwrap_err()[0].path, "script.js");
    }

    #[test]
    fn versions_in_specifiers() {
        for (package, expected) in [
            ("lodash@4", true),
            ("@a/b@1", true),
            ("@a/b", false),
            ("lodash", false),
        ] {
            assert_eq!(is_versioned(package), expected, "{package}");
        }
    }
}
