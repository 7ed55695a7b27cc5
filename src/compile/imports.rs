//! The imports of one file: finds them in the tree and writes in what they
//! resolve to.
//!
//! What a specifier resolves to, the caller says. Only static `import` and
//! `export … from`, and `import("…")` with a literal, are resolved; a computed
//! `import(name)` is left to the engine, which knows no files and refuses it.

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, Expression, ImportDeclaration, ImportDeclarationSpecifier, ImportExpression, Program,
    Statement, StringLiteral,
};
use oxc::ast::builder::AstBuilder;
use oxc::ast_visit::{VisitMut, walk_mut};
use oxc::semantic::{IsGlobalReference, Semantic};
use oxc::span::Span;
use oxc::str::Str;

use super::diagnostics::DIAGNOSTICS_MAX;
use super::node;
use super::resolve::instead;
use super::typescript::HELPERS_MODULE;

/// Names the module that a specifier means.
pub type Resolve<'r> = dyn Fn(&str) -> Result<String, Unresolved> + Sync + 'r;

/// Why an import cannot be resolved, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    pub message: String,
    pub hint: String,
}

/// Resolves every import of a transformed program and writes the results into
/// it. Returns each result once, in the order of appearance; or all that could
/// not be resolved, with where they stand.
pub fn rewrite<'a>(
    program: &mut Program<'a>,
    allocator: &'a Allocator,
    resolve: &Resolve,
) -> Result<Vec<String>, Vec<(Span, Unresolved)>> {
    let mut rewriter = Rewriter {
        builder: AstBuilder::new(allocator),
        resolve,
        resolved: vec![],
        failed: vec![],
    };
    for statement in &mut program.body {
        match statement {
            Statement::ImportDeclaration(import) => {
                rewriter.refuse_phase(import.span, import.phase.is_some());
                rewriter.check_names(import);
                rewriter.rewrite(&mut import.source);
                import.with_clause = None;
            }
            Statement::ExportFromDeclaration(export) => {
                rewriter.rewrite(&mut export.source);
                export.with_clause = None;
            }
            Statement::ExportAllDeclaration(export) => {
                rewriter.rewrite(&mut export.source);
                export.with_clause = None;
            }
            _ => {}
        }
    }
    rewriter.visit_program(program);
    if rewriter.failed.is_empty() {
        Ok(rewriter.resolved)
    } else {
        Err(rewriter.failed)
    }
}

/// `require` knows a few modules of Node; calling it with any other is reported
/// before it fails.
pub fn refuse_require(semantic: &Semantic) -> Result<(), Vec<(Span, Unresolved)>> {
    // `typeof require` means that the file works without it.
    if semantic.source_text().contains("typeof require") {
        return Ok(());
    }
    let mut failed = vec![];
    for node in semantic.nodes().iter() {
        let AstKind::CallExpression(call) = node.kind() else {
            continue;
        };
        let (Expression::Identifier(callee), [Argument::StringLiteral(specifier)]) =
            (&call.callee, call.arguments.as_slice())
        else {
            continue;
        };
        let specifier = specifier.value.as_str();
        if callee.name == "require"
            && callee.is_global_reference(semantic.scoping())
            && node::module(specifier).is_none()
        {
            let hint = if is_relative(specifier) {
                format!("write `import … from \"{specifier}\"`")
            } else {
                instead(specifier)
            };
            let message = format!("`require` knows no `{specifier}`");
            failed.push((call.span, Unresolved { message, hint }));
        }
    }
    failed.truncate(DIAGNOSTICS_MAX);
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed)
    }
}

/// Whether a specifier names a file by its place relative to the importer.
pub fn is_relative(specifier: &str) -> bool {
    specifier == "."
        || specifier == ".."
        || specifier.starts_with("./")
        || specifier.starts_with("../")
}

struct Rewriter<'a, 'r> {
    builder: AstBuilder<'a>,
    resolve: &'r Resolve<'r>,
    resolved: Vec<String>,
    failed: Vec<(Span, Unresolved)>,
}

impl<'a> Rewriter<'a, '_> {
    fn rewrite(&mut self, source: &mut StringLiteral<'a>) {
        if let Some(name) = self.resolve(source.span, source.value.as_str()) {
            source.value = Str::from_str_in(&name, &self.builder);
            source.raw = None;
            source.lone_surrogates = false;
        }
    }

    fn resolve(&mut self, span: Span, specifier: &str) -> Option<String> {
        let resolved = if specifier.starts_with(HELPERS_MODULE) {
            Ok(specifier.to_owned())
        } else {
            (self.resolve)(specifier)
        };
        match resolved {
            Ok(name) => {
                if !self.resolved.contains(&name) {
                    self.resolved.push(name.clone());
                }
                Some(name)
            }
            Err(problem) => {
                self.fail(span, problem);
                None
            }
        }
    }

    /// What a module of Node lacks is told where it is imported.
    fn check_names(&mut self, import: &ImportDeclaration<'a>) {
        let module = import.source.value.as_str();
        for specifier in import.specifiers.iter().flatten() {
            let ImportDeclarationSpecifier::ImportSpecifier(specifier) = specifier else {
                continue;
            };
            let name = specifier.imported.name();
            if let Some(known) = node::instead_of(module, name.as_str()) {
                let module = module.strip_prefix("node:").unwrap_or(module);
                let message = format!("`node:{module}` has no `{name}` here");
                let hint = format!("it has {known}");
                self.fail(specifier.span, Unresolved { message, hint });
            }
        }
    }

    fn refuse_phase(&mut self, span: Span, has_phase: bool) {
        if has_phase {
            let message = "`import defer` and `import source` are not supported".to_owned();
            self.fail(
                span,
                Unresolved {
                    message,
                    hint: "use a plain `import`".to_owned(),
                },
            );
        }
    }

    fn fail(&mut self, span: Span, problem: Unresolved) {
        if self.failed.len() < DIAGNOSTICS_MAX {
            self.failed.push((span, problem));
        }
    }
}

impl<'a> VisitMut<'a> for Rewriter<'a, '_> {
    fn visit_import_expression(&mut self, import: &mut ImportExpression<'a>) {
        self.refuse_phase(import.span, import.phase.is_some());
        let literal = match &import.source {
            Expression::StringLiteral(literal) => Some((literal.span, literal.value)),
            Expression::TemplateLiteral(template) => {
                template.single_quasi().map(|text| (template.span, text))
            }
            _ => None,
        };
        match literal {
            Some((span, specifier)) => {
                if let Some(name) = self.resolve(span, specifier.as_str()) {
                    let name = Str::from_str_in(&name, &self.builder);
                    import.source = Expression::new_string_literal(span, name, None, &self.builder);
                    import.options = None;
                }
            }
            None => walk_mut::walk_import_expression(self, import),
        }
    }
}
