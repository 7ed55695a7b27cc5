//! What a model wrote answers the request that it was made for before it is saved,
//! also when the script that saves it does not try it.

use serde_json::json;

use super::catching;
use super::provider::{Provider, says};
use crate::harness::{ROOT_TOKEN, Reply, Server, skip};

/// Saves the answer unseen, and hands the call to it.
const TRUSTING: &str = "// @ai true\n\
    const path = 'api/' + metadata.parameters.slug.join('/') + '.ts';\n\
    const { text } = await generateText({ model, prompt: `MAKE ${metadata.path}` });\n\
    await fs.write(path, text);\n\
    return fetch(metadata.path, { method: metadata.method, body: req.rawBody?.length ? req.rawBody : undefined, headers: { 'content-type': 'application/json' } });";

#[tokio::test]
async fn a_script_that_saves_unseen_cannot_save_what_does_not_answer() {
    let bad = [
        ("throws", "throw new Error('no')"),
        ("forever", "for (;;) {}"),
        ("fails", "return res.status(500).json({})"),
        ("rejects", "return Promise.reject(new TypeError('x'))"),
        ("never", "return new Promise(() => {})"),
        (
            "memory",
            "const a = []; for (;;) a.push(new Uint8Array(1e6));",
        ),
        ("files", "return fs.read('x.ts')"),
        (
            "inside",
            "return (await fetch('http://169.254.169.254/')).text()",
        ),
    ];
    let mut fixtures: Vec<_> = bad
        .iter()
        .map(|(name, code)| says(&format!("MAKE /api/{name}"), code))
        .collect();
    fixtures.push(says("MAKE /api/broken", "return {"));
    fixtures.push(says(
        "MAKE /api/good",
        "return { sum: req.body.a + req.body.b };",
    ));
    // It works in an isolate that has more than it will have, and not as it is saved.
    fixtures.push(says("MAKE /api/lib", "export const one = 1;"));
    let Some(provider) = Provider::start(&fixtures) else {
        skip!("aimock is not installed");
    };
    let server = provider
        .configured(Server::with_script("api/[...slug].ts", TRUSTING))
        .set("author.repairs", 0)
        .set("author.isolate_ms", 3_000)
        .set("author.isolate_fuel_units", 500_000_000)
        .set("author.calls_per_minute_per_client", 1_000)
        .start()
        .await;
    for (name, _) in bad {
        eprintln!("{name}");
        let reply = server.get(&format!("/api/{name}")).await;
        reply.expect_error(502, "TRIAL_FAILED");
        let file = server.scripts().join(format!("1/api/{name}.ts"));
        assert!(!file.exists(), "{name} was saved");
    }
    let reply = server.get("/api/broken").await;
    reply.expect_error(502, "INVALID_SCRIPT");
    // The trial gets the request as it came, with its body.
    let body = json!({ "a": 1, "b": 2 });
    let reply = server.post("/api/good", "").json(&body).await;
    reply.expect_json(200, json!({ "sum": 3 }));
    let versions = server.get("/api/v1/exec/scripts/versions?path=api/good.ts");
    let versions = versions.as_root().await.expect(200).json();
    assert_eq!(
        versions["versions"][0]["authorship"]["trial"],
        json!({ "outcome": "answered", "status": 200 })
    );
}

#[tokio::test]
async fn what_was_tried_is_what_is_saved() {
    // It tries something else than it saves.
    let cheating = "// @ai true\n\
        const { text } = await generateText({ model, prompt: `MAKE ${metadata.path}` });\n\
        await isolate.eval('return 1', { req, res });\n\
        await fs.write(`api/${metadata.parameters.slug[0]}.ts`, '// @description x\\n' + text);\n\
        return 1;";
    let fixtures = [says("MAKE /api/x", "return nothing.there;")];
    let Some(provider) = Provider::start(&fixtures) else {
        skip!("aimock is not installed");
    };
    let server = provider
        .configured(Server::with_script("api/[...slug].ts", cheating))
        .set("author.repairs", 0)
        .start()
        .await;
    let reply = server.get("/api/x").await;
    reply.expect_error(502, "TRIAL_FAILED");
    assert!(!server.scripts().join("1/api/x.ts").exists());
}

#[tokio::test]
async fn what_trials_use_is_taken_from_their_writers_fuel() {
    let trying = "// @ai true\n\
        if (metadata.query.top) return isolate.eval('for (let i = 0; i < 1e9; i++) {}\\nexport default () => 1;');\n\
        await generateText({ model, prompt: 'MAKE' });\n\
        const seen = [];\n\
        for (const n of [1, 2, 3].slice(0, Number(metadata.query.tries))) {\n\
          const text = `for (let i = 0; i < 1e9; i++) {}\\nreturn ${n};`;\n\
          try { await fs.write(`api/x${n}.ts`, text) } catch (error) { seen.push(Number(/ of ([0-9]+)/.exec(error.message)?.[1] ?? -1)) }\n\
        }\n\
        return seen;";
    let Some(provider) = Provider::start(&[says("MAKE", "nothing")]) else {
        skip!("aimock is not installed");
    };
    let server = provider
        .configured(Server::with_script("api/[...slug].ts", trying))
        .set("author.repairs", 0)
        .set("author.isolate_fuel_units", 300_000_000)
        .set("limits.fuel_units", 700_000_000)
        .start()
        .await;
    let tried = server.get("/api/x?tries=0").await;
    tried.expect_json(200, json!([]));
    let before = fuel_used(&server, 0).await;
    let tried = server.get("/api/x?tries=2").await;
    tried.expect_json(200, json!([300_000_000, 300_000_000]));
    let both = fuel_used(&server, before).await;
    let used = both - before;
    assert!((600_000_000..700_000_000).contains(&used), "{used}");
    // The third one finds less, and uses up what its writer has left.
    let tried = server.get("/api/x?tries=3").await;
    tried.expect_error(500, "LIMIT_FUEL");
    // So it is with what code in an isolate does as it is loaded.
    let before = fuel_used(&server, both).await;
    let reply = server.get("/api/x?top=1").await;
    let error = reply.expect_error(502, "ISOLATE_INVALID").text();
    assert!(error.contains("(300000000)"), "{error}");
    let used = fuel_used(&server, before).await - before;
    assert!((300_000_000..400_000_000).contains(&used), "{used}");
}

/// By all calls of the catch-all script so far. A call is counted once it is over,
/// and so only after it is answered: it is more than before then.
async fn fuel_used(server: &Server, before: u64) -> u64 {
    let of = |reply: &Reply| -> u64 {
        let name = "footpath_fuel_used_total{script=\"1/api/[...slug].ts\"} ";
        let text = reply.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |used| used.parse().unwrap())
    };
    let target = format!("/metrics?token={ROOT_TOKEN}");
    of(&server.until(&target, |reply| of(reply) > before).await)
}

#[tokio::test]
async fn the_seed_names_its_routes_below_itself() {
    // A13: the path it fetches lacks `/api`, and means the route beside the script.
    let script = "// @ai true\n// @ai-model x/y\n\
        const asked = await fetch(metadata.query.path + '?n=1');\n\
        return { status: asked.status, text: await asked.text() };";
    let server = Server::with_script("api/[...slug].ts", script)
        .script("api/hello.ts", "return 'api ' + req.url;")
        .script("hello.ts", "return 'top ' + req.url;")
        .script("other.ts", "return 'other ' + req.url;")
        .script("plain.ts", &script.replace("// @ai true\n", ""))
        .start()
        .await;
    let cases = [
        ("/api/any?path=/hello", 200, "api /api/hello?n=1"),
        ("/api/any?path=/api/hello", 200, "api /api/hello?n=1"),
        ("/api/any?path=/other", 200, "other /other?n=1"),
        // Only a script that makes routes sees them this way.
        ("/plain?path=/hello", 200, "top /hello?n=1"),
    ];
    for (path, status, text) in cases {
        let answer = server.get(path).await.expect(200).json();
        assert_eq!(answer, json!({ "status": status, "text": text }), "{path}");
    }
}

#[tokio::test]
async fn a_saved_script_that_the_seed_still_reaches_is_handed_the_call() {
    let Some(provider) = Provider::start(&[says("URL", "return 1;")]) else {
        skip!("aimock is not installed");
    };
    // It answers below another name than the one that is asked for.
    let server = catching(&provider)
        .script(
            "api/people/[id].ts",
            "return { id: metadata.parameters.id };",
        )
        .start()
        .await;
    let reply = server.get("/api/people/7").await;
    reply.expect_json(200, json!({ "id": "7" }));
    assert_eq!(provider.calls(&server).await, 0);
}
