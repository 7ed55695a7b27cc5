//! Which shape a script has: how it wants to be called.
//!
//! Decided on the syntax tree, without running anything:
//!
//! | what the file says | shape |
//! |---|---|
//! | no `export` of a value, no `module.exports`; top-level `return` and `await` are allowed | [`Shape::Body`]: the whole file is the body of a function that runs for each request |
//! | `module.exports = …`, `module.exports.x = …`, `exports.x = …` at top level | [`Shape::CommonJs`]: the value is called as `(req, res, metadata, shared)` |
//! | `export default` of a function with no, or two and more parameters | [`Shape::Node`]: called as `(req, res, metadata, shared)` |
//! | … whose first parameter is annotated with the global `Request`, however many it has | [`Shape::Web`]: called with a `Request`, answers with a `Response` |
//! | … whose only parameter is named `req` | [`Shape::Node`] |
//! | … whose only parameter is named `request` | [`Shape::Web`] |
//! | … with one parameter of another name | unclear |
//! | `export default` of an object literal with a member `fetch` | [`Shape::Web`] |
//! | `export default` of an object literal without `fetch` and without `...`, a class, a string, a number | unclear |
//! | `export default` of anything else (`app`, `withAuth(h)`, an import) | [`Shape::Evaluate`]: the value decides after the file has run |
//! | named exports only | [`Shape::Library`]: not a route, only for import |
//! | … of which one is a function named `GET`, `POST`, `PUT`, `PATCH` or `DELETE` whose first parameter is named `req` or `request` | unclear |
//! | no export and no top-level `return`, but a top-level `addEventListener("fetch", …)` | unclear |
//! | `export default` or `module.exports` together with a top-level `return`, named exports with one, `export` with `module.exports` | unclear |
//!
//! A function counts whether it is written in place, is named in `export
//! default` or `export { x as default }`, or is wrapped in parentheses, `as`,
//! `satisfies` or `!`. Underscores before a parameter's name do not count. What
//! is only a type (`export interface`, `export type`) and an empty `export {}`
//! count as nothing.
//!
//! Unclear is an error that says how to make it clear. This file must not
//! change the tree.

mod facts;

use oxc::ast::ast::{FormalParameter, FormalParameters, Program, TSType, TSTypeName};
use oxc::semantic::{IsGlobalReference, Semantic};
use oxc::span::{GetSpan, Span};
use serde::{Deserialize, Serialize};

use facts::{DefaultExport, Facts};

/// How a script wants to be called. The module's documentation has the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    Body,
    CommonJs,
    Node,
    Web,
    Evaluate,
    Library,
}

/// Why a shape is unclear, where, and how to make it clear.
#[derive(Debug)]
pub struct Unclear {
    pub span: Span,
    pub message: String,
    pub hint: &'static str,
}

/// The shape of a file that is called.
pub fn of_entry<'a>(program: &'a Program<'a>, semantic: &Semantic<'a>) -> Result<Shape, Unclear> {
    let facts = Facts::gather(program, semantic);
    if let (Some(_), Some(span)) = (facts.exported(), facts.top_level_return) {
        return Err(unclear(
            span,
            "a file that exports something cannot also `return` at top level",
            "either remove the exports, so that the whole file is the handler, or move the \
             `return` into the exported function",
        ));
    }
    if let (Some(span), Some(_)) = (facts.es_export(), facts.module_exports) {
        return Err(unclear(
            span,
            "a file cannot use both `export` and `module.exports`",
            "use `export default` alone",
        ));
    }
    match (
        facts.default_export,
        facts.module_exports,
        facts.named_export,
    ) {
        (Some((span, default)), _, _) => of_default(span, &default, semantic),
        (None, Some(_), _) => Ok(Shape::CommonJs),
        (None, None, Some(_)) => match facts.method_export {
            Some(span) => Err(unclear(
                span,
                "a function that is exported under the name of a method is not called",
                "export one handler, `export default (request: Request) => …`, and look at `request.method`",
            )),
            None => Ok(Shape::Library),
        },
        (None, None, None) if facts.top_level_return.is_some() => Ok(Shape::Body),
        (None, None, None) => match facts.fetch_listener {
            Some(span) => Err(unclear(
                span,
                "a listener of `fetch` is not called",
                "export the handler instead: `export default { fetch(request) { … } }`",
            )),
            None => Ok(Shape::Body),
        },
    }
}

/// The shape of a file that another file imports: [`Shape::CommonJs`] or
/// [`Shape::Library`]. How its default export would be called does not matter.
pub fn of_import<'a>(program: &'a Program<'a>, semantic: &Semantic<'a>) -> Result<Shape, Unclear> {
    let facts = Facts::gather(program, semantic);
    if let Some(span) = facts.top_level_return {
        return Err(unclear(
            span,
            "a file that is imported cannot `return` at top level",
            "export what the other file needs, for example `export function …`",
        ));
    }
    match (facts.es_export(), facts.module_exports) {
        (Some(span), Some(_)) => Err(unclear(
            span,
            "a file cannot use both `export` and `module.exports`",
            "use `export` alone",
        )),
        (None, Some(_)) => Ok(Shape::CommonJs),
        (_, None) => Ok(Shape::Library),
    }
}

fn of_default(span: Span, default: &DefaultExport, semantic: &Semantic) -> Result<Shape, Unclear> {
    let what = match default {
        DefaultExport::Function(params) => return of_parameters(params, semantic),
        DefaultExport::FetchObject => return Ok(Shape::Web),
        DefaultExport::Unknown => return Ok(Shape::Evaluate),
        DefaultExport::OtherObject => "an object without a `fetch` member",
        DefaultExport::Class => "a class",
        DefaultExport::Value => "a plain value",
    };
    Err(unclear(
        span,
        format!("the default export is {what}, which cannot answer requests"),
        "export a function, `export default (req, res) => …`, or an object with `fetch(request)`",
    ))
}

fn of_parameters(params: &FormalParameters, semantic: &Semantic) -> Result<Shape, Unclear> {
    let Some(first) = params.items.first() else {
        return Ok(Shape::Node);
    };
    if is_annotated_request(first, semantic) {
        return Ok(Shape::Web);
    }
    if params.items.len() > 1 || params.rest.is_some() {
        return Ok(Shape::Node);
    }
    match facts::name_of(first) {
        "request" => Ok(Shape::Web),
        "req" => Ok(Shape::Node),
        _ => Err(unclear(
            first.span(),
            "the only parameter of this handler could be a Web `Request` or the Node-style `req`",
            "annotate it with `: Request` or name it `request` to get a Web `Request`; name it \
             `req` to be called as `(req, res, metadata, shared)`",
        )),
    }
}

/// Whether a parameter is annotated with the global `Request`, not with one that
/// the file declares or imports (such as Express's).
fn is_annotated_request(parameter: &FormalParameter, semantic: &Semantic) -> bool {
    let Some(annotation) = &parameter.type_annotation else {
        return false;
    };
    match &annotation.type_annotation {
        TSType::TSTypeReference(reference) => match &reference.type_name {
            TSTypeName::IdentifierReference(name) => {
                name.name == "Request" && name.is_global_reference(semantic.scoping())
            }
            _ => false,
        },
        _ => false,
    }
}

fn unclear(span: Span, message: impl Into<String>, hint: &'static str) -> Unclear {
    Unclear {
        span,
        message: message.into(),
        hint,
    }
}

#[cfg(test)]
mod tests;
