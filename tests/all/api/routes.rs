//! `route/*`: what answers where.

use serde_json::{Value, json};

use super::post;
use crate::harness::Server;

#[tokio::test]
async fn paths_lead_to_scripts() {
    let server = Server::with_scripts(&[
        (
            "users/[id].ts",
            "// @description one user\n// @token s3cret\nreturn 1",
        ),
        ("docs/[...slug].ts", "return 1"),
        ("index.ts", "return 1"),
        ("docs/a.ts", "return 1"),
        ("docs/a.js", "return 1"),
    ])
    .file("2/only.ts", "return 1")
    .start()
    .await;
    let ask = async |operation: &str, body: Value| {
        post(&server, &format!("route/{operation}"), body)
            .await
            .expect(200)
            .json()
    };
    let expected = json!({
        "matched": true, "path": "/users/7?x=1", "scriptPath": "1/users/[id].ts", "routePattern": "/users/[id]",
        "parameters": { "id": "7" }, "type": "dynamic", "baseDir": "1",
    });
    assert_eq!(
        ask("resolve", json!({ "path": "/users/7?x=1" })).await,
        expected
    );
    let expected = json!({
        "matched": false, "path": "/nothing", "hostname": "2.localhost", "execId": "2", "triedDirectories": ["2"],
    });
    assert_eq!(
        ask(
            "resolve",
            json!({ "path": "/nothing", "hostname": "2.localhost" })
        )
        .await,
        expected
    );
    assert_eq!(
        ask("resolve", json!({ "path": "/only", "execId": "2" })).await["matched"],
        true
    );
    assert_eq!(
        ask("resolve", json!({ "path": "/only", "execId": "none" })).await["matched"],
        false
    );

    let found = ask(
        "discover",
        json!({ "baseDir": "users", "includeMetadata": true }),
    )
    .await;
    let metadata = json!({
        "description": "one user", "label": null, "tags": [], "mode": "serverless", "enabled": true, "token": true,
    });
    let row = json!({
        "pattern": "/users/[id]", "scriptPath": "1/users/[id].ts", "type": "dynamic", "parameters": ["id"],
        "kind": "script", "metadata": metadata,
    });
    assert_eq!(
        (&found["count"], &found["routes"]),
        (&json!(1), &json!([row]))
    );
    let found = ask("discover", json!({})).await;
    assert_eq!(found["count"], 4);
    assert_eq!(
        found["conflicts"][0]["files"],
        json!(["docs/a.js", "docs/a.ts"])
    );

    let tested = ask(
        "test",
        json!({ "paths": ["/", "/docs/x/y", "/users", "/%zz"] }),
    )
    .await;
    assert_eq!(
        (&tested["tested"], &tested["matched"], &tested["notMatched"]),
        (&json!(4), &json!(2), &json!(2))
    );
    assert_eq!(
        tested["results"][1]["parameters"],
        json!({ "slug": ["x", "y"] })
    );
    assert!(tested["results"][3]["error"].is_string());
}

#[tokio::test]
async fn what_is_no_path_is_refused() {
    let server = Server::empty().start().await;
    for path in ["", "/%zz", "/a/../b"] {
        post(&server, "route/resolve", json!({ "path": path }))
            .await
            .expect_error(400, "ERROR_400");
    }
    post(&server, "route/test", json!({ "paths": "/" }))
        .await
        .expect(400);
    post(&server, "route/test", json!({ "paths": [1] }))
        .await
        .expect(400);
    post(&server, "route/test", json!({ "paths": vec!["/"; 1001] }))
        .await
        .expect(422);
    post(&server, "route/discover", json!({ "baseDir": "../2" }))
        .await
        .expect(403);
}
