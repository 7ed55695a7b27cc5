//! The table of the module's documentation, row by row.

use super::*;
use crate::compile::typescript::{Language, Role, compile};

/// The shape, or where and why there is none.
fn shape_as(role: Role, source: &str) -> Result<Shape, String> {
    compile("x.ts", source, Language::TypeScript, role, &|name| {
        Ok(name.to_owned())
    })
    .map(|compiled| compiled.shape)
    .map_err(|problems| {
        let problem = &problems[0];
        assert!(problem.hint.is_some(), "{problem}");
        format!("{}:{} {}", problem.line, problem.column, problem.message)
    })
}

#[test]
fn shapes_of_entries() {
    use Shape::{Body, CommonJs, Evaluate, Library, Node, Web};
    let table = [
        // The whole file is the handler.
        ("", Body),
        ("return { a: 1 }", Body),
        ("const x = await fetch(req.url); return x", Body),
        ("console.log(1)", Body),
        ("addEventListener('abort', stop)", Body),
        ("addEventListener('fetch', f); return 1", Body),
        ("const start = () => addEventListener('fetch', f)", Body),
        ("import { a } from './a'; return a", Body),
        (
            "import type { A } from './a'; export {}; return 1 as A",
            Body,
        ),
        ("export interface A {} export type B = A; return 1", Body),
        ("export type { A } from './a'; return 1", Body),
        ("interface A {} export { type A }; return 1", Body),
        ("interface A {} export { A }; return 1", Body),
        ("export declare const a: string; return 1", Body),
        ("export default interface A {}\nreturn 1", Body),
        ("function f() { return 1 } f()", Body),
        ("function f() { module.exports = 1 } f()", Body),
        (
            "const exports: any = {}; exports.a = 1; return exports",
            Body,
        ),
        (
            "const module: any = {}; module.exports = 1; return module",
            Body,
        ),
        ("if (module.exports) { return 1 }", Body),
        // CommonJS.
        ("module.exports = (req, res) => 1", CommonJs),
        ("module.exports = async function () { return 1 }", CommonJs),
        ("module.exports.default = f; function f() {}", CommonJs),
        ("exports.handler = () => 1", CommonJs),
        ("exports = module.exports = () => 1", CommonJs),
        ("module['exports'] = () => 1", CommonJs),
        ("import a from './a'; module.exports = a", CommonJs),
        ("if (!x) { module.exports = () => 1 }", CommonJs),
        // By the number of parameters.
        ("export default () => 1", Node),
        ("export default function () {}", Node),
        ("export default function handler(a, b) {}", Node),
        (
            "export default async (req, res, metadata, shared) => 1",
            Node,
        ),
        ("export default (...args) => 1", Node),
        ("export default (a, ...rest) => 1", Node),
        (
            "export default function (this: Window, a: A, b: B) {}",
            Node,
        ),
        // By the first parameter's type.
        ("export default (a: Request) => new Response()", Web),
        ("export default ({ url }: Request) => new Response()", Web),
        (
            "export default (a: Request, env: Env) => new Response()",
            Web,
        ),
        ("export default (req: Request) => new Response()", Web),
        (
            "import { Request, Response } from 'express';\nexport default (a: Request, b: Response) => 1",
            Node,
        ),
        (
            "import type { Request } from 'express';\nexport default (req: Request) => 1",
            Node,
        ),
        // By the only parameter's name.
        ("export default (request) => 1", Web),
        ("export default (_request) => 1", Web),
        ("export default async function (request = null) {}", Web),
        ("export default (req) => 1", Node),
        ("export default (req: any) => 1", Node),
        // However the function is named and wrapped.
        ("function h(request) {}\nexport default h", Web),
        ("export { h as default }; const h = (req) => 1", Node),
        ("const a = (req) => 1; const b = a; export default b", Node),
        ("export default ((request) => 1) satisfies Handler", Web),
        ("export default <Handler>((req) => 1)", Node),
        ("export default ((req) => 1)! as Handler", Node),
        (
            "export default function f(a: string): void\nexport default function f(req: any) {}",
            Node,
        ),
        (
            "function f(a: string): void; function f(req: any) {}\nexport default f",
            Node,
        ),
        ("export const config = {}; export default (req) => 1", Node),
        // Objects.
        ("export default { fetch(request) {} }", Web),
        ("export default { fetch: (a, b, c) => 1, port: 1 }", Web),
        (
            "export default { async 'fetch'() {} } satisfies ExportedHandler",
            Web,
        ),
        ("const app = { fetch }; export default app", Web),
        ("export function GET() {} export default (req) => 1", Node),
        // Only the value can tell.
        ("const app = new Hono(); export default app", Evaluate),
        ("export default withAuth((req) => 1)", Evaluate),
        ("import app from './app'; export default app", Evaluate),
        ("export { default } from './app'", Evaluate),
        ("export { app as default } from './app'", Evaluate),
        (
            "let h = (req) => 1; h = wrap(h); export default h",
            Evaluate,
        ),
        ("export default { ...app }", Evaluate),
        ("export default { [name]() {} }", Evaluate),
        ("const { h } = x; export default h", Evaluate),
        ("export default a ? b : c", Evaluate),
        // Not routes.
        ("export const a = 1", Library),
        ("export function f(req) {}", Library),
        ("const a = 1; export { a }", Library),
        ("export * from './a'", Library),
        ("export * as a from './a'", Library),
        ("export enum A { B }", Library),
        ("export const GET = 1; export function get() {}", Library),
        ("export const DELETE = (url: string) => fetch(url)", Library),
        ("export function GET() {}", Library),
        ("export type GET = () => void; export const a = 1", Library),
        ("export class A {}", Library),
    ];
    for (source, expected) in table {
        assert_eq!(shape_as(Role::Entry, source), Ok(expected), "{source}");
    }
}

#[test]
fn unclear_entries() {
    let parameter =
        "the only parameter of this handler could be a Web `Request` or the Node-style `req`";
    let both = "a file cannot use both `export` and `module.exports`";
    let exports = "a file that exports something cannot also `return` at top level";
    let class = "the default export is a class, which cannot answer requests";
    let value = "the default export is a plain value, which cannot answer requests";
    let object =
        "the default export is an object without a `fetch` member, which cannot answer requests";
    let method = "a function that is exported under the name of a method is not called";
    let listener = "a listener of `fetch` is not called";
    let table = [
        ("export default (x) => 1", "1:17", parameter),
        ("export default ({ url }) => 1", "1:17", parameter),
        ("export default ([a]) => 1", "1:17", parameter),
        (
            "export default (r: IncomingMessage) => 1",
            "1:17",
            parameter,
        ),
        ("\nfunction h(ctx) {}\nexport default h", "2:12", parameter),
        (
            "import { Request } from 'x';\nexport default (r: Request) => 1",
            "2:17",
            parameter,
        ),
        ("export default (req) => 1\nreturn 2", "2:1", exports),
        (
            "module.exports = (req) => 1\nif (a) { return 2 }",
            "2:10",
            exports,
        ),
        (
            "export const a = 1\nfor (;;) { try { return 2 } catch {} }",
            "2:18",
            exports,
        ),
        ("module.exports = 1\nexport const a = 1", "2:1", both),
        ("export default (req) => 1\nexports.a = 1", "1:1", both),
        ("export default class {}", "1:1", class),
        ("class A {} export { A as default }", "1:21", class),
        ("export default 5", "1:1", value),
        ("export default null", "1:1", value),
        ("export default undefined", "1:1", value),
        ("export default 'x'", "1:1", value),
        ("export default [1]", "1:1", value),
        (
            "const config = { port: 1 }; export default config",
            "1:29",
            object,
        ),
        ("export default {}", "1:1", object),
        (
            "export async function GET(request: Request) {}",
            "1:1",
            method,
        ),
        (
            "export const a = 1\nexport const POST = async (_req: any) => {}",
            "2:1",
            method,
        ),
        (
            "let a = 1\naddEventListener('fetch', (event) => {})",
            "2:1",
            listener,
        ),
    ];
    for (source, position, message) in table {
        assert_eq!(
            shape_as(Role::Entry, source),
            Err(format!("{position} {message}")),
            "{source}"
        );
    }
}

#[test]
fn an_imported_file_needs_no_shape_but_must_not_return() {
    let table = [
        ("export default (x) => 1", Shape::Library),
        ("export default { a: 1 }", Shape::Library),
        ("export default class {}", Shape::Library),
        ("globalThis.a = 1", Shape::Library),
        ("", Shape::Library),
        ("module.exports = 1", Shape::CommonJs),
    ];
    for (source, expected) in table {
        assert_eq!(shape_as(Role::Import, source), Ok(expected), "{source}");
    }
    assert_eq!(
        shape_as(Role::Import, "const a = 1\nreturn a"),
        Err("2:1 a file that is imported cannot `return` at top level".to_owned())
    );
    assert_eq!(
        shape_as(Role::Import, "export const a = 1; exports.b = 2"),
        Err("1:1 a file cannot use both `export` and `module.exports`".to_owned())
    );
}

#[test]
fn names_on_the_wire() {
    let names = serde_json::to_string(&[Shape::Body, Shape::CommonJs, Shape::Evaluate]).unwrap();
    assert_eq!(names, r#"["body","common-js","evaluate"]"#);
}
