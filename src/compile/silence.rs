//! Code that can never answer: a whole file that is the handler, returns no value and
//! does not look at `res`. Models write it now and then: a function that nobody calls,
//! an excuse as a comment, nothing at all. It must not decide who may write such code.

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{BindingPattern, ExportDefaultDeclarationKind, Function, Program, Statement};
use oxc::parser::Parser;
use oxc::semantic::{Semantic, SemanticBuilder};
use oxc::span::SourceType;

use super::bundle::Bundle;
use super::shape::Shape;

/// Whether the script of a bundle says nothing, whatever it is asked.
pub fn is_silent(bundle: &Bundle) -> bool {
    let script = bundle.modules.first();
    let Some(script) = script.filter(|_| bundle.shape == Shape::Body) else {
        return false;
    };
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &script.code, SourceType::mjs()).parse();
    let semantic = SemanticBuilder::new().with_build_nodes(true);
    let semantic = semantic.build(&parsed.program).semantic;
    handler(&parsed.program)
        .is_some_and(|handler| !returns_a_value(&semantic) && !looks_at_res(handler, &semantic))
}

/// The function that the file was wrapped into.
fn handler<'p, 'a>(program: &'p Program<'a>) -> Option<&'p Function<'a>> {
    program.body.iter().find_map(|statement| match statement {
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => Some(&**function),
            _ => None,
        },
        _ => None,
    })
}

/// A `return` of the handler's own, not of a function within it.
fn returns_a_value(semantic: &Semantic) -> bool {
    semantic.nodes().iter().any(|node| {
        let AstKind::ReturnStatement(statement) = node.kind() else {
            return false;
        };
        let functions = semantic.nodes().ancestor_kinds(node.id()).filter(|kind| {
            matches!(
                kind,
                AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)
            )
        });
        statement.argument.is_some() && functions.count() == 1
    })
}

fn looks_at_res(handler: &Function, semantic: &Semantic) -> bool {
    let scoping = semantic.scoping();
    let globals = scoping.root_unresolved_references();
    // Both reach the parameters by other ways than their names.
    if globals
        .keys()
        .any(|name| ["arguments", "eval"].contains(&name.as_str()))
    {
        return true;
    }
    let Some(res) = handler.params.items.get(1) else {
        return true;
    };
    let BindingPattern::BindingIdentifier(res) = &res.pattern else {
        return true;
    };
    !scoping
        .get_resolved_reference_ids(res.symbol_id())
        .is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::bundle::JsModule;
    use crate::compile::typescript::{self, Language, Role};

    fn silent(source: &str) -> bool {
        let none = |specifier: &str| Ok(specifier.to_owned());
        let compiled =
            typescript::compile("x.ts", source, Language::TypeScript, Role::Entry, &none);
        let compiled = compiled.unwrap();
        is_silent(&Bundle {
            entry: "x.ts".to_owned(),
            shape: compiled.shape,
            modules: vec![JsModule {
                path: "x.ts".to_owned(),
                code: compiled.code,
                source_map: None,
                imports: Vec::new(),
            }],
        })
    }

    #[test]
    fn code_that_never_answers_is_told_from_code_that_may() {
        for source in [
            "",
            "// I am sorry",
            "'I am sorry'",
            "{}",
            "const x = req.method;",
            "async function handler(req, res) { return { a: 1 }; }",
            "const handler = async (req, res) => { res.json({ a: 1 }); };",
            "const res = { json() {} }; res.json(1);",
            "if (req.method === 'GET') return;",
            "throw new Error('x');",
        ] {
            assert!(silent(source), "{source}");
        }
        for source in [
            "return 1;",
            "if (req.method === 'GET') return null;",
            "try { return 1 } finally {}",
            "res.json({ a: 1 });",
            "setTimeout(() => res.end('later'), 1);",
            "const handler = (_, to) => to.json(1); handler(req, res);",
            "arguments[1].end();",
            "export default (req, res) => {};",
            "module.exports = () => {};",
            "const send = () => { res.status(204).end(); }; send();",
        ] {
            assert!(!silent(source), "{source}");
        }
    }
}
