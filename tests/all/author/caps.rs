//! What may become a route, and how much that may cost.

use serde_json::json;

use super::lifecycle::read;
use super::provider::{Provider, says};
use super::{SEED, catching};
use crate::harness::{Server, skip};

#[tokio::test]
async fn odd_paths_and_scanners_reach_no_model() {
    let Some(provider) = Provider::start(&[says("URL", "return 1;")]) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider)
        .script("[...all].ts", SEED)
        .set("author.methods", "GET,POST")
        .start()
        .await;
    let long = format!("/api/{}", "x".repeat(2048));
    let odd = [
        "/.env",
        "/.git/config",
        "/wp-login.php",
        "/api/wp-admin/x",
        "/api/a%2Fb",
        "/api/%2e%2e/x",
        "/api/a%00b",
        "/api/caf%C3%A9",
        "/api/%D0%B0pi",
        "/api/index",
        "/api/pre",
        "/api/_lib",
        "/api/x.ts",
        "/api/[id]",
        "/api/a:b",
        "/api/v1/exec/nothing",
        "/scripts/x",
        long.as_str(),
    ];
    for path in odd {
        let reply = server.get(path).await;
        assert!(
            [400, 401, 404].contains(&reply.status.as_u16()),
            "{path}: {}",
            reply.text()
        );
    }
    let deleted = server.request(http::Method::DELETE, "/api/x").await;
    deleted.expect(404);
    assert_eq!(provider.calls(&server).await, 0);
    server.get("/api/fine").await.expect(200);
    assert_eq!(provider.calls(&server).await, 1);
}

#[tokio::test]
async fn names_that_differ_by_case_are_not_two_files() {
    let Some(provider) = Provider::start(&[says("URL", "return req.url;")]) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider).start().await;
    for path in ["/api/greet", "/api/deep/er"] {
        server.get(path).await.expect_text(200, path);
    }
    for path in ["/api/GREET", "/api/Deep/er", "/api/deep/ER"] {
        server.get(path).await.expect_error(409, "EXISTS");
    }
    // Each costs a call of a model, so it is not tried for ever.
    let asked = provider.calls(&server).await;
    server.get("/api/GREET").await.expect_error(409, "EXISTS");
    let third = server.get("/api/GREET").await;
    third.expect_error(503, "AUTHOR_BACKOFF");
    assert_eq!(provider.calls(&server).await, asked + 1);
    for path in ["/API/greet", "/Api/v1/exec/health"] {
        server.get(path).await.expect(404);
    }
    let mut files = std::fs::read_dir(server.scripts().join("1/api")).unwrap();
    assert!(files.all(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        ["[...slug].ts", "greet.ts", "deep"].contains(&name.as_str())
    }));
}

#[tokio::test]
async fn every_cap_is_typed_and_says_when_to_come_back() {
    let Some(provider) = Provider::start(&[says("URL", "return 1;")]) else {
        skip!("aimock is not installed");
    };
    let caps = [
        ("author.routes_per_hour", 503, "AI_LIMIT_ROUTES"),
        ("author.routes_per_day", 503, "AI_LIMIT_ROUTES"),
        ("author.tokens_per_day", 503, "AI_LIMIT_TOKENS"),
        ("author.cost_per_day_cents", 503, "AI_LIMIT_COST"),
    ];
    for (key, status, code) in caps {
        // One call uses more than one of each: the next finds nothing left. The price
        // is a million for a token.
        let server = catching(&provider)
            .set("ai.prices", "anthropic/ 1000000 1000000")
            .set(key, 1)
            .start()
            .await;
        let before = provider.calls(&server).await;
        server.get("/api/one").await.expect(200);
        let reply = server.get("/api/two").await.expect_error(status, code);
        let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=86_400).contains(&seconds), "{key}: {seconds}");
        assert!(!server.scripts().join("1/api/two.ts").exists());
        assert_eq!(provider.calls(&server).await, before + 1, "{key}");
    }
}

#[tokio::test]
async fn what_a_failed_call_used_is_booked() {
    let cut = json!({
        "match": { "userMessage": "URL" }, "response": { "content": "return { half: 1, other: 2 };" },
        "chunkSize": 5, "latency": 100, "truncateAfterChunks": 2,
    });
    let Some(provider) = Provider::start(&[cut]) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider).start().await;
    let reply = server.get("/api/x").await;
    reply.expect_error(502, "AI_PROVIDER_CUT");
    let budget = read(&server, "author/budget").await;
    assert!(budget["tokensToday"]["used"].as_u64() > Some(0), "{budget}");
    assert_eq!(budget["routesToday"]["used"], 0);
}

#[tokio::test]
async fn prefixes_and_lists_are_the_operators() {
    let Some(provider) = Provider::start(&[says("URL", "return 1;")]) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider)
        .set("author.prefixes", "/api/made")
        .set("author.scanner_paths", "/made/secret*")
        .start()
        .await;
    for path in ["/api/other", "/api/madeup", "/api/made/secrets"] {
        server.get(path).await.expect(404);
    }
    assert_eq!(provider.calls(&server).await, 0);
    server.get("/api/made/x").await.expect(200);
}

#[tokio::test]
async fn a_path_that_fails_again_is_left_alone_for_a_while() {
    let Some(provider) = Provider::start(&[says("URL GET /bad", "return { a: ;")]) else {
        skip!("aimock is not installed");
    };
    let mut server = catching(&provider).set("author.repairs", 0).start().await;
    for _ in 0..2 {
        server
            .get("/api/bad")
            .await
            .expect_error(502, "ISOLATE_INVALID");
    }
    let reply = server
        .get("/api/bad")
        .await
        .expect_error(503, "AUTHOR_BACKOFF");
    assert!(reply.header("retry-after").is_some());
    server.restart().await;
    server
        .get("/api/bad")
        .await
        .expect_error(503, "AUTHOR_BACKOFF");
    assert_eq!(provider.calls(&server).await, 2);
}

#[tokio::test]
async fn a_script_that_asks_and_then_refuses_is_not_paid_for_again_and_again() {
    let refusing = "// @ai true\n\
        const { ask, status } = metadata.query;\n\
        if (ask) await generateText({ model, prompt: 'URL' });\n\
        return res.status(Number(status)).json({ own: true });";
    let Some(provider) = Provider::start(&[says("URL", "nothing of use")]) else {
        skip!("aimock is not installed");
    };
    let server = provider
        .configured(Server::with_script("api/[...slug].ts", refusing))
        .start()
        .await;
    let own = json!({ "own": true });
    for _ in 0..2 {
        let reply = server.get("/api/dear?ask=1&status=404").await;
        reply.expect_json(404, own.clone());
    }
    let reply = server.get("/api/dear?ask=1&status=404").await;
    reply.expect_error(503, "AUTHOR_BACKOFF");
    assert_eq!(provider.calls(&server).await, 2);
    // Neither a refusal that cost nothing nor an answer is a failure of its path.
    for (target, status) in [
        ("/api/cheap?status=404", 404),
        ("/api/cheap?status=403", 403),
        ("/api/served?ask=1&status=200", 200),
        ("/api/moved?ask=1&status=302", 302),
    ] {
        for _ in 0..3 {
            server.get(target).await.expect_json(status, own.clone());
        }
    }
    assert_eq!(provider.calls(&server).await, 8);
    let failures = read(&server, "author/failures").await.to_string();
    assert!(failures.contains("/api/dear"), "{failures}");
    assert!(failures.contains("ERROR_404"), "{failures}");
    for path in ["cheap", "served", "moved"] {
        assert!(!failures.contains(path), "{failures}");
    }
}

#[tokio::test]
async fn caps_hold_before_the_call_and_after_a_restart() {
    let Some(provider) = Provider::start(&[says("URL", "return 1;")]) else {
        skip!("aimock is not installed");
    };
    let mut server = catching(&provider)
        .set("author.routes_per_day", 2)
        .start()
        .await;
    for path in ["/api/a", "/api/b"] {
        server.get(path).await.expect(200);
    }
    for _ in 0..2 {
        let reply = server
            .get("/api/c")
            .await
            .expect_error(503, "AI_LIMIT_ROUTES");
        assert!(reply.header("retry-after").is_some());
        server.restart().await;
    }
    // What is made goes on answering.
    server.get("/api/a").await.expect_json(200, json!(1));
    assert_eq!(provider.calls(&server).await, 2);
    let server = catching(&provider)
        .set("author.calls_per_minute_per_client", 1)
        .start()
        .await;
    // One of the three falls into a minute that another has begun.
    let mut statuses = Vec::new();
    for path in ["/api/d", "/api/e", "/api/f"] {
        statuses.push(server.get(path).await.status.as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}
