//! What the `// @name value` lines at the top of a script do to its requests.

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::api::write;
use crate::harness::{Reply, Server};

#[tokio::test]
async fn a_disabled_script_is_as_if_it_were_not_there() {
    let server = Server::with_scripts(&[
        ("off.ts", "// @enabled false\n// @token secret\nreturn 1;"),
        ("on.ts", "// @enabled true\nreturn 1;"),
    ])
    .start()
    .await;
    server.get("/on").await.expect(200);
    let shape = |reply: Reply| {
        let mut body = reply.expect_error(404, "ERROR_404").json();
        for changing in ["timestamp", "requestId"] {
            body.as_object_mut().unwrap().remove(changing);
        }
        body
    };
    assert_eq!(
        shape(server.get("/off").await),
        shape(server.get("/never-there").await)
    );
}

#[tokio::test]
async fn a_token_is_accepted_in_all_four_places() {
    let source = "// @token first for the phone\n// @token second\nreturn 'in';";
    let server = Server::with_script("t.ts", source).start().await;
    for token in ["first", "second"] {
        // Basic takes any user name; `dTpmaXJzdA==` is `u:first`.
        let basic = if token == "first" {
            "Basic dTpmaXJzdA=="
        } else {
            "basic dTpzZWNvbmQ="
        };
        server
            .get("/t")
            .header("authorization", &format!("Bearer {token}"))
            .await
            .expect_text(200, "in");
        server
            .get("/t")
            .header("x-token", token)
            .await
            .expect_text(200, "in");
        server
            .get(&format!("/t?token={token}"))
            .await
            .expect_text(200, "in");
        server
            .get("/t")
            .header("authorization", basic)
            .await
            .expect_text(200, "in");
    }
    // A wrong one in one place does not shadow the right one in another.
    server
        .get("/t?token=wrong")
        .header("x-token", "first")
        .await
        .expect_text(200, "in");
}

#[tokio::test]
async fn without_a_good_token_there_is_only_401() {
    let server = Server::with_scripts(&[
        (
            "t.ts",
            "// @token secret\nconsole.log('the script ran');\nreturn 1;",
        ),
        ("unreadable.ts", "// @token\nreturn 1;"),
        ("t.md", "# Behind the token of t.ts"),
    ])
    .start()
    .await;
    for target in [
        "/t",
        "/t?token=",
        "/t?token=Secret",
        "/t?token=secret2",
        "/t.md",
        "/unreadable",
        "/unreadable?token=",
    ] {
        let reply = server.get(target).await.expect_error(401, "ERROR_401");
        assert!(reply.header("www-authenticate").is_some(), "{target}");
        assert!(!reply.text().contains("secret"), "{target}");
    }
    server
        .get("/t")
        .header("authorization", "Bearer")
        .await
        .expect(401);
    server
        .get("/t")
        .header("authorization", "Basic !!!")
        .await
        .expect(401);
    assert!(!server.log().contains("the script ran"));
    server.get("/t.md?token=secret").await.expect(200);
    server.get("/t?token=secret").await.expect(200);
    assert!(
        !server.log().contains("secret"),
        "a token in the log: {}",
        server.log()
    );
}

#[tokio::test]
async fn cors_follows_its_directives() {
    let server = Server::with_scripts(&[
        ("none.ts", "return 1;"),
        ("any.ts", "// @cors *\nreturn 1;"),
        ("one.ts", "// @cors https://a.example\n// @cors-credentials true\nreturn 1;"),
        ("guarded.ts", "// @cors reflective\n// @token t\n// @cors-methods GET\n// @cors-max-age 60\nreturn 1;"),
    ])
    .start()
    .await;
    let origin = "access-control-allow-origin";
    let cases = [
        ("/none", "https://a.example", None, None),
        ("/any", "https://a.example", Some("https://a.example"), None),
        (
            "/one",
            "https://a.example",
            Some("https://a.example"),
            Some("true"),
        ),
        ("/one", "https://b.example", None, None),
        ("/any", "null", Some("null"), None),
    ];
    for (target, from, allowed, credentials) in cases {
        let reply = server.get(target).header("origin", from).await.expect(200);
        assert_eq!(reply.header(origin), allowed, "{target} from {from}");
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            credentials,
            "{target} from {from}"
        );
    }
    server.get("/any").await.expect_header("vary", "origin");
    // A browser asks without credentials, before it may send any.
    let preflight = server
        .request(Method::OPTIONS, "/guarded")
        .header("origin", "https://a.example");
    let preflight = preflight.header("access-control-request-method", "GET");
    let preflight = preflight
        .header("access-control-request-headers", "X-Own, content-type")
        .await
        .expect_text(204, "");
    let preflight = preflight.expect_header(origin, "https://a.example");
    let preflight = preflight.expect_header("access-control-allow-methods", "GET");
    let preflight = preflight.expect_header("access-control-allow-headers", "x-own, content-type");
    preflight.expect_header("access-control-max-age", "60");
    server
        .get("/guarded")
        .header("origin", "https://a.example")
        .await
        .expect(401);
}

/// Counts itself in, waits until the script under test is not alone or some time
/// has passed, and answers how many were in.
const TOGETHER: &str = r#"
    const inside = await kv.increment("inside");
    for (let turn = 0; turn < 20 && await kv.get("inside") < 3; turn++) await new Promise((r) => setTimeout(r, 10));
    const seen = await kv.get("inside");
    await kv.increment("inside", -1);
    return Math.max(inside, seen);
"#;

async fn most_inside(directives: &str) -> i64 {
    let server = Server::with_script("c.ts", &format!("{directives}\n{TOGETHER}"))
        .start()
        .await;
    let replies =
        join_all((0..6).map(|_| async { server.get("/c").await.expect(200).json() })).await;
    replies
        .iter()
        .filter_map(serde_json::Value::as_i64)
        .max()
        .expect("numbers")
}

#[tokio::test]
async fn concurrent_limits_how_many_run_at_once() {
    assert_eq!(most_inside("// @concurrent false").await, 1);
    assert_eq!(most_inside("// @concurrent 2").await, 2);
    assert!(most_inside("// @concurrent true").await >= 3);
}

#[tokio::test]
async fn a_script_sets_its_own_limits() {
    let server = Server::with_scripts(&[
        ("time.ts", "// @timeout 300ms\nawait new Promise((r) => setTimeout(r, 600_000)); return 1;"),
        ("fuel.ts", "// @fuel 20m\nfor (;;) ;"),
        ("small.ts", "// @memory 8mb\nconst a = []; for (;;) a.push(new Uint8Array(1 << 20)); "),
        ("large.ts", "// @memory 128mb\nconst a = []; for (let i = 0; i < 80; i++) a.push(new Uint8Array(1 << 20)); return a.length;"),
    ])
    .start()
    .await;
    let time = server
        .get("/time")
        .await
        .expect_error(504, "LIMIT_TIMEOUT")
        .json();
    assert_eq!(
        (&time["limit"], &time["max"]),
        (&json!("timeout"), &json!(300))
    );
    let fuel = server
        .get("/fuel")
        .await
        .expect_error(500, "LIMIT_FUEL")
        .json();
    assert_eq!(
        (&fuel["limit"], &fuel["max"]),
        (&json!("fuel"), &json!(20_000_000))
    );
    let memory = server
        .get("/small")
        .await
        .expect_error(500, "LIMIT_MEMORY")
        .json();
    assert_eq!(
        (&memory["limit"], &memory["max"]),
        (&json!("memory"), &json!(8 << 20))
    );
    for answer in [time, fuel, memory] {
        assert!(
            answer["used"].is_u64() && answer["hint"].is_string() && answer["error"].is_string(),
            "{answer}"
        );
    }
    server.get("/large").await.expect_json(200, json!(80));
}

#[tokio::test]
async fn what_is_above_a_cap_is_cut_to_it_and_told() {
    let server = Server::empty()
        .set("limits.wall_clock_ms", 2000)
        .set("limits.wall_clock_max_ms", 3000)
        .set("limits.fuel_units", 200_000_000)
        .set("limits.fuel_max_units", 300_000_000)
        .set("limits.memory_bytes", 8 << 20)
        .set("limits.memory_max_bytes", 16 << 20)
        .start()
        .await;
    let wait = "await new Promise((r) => setTimeout(r, 600_000))";
    let eat = "const a = []; for (;;) a.push(new Uint8Array(1 << 20))";
    let cases = [
        ("// @timeout 1h", wait, 504, "LIMIT_TIMEOUT", 3000),
        ("// @fuel 1G", "for (;;) ;", 500, "LIMIT_FUEL", 300_000_000),
        ("// @memory 1gb", eat, 500, "LIMIT_MEMORY", 16 << 20),
    ];
    for (line, code, status, limit, max) in cases {
        let written = write(&server, "greedy.ts", &format!("{line}\n{code}")).await;
        let warnings = written["warnings"].as_array().expect("warnings").clone();
        assert_eq!(warnings.len(), 1, "{written}");
        let directive = line.split(' ').nth(1).expect("a directive");
        assert_eq!(warnings[0]["directive"], directive, "{written}");
        let message = warnings[0]["message"].as_str().expect("a message");
        assert!(
            message.contains("cut to") && message.contains("limits."),
            "{message}"
        );
        let answer = server
            .get("/greedy")
            .await
            .expect_error(status, limit)
            .json();
        assert_eq!(answer["max"], max, "{answer}");
    }
    let none = write(&server, "greedy.ts", &format!("// @timeout none\n{wait}")).await;
    assert_eq!(
        none["warnings"],
        json!([]),
        "none is what the server allows"
    );
    let answer = server
        .get("/greedy")
        .await
        .expect_error(504, "LIMIT_TIMEOUT")
        .json();
    assert_eq!(answer["max"], 3000, "{answer}");
}

#[tokio::test]
async fn raw_body_leaves_the_body_to_the_script() {
    let source = r#"
        // @rawBody
        let length = 0;
        for await (const chunk of req) length += chunk.length;
        return { body: typeof req.body, rawBody: typeof req.rawBody, length };
    "#;
    let server = Server::with_script("raw.ts", source.trim_start())
        .start()
        .await;
    let reply = server
        .post("/raw", "x".repeat(300_000))
        .header("content-type", "application/json")
        .await;
    reply.expect_json(
        200,
        json!({ "body": "undefined", "rawBody": "undefined", "length": 300_000 }),
    );
}

#[tokio::test]
async fn a_bad_directive_never_fails_a_script() {
    let source = "// @timeout soon\n// @concurrent many\n// @nonsense\n// @timeuot 5\n// @schedule every day\n// @memory -1\nreturn 'runs';";
    let server = Server::with_script("b.ts", source).start().await;
    server.get("/b").await.expect_text(200, "runs");
}
