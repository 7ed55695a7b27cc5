//! What is kept of a route that wrote itself, and what a person can do with it.

use serde_json::{Value, json};

use super::catching;
use super::provider::{Provider, says};
use crate::harness::{ROOT_TOKEN, Server, skip};

const HANDLER: &str = "return { made: metadata === undefined ? 1 : 2, n: req.url.length };";

pub async fn read(server: &Server, operation: &str) -> Value {
    let reply = server.get(&format!("/api/v1/exec/{operation}")).as_root();
    reply.await.expect(200).json()
}

pub async fn write(server: &Server, operation: &str, body: Value) -> crate::harness::Reply {
    let path = format!("/api/v1/exec/{operation}");
    server.post(&path, "").json(&body).as_root().await
}

fn handler() -> String {
    HANDLER.replace("metadata === undefined ? 1 : 2", "1")
}

#[tokio::test]
async fn every_version_says_how_it_came_to_be() {
    let Some(provider) = Provider::start(&[says("URL GET /x", &handler())]) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider)
        .set("ai.prices", "anthropic/ 3 15")
        .start()
        .await;
    server.get("/api/x?a=1").as_root().await.expect(200);
    server.get("/api/x?a=1&b=2").await.expect(200);
    let versions = read(&server, "scripts/versions?path=api/x.ts").await;
    let version = &versions["versions"][0];
    assert_eq!(version["origin"], "script", "{version}");
    let authorship = &version["authorship"];
    assert_eq!(
        (&authorship["method"], &authorship["path"]),
        (&json!("GET"), &json!("/api/x"))
    );
    assert_eq!(
        authorship["trial"],
        json!({ "outcome": "answered", "status": 200 })
    );
    let generation = &authorship["generations"][0];
    assert_eq!(generation["model"], "anthropic/claude-sonnet-4.5");
    assert!(
        generation["prompt"]
            .as_str()
            .unwrap()
            .contains("URL GET /x"),
        "{generation}"
    );
    let usage = &generation["usage"];
    let cost = usage["promptTokens"].as_u64().unwrap() * 3
        + usage["completionTokens"].as_u64().unwrap() * 15;
    assert_eq!(generation["costMicros"], cost);
    let trail = read(&server, "trail").await;
    let entry = &trail["routes"][0];
    assert_eq!(
        (trail["total"].as_u64(), entry["pattern"].as_str()),
        (Some(1), Some("/api/x"))
    );
    assert_eq!(
        (&entry["client"], &entry["live"]),
        (&json!("127.0.0.1"), &json!(true))
    );
    assert_eq!(
        (&entry["calls"], &entry["lastStatus"]),
        (&json!(1), &json!(200))
    );
    assert_eq!(entry["costMicros"], cost);
    // Who called it, and never with what.
    assert_eq!(entry["token"], "root");
    assert!(!versions.to_string().contains(ROOT_TOKEN), "{versions}");
    let budget = read(&server, "author/budget").await;
    assert_eq!(budget["routesToday"]["used"], 1);
    assert_eq!(budget["costMicrosToday"]["used"], cost);
}

#[tokio::test]
async fn a_person_can_adopt_pin_and_go_back() {
    let Some(provider) = Provider::start(&[says("URL GET /x", &handler())]) else {
        skip!("aimock is not installed");
    };
    let replace = "// @ai true\nawait generateText({ model, prompt: 'URL GET /x' });\n\
                   try { await fs.write('api/x.ts', 'return 3', { overwrite: metadata.query.o === '1' }) } catch (error) { return error.code }\nreturn 'written';";
    let server = catching(&provider)
        .script("replace.ts", replace)
        .start()
        .await;
    server.get("/api/x").await.expect(200);
    // A model does not overwrite unless the script says so, and never what is pinned.
    assert_eq!(server.get("/replace").await.expect(200).text(), "EXISTS");
    write(&server, "scripts/pin", json!({ "path": "api/x.ts" }))
        .await
        .expect(200);
    assert_eq!(
        server.get("/replace?o=1").await.expect(200).text(),
        "REFUSED"
    );
    // Nor does a person by mistake.
    let other = json!({ "path": "api/x.ts", "content": "return 4" });
    let rename = json!({ "from": "api/x.ts", "to": "api/y.ts" });
    let comments = json!({ "path": "api/x.ts", "comments": { "description": "x" } });
    for (operation, body) in [("scripts/write", other), ("scripts/move", rename)] {
        write(&server, operation, body)
            .await
            .expect_error(409, "PINNED");
    }
    let update = server.request(http::Method::PUT, "/api/v1/exec/magic-comments/update");
    update
        .json(&comments)
        .as_root()
        .await
        .expect_error(409, "PINNED");
    let delete = server.request(
        http::Method::DELETE,
        "/api/v1/exec/scripts/delete?path=api/x.ts&confirm=true",
    );
    delete.as_root().await.expect_error(409, "PINNED");
    write(
        &server,
        "scripts/pin",
        json!({ "path": "api/x.ts", "pinned": false }),
    )
    .await
    .expect(200);
    assert_eq!(
        server.get("/replace?o=1").await.expect(200).text(),
        "written"
    );
    server.get("/api/x").await.expect_json(200, json!(3));
    let asked = provider.calls(&server).await;
    // Going back asks no model, and the text stays the model's.
    write(
        &server,
        "scripts/rollback",
        json!({ "path": "api/x.ts", "version": 1 }),
    )
    .await
    .expect(200);
    let back = server.get("/api/x").await.expect(200).json();
    assert_eq!(back["made"], 1);
    assert_eq!(provider.calls(&server).await, asked);
    let origin = async || {
        read(&server, "scripts/versions?path=api/x.ts").await["versions"][0]["origin"].clone()
    };
    assert_eq!(origin().await, "script");
    write(&server, "scripts/adopt", json!({ "path": "api/x.ts" }))
        .await
        .expect(200);
    assert_eq!(origin().await, "person");
    write(&server, "scripts/adopt", json!({ "path": "api/x.ts" }))
        .await
        .expect(409);
}

#[tokio::test]
async fn a_moved_script_is_still_the_models() {
    let Some(provider) = Provider::start(&[says("URL GET /x", &handler())]) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider).start().await;
    server.get("/api/x").await.expect(200);
    let rename = json!({ "from": "api/x.ts", "to": "api/y.ts" });
    write(&server, "scripts/move", rename).await.expect(200);
    let versions = read(&server, "scripts/versions?path=api/y.ts").await;
    let version = &versions["versions"][0];
    assert_eq!(version["origin"], "script", "{versions}");
    assert_eq!(version["authorship"]["path"], "/api/x", "{versions}");
    let trail = read(&server, "trail").await;
    let live = |route: &&Value| route["live"] == true;
    let routes = trail["routes"].as_array().unwrap();
    let routes: Vec<_> = routes.iter().filter(live).collect();
    assert_eq!((routes.len(), &routes[0]["pattern"]), (1, &json!("/api/y")));
    // Nor does going back to it make it a person's.
    let fs = json!({ "path": "api/y.ts", "content": "return typeof fs;" });
    write(&server, "scripts/write", fs).await.expect(200);
    assert_eq!(server.get("/api/y").await.text(), "object");
    let back = json!({ "path": "api/y.ts", "version": 1 });
    write(&server, "scripts/rollback", back).await.expect(200);
    let versions = read(&server, "scripts/versions?path=api/y.ts").await;
    assert_eq!(versions["versions"][0]["origin"], "script", "{versions}");
}

#[tokio::test]
async fn a_draft_waits_for_approval() {
    let Some(provider) = Provider::start(&[says("URL GET", &handler())]) else {
        skip!("aimock is not installed");
    };
    let mut server = catching(&provider)
        .set("author.approval", true)
        .start()
        .await;
    let draft = server.get("/api/x").await.expect(202).json()["draft"].clone();
    let draft = draft.as_str().unwrap();
    assert!(!server.scripts().join("1/api/x.ts").exists());
    // Until somebody has looked at it, nobody asks a model for it again.
    let asked = provider.calls(&server).await;
    for path in ["/api/x?again=1", "/api/x/"] {
        let again = server.get(path).await.expect(202).json()["draft"].clone();
        assert_eq!(again, draft);
    }
    // One file answers all methods.
    let posted = server.post("/api/x", "{}").await.expect(202).json()["draft"].clone();
    assert_eq!(posted, draft);
    assert_eq!(provider.calls(&server).await, asked);
    let other = server.get("/api/y").await.expect(202).json()["draft"].clone();
    server.restart().await;
    let still = server.get("/api/y").await.expect(202).json()["draft"].clone();
    assert_eq!(still, other);
    let drafts = read(&server, "drafts").await;
    assert_eq!(drafts["count"], 2);
    let content = read(&server, &format!("drafts/{draft}")).await["content"].clone();
    assert!(content.as_str().unwrap().contains("made"), "{content}");
    write(&server, &format!("drafts/{draft}/approve"), json!({}))
        .await
        .expect(200);
    assert_eq!(server.get("/api/x").await.expect(200).json()["made"], 1);
    let reject = format!("drafts/{}/reject", other.as_str().unwrap());
    write(&server, &reject, json!({})).await.expect(200);
    assert_eq!(read(&server, "drafts").await["count"], 0);
    write(&server, &reject, json!({})).await.expect(404);
    // Who has rejected it twice is not shown it at once again.
    let again = server.get("/api/y").await.expect(202).json()["draft"].clone();
    let reject = format!("drafts/{}/reject", again.as_str().unwrap());
    write(&server, &reject, json!({})).await.expect(200);
    let third = server.get("/api/y").await;
    third.expect_error(503, "AUTHOR_BACKOFF");
    let failures = read(&server, "author/failures").await;
    assert_eq!(failures["failures"][0]["code"], "DRAFT_REJECTED");
}

#[tokio::test]
async fn failures_are_listed_and_cleared() {
    let Some(provider) = Provider::start(&[says("URL GET /bad", "return {")]) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider).set("author.repairs", 0).start().await;
    for status in [502, 502, 503] {
        server.get("/api/bad").await.expect(status);
    }
    let failures = read(&server, "author/failures").await;
    let failure = &failures["failures"][0];
    assert_eq!(
        (&failure["path"], &failure["failures"]),
        (&json!("/api/bad"), &json!(2))
    );
    assert_eq!(failure["code"], "ISOLATE_INVALID");
    let clear = server.request(
        http::Method::DELETE,
        "/api/v1/exec/author/failures/clear?path=/api/bad",
    );
    let cleared = clear.as_root().await.expect(200).json();
    assert_eq!(cleared["cleared"], 1);
    server.get("/api/bad").await.expect(502);
}
