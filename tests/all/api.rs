//! The management API, one file a surface. What every surface shares is here:
//! how it is called, who may, and what a request that is wrong gets.

#[path = "api/cache.rs"]
mod cache;
#[path = "api/document.rs"]
mod document;
#[path = "api/logs.rs"]
mod logs;
#[path = "api/magic_comments.rs"]
mod magic_comments;
#[path = "api/routes.rs"]
mod routes;
#[path = "api/scripts.rs"]
mod scripts;
#[path = "api/tokens.rs"]
mod tokens;
#[path = "api/validate.rs"]
mod validate;
#[path = "api/versions.rs"]
mod versions;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{ROOT_TOKEN, Sending, Server};

/// A POST to an operation of the exec API, as root.
pub fn post<'a>(server: &'a Server, operation: &str, body: Value) -> Sending<'a> {
    server
        .request(Method::POST, &format!("/api/v1/exec/{operation}"))
        .as_root()
        .json(&body)
}

/// A GET of an operation of the exec API with its query, as root.
pub fn get<'a>(server: &'a Server, operation: &str) -> Sending<'a> {
    server.get(&format!("/api/v1/exec/{operation}")).as_root()
}

/// Writes a script of deployment `1`, which must succeed.
pub async fn write(server: &Server, path: &str, content: &str) -> Value {
    let body = json!({ "path": path, "content": content });
    post(server, "scripts/write", body).await.expect(200).json()
}

/// Makes a token with these permissions and gives its secret.
pub async fn token(server: &Server, permissions: &[&str]) -> String {
    let body = json!({ "alias": permissions.join(" "), "permissions": permissions });
    let made = server
        .post("/api/v1/auth/tokens", body.to_string())
        .as_root()
        .await
        .expect(201)
        .json();
    made["data"]["token"]
        .as_str()
        .expect("a new token is shown")
        .to_owned()
}

#[tokio::test]
async fn without_a_token_nobody_learns_what_exists() {
    let server = Server::with_script("hello.ts", "return 1").start().await;
    let exists = server.get("/api/v1/exec/scripts/list").await.expect(401);
    let timeless = |text: String| {
        text.split("timestamp")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    for (method, target) in [
        (Method::GET, "/api/v1/exec/nothing"),
        (Method::GET, "/api/v1/exec/"),
        (Method::PUT, "/api/v1/exec/scripts/list"),
        (Method::OPTIONS, "/api/v1/exec/scripts/list"),
        (Method::GET, "/api/v1/exec"),
        (Method::GET, "/api/v1/exec/scripts/read?path=hello.ts"),
        (Method::POST, "/api/v1/exec/scripts/write"),
        (Method::GET, "/metrics"),
        (Method::GET, "/api/v1/exec/scripts/list?token=wrong"),
    ] {
        let reply = server.request(method, target).body("{").await.expect(401);
        assert_eq!(timeless(reply.text()), timeless(exists.text()), "{target}");
        assert_eq!(reply.header("allow"), None, "{target}");
        reply.expect_header("www-authenticate", "Bearer");
    }
    server
        .get("/api/v1/exec/nothing")
        .as_root()
        .await
        .expect_error(404, "ERROR_404");
    let wrong_method = server
        .request(Method::PUT, "/api/v1/exec/scripts/list")
        .as_root()
        .await;
    wrong_method
        .expect_error(405, "ERROR_405")
        .expect_header("allow", "GET");
    server.get("/api/v1/exec/health").await.expect(200);
}

#[tokio::test]
async fn a_token_comes_in_any_of_four_ways() {
    use base64::Engine;
    let server = Server::empty().start().await;
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("anybody:{ROOT_TOKEN}"));
    let list = || server.get("/api/v1/exec/scripts/list");
    list()
        .header("authorization", &format!("Bearer {ROOT_TOKEN}"))
        .await
        .expect(200);
    list()
        .header("authorization", &format!("Basic {basic}"))
        .await
        .expect(200);
    list().header("x-token", ROOT_TOKEN).await.expect(200);
    let in_url = server
        .get(&format!("/api/v1/exec/scripts/list?token={ROOT_TOKEN}"))
        .await
        .expect(200);
    in_url
        .expect_header("cache-control", "no-store")
        .expect_header("referrer-policy", "no-referrer");
    // A wrong one beside it does no harm, and no log has the right one.
    list()
        .header("x-token", ROOT_TOKEN)
        .header("authorization", "Bearer wrong")
        .await
        .expect(200);
    let lines = post(&server, "logs/read", json!({ "file": "access/access.log" }))
        .await
        .expect(200)
        .text();
    assert!(
        lines.contains("token=[REDACTED]") && !lines.contains(ROOT_TOKEN),
        "{lines}"
    );
}

#[tokio::test]
async fn a_token_does_what_its_permissions_say() {
    let server = Server::with_script("hello.ts", "return 1")
        .file("1/hello.env", "KEY=s3cret")
        .start()
        .await;
    let reader = token(&server, &["exec:read"]).await;
    let writer = token(&server, &["exec:write"]).await;
    let cron = token(&server, &["cron"]).await;
    let list = "/api/v1/exec/scripts/list";
    let write = || {
        server.post(
            "/api/v1/exec/scripts/write",
            r#"{"path":"a.ts","content":"return 1"}"#,
        )
    };
    server.get(list).token(&reader).await.expect(200);
    let refused = server
        .get(list)
        .token(&writer)
        .await
        .expect_error(403, "ERROR_403");
    assert_eq!(refused.json()["details"]["permission"], "exec:read");
    write().token(&writer).await.expect(200);
    write().token(&reader).await.expect(403);
    write().token(&cron).await.expect(403);
    server
        .post("/api/v1/exec/validate/syntax", r#"{"code":"1"}"#)
        .token(&reader)
        .await
        .expect(200);
    server
        .get("/api/v1/auth/tokens")
        .token(&reader)
        .await
        .expect(403);
    server.get("/metrics").token(&reader).await.expect(403);
    // Of several tokens any that may is enough.
    server
        .get(list)
        .token(&writer)
        .header("x-token", &reader)
        .await
        .expect(200);
    // Environment files are secrets to whoever may only read.
    let env = "/api/v1/exec/scripts/read?path=hello.env";
    server.get(env).token(&reader).await.expect(403);
    server.get(env).as_root().await.expect(200);
}

#[tokio::test]
async fn a_request_that_is_wrong_says_where() {
    let server = Server::empty()
        .set("limits.bundle_bytes", 5000)
        .start()
        .await;
    let send = |body: &str| {
        let body = body.to_owned();
        server.post("/api/v1/exec/scripts/write", body).as_root()
    };
    let cases = [
        (r#"{"content":""}"#, "path is required"),
        (r#"{"path":"","content":""}"#, "path is required"),
        (r#"{"path":"a.ts"}"#, "content is required"),
        (r#"{"path":"a.ts","content":1}"#, "content must be a string"),
        (
            r#"{"path":"a.ts","content":"","ifNotExists":"no"}"#,
            "ifNotExists must be a boolean",
        ),
        (
            r#"{"path":"a.ts","contnet":""}"#,
            "Unknown field `contnet`; did you mean `content`?",
        ),
        (
            r#"{"path":"a.ts","content":"","execId":true}"#,
            "execId must be a string",
        ),
        (
            r#"{"path":"a.ts","content":"","dry_run":"perhaps"}"#,
            "dry_run must be a boolean",
        ),
        ("", "path is required"),
    ];
    for (body, expected) in cases {
        let reply = send(body).await.expect_error(400, "ERROR_400");
        assert_eq!(reply.json()["error"], expected, "{body}");
    }
    for body in [
        "{",
        "[]",
        "null",
        "{\"path\": \"a.ts\",}",
        "\u{1}",
        &"[".repeat(1000),
    ] {
        let reply = send(body)
            .header("content-type", "text/plain")
            .await
            .expect(400)
            .json();
        assert_eq!(reply["error"], "Invalid JSON body", "{body}");
        assert_eq!(reply["details"]["contentType"], "text/plain");
        assert!(reply["details"]["hint"].is_string() && reply["details"]["parseError"].is_string());
        assert!(body.starts_with(reply["details"]["bodyPreview"].as_str().unwrap()));
    }
    let large = json!({ "path": "a.ts", "content": "x".repeat(6000) });
    let reply = send(&large.to_string())
        .await
        .expect_error(413, "ERROR_413")
        .json();
    assert_eq!(
        (&reply["error"], &reply["details"]["maxBytes"]),
        (&json!("Payload too large"), &json!(5000))
    );
    let reply = get(&server, "scripts/read?path=%zz")
        .await
        .expect(400)
        .json();
    assert_eq!(reply["error"], "Malformed query string");
    assert!(reply["details"]["hint"].as_str().unwrap().contains("%XX"));
    let reply = get(&server, "scripts/read").await.expect(400).json();
    assert_eq!(reply["error"], "path parameter is required");
    let reply = get(&server, "scripts/list?recursiv=true")
        .await
        .expect(400)
        .json();
    assert_eq!(
        reply["error"],
        "Unknown query parameter `recursiv`; did you mean `recursive`?"
    );
    get(&server, "scripts/list?subdomain=other")
        .await
        .expect(400);
    get(&server, "scripts/list?execId=No").await.expect(400);
}

#[tokio::test]
async fn any_content_type_will_do() {
    let server = Server::empty().start().await;
    let body = r#"{"path":"a.ts","content":"return 1"}"#;
    let write = || server.post("/api/v1/exec/scripts/write", body).as_root();
    write().await.expect(200);
    for content_type in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
    ] {
        write()
            .header("content-type", content_type)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn the_deployment_comes_from_query_body_or_host() {
    let server = Server::with_script("a.ts", "return 'one'")
        .file("2/a.ts", "return 'two'")
        .start()
        .await;
    let content = |reply: crate::harness::Reply| reply.expect(200).json()["resolvedPath"].clone();
    assert_eq!(
        content(get(&server, "scripts/read?path=a.ts").await),
        "1/a.ts"
    );
    assert_eq!(
        content(get(&server, "scripts/read?path=a.ts&execId=2").await),
        "2/a.ts"
    );
    assert_eq!(
        content(get(&server, "scripts/read?path=a.ts&exec_id=2").await),
        "2/a.ts"
    );
    assert_eq!(
        content(
            get(&server, "scripts/read?path=a.ts")
                .header("host", "2.localhost")
                .await
        ),
        "2/a.ts"
    );
    assert_eq!(
        content(
            get(&server, "scripts/read?path=a.ts&execId=1")
                .header("host", "2.localhost")
                .await
        ),
        "1/a.ts"
    );
    let body = json!({ "path": "b.ts", "content": "return 'b'", "execId": 2 });
    assert_eq!(
        content(post(&server, "scripts/write", body.clone()).await),
        "2/b.ts"
    );
    assert_eq!(
        content(post(&server, "scripts/write?execId=new-one", body).await),
        "new-one/b.ts"
    );
    server
        .get("/b")
        .header("host", "new-one.localhost")
        .await
        .expect_text(200, "b");
    // What is written before a path is dropped only when it is the deployment.
    let body = json!({ "path": "scripts/2/c.ts", "content": "return 'c'", "execId": "2" });
    assert_eq!(
        content(post(&server, "scripts/write", body).await),
        "2/c.ts"
    );
}
