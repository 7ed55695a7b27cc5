//! `pre` and `post`: what runs before and after the scripts of a folder.

use serde_json::json;

use crate::api::{post, write};
use crate::harness::Server;

#[tokio::test]
async fn pre_may_answer_instead_and_post_has_the_last_word() {
    let server = Server::with_scripts(&[
        (
            "a/pre.ts",
            "res.setHeader('x-pre', metadata.path)\n\
             if (metadata.query.stop) return { stopped: true }\n\
             if (metadata.query.end) res.status(403).json({ no: true })",
        ),
        (
            "a/post.js",
            "if (metadata.query.post) return { was: mainResult ?? null }",
        ),
        ("a/body.ts", "return { body: true }"),
        ("a/node.ts", "export default (req: any, res: any) => { setTimeout(() => res.json({ later: true }), 5) }"),
        ("a/common.js", "module.exports = (req, res) => ({ common: req.method })"),
        ("a/web.ts", "export default { async fetch(request: Request) { return new Response(request.url.slice(-4) + await request.text(), { status: 201 }) } }"),
        ("a/b/[id].ts", "return { id: metadata.parameters.id }"),
        ("top.ts", "return { top: true }"),
    ])
    .start()
    .await;
    let body = json!({ "body": true });
    let reply = server
        .get("/a/body")
        .await
        .expect_header("x-pre", "/a/body");
    reply.expect_json(200, body.clone());
    server
        .get("/a/node")
        .await
        .expect_json(200, json!({ "later": true }));
    server
        .post("/a/common", "")
        .await
        .expect_json(200, json!({ "common": "POST" }));
    server.post("/a/web", "!").await.expect_text(201, "/web!");
    let stopped = json!({ "stopped": true });
    server
        .get("/a/body?stop=1")
        .await
        .expect_json(200, stopped.clone());
    server
        .get("/a/body?end=1")
        .await
        .expect_json(403, json!({ "no": true }));
    server
        .get("/a/body?post=1")
        .await
        .expect_json(200, json!({ "was": body }));
    server
        .get("/a/body?stop=1&post=1")
        .await
        .expect_json(200, json!({ "was": stopped }));
    // What was sent cannot be taken back.
    server
        .get("/a/body?end=1&post=1")
        .await
        .expect_json(403, json!({ "no": true }));
    for (elsewhere, answer) in [
        ("/a/b/7", json!({ "id": "7" })),
        ("/top", json!({ "top": true })),
    ] {
        let reply = server.get(elsewhere).await;
        assert_eq!(reply.header("x-pre"), None, "only the own folder counts");
        reply.expect_json(200, answer);
    }
    server.get("/a/pre").await.expect(404);
    server.get("/a/post").await.expect(404);
}

#[tokio::test]
async fn hooks_come_and_go_with_their_files() {
    let mut server = Server::with_script("x.ts", "return 'main'").start().await;
    server.get("/x").await.expect_text(200, "main");
    server.save("pre.ts", "return 'pre'");
    server.until("/x", |reply| reply.text() == "pre").await;
    server.save("pre.ts", "return 'changed'");
    server.until("/x", |reply| reply.text() == "changed").await;
    server.save("pre.ts", "return (");
    server.logs("pre.ts:1").await;
    server.get("/x").await.expect_text(200, "changed");
    server.remove("pre.ts");
    server.until("/x", |reply| reply.text() == "main").await;
    // A hook that appears while nobody watches counts from the start on.
    server.stop();
    server.save("pre.js", "return 'from the start'");
    server.restart().await;
    server.get("/x").await.expect_text(200, "from the start");
}

#[tokio::test]
async fn a_hook_is_written_by_api_and_its_errors_have_lines() {
    let server = Server::with_script("x.ts", "return 'main'").start().await;
    write(&server, "post.ts", "return `${mainResult}!`").await;
    server.get("/x").await.expect_text(200, "main!");
    let body = json!({ "path": "post.ts", "content": "export const a = 1" });
    post(&server, "scripts/write", body).await.expect(400);
    server.get("/x").await.expect_text(200, "main!");
    let throws = "const a: number = 1\nthrow new Error('no')";
    write(&server, "post.ts", throws).await;
    server.get("/x").await.expect_error(500, "SCRIPT_ERROR");
    server.logs("post.ts:2").await;
}
