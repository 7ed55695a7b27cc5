//! `/api/v1/auth/tokens`.

use http::Method;
use serde_json::{Value, json};

use super::token;
use crate::harness::{ROOT_TOKEN, Reply, Sending, Server};

const TOKENS: &str = "/api/v1/auth/tokens";

fn send<'a>(server: &'a Server, method: Method, below: &str, body: Value) -> Sending<'a> {
    server
        .request(method, &format!("{TOKENS}{below}"))
        .as_root()
        .json(&body)
}

async fn allows(server: &Server, token: &str) -> bool {
    server
        .get("/api/v1/exec/scripts/list")
        .token(token)
        .await
        .status
        == 200
}

/// In the control plane's own envelope.
#[track_caller]
fn refused(reply: Reply, status: u16) -> String {
    let body = reply.expect(status).json();
    assert_eq!(body["statusCode"], status);
    assert!(
        body["error"].is_string() && body["code"].is_null(),
        "{body}"
    );
    body["message"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn a_token_lives_from_create_to_revoke() {
    let mut server = Server::empty().start().await;
    let body = json!({ "alias": "ci", "permissions": ["exec:read"], "expires_at": "2099-01-01T00:00:00Z" });
    let made = send(&server, Method::POST, "", body)
        .await
        .expect(201)
        .json();
    assert_eq!(made["statusCode"], 201);
    let data = &made["data"];
    assert_eq!(
        (&data["alias"], &data["is_enabled"]),
        (&json!("ci"), &json!(true))
    );
    assert_eq!(data["expires_at"], "2099-01-01T00:00:00.000Z");
    let secret = data["token"].as_str().unwrap().to_owned();
    let id = data["id"].as_str().unwrap().to_owned();
    assert!(allows(&server, &secret).await);

    let list = send(&server, Method::GET, "", json!({})).await.expect(200);
    assert!(!list.text().contains(&secret));
    let list = list.json();
    assert_eq!(list["data"]["count"], 2);
    assert_eq!(list["data"]["tokens"][0]["id"], "root");
    let one = send(&server, Method::GET, &format!("/{id}"), json!({}))
        .await
        .expect(200)
        .json();
    assert!(
        one["data"]["last_used_at"].is_string() && one["data"]["token"].is_null(),
        "{one}"
    );

    let rotated = send(&server, Method::POST, &format!("/{id}/rotate"), json!({}))
        .await
        .expect(200)
        .json();
    let new_secret = rotated["data"]["token"].as_str().unwrap().to_owned();
    assert!(!allows(&server, &secret).await && allows(&server, &new_secret).await);

    let patch = async |body: Value| send(&server, Method::PATCH, &format!("/{id}"), body).await;
    let patched = patch(json!({ "is_enabled": false, "expires_at": null }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            &patched["data"]["is_enabled"],
            &patched["data"]["expires_at"]
        ),
        (&json!(false), &Value::Null)
    );
    assert!(!allows(&server, &new_secret).await);
    patch(json!({ "is_enabled": true, "alias": "cd", "permissions": ["exec"] }))
        .await
        .expect(200);
    assert!(allows(&server, &new_secret).await);
    server.restart().await;
    assert!(allows(&server, &new_secret).await && !allows(&server, &secret).await);

    let revoked = send(&server, Method::DELETE, &format!("/{id}"), json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(revoked["data"], Value::Null);
    assert!(!allows(&server, &new_secret).await);
    refused(
        send(&server, Method::GET, &format!("/{id}"), json!({})).await,
        404,
    );
}

#[tokio::test]
async fn tokens_that_cannot_be_are_refused() {
    let server = Server::empty().start().await;
    let create = async |body: Value| send(&server, Method::POST, "", body).await;
    create(json!({ "alias": "a", "permissions": ["exec"] }))
        .await
        .expect(201);
    let cases = [
        (400, json!({ "permissions": ["exec"] })),
        (400, json!({ "alias": "", "permissions": ["exec"] })),
        (400, json!({ "alias": "b" })),
        (400, json!({ "alias": "b", "permissions": [] })),
        (400, json!({ "alias": "b", "permissions": ["everything"] })),
        (400, json!({ "alias": "b", "permissions": "exec" })),
        (
            400,
            json!({ "alias": "b", "permissions": ["exec"], "expires_at": "soon" }),
        ),
        (
            400,
            json!({ "alias": "b", "permissions": ["exec"], "expires_at": 1 }),
        ),
        (400, json!({ "alias": "b", "permission": ["exec"] })),
        (
            400,
            json!({ "alias": "b", "permissions": ["exec"], "realm_ids": ["r"] }),
        ),
        (409, json!({ "alias": "a", "permissions": ["exec"] })),
    ];
    for (status, body) in cases {
        let message = refused(create(body.clone()).await, status);
        assert!(!message.is_empty(), "{body}");
    }
    refused(server.post(TOKENS, "{").as_root().await, 400);
    refused(server.get(TOKENS).await, 401);
    refused(server.get("/api/v1/auth/nothing").await, 401);
    refused(server.get("/api/v1/auth/nothing").as_root().await, 404);
    refused(server.request(Method::PUT, TOKENS).as_root().await, 405);
    refused(send(&server, Method::DELETE, "/root", json!({})).await, 409);
    refused(
        send(&server, Method::PATCH, "/nobody", json!({})).await,
        404,
    );
}

#[tokio::test]
async fn nobody_hands_out_more_than_he_has() {
    let server = Server::empty().start().await;
    let keeper = token(&server, &["auth", "exec:read"]).await;
    let create = async |permissions: Value| {
        let body = json!({ "alias": permissions.to_string(), "permissions": permissions });
        server.post(TOKENS, body.to_string()).token(&keeper).await
    };
    create(json!(["exec:read"])).await.expect(201);
    refused(create(json!(["exec:write"])).await, 403);
    refused(create(json!(["*"])).await, 403);
    refused(
        server
            .post(&format!("{TOKENS}/root/rotate"), "")
            .token(&keeper)
            .await,
        403,
    );
    refused(
        server
            .request(Method::DELETE, &format!("{TOKENS}/root"))
            .token(&keeper)
            .await,
        403,
    );
    assert!(allows(&server, ROOT_TOKEN).await);
}

#[tokio::test]
async fn a_dry_run_makes_no_token() {
    let server = Server::empty().start().await;
    let body = json!({ "alias": "a", "permissions": ["exec"] });
    let made = send(&server, Method::POST, "?dry_run=true", body.clone())
        .await
        .expect(201)
        .json();
    assert_eq!(made["data"]["token"], Value::Null);
    let real = send(&server, Method::POST, "", body.clone())
        .await
        .expect(201)
        .json();
    let id = real["data"]["id"].as_str().unwrap();
    let secret = real["data"]["token"].as_str().unwrap();
    refused(
        send(&server, Method::POST, "?dry_run=true", body).await,
        409,
    );
    send(
        &server,
        Method::POST,
        &format!("/{id}/rotate?dry_run=true"),
        json!({}),
    )
    .await
    .expect(200);
    send(
        &server,
        Method::PATCH,
        &format!("/{id}?dry_run=true"),
        json!({ "is_enabled": false }),
    )
    .await
    .expect(200);
    send(
        &server,
        Method::DELETE,
        &format!("/{id}?dry_run=true"),
        json!({}),
    )
    .await
    .expect(200);
    refused(
        send(&server, Method::DELETE, "/root?dry_run=true", json!({})).await,
        409,
    );
    assert!(allows(&server, secret).await);
}

#[tokio::test]
async fn the_first_start_shows_a_token_once() {
    let mut server = Server::empty().variable("FOOTPATH_TOKEN", "").start().await;
    server.logs("http://127.0.0.1:").await;
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.starts_with("export FOOTPATH_TOKEN="))
        .expect("a line to paste");
    let secret = line.trim_start_matches("export FOOTPATH_TOKEN=").to_owned();
    assert!(
        log.contains("curl -H \"Authorization: Bearer $FOOTPATH_TOKEN\" http://127.0.0.1:"),
        "{log}"
    );
    assert!(allows(&server, &secret).await);
    server.restart().await;
    assert!(allows(&server, &secret).await);
    assert!(
        !server.log().contains("FOOTPATH_TOKEN"),
        "it is shown only once"
    );
}
