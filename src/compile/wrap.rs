//! Turns a script into an ES module whose default export is what to call.
//!
//! Works on code that is JavaScript already. Which file needs which wrapping,
//! `shape` decides.

use oxc::allocator::{Allocator, ArenaVec, TakeIn};
use oxc::ast::ast::{
    ArrowFunctionExpression, AwaitExpression, BindingPattern, ExportDefaultDeclarationKind,
    ForOfStatement, FormalParameter, FormalParameterKind, FormalParameters, Function, FunctionBody,
    FunctionType, ImportDeclarationSpecifier, Program, Statement, VariableDeclaration,
    VariableDeclarationKind,
};
use oxc::ast::builder::AstBuilder;
use oxc::ast_visit::{Visit, walk};
use oxc::semantic::ScopeFlags;
use oxc::span::SPAN;
use oxc::str::Ident;
use oxc_sourcemap::{SourceMap, Token};

/// The parameters of every handler that is not given a Web `Request`.
pub const PARAMETERS: [&str; 4] = ["req", "res", "metadata", "shared"];

/// Those of a hook: `post` also gets what the script has returned.
pub const HOOK_PARAMETERS: [&str; 5] = ["req", "res", "metadata", "shared", "mainResult"];

/// `{ imports; rest }` to `{ imports; export default async function (req, res,
/// metadata, shared) { rest } }`, so that top-level variables start fresh for
/// each request. Without `await` it is no async function, which saves a third of
/// a small call. The nodes keep their spans, and so the source map its sense.
pub fn into_function<'a>(program: &mut Program<'a>, allocator: &'a Allocator, names: &[&str]) {
    let builder = AstBuilder::new(allocator);
    let parameters = parameters(program, &builder, names);
    let is_async = Awaits::anywhere_in(program);
    let mut outside = ArenaVec::new_in(&builder);
    let mut inside = ArenaVec::new_in(&builder);
    for statement in program.body.take_in(&builder) {
        match statement {
            Statement::ImportDeclaration(_) => outside.push(statement),
            // `export {}` only says "this is a module".
            Statement::ExportNamedDeclaration(_) => {}
            _ => inside.push(statement),
        }
    }
    let parameters = FormalParameters::boxed(
        SPAN,
        FormalParameterKind::FormalParameter,
        parameters,
        None,
        &builder,
    );
    let body = FunctionBody::boxed(SPAN, [], inside, &builder);
    let function = Function::boxed(
        SPAN,
        FunctionType::FunctionDeclaration,
        None,
        false,
        is_async,
        false,
        None,
        None,
        parameters,
        None,
        Some(body),
        &builder,
    );
    outside.push(Statement::new_export_default_declaration(
        SPAN,
        ExportDefaultDeclarationKind::FunctionDeclaration(function),
        &builder,
    ));
    program.body = outside;
}

/// Looks for an `await` of the top level: one inside a function is that function's.
#[derive(Default)]
struct Awaits {
    found: bool,
}

impl Awaits {
    fn anywhere_in(program: &Program<'_>) -> bool {
        let mut search = Self::default();
        search.visit_program(program);
        search.found
    }
}

impl<'a> Visit<'a> for Awaits {
    fn visit_await_expression(&mut self, _: &AwaitExpression<'a>) {
        self.found = true;
    }

    fn visit_for_of_statement(&mut self, statement: &ForOfStatement<'a>) {
        self.found |= statement.r#await;
        walk::walk_for_of_statement(self, statement);
    }

    fn visit_variable_declaration(&mut self, declaration: &VariableDeclaration<'a>) {
        self.found |= declaration.kind == VariableDeclarationKind::AwaitUsing;
        walk::walk_variable_declaration(self, declaration);
    }

    fn visit_function(&mut self, _: &Function<'a>, _: ScopeFlags) {}

    fn visit_arrow_function_expression(&mut self, _: &ArrowFunctionExpression<'a>) {}
}

/// The handler's parameters. One whose name the script imports or declares
/// itself gets another name: the script's own wins, as an inner one would.
fn parameters<'a>(
    program: &Program<'a>,
    builder: &AstBuilder<'a>,
    names: &[&str],
) -> ArenaVec<'a, FormalParameter<'a>> {
    let taken = lexical_names(program);
    let mut parameters = ArenaVec::new_in(builder);
    for parameter in names {
        let mut name = (*parameter).to_owned();
        if taken.contains(parameter) {
            while program.source_text.contains(&name) {
                name.insert(0, '_');
            }
        }
        let name = Ident::from_str_in(&name, builder);
        let pattern = BindingPattern::new_binding_identifier(SPAN, name, builder);
        parameters.push(FormalParameter::new_plain(SPAN, pattern, builder));
    }
    parameters
}

/// Names that cannot be declared next to a parameter of the same name. A `var`
/// or a function can.
fn lexical_names<'p>(program: &'p Program<'_>) -> Vec<&'p str> {
    let mut names = vec![];
    for statement in &program.body {
        match statement {
            Statement::VariableDeclaration(declaration)
                if declaration.kind != VariableDeclarationKind::Var =>
            {
                for declarator in &declaration.declarations {
                    let bound = declarator.id.get_binding_identifiers();
                    names.extend(bound.iter().map(|name| name.name.as_str()));
                }
            }
            Statement::ClassDeclaration(class) => {
                names.extend(class.id.iter().map(|name| name.name.as_str()));
            }
            Statement::ImportDeclaration(import) => {
                for specifier in import.specifiers.iter().flatten() {
                    names.push(imported_as(specifier));
                }
            }
            _ => {}
        }
    }
    names
}

fn imported_as<'p>(specifier: &'p ImportDeclarationSpecifier<'_>) -> &'p str {
    specifier.local().name.as_str()
}

/// Gives a CommonJS file the `module` and `exports` it assigns to, on a line of
/// their own before it, and exports the result.
pub fn as_common_js<'a>(code: &str, source_map: SourceMap<'a>) -> (String, SourceMap<'a>) {
    let code = format!(
        "const module = {{ exports: {{}} }}; let exports = module.exports;\n{code}export default module.exports;\n"
    );
    let mut parts = source_map.into_parts();
    parts.tokens = parts
        .tokens
        .iter()
        .map(|token| one_line_down(*token))
        .collect();
    (code, SourceMap::from_parts(parts))
}

fn one_line_down(token: Token) -> Token {
    Token::new(
        token.get_dst_line() + 1,
        token.get_dst_col(),
        token.get_src_line(),
        token.get_src_col(),
        token.get_source_id(),
        token.get_name_id(),
    )
}
