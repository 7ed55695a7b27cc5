//! Judges a script's text on its own, without the files around it.
//!
//! Imports are listed, not resolved: whether they exist, only
//! [`bundle`](super::bundle) knows.

use std::sync::{Mutex, PoisonError};

use super::imports::is_relative;
use super::node;
use super::shape::Shape;
use super::typescript::{self, HELPERS_MODULE, Language, Role};
use crate::model::diagnostic::Diagnostic;

/// What can be said about a script that nobody has saved yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validation {
    /// Empty if the script is valid.
    pub problems: Vec<Diagnostic>,
    /// None if there are problems.
    pub shape: Option<Shape>,
    /// The module that the script becomes, imports as they are written.
    pub javascript: Option<String>,
    /// What was done to the script besides that, in words.
    pub transformations: Vec<&'static str>,
    /// What the script imports, as written, each once.
    pub imports: Vec<String>,
}

impl Validation {
    pub fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }

    /// Imports that publishing would refuse, whatever files there are.
    pub fn unsupported_imports(&self) -> impl Iterator<Item = &str> {
        self.imports
            .iter()
            .map(String::as_str)
            .filter(|specifier| !is_relative(specifier) && node::module(specifier).is_none())
    }
}

/// Compiles `source` as if it were the script `path`.
pub fn validate(path: &str, source: &str, language: Language) -> Validation {
    let imports = Mutex::new(vec![]);
    let record = |specifier: &str| {
        let mut imports = imports.lock().unwrap_or_else(PoisonError::into_inner);
        if !imports.iter().any(|known| known == specifier) {
            imports.push(specifier.to_owned());
        }
        Ok(specifier.to_owned())
    };
    let compiled = typescript::compile(path, source, language, Role::Entry, &record);
    let imports = imports.into_inner().unwrap_or_else(PoisonError::into_inner);
    match compiled {
        Ok(compiled) => {
            let mut transformations = vec![];
            if language == Language::TypeScript {
                transformations.push("TypeScript turned into JavaScript");
            }
            match compiled.shape {
                Shape::Body => transformations.push("top-level code wrapped into a function"),
                Shape::CommonJs => transformations.push("module.exports turned into an export"),
                Shape::Node | Shape::Web | Shape::Evaluate | Shape::Library => {}
            }
            if compiled
                .imports
                .iter()
                .any(|name| name.starts_with(HELPERS_MODULE))
            {
                transformations.push("decorators turned into calls");
            }
            Validation {
                problems: vec![],
                shape: Some(compiled.shape),
                javascript: Some(compiled.code),
                transformations,
                imports,
            }
        }
        Err(problems) => Validation {
            problems,
            imports,
            ..Validation::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_script_is_shown_as_it_will_run() {
        let source = "import { a } from './a'\nimport 'lodash'\nimport 'node:crypto'\nimport type { T } from 't'\nreturn a as T";
        let validation = validate("x.ts", source, Language::TypeScript);
        assert!(validation.is_valid());
        assert_eq!(validation.shape, Some(Shape::Body));
        assert_eq!(validation.imports, ["./a", "lodash", "node:crypto"]);
        assert_eq!(
            validation.unsupported_imports().collect::<Vec<_>>(),
            ["lodash"]
        );
        assert_eq!(
            validation.transformations,
            [
                "TypeScript turned into JavaScript",
                "top-level code wrapped into a function"
            ]
        );
        insta::assert_snapshot!(validation.javascript.unwrap(), @r#"
        import { a } from "./a";
        import "lodash";
        import "node:crypto";
        export default function(req, res, metadata, shared) {
        	return a;
        }
        "#);
    }

    #[test]
    fn transformations_are_only_those_that_happened() {
        let table: [(&str, &[&str]); 3] = [
            ("export default (req) => 1", &[]),
            (
                "module.exports = () => 1",
                &["module.exports turned into an export"],
            ),
            (
                "@a class B {} export default () => 1",
                &["decorators turned into calls"],
            ),
        ];
        for (source, expected) in table {
            assert_eq!(
                validate("x.js", source, Language::JavaScript).transformations,
                expected
            );
        }
    }

    #[test]
    fn an_invalid_script_has_problems_and_nothing_else() {
        let validation = validate("x.ts", "return (", Language::TypeScript);
        assert!(!validation.is_valid());
        assert_eq!((validation.shape, validation.javascript), (None, None));
        assert_eq!(validation.problems[0].line, 1);
    }
}
