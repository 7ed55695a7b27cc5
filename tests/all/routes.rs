//! From a URL to a script: files, parameters, priorities, deployments, pages.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, Setup};

/// A script that says which file it is and what it was given.
fn witness(setup: Setup, path: &str) -> Setup {
    let source = format!("return {{ file: {path:?}, parameters: metadata.parameters }}");
    setup.script(path, &source)
}

async fn serving(files: &[&str]) -> Server {
    files
        .iter()
        .fold(Server::empty(), |setup, path| witness(setup, path))
        .start()
        .await
}

async fn check(server: &Server, cases: &[(&str, &str, Value)]) {
    for (target, file, parameters) in cases {
        let reply = server.get(target).await;
        match file.is_empty() {
            true => drop(reply.expect_error(404, "ERROR_404")),
            false => {
                drop(reply.expect_json(200, json!({ "file": file, "parameters": parameters })))
            }
        }
    }
}

#[tokio::test]
async fn a_file_is_a_route() {
    let server = Server::with_script("hello.ts", "return { hello: 'world' }")
        .start()
        .await;
    server
        .get("/hello")
        .await
        .expect_json(200, json!({ "hello": "world" }));
    server.get("/nothing").await.expect_error(404, "ERROR_404");
}

#[tokio::test]
async fn every_form_of_route_answers() {
    let server = serving(&[
        "index.ts",
        "plain.js",
        "Case.ts",
        "api/index.ts",
        "users/[id].ts",
        "pair/[a]/[b].ts",
        "docs/[...slug].ts",
        "any/[[...path]].ts",
        "dotted.name.ts",
    ])
    .await;
    let none = json!({});
    check(
        &server,
        &[
            ("/", "index.ts", none.clone()),
            ("/plain", "plain.js", none.clone()),
            ("/plain/", "plain.js", none.clone()),
            ("/plain?x=1", "plain.js", none.clone()),
            ("/Case", "Case.ts", none.clone()),
            ("/case", "", none.clone()),
            ("/api", "api/index.ts", none.clone()),
            ("/api/index", "", none.clone()),
            ("/users", "", none.clone()),
            ("/users/123", "users/[id].ts", json!({ "id": "123" })),
            (
                "/users/a%2Fb%20c",
                "users/[id].ts",
                json!({ "id": "a/b c" }),
            ),
            ("/users/%C3%BC", "users/[id].ts", json!({ "id": "ü" })),
            (
                "/pair/x/y",
                "pair/[a]/[b].ts",
                json!({ "a": "x", "b": "y" }),
            ),
            ("/docs", "", none.clone()),
            ("/docs/one", "docs/[...slug].ts", json!({ "slug": ["one"] })),
            (
                "/docs/api/guide/intro",
                "docs/[...slug].ts",
                json!({ "slug": ["api", "guide", "intro"] }),
            ),
            ("/any", "any/[[...path]].ts", json!({ "path": [] })),
            (
                "/any/x/y",
                "any/[[...path]].ts",
                json!({ "path": ["x", "y"] }),
            ),
            ("/dotted.name", "dotted.name.ts", none.clone()),
            ("/plain.js", "", none),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_more_specific_route_wins() {
    let server = serving(&[
        "s.ts",
        "[d].ts",
        "[...c].ts",
        "[[...o]].ts",
        "a/b/d.ts",
        "a/[x]/c.ts",
    ])
    .await;
    check(
        &server,
        &[
            ("/s", "s.ts", json!({})),
            ("/x", "[d].ts", json!({ "d": "x" })),
            ("/x/y", "[...c].ts", json!({ "c": ["x", "y"] })),
            ("/", "[[...o]].ts", json!({ "o": [] })),
            ("/a/b/c", "a/[x]/c.ts", json!({ "x": "b" })),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_leading_scripts_folder_is_accepted() {
    let server = serving(&["certs/renew.ts"]).await;
    let renew = ("certs/renew.ts", json!({}));
    check(
        &server,
        &[
            ("/scripts/certs/renew", renew.0, renew.1.clone()),
            ("/certs/renew", renew.0, renew.1),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_hidden_or_no_script_does_not_answer() {
    let server = serving(&[
        "_lib/x.ts",
        ".git/x.ts",
        "node_modules/p/index.js",
        "_private.ts",
        "types.d.ts",
        "x.test.ts",
        "data.json",
        "run.sh",
        "shown.ts",
    ])
    .await;
    server.get("/shown").await.expect(200);
    for target in [
        "/_lib/x",
        "/.git/x",
        "/node_modules/p",
        "/_private",
        "/types.d",
        "/types",
        "/x.test",
        "/data",
        "/data.json",
        "/run.sh",
        "/run",
        "/shown.ts",
    ] {
        server.get(target).await.expect_error(404, "ERROR_404");
    }
}

#[tokio::test]
async fn the_host_name_chooses_the_deployment() {
    let setup = Server::with_script("who.ts", "return 'one'");
    let server = setup.file("shop/who.ts", "return 'shop'").start().await;
    let cases = [
        ("localhost", 200, "one"),
        ("example.com", 200, "one"),
        ("shop.localhost", 200, "shop"),
        ("SHOP.localhost:8080", 200, "shop"),
        ("api.node-exec-shop.example.com", 200, "shop"),
        ("node-exec-gone.example.com", 404, ""),
    ];
    for (host, status, text) in cases {
        let reply = server.get("/who").header("host", host).await.expect(status);
        assert!(status != 200 || reply.text() == text, "{host}: {reply:?}");
    }
}

#[tokio::test]
async fn a_markdown_file_is_a_page() {
    let server = Server::with_script("guide.md", "# Guide\n").start().await;
    let page = server.get("/guide.md").await.expect_text(200, "# Guide\n");
    page.expect_header("content-type", "text/markdown; charset=utf-8");
    let head = server
        .request(Method::HEAD, "/guide.md")
        .await
        .expect_text(200, "");
    head.expect_header("content-length", "8");
    server.post("/guide.md", "x").await.expect(405);
    server.get("/guide").await.expect(404);
}

#[tokio::test]
async fn any_method_reaches_the_same_script() {
    let server = Server::with_script("m.ts", "return { method: req.method }")
        .start()
        .await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let reply = server.request(method.parse().unwrap(), "/m").await;
        reply.expect_json(200, json!({ "method": method }));
    }
}

#[tokio::test]
async fn head_gives_the_head_of_get() {
    let source = "res.setHeader('x-of-script', '1'); return { method: req.method.length > 0 }";
    let server = Server::with_script("h.ts", source).start().await;
    let head = server
        .request(Method::HEAD, "/h")
        .await
        .expect_text(200, "");
    let get = server.get("/h").await.expect(200);
    for name in ["content-type", "content-length", "x-of-script"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
        assert!(head.header(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn conflicts_are_reported_at_load() {
    let server = serving(&[
        "a.ts",
        "a/index.ts",
        "u/[id].ts",
        "u/[name]/x.ts",
        "fine.ts",
    ])
    .await;
    server.get("/fine").await.expect(200);
    server
        .logs("more than one file answers at this route")
        .await;
    server.logs("one level has the parameter names").await;
}
