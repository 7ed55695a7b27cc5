//! `magic-comments/*`.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use super::{get, post};
use crate::harness::{Sending, Server};

fn update(server: &Server, body: Value) -> Sending<'_> {
    server
        .request(Method::PUT, "/api/v1/exec/magic-comments/update")
        .as_root()
        .json(&body)
}

#[tokio::test]
async fn the_schema_is_served() {
    let server = Server::empty().start().await;
    let schema = get(&server, "magic-comments/schema")
        .await
        .expect(200)
        .json();
    assert_eq!(
        schema["total_fields"],
        schema["fields"].as_array().unwrap().len()
    );
    assert_eq!(schema["unknown_keys_behavior"], "ignored");
}

#[tokio::test]
async fn directives_are_read_and_changed_in_place() {
    let source = "// @token s3cret phone\n// a note\n// @timeout 5s\nreturn 1\n";
    let server = Server::with_script("a.ts", source).start().await;
    let read = get(&server, "magic-comments/read?path=a.ts")
        .await
        .expect(200)
        .json();
    assert_eq!(
        read["comments"],
        json!({ "token": ["[REDACTED]"], "timeout": 5000 })
    );
    let body = json!({ "path": "a.ts", "comments": { "timeout": null, "label": "x" } });
    let mut preview = body.clone();
    preview["dry_run"] = json!(true);
    let answer = update(&server, preview).await.expect(200).json();
    assert_eq!(
        answer["message"],
        "Preview only - set dry_run=false to apply changes"
    );
    assert_eq!(
        (&answer["current"]["timeout"], &answer["proposed"]["label"]),
        (&json!(5000), &json!("x"))
    );
    assert_eq!(
        (
            &answer["previous"],
            answer["changes"].as_array().unwrap().len()
        ),
        (&Value::Null, 2)
    );
    let file = server.scripts().join("1/a.ts");
    assert_eq!(fs::read_to_string(&file).unwrap(), source);
    let answer = update(&server, body).await.expect(200).json();
    assert_eq!(answer["message"], "Magic comments updated successfully");
    assert_eq!(
        answer["updated"],
        json!({ "token": ["[REDACTED]"], "label": "x" })
    );
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "// @token s3cret phone\n// a note\n// @label x\nreturn 1\n"
    );
    server.get("/a").await.expect(401);
    update(
        &server,
        json!({ "path": "a.ts", "comments": { "token": null } }),
    )
    .await
    .expect(200);
    server.get("/a").await.expect(200);
}

#[tokio::test]
async fn changes_that_cannot_be_made_are_refused() {
    let server = Server::with_scripts(&[("a.ts", "return 1"), ("data.json", "{}")])
        .start()
        .await;
    let refused =
        async |status: u16, body: Value| update(&server, body).await.expect(status).json();
    let with = |comments: Value| json!({ "path": "a.ts", "comments": comments });
    let reply = refused(400, with(json!({ "mod": "worker" }))).await;
    assert!(
        reply["error"]
            .as_str()
            .unwrap()
            .starts_with("`mod` is not a directive")
    );
    refused(400, with(json!({ "mode": "fast" }))).await;
    refused(400, with(json!("none"))).await;
    let reply = refused(400, with(json!({ "schedule": "*/0 5 * * *" }))).await;
    assert!(
        reply["error"].as_str().unwrap().contains("is no schedule"),
        "{reply}"
    );
    refused(400, json!({ "comments": {} })).await;
    let reply = refused(422, with(json!({ "token": ["[REDACTED]"] }))).await;
    assert_eq!(reply["details"]["code"], "REDACTED_SECRET_UNRESOLVED");
    refused(404, json!({ "path": "gone.ts", "comments": {} })).await;
    refused(
        400,
        json!({ "path": "data.json", "comments": { "label": "x" } }),
    )
    .await;
    refused(403, json!({ "path": "../a.ts", "comments": {} })).await;
    let stale = update(&server, with(json!({ "label": "x" }))).header("if-match", "\"0\"");
    stale.await.expect_error(412, "ERROR_412");
    assert_eq!(
        fs::read_to_string(server.scripts().join("1/a.ts")).unwrap(),
        "return 1"
    );
}

#[tokio::test]
async fn many_scripts_are_changed_at_once() {
    let setup = Server::with_scripts(&[
        ("a.ts", "return 1"),
        ("api/b.ts", "return 1"),
        ("api/v1/c.ts", "return +"),
        ("api/d.js", "return 1"),
    ]);
    // This one has no room for a directive.
    let full = format!("{}// @mode worker\nreturn 1", "//\n".repeat(99));
    let server = setup.script("api/full.ts", &full).start().await;
    let bulk = async |body: Value| {
        post(&server, "magic-comments/bulk-update", body)
            .await
            .expect(200)
            .json()
    };
    let body = json!({ "directory": "api", "comments": { "label": "x" }, "dry_run": true });
    let answer = bulk(body.clone()).await;
    assert_eq!(
        (&answer["dry_run"], &answer["results"]["updated"]),
        (&json!(true), &json!(2))
    );
    assert!(
        !fs::read_to_string(server.scripts().join("1/api/b.ts"))
            .unwrap()
            .contains("@label")
    );
    let mut body = body;
    body["dry_run"] = json!(false);
    let results = &bulk(body).await["results"];
    assert_eq!(
        (&results["total"], &results["updated"], &results["failed"]),
        (&json!(3), &json!(2), &json!(1))
    );
    assert_eq!(
        results["files"]["updated"],
        json!(["api/b.ts", "api/v1/c.ts"])
    );
    assert_eq!(results["files"]["failed"][0]["file"], "api/full.ts");
    let body = json!({ "comments": { "label": "y" }, "recursive": false });
    assert_eq!(
        bulk(body).await["results"]["files"]["updated"],
        json!(["a.ts"])
    );
    let body = json!({ "directory": "api", "comments": { "label": "z" }, "extension": ".js" });
    assert_eq!(
        bulk(body).await["results"]["files"]["updated"],
        json!(["api/d.js"])
    );
}
