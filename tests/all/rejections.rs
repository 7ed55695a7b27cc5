//! Rejections that nobody takes up, in handlers that have returned: which of them
//! are the answer, and which come too late for it.

use crate::harness::Server;
use serde_json::json;

const REJECT: &str = "Promise.reject(new TypeError('nobody listens'))";

#[tokio::test]
async fn a_rejection_that_nobody_takes_up_is_the_answer_of_a_handler_that_returned() {
    let cases = [
        ("json", format!("{REJECT}; return {{ a: 1 }}")),
        ("nothing", format!("{REJECT};")),
        ("text", format!("{REJECT}; return 'text'")),
        ("response", format!("{REJECT}; return new Response('text')")),
        (
            "stream",
            format!("async function* parts() {{ yield 'a' }}\n{REJECT}; return parts();"),
        ),
        ("awaits", format!("await 0; {REJECT}; return 1")),
        (
            "forgotten-await",
            format!("async function work() {{ await 0; await {REJECT} }}\nwork(); return 1"),
        ),
        (
            "forgotten-catch",
            format!(
                "const work = async () => {{ await 0; await {REJECT} }};\nwork().then(() => 1); return 1"
            ),
        ),
        (
            "node",
            format!(
                "module.exports = (req, res) => {{ res.status(201); {REJECT}; return {{ a: 1 }} }}"
            ),
        ),
        ("shared", format!("shared.n = 1; {REJECT}; return 1")),
        (
            "web",
            format!(
                "export default {{ async fetch(request) {{ {REJECT}; return new Response('text') }} }}"
            ),
        ),
    ];
    let setup = Server::empty().routes(&cases);
    let server = setup.dev().start().await;
    for (name, _) in cases {
        let reply = server.get(&format!("/{name}")).await;
        let error = reply.expect_error(500, "SCRIPT_ERROR").json();
        assert!(
            error["error"].as_str().unwrap().contains("nobody listens"),
            "{name}: {error}"
        );
        assert!(
            error["stack"].to_string().contains(&format!("{name}.ts:")),
            "{name}: {error}"
        );
        server.logs(&format!("({name}.ts:")).await;
    }
}

#[tokio::test]
async fn a_rejection_that_is_taken_up_without_waiting_is_none() {
    let cases = [
        (
            "later",
            "const p = Promise.reject(new Error('x')); (async () => { await 0; await 0; try { await p } catch {} })(); return 1",
        ),
        (
            "caught",
            "Promise.reject(new Error('x')).catch(() => 0); return 1",
        ),
        (
            "listener",
            "addEventListener('unhandledrejection', (event) => event.preventDefault()); Promise.reject(new Error('x')); return 1",
        ),
        // What a timer would do once the answer is out is nobody's answer.
        (
            "timer",
            "setTimeout(() => { Promise.reject(new Error('x')) }, 1); return 1",
        ),
    ];
    let setup = Server::empty().routes(&cases);
    let server = setup.start().await;
    for (name, _) in cases {
        server
            .get(&format!("/{name}"))
            .await
            .expect_json(200, json!(1));
    }
}

#[tokio::test]
async fn what_was_sent_stays_sent_and_the_log_has_the_error() {
    let end = "module.exports = (req, res) => { res.status(201).end('sent'); Promise.reject(new Error('after end')) }";
    let parts = "module.exports = async (req, res) => { res.write('a'); await 0; res.end('b'); Promise.reject(new Error('after parts')) }";
    let server = Server::with_scripts(&[("end.ts", end), ("parts.ts", parts)])
        .start()
        .await;
    server.get("/end").await.expect_text(201, "sent");
    server.logs("after end").await;
    server.get("/parts").await.expect_text(200, "ab");
    server.logs("after parts").await;
}

#[tokio::test]
async fn what_was_returned_is_the_answer_whatever_runs_before_it_is_out() {
    let cases = [
        (
            "object",
            "const out = { a: 1 }; (async () => { await 0; out.a = 2 })(); return out",
        ),
        (
            "end",
            "module.exports = (req, res) => { (async () => { await 0; res.end('second') })(); return { a: 1 } }",
        ),
        (
            "keeps-state",
            "// @mode worker\nif (metadata.query.fail) Promise.reject(new Error('x')); else queueMicrotask(() => 0);\nreturn { a: 1 }",
        ),
    ];
    let setup = Server::empty().routes(&cases);
    let server = setup.start().await;
    for (name, _) in cases {
        server
            .get(&format!("/{name}"))
            .await
            .expect_json(200, json!({ "a": 1 }));
    }
    // A kept instance forgets an answer that was held back and never sent.
    server
        .get("/keeps-state?fail=1")
        .await
        .expect_error(500, "SCRIPT_ERROR");
    server
        .get("/keeps-state")
        .await
        .expect_json(200, json!({ "a": 1 }));
}

#[tokio::test]
async fn an_answer_does_not_wait_for_jobs_without_end() {
    let source = "// @fuel 20m\n(async () => { for (;;) await 0 })(); return 1";
    let server = Server::with_script("endless.ts", source).start().await;
    server.get("/endless").await.expect_json(200, json!(1));
    server.logs("fuel").await;
}

#[tokio::test]
async fn what_was_given_to_wait_until_is_no_answer() {
    let source = "export default { fetch(request, env, ctx) {
        ctx.waitUntil(Promise.reject(new Error('metrics')));
        ctx.waitUntil((async () => { await 0; throw new Error('later') })());
        return Response.json({ a: 1 });
    } }";
    let server = Server::with_script("w.ts", source).start().await;
    let reply = server.get("/w").await;
    reply.expect_json(200, json!({ "a": 1 }));
    server.logs("metrics").await;
    server.logs("later").await;
}

#[tokio::test]
async fn a_head_stays_what_it_was_at_the_return() {
    let source = "module.exports = (req, res) => {
        queueMicrotask(() => { res.statusCode = 500 });
        return { a: 1 };
    }";
    let server = Server::with_script("late.ts", source).start().await;
    server
        .get("/late")
        .await
        .expect_json(200, json!({ "a": 1 }));
}
