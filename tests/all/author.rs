//! A missing route writes itself: with a real server for models, a real sandbox
//! and real files.

#[path = "author/provider.rs"]
pub mod provider;

use serde_json::json;

use crate::harness::{Server, Setup, skip};
use provider::{Provider, says};

/// The promise, word for word.
pub const SEED: &str = include_str!("author/seed.ts");

/// A server whose calls below `/api` write their routes.
pub fn catching(provider: &Provider) -> Setup {
    provider.configured(Server::with_script("api/[...slug].ts", SEED))
}

#[tokio::test]
async fn a_missing_route_writes_itself() {
    let handler = "const name = new URL('http://x' + req.url).searchParams.get('name');\nreturn { hello: name ?? 'world', method: req.method };";
    let Some(provider) = Provider::start(&[says("URL GET /greet", handler)]) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider).start().await;
    server
        .get("/api/greet?name=Ada")
        .await
        .expect_json(200, json!({ "hello": "Ada", "method": "GET" }));
    let file = server.scripts().join("1/api/greet.ts");
    let saved = std::fs::read_to_string(file).unwrap();
    assert_eq!(saved, format!("// @mode serverless\n{handler}"));
    // The next call is the saved file's own answer, to its own request.
    server
        .get("/api/greet?name=Bob")
        .await
        .expect_json(200, json!({ "hello": "Bob", "method": "GET" }));
    let journal = provider.journal(&server).await;
    assert_eq!(journal.len(), 1, "{journal:?}");
    let asked = &journal[0]["body"];
    assert_eq!(asked["model"], "anthropic/claude-sonnet-4.5");
    assert_eq!(
        asked["messages"][0]["content"],
        "Return a JS handler body. No imports. Return JSON."
    );
    let prompt = asked["messages"][1]["content"].as_str().unwrap();
    assert!(prompt.contains("Query {\"name\":\"Ada\""), "{prompt}");
}
