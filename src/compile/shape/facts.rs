//! What a file says about itself at top level. Facts only, no rules.

use oxc::ast::AstKind;
use oxc::ast::ast::{
    AssignmentTarget, BindingPattern, CallExpression, Declaration, ExportDefaultDeclarationKind,
    ExportSpecifier, Expression, FormalParameter, FormalParameters, Function, IdentifierReference,
    ImportOrExportKind, ModuleExportName, ObjectExpression, ObjectPropertyKind, Program, Statement,
};
use oxc::semantic::{IsGlobalReference, NodeId, Semantic};
use oxc::span::Span;

/// `const a = b, b = c, …` is followed this far.
const ALIASES_MAX: usize = 8;

pub struct Facts<'a> {
    pub default_export: Option<(Span, DefaultExport<'a>)>,
    /// The first named export of a value.
    pub named_export: Option<Span>,
    /// The first assignment to `module.exports` or into it.
    pub module_exports: Option<Span>,
    pub top_level_return: Option<Span>,
    /// The first exported function that is named as a method of HTTP.
    pub method_export: Option<Span>,
    /// The first `addEventListener("fetch", …)` that runs with the file.
    pub fetch_listener: Option<Span>,
}

/// What `export default` exports, as far as the tree tells.
pub enum DefaultExport<'a> {
    Function(&'a FormalParameters<'a>),
    FetchObject,
    OtherObject,
    Class,
    Value,
    Unknown,
}

impl<'a> Facts<'a> {
    pub fn gather(program: &'a Program<'a>, semantic: &Semantic<'a>) -> Self {
        let mut facts = Self {
            default_export: None,
            named_export: None,
            module_exports: None,
            top_level_return: None,
            method_export: None,
            fetch_listener: None,
        };
        for statement in &program.body {
            facts.read_export(statement, semantic);
        }
        for node in semantic.nodes().iter() {
            match node.kind() {
                AstKind::ReturnStatement(statement)
                    if facts.top_level_return.is_none() && is_top_level(node.id(), semantic) =>
                {
                    facts.top_level_return = Some(statement.span);
                }
                AstKind::AssignmentExpression(assignment)
                    if facts.module_exports.is_none()
                        && is_module_exports(&assignment.left, semantic)
                        && is_top_level(node.id(), semantic) =>
                {
                    facts.module_exports = Some(assignment.span);
                }
                AstKind::CallExpression(call)
                    if facts.fetch_listener.is_none()
                        && listens_to_fetch(call, semantic)
                        && is_top_level(node.id(), semantic) =>
                {
                    facts.fetch_listener = Some(call.span);
                }
                _ => {}
            }
        }
        facts
    }

    /// The first export by `export`.
    pub fn es_export(&self) -> Option<Span> {
        self.default_export
            .as_ref()
            .map(|(span, _)| *span)
            .or(self.named_export)
    }

    /// The first export by any means.
    pub fn exported(&self) -> Option<Span> {
        self.es_export().or(self.module_exports)
    }

    fn read_export(&mut self, statement: &'a Statement<'a>, semantic: &Semantic<'a>) {
        match statement {
            Statement::ExportDefaultDeclaration(export) => {
                if let Some(default) = default_of_declaration(&export.declaration, semantic) {
                    self.default_export = Some((export.span, default));
                }
            }
            Statement::ExportDeclaration(export) => {
                let declaration = &export.declaration;
                if !declaration.is_type() && !declaration.declare() {
                    self.named_export.get_or_insert(export.span);
                    if is_named_as_a_method(declaration) {
                        self.method_export.get_or_insert(export.span);
                    }
                }
            }
            Statement::ExportNamedDeclaration(export) => {
                for specifier in &export.specifiers {
                    if export.export_kind != ImportOrExportKind::Type {
                        self.read_specifier(specifier, semantic);
                    }
                }
            }
            Statement::ExportFromDeclaration(export) => {
                for specifier in &export.specifiers {
                    if export.export_kind != ImportOrExportKind::Type {
                        self.read_specifier(specifier, semantic);
                    }
                }
            }
            Statement::ExportAllDeclaration(export)
                if export.export_kind != ImportOrExportKind::Type =>
            {
                self.named_export.get_or_insert(export.span);
            }
            _ => {}
        }
    }

    fn read_specifier(&mut self, specifier: &'a ExportSpecifier<'a>, semantic: &Semantic<'a>) {
        if specifier.export_kind == ImportOrExportKind::Type {
            return;
        }
        let local = match &specifier.local {
            ModuleExportName::IdentifierReference(name) => Some(name),
            _ => None,
        };
        if local.is_some_and(|name| is_only_a_type(name, semantic)) {
            return;
        }
        if specifier.exported.name() == "default" {
            let default = local.map_or(DefaultExport::Unknown, |name| {
                default_of_name(name, semantic, ALIASES_MAX)
            });
            self.default_export = Some((specifier.span, default));
        } else {
            self.named_export.get_or_insert(specifier.span);
        }
    }
}

/// None for `export default interface …` and for an overload without a body.
fn default_of_declaration<'a>(
    declaration: &'a ExportDefaultDeclarationKind<'a>,
    semantic: &Semantic<'a>,
) -> Option<DefaultExport<'a>> {
    match declaration {
        ExportDefaultDeclarationKind::FunctionDeclaration(function) => function
            .body
            .as_ref()
            .map(|_| DefaultExport::Function(&function.params)),
        ExportDefaultDeclarationKind::ClassDeclaration(_) => Some(DefaultExport::Class),
        ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => None,
        other => other
            .as_expression()
            .map(|value| default_of(value, semantic, ALIASES_MAX)),
    }
}

fn default_of<'a>(
    value: &'a Expression<'a>,
    semantic: &Semantic<'a>,
    aliases: usize,
) -> DefaultExport<'a> {
    match value.get_inner_expression() {
        Expression::FunctionExpression(function) => DefaultExport::Function(&function.params),
        Expression::ArrowFunctionExpression(function) => DefaultExport::Function(&function.params),
        Expression::ObjectExpression(object) => default_of_object(object),
        Expression::ClassExpression(_) => DefaultExport::Class,
        Expression::Identifier(name) if name.name == "undefined" => DefaultExport::Value,
        Expression::Identifier(name) => default_of_name(name, semantic, aliases),
        Expression::ArrayExpression(_) | Expression::TemplateLiteral(_) => DefaultExport::Value,
        literal if literal.is_literal() => DefaultExport::Value,
        _ => DefaultExport::Unknown,
    }
}

fn default_of_object<'a>(object: &ObjectExpression<'a>) -> DefaultExport<'a> {
    let mut spread = false;
    for property in &object.properties {
        match property {
            ObjectPropertyKind::ObjectProperty(property)
                if property
                    .key
                    .static_name()
                    .is_some_and(|name| name == "fetch") =>
            {
                return DefaultExport::FetchObject;
            }
            // `[name]: …` could be anything, too.
            ObjectPropertyKind::ObjectProperty(property) => spread |= property.computed,
            ObjectPropertyKind::SpreadProperty(_) => spread = true,
        }
    }
    if spread {
        DefaultExport::Unknown
    } else {
        DefaultExport::OtherObject
    }
}

/// What a name is bound to, if this file binds it once and for all.
fn default_of_name<'a>(
    name: &IdentifierReference<'a>,
    semantic: &Semantic<'a>,
    aliases: usize,
) -> DefaultExport<'a> {
    let scoping = semantic.scoping();
    let symbol = name
        .reference_id
        .get()
        .and_then(|reference| scoping.get_reference(reference).symbol_id());
    let Some(symbol) = symbol else {
        return DefaultExport::Unknown;
    };
    if aliases == 0 || scoping.symbol_is_mutated(symbol) {
        return DefaultExport::Unknown;
    }
    for declaration in scoping.symbol_declarations(symbol) {
        match semantic.nodes().kind(declaration) {
            AstKind::Function(Function {
                body: Some(_),
                params,
                ..
            }) => {
                return DefaultExport::Function(params);
            }
            AstKind::Class(_) => return DefaultExport::Class,
            AstKind::VariableDeclarator(declarator)
                if matches!(declarator.id, BindingPattern::BindingIdentifier(_)) =>
            {
                if let Some(value) = &declarator.init {
                    return default_of(value, semantic, aliases - 1);
                }
            }
            _ => {}
        }
    }
    DefaultExport::Unknown
}

/// `function GET(request)` or `const GET = (request) => …`, as some frameworks have
/// it. A function of such a name that takes something else is a library's.
fn is_named_as_a_method(declaration: &Declaration) -> bool {
    let is_method = |name: &str| matches!(name, "GET" | "POST" | "PUT" | "PATCH" | "DELETE");
    match declaration {
        Declaration::FunctionDeclaration(function) => {
            function.id.as_ref().is_some_and(|id| is_method(&id.name))
                && takes_a_request(&function.params)
        }
        Declaration::VariableDeclaration(variables) => {
            variables.declarations.iter().any(|declarator| {
                let name = match &declarator.id {
                    BindingPattern::BindingIdentifier(name) => name.name.as_str(),
                    _ => return false,
                };
                let parameters = match declarator
                    .init
                    .as_ref()
                    .map(|init| init.get_inner_expression())
                {
                    Some(Expression::FunctionExpression(function)) => &function.params,
                    Some(Expression::ArrowFunctionExpression(function)) => &function.params,
                    _ => return false,
                };
                is_method(name) && takes_a_request(parameters)
            })
        }
        _ => false,
    }
}

fn takes_a_request(parameters: &FormalParameters) -> bool {
    let first = parameters.items.first().map(name_of);
    matches!(first, Some("req" | "request"))
}

/// A parameter's name without underscores before it; empty if it is a pattern.
pub fn name_of<'p>(parameter: &'p FormalParameter) -> &'p str {
    match &parameter.pattern {
        BindingPattern::BindingIdentifier(name) => name.name.trim_start_matches('_'),
        _ => "",
    }
}

/// `addEventListener("fetch", …)`, as service workers have it.
fn listens_to_fetch(call: &CallExpression, semantic: &Semantic) -> bool {
    let is_global = |object: &Expression, names: &[&str]| match object {
        Expression::Identifier(name) => {
            names.contains(&name.name.as_str()) && name.is_global_reference(semantic.scoping())
        }
        _ => false,
    };
    let is_listener = match call.callee.as_member_expression() {
        Some(member) => {
            member.static_property_name() == Some("addEventListener")
                && is_global(member.object(), &["self", "globalThis"])
        }
        None => is_global(&call.callee, &["addEventListener"]),
    };
    let first = call
        .arguments
        .first()
        .and_then(|first| first.as_expression());
    is_listener && matches!(first, Some(Expression::StringLiteral(name)) if name.value == "fetch")
}

fn is_only_a_type(name: &IdentifierReference, semantic: &Semantic) -> bool {
    let scoping = semantic.scoping();
    name.reference_id
        .get()
        .and_then(|reference| scoping.get_reference(reference).symbol_id())
        .is_some_and(|symbol| !scoping.symbol_flags(symbol).can_be_referenced_by_value())
}

/// `module.exports`, `module.exports.x`, `exports.x`, `exports`, where neither
/// name is declared in the file.
fn is_module_exports(target: &AssignmentTarget, semantic: &Semantic) -> bool {
    let is_global = |name: &IdentifierReference| name.is_global_reference(semantic.scoping());
    if let AssignmentTarget::AssignmentTargetIdentifier(name) = target {
        return name.name == "exports" && is_global(name);
    }
    let Some(member) = target.as_member_expression() else {
        return false;
    };
    let is_module_dot_exports = |member: &oxc::ast::ast::MemberExpression| {
        member.static_property_name() == Some("exports")
            && matches!(member.object(), Expression::Identifier(name) if name.name == "module" && is_global(name))
    };
    is_module_dot_exports(member)
        || match member.object() {
            Expression::Identifier(name) => name.name == "exports" && is_global(name),
            object => object
                .as_member_expression()
                .is_some_and(is_module_dot_exports),
        }
}

/// Whether a node runs when the file runs: no function or class around it.
fn is_top_level(node: NodeId, semantic: &Semantic) -> bool {
    !semantic.nodes().ancestor_kinds(node).any(|kind| {
        matches!(
            kind,
            AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) | AstKind::Class(_)
        )
    })
}
