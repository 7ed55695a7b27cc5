//! `shared-state/*` and `cache/clear`.

use serde_json::{Value, json};

use super::post;
use crate::harness::Server;

#[tokio::test]
async fn shared_is_what_scripts_see() {
    let server = Server::with_script(
        "a.ts",
        "shared.count = (shared.count ?? 0) + 1\nreturn shared",
    )
    .start()
    .await;
    server
        .get("/a")
        .await
        .expect_json(200, json!({ "count": 1 }));
    let ask = async |operation: &str, body: Value| {
        post(&server, &format!("shared-state/{operation}"), body)
            .await
            .expect(200)
            .json()
    };
    let answer = ask("get", json!({ "hostname": "localhost", "path": "count" })).await;
    let expected = json!({ "hostname": "localhost", "execId": "1", "path": "count", "exists": true, "value": 1 });
    assert_eq!(answer, expected);
    ask("set", json!({ "path": "count", "value": 40 })).await;
    ask("set", json!({ "path": "a.b", "value": { "c": 1 } })).await;
    ask(
        "set",
        json!({ "path": "a.b", "value": { "d": 2 }, "merge": true }),
    )
    .await;
    let b = json!({ "c": 1, "d": 2 });
    server
        .get("/a")
        .await
        .expect_json(200, json!({ "a": { "b": b }, "count": 41 }));
    let dry = ask(
        "set",
        json!({ "path": "count", "value": 0, "dry_run": true }),
    )
    .await;
    assert_eq!((&dry["updated"], &dry["value"]), (&json!(false), &json!(0)));
    assert_eq!(ask("clear", json!({ "path": "a.b.c" })).await["keys"], 1);
    assert_eq!(
        ask("clear", json!({ "path": "x.y" })).await["cleared"],
        false
    );
    assert_eq!(
        ask("get", json!({})).await["value"],
        json!({ "a": { "b": { "d": 2 } }, "count": 41 })
    );
    assert_eq!(
        ask("set", json!({ "value": { "only": null } })).await["value"],
        json!({ "only": null })
    );
    assert_eq!(ask("get", json!({ "path": "only" })).await["exists"], true);
    assert_eq!(ask("clear", json!({})).await["keys"], 1);
    assert_eq!(ask("get", json!({ "path": "only" })).await["exists"], false);
    server
        .get("/a")
        .await
        .expect_json(200, json!({ "count": 1 }));
}

#[tokio::test]
async fn shared_state_that_cannot_be_is_refused() {
    let server = Server::with_script("a.ts", "return 1").start().await;
    let refused = async |status: u16, operation: &str, body: Value| {
        post(&server, &format!("shared-state/{operation}"), body)
            .await
            .expect(status);
    };
    refused(400, "set", json!({ "path": "a" })).await;
    refused(400, "set", json!({ "value": 1 })).await;
    refused(
        404,
        "set",
        json!({ "execId": "none", "path": "a", "value": 1 }),
    )
    .await;
    refused(404, "clear", json!({ "execId": "none" })).await;
    refused(
        413,
        "set",
        json!({ "path": "a", "value": "x".repeat(2 << 20) }),
    )
    .await;
    post(
        &server,
        "shared-state/set",
        json!({ "path": "a", "value": 1 }),
    )
    .await
    .expect(200);
    refused(400, "set", json!({ "path": "a.b", "value": 1 })).await;
}

#[tokio::test]
async fn what_is_cleared_is_made_again() {
    let worker =
        "// @mode worker\nglobalThis.calls = (globalThis.calls ?? 0) + 1\nreturn globalThis.calls";
    let server = Server::with_script("w.ts", worker)
        .file("2/b.ts", "shared.x = 1\nreturn 1")
        .start()
        .await;
    let call_worker = async || server.get("/w").await.expect(200).json();
    let clear = async |body: Value| post(&server, "cache/clear", body).await.expect(200).json();
    assert_eq!(
        (call_worker().await, call_worker().await),
        (json!(1), json!(2))
    );
    server
        .get("/b")
        .header("host", "2.localhost")
        .await
        .expect(200);
    let answer = clear(json!({ "dry_run": true })).await;
    assert_eq!(
        (&answer["cleared"], &answer["vmCache"]["cleared"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(call_worker().await, 3);
    let answer = clear(json!({})).await;
    assert_eq!(
        answer["selector"],
        json!({ "hostname": null, "execId": "1" })
    );
    assert_eq!(
        (&answer["matched"], &answer["vmCache"]),
        (&json!(1), &json!({ "cleared": 1, "remaining": 1 }))
    );
    assert_eq!(
        answer["sharedState"],
        json!({ "cleared": 0, "remaining": 1 })
    );
    assert_eq!(call_worker().await, 1);
    let answer = clear(json!({ "clearAll": true })).await;
    assert_eq!(
        (&answer["matched"], &answer["sharedState"]["cleared"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(answer["vmCache"], json!({ "cleared": 2, "remaining": 0 }));
    assert_eq!(call_worker().await, 1);
    post(&server, "cache/clear", json!({ "clearVm": "yes" }))
        .await
        .expect(400);
}
