//! One source file to one JavaScript module and its source map.
//!
//! Types are stripped; enums, namespaces, parameter properties and legacy
//! decorators are lowered. Everything else stays as it is written: the engine
//! knows ES2023, classes with private members and `await using`. This file reads
//! no other file: imports are resolved by whoever calls it.

use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{Program, RegExpFlags};
use oxc::codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::{Semantic, SemanticBuilder};
use oxc::span::{GetSpan, SourceType, Span};
use oxc::transformer::{HelperLoaderMode, Module, TransformOptions, Transformer};

use super::diagnostics::{at_span, from_oxc};
use super::imports::{self, Resolve};
use super::shape::{self, Shape, Unclear};
use super::{deep_stack, jsx, nesting, positions, wrap};
use crate::model::diagnostic::Diagnostic;

/// The largest source file.
pub const SOURCE_BYTES_MAX: usize = 1024 * 1024;
/// The deepest syntax tree, in nodes. A chain such as `a + b + c` or `else if`
/// is as deep as it is long, though the parser needs no stack for it; the passes
/// after it do.
const TREE_DEPTH_MAX: usize = 4000;
/// Modules that hold what lowered code calls; the compiler adds
/// `/helpers/<name>`.
pub const HELPERS_MODULE: &str = "typescript:runtime";

/// What a file is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is called: its shape decides what becomes of it.
    Entry,
    /// Another file imports it.
    Import,
    /// It is called before or after the entry.
    Hook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    TypeScript,
    JavaScript,
}

/// A JavaScript module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    pub shape: Shape,
    pub code: String,
    /// Source map, JSON, version 3. Its only source is the file's own path.
    pub source_map: String,
    /// What the module imports, each once, in the order of appearance, as
    /// `resolve` named it.
    pub imports: Vec<String>,
}

impl Language {
    /// By the extension. `.tsx` and `.jsx` are neither: JSX is not supported.
    pub fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1 {
            "ts" | "mts" | "cts" => Some(Self::TypeScript),
            "js" | "mjs" | "cjs" => Some(Self::JavaScript),
            _ => None,
        }
    }
}

/// Compiles one file. `path` is relative to the deployment, with `/`; it names
/// the file in errors and in the source map. `resolve` is called for every
/// import that is left once types are gone; what it returns is written into the
/// code.
///
/// The work happens on a thread of its own, whose stack fits what the source
/// may need ([`nesting`]); the call blocks until it has ended.
pub fn compile(
    path: &str,
    source: &str,
    language: Language,
    role: Role,
    resolve: &Resolve,
) -> Result<Compiled, Vec<Diagnostic>> {
    File::new(path, source, language, role, resolve, false).compile_if_it_fits()
}

/// Like [`compile`], for the engine: each statement has its place in what that
/// compiles, so that errors do.
pub fn compile_noted(
    path: &str,
    source: &str,
    language: Language,
    role: Role,
    resolve: &Resolve,
) -> Result<Compiled, Vec<Diagnostic>> {
    File::new(path, source, language, role, resolve, true).compile_if_it_fits()
}

struct File<'s> {
    path: &'s str,
    source: &'s str,
    language: Language,
    role: Role,
    resolve: &'s Resolve<'s>,
    is_noted: bool,
}

impl<'s> File<'s> {
    fn new(
        path: &'s str,
        source: &'s str,
        language: Language,
        role: Role,
        resolve: &'s Resolve<'s>,
        is_noted: bool,
    ) -> Self {
        Self {
            path,
            source,
            language,
            role,
            resolve,
            is_noted,
        }
    }

    fn compile_if_it_fits(&self) -> Result<Compiled, Vec<Diagnostic>> {
        let Self { path, source, .. } = *self;
        if source.len() > SOURCE_BYTES_MAX {
            let message = format!(
                "the file has {} bytes, more than the {SOURCE_BYTES_MAX} that are allowed",
                source.len()
            );
            return Err(vec![
                Diagnostic::whole_file(path, message).with_hint("split it into modules"),
            ]);
        }
        if let Err(too_deep) = nesting::check(source) {
            let limit = too_deep.limit;
            let diagnostic = Diagnostic::at(path, source, too_deep.offset, limit.message());
            return Err(vec![diagnostic.with_hint(limit.hint())]);
        }
        deep_stack::run(nesting::stack_bytes(source.len()), || self.compile())
            .unwrap_or_else(|problem| Err(vec![Diagnostic::whole_file(path, problem.to_string())]))
    }

    fn compile(&self) -> Result<Compiled, Vec<Diagnostic>> {
        let allocator = Allocator::default();
        let mut program = self.parse(&allocator)?;
        let shape = self.check_and_transform(&allocator, &mut program)?;
        let imports = imports::rewrite(&mut program, &allocator, self.resolve)
            .map_err(|unresolved| self.unresolved(unresolved))?;
        program.hashbang = None;
        if shape == Shape::Body {
            let parameters = match self.role {
                Role::Hook => &wrap::HOOK_PARAMETERS[..],
                Role::Entry | Role::Import => &wrap::PARAMETERS[..],
            };
            wrap::into_function(&mut program, &allocator, parameters);
        }
        if self.is_noted {
            positions::mark(&mut program, &allocator);
        }
        let (code, source_map) = self.print(&program);
        let (code, source_map) = match shape {
            Shape::CommonJs => wrap::as_common_js(&code, source_map),
            _ => (code, source_map),
        };
        Ok(Compiled {
            shape,
            code,
            source_map: source_map.to_json_string(),
            imports,
        })
    }

    fn parse<'a>(&'a self, allocator: &'a Allocator) -> Result<Program<'a>, Vec<Diagnostic>> {
        let parse = |source_type| {
            let options = ParseOptions {
                allow_return_outside_function: true,
                ..ParseOptions::default()
            };
            Parser::new(allocator, self.source, source_type)
                .with_options(options)
                .parse()
        };
        let typescript = SourceType::ts().with_module(true);
        let parsed = match self.language {
            Language::TypeScript => parse(typescript),
            Language::JavaScript => parse(SourceType::mjs()),
        };
        if parsed.diagnostics.is_empty() {
            return Ok(parsed.program);
        }
        let mut errors = from_oxc(self.path, self.source, parsed.diagnostics);
        if self.language == Language::JavaScript && parse(typescript).diagnostics.is_empty() {
            errors.truncate(1);
            errors[0].message = "types are only understood in `.ts` files".to_owned();
            errors[0].hint = Some("rename the file to `.ts`".to_owned());
        }
        Err(jsx::explain(self.path, self.source, errors))
    }

    /// Type and scope checks, the shape, and everything that lowers the tree to
    /// JavaScript.
    fn check_and_transform<'a>(
        &self,
        allocator: &'a Allocator,
        program: &mut Program<'a>,
    ) -> Result<Shape, Vec<Diagnostic>> {
        let checked = SemanticBuilder::new()
            .with_check_syntax_error(true)
            .with_build_nodes(true)
            .with_enum_eval(true)
            .build(program);
        if !checked.diagnostics.is_empty() {
            return Err(from_oxc(self.path, self.source, checked.diagnostics));
        }
        let semantic = checked.semantic;
        if let Some(span) = too_deep(&semantic) {
            let message = format!("an expression or statement is more than {TREE_DEPTH_MAX} deep");
            let diagnostic = at_span(self.path, self.source, span, message)
                .with_hint("split it into several statements");
            return Err(vec![diagnostic]);
        }
        if let Some(span) = set_notation(&semantic) {
            let message = "regular expressions with the flag `v` are not supported".to_owned();
            let diagnostic = at_span(self.path, self.source, span, message)
                .with_hint("write it with the flag `u`");
            return Err(vec![diagnostic]);
        }
        imports::refuse_require(&semantic).map_err(|unresolved| self.unresolved(unresolved))?;
        let shape = match self.role {
            Role::Entry | Role::Hook => shape::of_entry(program, &semantic),
            Role::Import => shape::of_import(program, &semantic),
        };
        let shape = shape.map_err(|unclear| vec![self.unclear(&unclear)])?;

        let options = transform_options();
        let transformed = Transformer::new(allocator, Path::new(self.path), &options)
            .build_with_scoping(semantic.into_scoping(), program);
        // Warnings included: they say that something was left out.
        if !transformed.diagnostics.is_empty() {
            return Err(from_oxc(self.path, self.source, transformed.diagnostics));
        }
        Ok(shape)
    }

    fn print<'a>(&self, program: &Program<'a>) -> (String, oxc_sourcemap::SourceMap<'a>) {
        let options = CodegenOptions {
            source_map_path: Some(Path::new(self.path).to_path_buf()),
            comments: CommentOptions::disabled(),
            ..CodegenOptions::default()
        };
        let printed = Codegen::new().with_options(options).build(program);
        (
            printed.code,
            printed
                .map
                .expect("a source map path was given, so there is a map"),
        )
    }

    fn unclear(&self, unclear: &Unclear) -> Diagnostic {
        at_span(
            self.path,
            self.source,
            unclear.span,
            unclear.message.as_str(),
        )
        .with_hint(unclear.hint)
    }

    fn unresolved(&self, unresolved: Vec<(Span, imports::Unresolved)>) -> Vec<Diagnostic> {
        unresolved
            .into_iter()
            .map(|(span, problem)| {
                let diagnostic = at_span(self.path, self.source, span, problem.message);
                diagnostic.with_hint(problem.hint)
            })
            .collect()
    }
}

fn transform_options() -> TransformOptions {
    let mut options = TransformOptions::default();
    options.decorator.legacy = true;
    // So that `export =` and `import x = require()` are errors.
    options.env.module = Module::Esm;
    options.helper_loader.mode = HelperLoaderMode::Runtime;
    options.helper_loader.module_name = HELPERS_MODULE.into();
    options
}

/// The first node that is too deep in the tree. Nodes are numbered in the order
/// in which they are entered, so that each comes after its parent.
fn too_deep(semantic: &Semantic) -> Option<Span> {
    let nodes = semantic.nodes();
    let mut depths = vec![0_usize; nodes.len()];
    for (id, node) in nodes.iter_enumerated().skip(1) {
        let depth = depths[nodes.parent_id(id).index()] + 1;
        if depth > TREE_DEPTH_MAX {
            return Some(node.kind().span());
        }
        depths[id.index()] = depth;
    }
    None
}

/// The first regular expression with the flag `v`. QuickJS takes it, and reads most of
/// what it means as something else without a word.
fn set_notation(semantic: &Semantic) -> Option<Span> {
    semantic.nodes().iter().find_map(|node| match node.kind() {
        AstKind::RegExpLiteral(literal) => {
            let has_flag = literal.regex.flags.contains(RegExpFlags::V);
            has_flag.then_some(literal.span)
        }
        _ => None,
    })
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod tests;
