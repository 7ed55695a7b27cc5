//! Gives statements a place in what the engine compiles. QuickJS notes where a call,
//! an operator, a `throw` and a statement that is an expression stand, and nothing of
//! the rest: an error in `return a.b.c` would be said to have happened wherever the
//! last of those was, or nowhere. A number that is a statement is noted like any
//! other, and QuickJS makes no code of it.
//!
//! Works on code that is JavaScript already; it must not change what that does.

use oxc::allocator::{Allocator, ArenaVec, TakeIn};
use oxc::ast::ast::{
    Declaration, ExportDefaultDeclarationKind, Expression, IfStatement, NumberBase, Program,
    Statement, VariableDeclaration,
};
use oxc::ast::builder::AstBuilder;
use oxc::ast_visit::{VisitMut, walk_mut};
use oxc::span::{GetSpan, SPAN, Span};

/// Puts `0;` before each statement that the engine would not note.
pub fn mark<'a>(program: &mut Program<'a>, allocator: &'a Allocator) {
    let builder = AstBuilder::new(allocator);
    Marker { builder }.visit_program(program);
}

struct Marker<'a> {
    builder: AstBuilder<'a>,
}

impl<'a> Marker<'a> {
    fn note(&self, span: Span) -> Statement<'a> {
        let nothing =
            Expression::new_numeric_literal(span, 0.0, None, NumberBase::Decimal, &self.builder);
        Statement::new_expression_statement(span, nothing, &self.builder)
    }

    /// A `return` alone behind a condition gets a block, which may hold two statements.
    fn mark_branch(&self, branch: &mut Statement<'a>) {
        if matches!(branch, Statement::ReturnStatement(_)) && is_unnoted(branch) {
            let mut both = ArenaVec::new_in(&self.builder);
            both.push(self.note(branch.span()));
            both.push(branch.take_in(&self.builder));
            // Without a span: of two nodes in one place the map has only the first.
            *branch = Statement::new_block_statement(SPAN, both, &self.builder);
        }
    }
}

impl<'a> VisitMut<'a> for Marker<'a> {
    fn visit_statements(&mut self, statements: &mut ArenaVec<'a, Statement<'a>>) {
        walk_mut::walk_statements(self, statements);
        if !statements.iter().any(is_unnoted) {
            return;
        }
        let mut marked = ArenaVec::new_in(&self.builder);
        for statement in statements.take_in(&self.builder) {
            if is_unnoted(&statement) {
                marked.push(self.note(statement.span()));
            }
            marked.push(statement);
        }
        *statements = marked;
    }

    fn visit_if_statement(&mut self, statement: &mut IfStatement<'a>) {
        walk_mut::walk_if_statement(self, statement);
        self.mark_branch(&mut statement.consequent);
        if let Some(alternate) = &mut statement.alternate {
            self.mark_branch(alternate);
        }
    }
}

/// Whether something may go wrong in a statement whose start the engine does not note.
fn is_unnoted(statement: &Statement<'_>) -> bool {
    match statement {
        Statement::ReturnStatement(statement) => statement.argument.as_ref().is_some_and(may_fail),
        Statement::VariableDeclaration(variables) => declares_what_may_fail(variables),
        Statement::ClassDeclaration(_)
        | Statement::IfStatement(_)
        | Statement::SwitchStatement(_)
        | Statement::WhileStatement(_)
        | Statement::ForStatement(_)
        | Statement::ForInStatement(_)
        | Statement::ForOfStatement(_)
        | Statement::LabeledStatement(_) => true,
        Statement::ExportDeclaration(export) => match &export.declaration {
            Declaration::VariableDeclaration(variables) => declares_what_may_fail(variables),
            declaration => matches!(declaration, Declaration::ClassDeclaration(_)),
        },
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(_) => false,
            declaration => declaration.as_expression().is_none_or(may_fail),
        },
        _ => false,
    }
}

fn declares_what_may_fail(variables: &VariableDeclaration<'_>) -> bool {
    let mut values = variables.declarations.iter().map(|one| one.init.as_ref());
    values.any(|value| value.is_some_and(may_fail))
}

fn may_fail(value: &Expression<'_>) -> bool {
    let is_function = matches!(
        value,
        Expression::FunctionExpression(_) | Expression::ArrowFunctionExpression(_)
    );
    !is_function && !value.is_literal()
}

#[cfg(test)]
mod tests {
    use crate::compile::typescript::{self, Language, Role};

    #[test]
    fn what_the_engine_does_not_note_stands_behind_a_number() {
        let table = [
            ("return a.b", "0;return a.b;"),
            ("return", "return;"),
            ("const a = b.c; a.d; f(a)", "0;const a = b.c;a.d;f(a);"),
            (
                "if (a) return b; else c()",
                "0;if (a) {0;return b;} else c();",
            ),
            (
                "for (const a of b) { if (a.b) continue }",
                "0;for (const a of b) {0;if (a.b) continue;}",
            ),
            (
                "switch (a) { case 1: return a.b }",
                "0;switch (a) {case 1:0;return a.b;}",
            ),
            (
                "function f() { 'x'; return b }",
                "function f() {\"x\";0;return b;}",
            ),
            (
                "const a = 1, f = () => 2; return 3",
                "const a = 1, f = () => 2;return 3;",
            ),
        ];
        for (source, expected) in table {
            let none = |name: &str| Ok(name.to_owned());
            let (language, role) = (Language::TypeScript, Role::Entry);
            let compiled = typescript::compile_noted("x.ts", source, language, role, &none);
            let code = compiled.unwrap().code;
            let (_, body) = code.split_once("{\n").unwrap();
            let (body, _) = body.rsplit_once('}').unwrap();
            let flat: String = body.lines().map(str::trim).collect();
            assert_eq!(flat, expected, "{source}");
        }
    }
}
