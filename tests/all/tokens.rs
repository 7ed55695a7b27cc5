//! What tokens do where scripts are called: who is let in, what the script and
//! the log see, and when an old URL is dead.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{ROOT_TOKEN, Reply, Server};

const TOKENS: &str = "/api/v1/auth/tokens";

/// Makes a token and gives its id and its secret.
async fn make(server: &Server, mut body: Value) -> (String, String) {
    body["alias"] = json!("sunday");
    let made = server.post(TOKENS, body.to_string()).as_root().await;
    let data = made.expect(201).json()["data"].clone();
    let text = |name: &str| data[name].as_str().expect(name).to_owned();
    (text("id"), text("token"))
}

async fn rotate(server: &Server, id: &str, body: Value) -> Reply {
    let target = format!("{TOKENS}/{id}/rotate");
    server.post(&target, body.to_string()).as_root().await
}

fn secret_of(reply: Reply) -> String {
    let token = reply.expect(200).json()["data"]["token"].clone();
    token.as_str().expect("the new secret").to_owned()
}

#[tokio::test]
async fn a_token_that_may_run_opens_guarded_scripts_and_no_script_sees_it() {
    let show = "return { url: req.url, auth: req.headers.authorization ?? null };";
    let server = Server::with_scripts(&[
        ("open.ts", show),
        ("guarded.ts", &format!("// @token its-own\n{show}")),
    ])
    .start()
    .await;
    let (_, secret) = make(&server, json!({ "permissions": ["exec:run"] })).await;
    for path in ["/open", "/guarded"] {
        let reply = server.get(&format!("{path}?a=1&token={secret}")).await;
        let reply = reply
            .expect(200)
            .expect_header("referrer-policy", "no-referrer");
        assert!(!reply.text().contains(&secret), "{reply:?}");
        let reply = server.get(path).token(&secret).await.expect(200);
        assert_eq!(reply.json()["auth"], Value::Null);
    }
    // A script's own parameter of that name stays its own.
    let reply = server.get("/open?token=voucher-7").await.expect(200);
    assert!(reply.text().contains("voucher-7"));
    let (_, reader) = make_other(&server).await;
    server.get("/guarded").token(&reader).await.expect(403);
    let lines = server
        .post(
            "/api/v1/exec/logs/read",
            json!({ "file": "access/access.log", "lines": 1000 }).to_string(),
        )
        .as_root()
        .await;
    assert!(lines.text().contains("sunday"), "{lines:?}");
}

async fn make_other(server: &Server) -> (String, String) {
    let body = json!({ "alias": "reader", "permissions": ["exec:read"] });
    let made = server.post(TOKENS, body.to_string()).as_root().await;
    let data = made.expect(201).json()["data"].clone();
    let text = |name: &str| data[name].as_str().expect(name).to_owned();
    (text("id"), text("token"))
}

#[tokio::test]
async fn a_rotated_token_is_dead_everywhere_at_once() {
    let server = Server::with_script("renew.ts", "return 'renewed';")
        .start()
        .await;
    let (id, old) = make(&server, json!({ "permissions": ["exec"] })).await;
    let places = ["/renew", "/api/v1/exec/scripts/list"];
    let status = async |path: &str, token: &str| {
        let reply = server.get(&format!("{path}?token={token}")).await;
        reply.status.as_u16()
    };
    let new = secret_of(rotate(&server, &id, json!({})).await);
    for path in places {
        assert_eq!(
            (status(path, &old).await, status(path, &new).await),
            (401, 200),
            "{path}"
        );
    }
    let reply = rotate(&server, &id, json!({ "overlap_seconds": 600 })).await;
    assert!(reply.json()["data"]["previous_expires_at"].is_string());
    let newest = secret_of(reply);
    for path in places {
        assert_eq!(
            (status(path, &new).await, status(path, &newest).await),
            (200, 200),
            "{path}"
        );
    }
    for wrong in [json!(-1), json!(604_801), json!("a day")] {
        rotate(&server, &id, json!({ "overlap_seconds": wrong }))
            .await
            .expect(400);
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let server = Server::with_script("a.ts", "return 1;").start().await;
    let (id, secret) = make(&server, json!({ "permissions": ["exec:read"] })).await;
    server.get("/a").await.expect(200);
    let target = format!("/api/v1/exec/logs/stream?file=access/access.log&token={secret}");
    let follow = server.get(&target);
    let (stream, _) = tokio::join!(follow, async {
        // However late the stream opens, it must not outlive the token: this test
        // fails by waiting for its end in vain.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        rotate(&server, &id, json!({})).await.expect(200)
    });
    assert!([200, 401].contains(&stream.status.as_u16()), "{stream:?}");
}

#[tokio::test]
async fn a_token_stays_within_its_bounds() {
    let server = Server::with_script("a.ts", "// @token x\nreturn 1;")
        .file("2/b.ts", "// @token x\nreturn 2;")
        .start()
        .await;
    let body = json!({ "permissions": ["exec", "auth"], "deployments": ["2"], "users": ["ann"] });
    let (id, secret) = make(&server, body).await;
    let list = "/api/v1/exec/scripts/list";
    server
        .get(&format!("{list}?execId=2"))
        .token(&secret)
        .await
        .expect(200);
    server.get(list).token(&secret).await.expect(403);
    server.get("/a").token(&secret).await.expect(403);
    server
        .get("/b")
        .header("host", "2.localhost")
        .token(&secret)
        .await;
    let me = server
        .get(&format!("{TOKENS}/me"))
        .token(&secret)
        .await
        .expect(200)
        .json();
    assert_eq!(me["data"]["deployments"], json!(["2"]));
    assert_eq!(
        (&me["data"]["users"], &me["data"]["id"]),
        (&json!(["ann"]), &json!(id))
    );
    let wider = json!({ "alias": "wider", "permissions": ["exec"] });
    server
        .post(TOKENS, wider.to_string())
        .token(&secret)
        .await
        .expect(403);
    let elsewhere = json!({ "ip_whitelist": ["192.0.2.0/24"] });
    let target = format!("{TOKENS}/{id}");
    let put = server
        .request(Method::PUT, &target)
        .as_root()
        .json(&elsewhere);
    put.await.expect(200);
    server
        .get(&format!("{list}?execId=2"))
        .token(&secret)
        .await
        .expect(401);
    for wrong in [
        json!({ "ip_whitelist": ["nowhere"] }),
        json!({ "deployments": ["../1"] }),
    ] {
        let put = server.request(Method::PUT, &target).as_root().json(&wrong);
        put.await.expect(400);
    }
}

#[tokio::test]
async fn scripts_can_be_closed_to_everybody_without_a_token() {
    let server = Server::with_scripts(&[
        ("a.ts", "return 1;"),
        ("via.ts", "return await (await fetch('/a')).text();"),
        ("own.ts", "// @token its-own\nreturn 2;"),
    ])
    .set("auth.scripts_need_token", true)
    .start()
    .await;
    let (_, secret) = make(&server, json!({ "permissions": ["exec:run"] })).await;
    server.get("/a").await.expect(401);
    server
        .get(&format!("/a?token={secret}"))
        .await
        .expect_text(200, "1");
    server
        .get("/via")
        .token(&secret)
        .await
        .expect_text(200, "1");
    server.get("/own?token=its-own").await.expect_text(200, "2");
    server.get("/a?token=its-own").await.expect(401);
}

#[tokio::test]
async fn who_guesses_has_to_wait() {
    let server = Server::with_script("a.ts", "// @token s3cret\nreturn 1;")
        .set("auth.failures_per_minute", 4)
        .start()
        .await;
    let list = "/api/v1/exec/scripts/list";
    for _ in 0..2 {
        server.get(list).token("guess").await.expect(401);
        server.get("/a?token=guess").await.expect(401);
    }
    let waiting = server.get(list).token(ROOT_TOKEN).await;
    let waiting = waiting.expect_error(429, "TOO_MANY_ATTEMPTS");
    assert!(waiting.header("retry-after").is_some(), "{waiting:?}");
    server.get("/a?token=s3cret").await.expect(429);
    // Whoever presents nothing learns what he learnt before.
    server.get(list).await.expect(401);
}
