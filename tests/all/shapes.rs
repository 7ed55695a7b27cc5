//! How a script may be written, how each form is called, and what is unclear.

use serde_json::json;

use crate::harness::Server;

const NODE: &str = r#"{ args: [typeof req.headers, typeof res.status, typeof metadata.executionId, typeof shared] }"#;

#[tokio::test]
async fn every_shape_answers() {
    let node = |before: &str| {
        format!("{before} (req: any, res: any, metadata: any, shared: any) => ({NODE});")
    };
    let web = "Response.json({ web: new URL(r.url).pathname })";
    let as_node = json!({ "args": ["object", "function", "string", "object"] });
    let as_web = |name: &str| json!({ "web": format!("/{name}") });
    let cases = [
        ("body", format!("return {NODE};"), as_node.clone()),
        ("body-import", format!("import {{ x }} from './_lib';\nreturn x && {NODE};"), as_node.clone()),
        ("commonjs", node("module.exports ="), as_node.clone()),
        ("commonjs-async", node("module.exports = async"), as_node.clone()),
        ("arrow", node("export default"), as_node.clone()),
        ("function", format!("export default async function handler(req, res, metadata, shared) {{ return {NODE} }}"), as_node.clone()),
        ("named", format!("function h(req, res, metadata, shared) {{ return {NODE} }}\nexport {{ h as default }}"), as_node.clone()),
        ("none", "export default () => ({ args: 0 })".to_owned(), json!({ "args": 0 })),
        ("only-req", "export default (req) => ({ url: req.url })".to_owned(), json!({ "url": "/only-req" })),
        ("fetch", format!("export default {{ fetch(r: Request) {{ return {web} }} }}"), as_web("fetch")),
        ("fetch-arrow", format!("export default {{ fetch: async (r) => {web} }}"), as_web("fetch-arrow")),
        ("request", "export default (request) => Response.json({ web: new URL(request.url).pathname })".to_owned(), as_web("request")),
        ("typed", format!("export default async (r: Request): Promise<Response> => {web};"), as_web("typed")),
        (
            "wrapped",
            format!("const wrap = (f) => (req, res, metadata, shared) => f(req, res, metadata, shared);\nexport default wrap((req, res, metadata, shared) => ({NODE}));"),
            as_node.clone(),
        ),
        (
            "made-object",
            "const make = () => ({ fetch: (r) => Response.json({ web: new URL(r.url).pathname }) });\nexport default make();".to_owned(),
            as_web("made-object"),
        ),
    ];
    let setup = Server::with_script("_lib.ts", "export const x = true;");
    let setup = cases.iter().fold(setup, |setup, (name, source, _)| {
        setup.script(&format!("{name}.ts"), source)
    });
    let server = setup.start().await;
    for (name, _, expected) in cases {
        server
            .get(&format!("/{name}"))
            .await
            .expect_json(200, expected);
    }
}

#[tokio::test]
async fn an_unclear_shape_is_an_error_that_says_how_to_make_it_clear() {
    let cases = [
        (
            "one-parameter",
            "export default (x) => 1;",
            "name it `request`",
        ),
        ("class", "export default class {}", "a class"),
        ("text", "export default 'x';", "a plain value"),
        (
            "object",
            "export default { get() {} };",
            "without a `fetch` member",
        ),
        (
            "mixed",
            "export const x = 1;\nreturn x;",
            "cannot also `return`",
        ),
        (
            "both",
            "export default () => 1;\nmodule.exports = () => 2;",
            "both `export` and `module.exports`",
        ),
        (
            "made-number",
            "const f = () => 7;\nexport default f();",
            "must be a function",
        ),
    ];
    let setup = cases
        .iter()
        .fold(Server::empty(), |setup, (name, source, _)| {
            setup.script(&format!("{name}.ts"), source)
        });
    let server = setup.dev().start().await;
    for (name, _, message) in cases {
        let reply = server
            .get(&format!("/{name}"))
            .await
            .expect_error(503, "SCRIPT_NOT_PUBLISHED");
        assert!(reply.text().contains(message), "{name}: {reply:?}");
    }
}

#[tokio::test]
async fn a_file_with_only_named_exports_is_no_route() {
    let server = Server::with_scripts(&[
        ("lib.ts", "export const x = 1;"),
        ("user.ts", "import { x } from './lib'; return { x }"),
    ])
    .start()
    .await;
    server
        .get("/user")
        .await
        .expect_json(200, json!({ "x": 1 }));
    server.until("/lib", |reply| reply.status == 404).await;
}

#[tokio::test]
async fn top_level_code_runs_when_it_can() {
    let server = Server::with_scripts(&[
        // Evaluated once, at publish: the table is in the image.
        ("table.ts", "const table = Array.from({ length: 1000 }, (_, i) => i * i);\nexport default () => table[999];"),
        // The body of a function: from the start with each request.
        ("body.ts", "let n = 0;\nn++;\nreturn n;"),
        // Its top level waits for I/O, so it runs with each request.
        ("deferred.ts", "const answer = await (await fetch('/body')).json();\nexport default () => ({ answer });"),
        ("timer.ts", "await new Promise((r) => setTimeout(r, 5));\nexport default () => 'after';"),
    ])
    .start()
    .await;
    server.get("/table").await.expect_json(200, json!(998_001));
    for _ in 0..2 {
        server.get("/body").await.expect_json(200, json!(1));
        server
            .get("/deferred")
            .await
            .expect_json(200, json!({ "answer": 1 }));
        server.get("/timer").await.expect_text(200, "after");
    }
}

#[tokio::test]
async fn typescript_becomes_javascript() {
    let source = r#"
        enum Color { Red, Green = "g" }
        const enum Flag { On = 4 }
        namespace Geometry { export const pi = 3; }
        class Point { constructor(public x: number, private readonly y: number = 2) {} sum() { return this.x + this.y } }
        abstract class Shape<T extends object> { abstract area(): number; declare tag: T }
        function logged(_: object, name: string, property: PropertyDescriptor) { property.value = () => "decorated " + name }
        class Service { @logged run() { return "plain" } }
        interface User { name: string }
        type Id = string | number;
        const user = { name: "a" } satisfies User;
        let id: Id = 7 as Id;
        const maybe: { deep?: { value: number } } = {};
        return { color: [Color.Red, Color[0], Color.Green], flag: Flag.On, pi: Geometry.pi, sum: new Point(1).sum(),
                 run: new Service().run(), name: user!.name, id, deep: maybe.deep?.value ?? null };
    "#;
    let server = Server::with_script("ts.ts", source).dev().start().await;
    server.get("/ts").await.expect_json(
        200,
        json!({ "color": [0, "Red", "g"], "flag": 4, "pi": 3, "sum": 3, "run": "decorated run", "name": "a", "id": 7, "deep": null }),
    );
}
