//! `@mode worker`: one instance that is kept, calls that take turns.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::Server;

const COUNTER: &str = "// @mode worker\nglobalThis.n = (globalThis.n ?? 0) + 1;";

#[tokio::test]
async fn its_state_is_kept() {
    let server = Server::with_scripts(&[
        (
            "global.ts",
            &format!("{COUNTER}\nlet local = 0; local++;\nreturn [globalThis.n, local];"),
        ),
        (
            "module.ts",
            "// @mode worker\nlet n = 0;\nexport default () => ++n;",
        ),
        ("fresh.ts", "let n = 0;\nexport default () => ++n;"),
    ])
    .start()
    .await;
    for n in 1..=3 {
        // The body of a function script runs from its start each time, as ever.
        server.get("/global").await.expect_json(200, json!([n, 1]));
        server.get("/module").await.expect_json(200, json!(n));
        server.get("/fresh").await.expect_json(200, json!(1));
    }
}

#[tokio::test]
async fn nothing_of_a_request_stays_for_the_next() {
    let source = r#"
        // @mode worker
        return { id: metadata.executionId, path: metadata.query.q ?? null, type: res.getHeader("x-was") ?? null,
                 body: req.body ?? null, was: (res.setHeader("x-was", "1"), 1) };
    "#;
    let server = Server::with_script("w.ts", source.trim_start())
        .start()
        .await;
    let body = r#"{"b":1}"#;
    let first = server
        .post("/w?q=1", body)
        .header("content-type", "application/json")
        .await
        .expect(200);
    let second = server.get("/w").await.expect(200);
    assert_eq!(first.json()["body"], json!({ "b": 1 }));
    let (first, second) = (first.json(), second.json());
    assert_ne!(first["id"], second["id"]);
    assert_eq!(
        (&second["path"], &second["type"], &second["body"]),
        (&json!(null), &json!(null), &json!(null))
    );
}

#[tokio::test]
async fn what_only_looks_like_a_plain_call_leaves_nothing_either() {
    // Most of these are called without any of the engine's own JavaScript.
    let scripts = [
        (
            "environment.ts",
            "// @mode worker\nconst was = process.env.WAS ?? null; process.env.WAS = '1'; return was;",
        ),
        (
            "shared.ts",
            "// @mode worker\nreturn shared.from_elsewhere ?? null;",
        ),
        ("change.ts", "shared.from_elsewhere = 1; return 1;"),
        (
            "request.ts",
            "// @mode worker\nexport default (req: any) => ({ url: req.url, keys: Object.keys(req).length });",
        ),
        (
            "console.ts",
            "// @mode worker\nconsole.group(); console.groupEnd();\n\
             export default () => { console.count('n'); console.group(); console.log('deep'); return 1; };",
        ),
    ];
    let server = Server::with_scripts(&scripts).start().await;
    for call in 1..=3 {
        server
            .get("/environment")
            .await
            .expect_json(200, json!(null));
        let request = server.get(&format!("/request?{call}")).await.expect(200);
        let request = request.json();
        assert_eq!(request["url"], format!("/request?{call}"));
        assert_eq!(request["keys"], 8, "{request}");
        server.get("/console").await.expect_json(200, json!(1));
    }
    server.get("/shared").await.expect_json(200, json!(null));
    server.get("/change").await.expect(200);
    server.get("/shared").await.expect_json(200, json!(1));
    let file = json!({ "file": "executions/executions.log", "lines": 100 });
    let read = server.post("/api/v1/exec/logs/read", "").as_root();
    let read = read.json(&file).await.expect(200).text();
    // Counted from the start, and indented once.
    for message in ["n: 1", "  deep"] {
        let message = format!("\\\"message\\\":\\\"{message}\\\"");
        assert_eq!(read.matches(&message).count(), 3, "{message} in {read}");
    }
}

#[tokio::test]
async fn what_is_left_of_a_call_says_nothing_to_the_next() {
    // The first call waits for what only the second one does.
    let gate = "// @mode worker\nlet open: any;\nconst gate = new Promise((resolve) => { open = resolve; });\n\
                const pause = () => new Promise((resolve) => setTimeout(resolve, 50));\n";
    let second = "open(); await pause(); await pause(); return { mine: 2 };";
    let node = |first: &str| {
        format!(
            "{gate}export default async (req: any, res: any) => {{ if (req.url.includes('first')) {{ {first} }} {second} }};"
        )
    };
    let returns = node("await gate; return { secret: 1 };");
    let throws = node("await gate; throw new Error('secret');");
    let sends = node("await gate; res.json({ secret: 1 }); return;");
    let streams = node("return (async function* () { yield 'a'; await gate; yield 'secret'; })();");
    let promises = format!(
        "{gate}export default async (request: Request, env: any, ctx: any) => {{\n\
         if (request.url.includes('first')) {{ ctx.waitUntil(gate); return new Response('1'); }}\n\
         open(); await pause(); await pause(); return Response.json({{ mine: 2 }}); }};"
    );
    let scripts = [
        ("returns.ts", returns.as_str()),
        ("throws.ts", &throws),
        ("sends.ts", &sends),
        ("streams.ts", &streams),
        ("promises.ts", &promises),
    ];
    let server = Server::with_scripts(&scripts).start().await;
    for (name, _) in scripts {
        let path = format!("/{}", name.trim_end_matches(".ts"));
        // What became of the first is its own business.
        let _ = server.get(&format!("{path}?first")).send().await;
        server
            .get(&format!("{path}?second"))
            .await
            .expect_json(200, json!({ "mine": 2 }));
    }
}

#[tokio::test]
async fn the_garbage_of_its_calls_is_collected() {
    // Each call leaves a thousand cycles; all together they are more than the memory.
    let source = "// @mode worker\n// @memory 16mb\n\
                  for (let i = 0; i < 1000; i++) { const a: any = { i }; a.self = a; }\nreturn 'ok';";
    let server = Server::with_script("g.ts", source).start().await;
    for _ in 0..300 {
        server.get("/g").await.expect_text(200, "ok");
    }
}

#[tokio::test]
async fn its_calls_take_turns() {
    let source = r#"
        // @mode worker
        globalThis.inside = (globalThis.inside ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
        return globalThis.inside--;
    "#;
    let server = Server::with_script("w.ts", source.trim_start())
        .start()
        .await;
    let replies =
        join_all((0..8).map(|_| async { server.get("/w").await.expect(200).json() })).await;
    assert_eq!(replies, vec![json!(1); 8]);
}

#[tokio::test]
async fn a_trap_starts_it_anew_and_a_thrown_error_does_not() {
    let source = format!(
        "{COUNTER}\nif (metadata.query.do === 'throw') throw new Error('x');\nif (metadata.query.do === 'loop') for (;;) ;\n\
         if (metadata.query.do === 'eat') {{ const a = []; for (;;) a.push(new Uint8Array(1 << 20)); }}\nreturn globalThis.n;"
    );
    let server = Server::with_script("w.ts", &source)
        .set("limits.fuel_units", 200_000_000u64)
        .start()
        .await;
    server.get("/w").await.expect_json(200, json!(1));
    server
        .get("/w?do=throw")
        .await
        .expect_error(500, "SCRIPT_ERROR");
    server.get("/w").await.expect_json(200, json!(3));
    server
        .get("/w?do=loop")
        .await
        .expect_error(500, "LIMIT_FUEL");
    server.get("/w").await.expect_json(200, json!(1));
    server
        .get("/w?do=eat")
        .await
        .expect_error(500, "LIMIT_MEMORY");
    server.get("/w").await.expect_json(200, json!(1));
}

#[tokio::test]
async fn limits_count_for_each_call_not_for_its_life() {
    let source = "// @mode worker\n// @fuel 400m\nlet x = 0; for (let i = 0; i < 300_000; i++) x += i; return (globalThis.n = (globalThis.n ?? 0) + 1);";
    let server = Server::with_script("w.ts", source).start().await;
    for n in 1..=20 {
        server.get("/w").await.expect_json(200, json!(n));
    }
}

#[tokio::test]
async fn requests_without_a_body_in_the_answer_keep_it_too() {
    let empty =
        format!("{COUNTER}\nif (metadata.query.empty) return undefined; return globalThis.n;");
    let server = Server::with_script("w.ts", &empty).start().await;
    server.request(http::Method::HEAD, "/w").await.expect(200);
    server.get("/w?empty=1").await.expect(204);
    server.get("/w").await.expect_json(200, json!(3));
}

#[tokio::test]
async fn a_new_version_is_a_new_worker() {
    let server = Server::with_script("w.ts", &format!("{COUNTER}\nreturn ['old', globalThis.n];"))
        .start()
        .await;
    server.get("/w").await.expect_json(200, json!(["old", 1]));
    server.get("/w").await.expect_json(200, json!(["old", 2]));
    server.save("w.ts", &format!("{COUNTER}\nreturn ['new', globalThis.n];"));
    let first = server.until("/w", |reply| reply.json()[0] == "new").await;
    first.expect_json(200, json!(["new", 1]));
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_block_the_next() {
    let source = "// @mode worker\nif (metadata.query.wait) await new Promise((r) => setTimeout(r, 600_000)); return 'free';";
    let server = Server::with_script("w.ts", source).start().await;
    server.get("/w").await.expect_text(200, "free");
    let waiting = server.get("/w?wait=1").send();
    let gone = tokio::time::timeout(std::time::Duration::from_millis(300), waiting).await;
    assert!(gone.is_err(), "it was to wait: {gone:?}");
    server.get("/w").await.expect_text(200, "free");
}

#[tokio::test]
async fn more_workers_than_there_is_room_for_leave_others_theirs() {
    // 16 calls from outside at once, as many from inside, and as many are kept.
    let many = 50;
    let setup = Server::empty().set("limits.instances", 16);
    let setup = (0..many).fold(setup, |setup, number| {
        setup.script(&format!("w{number}.ts"), "// @mode worker\nreturn 1;")
    });
    let server = setup.script("fresh.ts", "return 2;").start().await;
    for number in 0..many {
        let reply = server.get(&format!("/w{number}")).await;
        reply.expect_json(200, json!(1));
    }
    let fresh = join_all((0..16).map(|_| async { server.get("/fresh").await })).await;
    for reply in fresh {
        reply.expect_json(200, json!(2));
    }
}

#[tokio::test]
async fn an_instance_goes_with_the_text_that_it_was_made_from() {
    let source = |n: u32| {
        format!(
            "// @mode worker\nconst kept = globalThis.kept ??= [];\nkept.push({n});\nreturn kept;"
        )
    };
    let server = Server::with_script("w.ts", &source(0)).set("limits.instances", 16);
    let server = server.start().await;
    // More often than instances can be kept.
    for n in 1..=20 {
        server.save("w.ts", &source(n));
        server.until("/w", |reply| reply.json()[0] == n).await;
    }
    let kept = server.get("/w").await.expect(200).json();
    assert!(kept.as_array().unwrap().len() > 1, "{kept}");
}

#[tokio::test]
async fn who_has_gone_away_holds_no_place_in_the_queue() {
    let server = Server::with_scripts(&[
        ("slow.ts", "// @mode worker\n// @timeout 60s\nawait new Promise((done) => setTimeout(done, 10_000)); return 1;"),
        ("fresh.ts", "return 2;"),
    ])
    .set("limits.instances", 16)
    .start()
    .await;
    let waiting: Vec<_> = (0..15)
        .map(|_| tokio::time::timeout(Duration::from_millis(500), server.get("/slow").send()))
        .collect();
    assert!(join_all(waiting).await.iter().all(Result::is_err));
    // All but perhaps the one whose turn it was are gone.
    let fresh = join_all((0..14).map(|_| async { server.get("/fresh").await })).await;
    for reply in fresh {
        reply.expect_json(200, json!(2));
    }
}
