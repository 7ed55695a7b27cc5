//! What tokens do where scripts are called: who is let in, what the script and
//! the log see, and when an old URL is dead.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{ROOT_TOKEN, Reply, Server};

const TOKENS: &str = "/api/v1/auth/tokens";

/// Makes a token and gives its id and its secret.
async fn make(server: &Server, mut body: Value) -> (String, String) {
    if body["alias"].is_null() {
        body["alias"] = json!("sunday");
    }
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
    let (id, secret) = make(&server, json!({ "permissions": ["logs"] })).await;
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
    let body = json!({ "alias": "of all", "permissions": ["proxy", "logs"], "deployments": ["2"] });
    let (_, of_all) = make(&server, body).await;
    for target in [
        "/api/v1/proxy/aliases",
        "/api/v1/proxy/certs",
        "/_logs",
        "/api/v1/exec/logs/list?execId=2",
    ] {
        let refused = server.get(target).token(&of_all).await.expect(403);
        assert!(refused.text().contains("concerns all"), "{target}");
    }
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

/// Reads one answer with a length off a connection that stays open: its status.
async fn status_of_next(stream: &mut tokio::net::TcpStream) -> u16 {
    use tokio::io::AsyncReadExt;
    let mut answer = Vec::new();
    let end = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.expect("an answer");
        answer.push(byte[0]);
        if answer.ends_with(b"\r\n\r\n") {
            break String::from_utf8_lossy(&answer).to_ascii_lowercase();
        }
    };
    let length = end.split("content-length: ").nth(1).expect("a length");
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    stream
        .read_exact(&mut vec![0; length])
        .await
        .expect("a body");
    end.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_connection_that_stays_open_does_not_keep_a_token_alive() {
    use tokio::io::AsyncWriteExt;
    let server = Server::with_script("a.ts", "// @token x\nreturn 'a';");
    let server = server.start().await;
    let (id, secret) = make(&server, json!({ "permissions": ["exec"] })).await;
    let mut stream = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    let mut ask = async |path: &str| {
        let request = format!("GET {path}?token={secret} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        status_of_next(&mut stream).await
    };
    let places = ["/a", "/api/v1/exec/scripts/list"];
    for path in places {
        assert_eq!(ask(path).await, 200, "{path}");
    }
    rotate(&server, &id, json!({})).await.expect(200);
    for path in places {
        assert_eq!(ask(path).await, 401, "{path}");
    }
}

#[tokio::test]
async fn what_a_script_streams_ends_with_the_token_that_asked_for_it() {
    let stream = "// @timeout 300000
        console.log(metadata.query.type);
        const encoder = new TextEncoder();
        return new Response(new ReadableStream({
            async start(out) {
                for (;;) {
                    out.enqueue(encoder.encode('data: on\\n\\n'));
                    await new Promise((done) => setTimeout(done, 50));
                }
            },
        }), { headers: { 'content-type': metadata.query.type } });";
    let server = Server::with_script("stream.ts", stream).set("auth.scripts_need_token", true);
    let server = server
        .set("limits.wall_clock_max_ms", 300_000)
        .start()
        .await;
    for (kind, is_clean) in [
        ("text/event-stream", true),
        ("application/octet-stream", false),
    ] {
        let body = json!({ "permissions": ["exec:run"], "alias": kind });
        let made = server
            .post(TOKENS, body.to_string())
            .as_root()
            .await
            .expect(201);
        let made = made.json()["data"].clone();
        let target = format!(
            "/stream?type={kind}&token={}",
            made["token"].as_str().unwrap()
        );
        // It fails by waiting for the end in vain.
        let follow = server.get(&target).send();
        let (ended, _) = tokio::join!(follow, async {
            // Whether it has begun or not, it must not outlive the token.
            server.logs(kind).await;
            rotate(&server, made["id"].as_str().unwrap(), json!({}))
                .await
                .expect(200)
        });
        assert_eq!(ended.is_ok(), is_clean, "{kind}: {ended:?}");
        if let Ok(reply) = ended {
            assert!(reply.text().contains("data: on"));
        }
    }
}

#[tokio::test]
async fn a_configured_root_token_that_was_rotated_is_dead_after_a_restart_too() {
    let mut server = Server::empty().start().await;
    let new = secret_of(rotate(&server, "root", json!({ "overlap_seconds": 0 })).await);
    server.restart().await;
    server.get(TOKENS).as_root().await.expect(401);
    server.get(TOKENS).token(&new).await.expect(200);
    server.logs("the configured root token was rotated").await;
}

#[tokio::test]
async fn the_scope_logs_reads_logs_and_counts_and_nothing_else_does() {
    let server = Server::with_script("a.ts", "return 1;").start().await;
    server.get("/a").await.expect(200);
    let (_, logs) = make(&server, json!({ "permissions": ["logs"] })).await;
    let (_, reader) = make_other(&server).await;
    for path in [
        "/api/v1/exec/logs/list",
        "/api/v1/exec/monitor/stats",
        "/api/v1/exec/monitor/scripts",
        "/metrics",
        "/_logs",
        "/_logs/stats",
    ] {
        server.get(path).token(&logs).await.expect(200);
        server.get(path).token(&reader).await.expect(403);
    }
    let search = server.post(
        "/api/v1/exec/logs/search",
        json!({ "query": "a" }).to_string(),
    );
    search.token(&logs).await.expect(200);
    server
        .get("/api/v1/exec/scripts/list")
        .token(&logs)
        .await
        .expect(403);
}

#[tokio::test]
async fn the_name_of_a_token_is_in_every_line_and_the_token_in_none() {
    let show = "console.log(req.url); return { url: req.url, query: metadata.query };";
    let server = Server::with_script("a.ts", show).start().await;
    let (_, secret) = make(&server, json!({ "permissions": ["exec", "logs"] })).await;
    for path in ["/a", "/api/v1/exec/scripts/list", "/_logs"] {
        let reply = server
            .get(&format!("{path}?token={secret}"))
            .await
            .expect(200);
        assert!(!reply.text().contains(&secret), "{path}");
        reply.expect_header("referrer-policy", "no-referrer");
    }
    server.logs("/_logs").await;
    let access = std::fs::read_to_string(server.data().join("logs/access/access.log")).unwrap();
    for path in ["/a", "/api/v1/exec/scripts/list", "/_logs"] {
        let line = access
            .lines()
            .find(|line| line.contains(&format!("\"{path}?")));
        let line = line.unwrap_or_else(|| panic!("no line of {path} in {access}"));
        assert!(line.contains("\"token\":\"sunday\""), "{line}");
    }
    let printed = std::fs::read_to_string(server.data().join("logs/executions/executions.log"));
    let printed = printed.unwrap();
    assert!(printed.contains("\"token\":\"sunday\""), "{printed}");
    let lines = server.get("/_logs").as_root().await.expect(200).json();
    let lines = lines["logs"].as_array().unwrap();
    let by_sunday = |line: &&Value| line["data"]["token"] == "sunday";
    assert_eq!(lines.iter().filter(by_sunday).count(), 3, "{lines:?}");
    assert!(!server.log().contains(&secret));
}

/// An upstream that answers with what it was asked.
async fn mirror() -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {read}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&request[..read]).await;
        }
    });
    port
}

#[tokio::test]
async fn an_upstream_never_sees_a_management_token_and_guesses_at_an_alias_count() {
    let port = mirror().await;
    let server = Server::with_script("a.ts", "// @token x\nreturn req.url;")
        .set("proxy.allow", "127.0.0.1")
        .set(
            "proxy.aliases",
            format!("out.test=http://127.0.0.1:{port}, in.test=scripts:1"),
        )
        .set("auth.failures_per_minute", 3)
        .start()
        .await;
    let (id, secret) = make(&server, json!({ "permissions": ["exec:run"] })).await;
    let at = |host: &'static str, target: &str| server.get(target).header("host", host);
    let seen = at("out.test", &format!("/x?a=1&token={secret}&b=2")).token(&secret);
    let seen = seen
        .await
        .expect(200)
        .expect_header("referrer-policy", "no-referrer");
    assert!(
        seen.text().contains("/x?a=1&b=2") && !seen.text().contains("fp_"),
        "{seen:?}"
    );
    let own = at("out.test", "/x?token=theirs")
        .token("theirs")
        .await
        .expect(200)
        .text();
    assert!(
        own.contains("token=theirs") && own.contains("Bearer theirs"),
        "{own}"
    );
    // To scripts the token opens the door, and is gone behind it.
    let url = format!("/a?token={secret}&b=2");
    at("in.test", &url).await.expect_text(200, "/a?b=2");
    let lines = server.get("/_logs").as_root().await.expect(200).text();
    assert!(
        !lines.contains("fp_") && !lines.contains("theirs"),
        "{lines}"
    );
    rotate(&server, &id, json!({})).await.expect(200);
    at("in.test", &url).await.expect(401);
    closed_alias(&server, port).await;
    // One failure is counted already. Who brings nothing does not guess.
    at("closed.test", "/").await.expect(401);
    for _ in 0..2 {
        at("closed.test", "/?key=guess").await.expect(401);
    }
    at("closed.test", "/?key=s3cret").await.expect(429);
    server.get(TOKENS).as_root().await.expect(429);
}

async fn permit(server: &Server, alias: &str, version: u64, below: &str, body: Value) {
    let method = match below {
        "default" => Method::PATCH,
        _ => Method::PUT,
    };
    let target = format!("/api/v1/proxy/aliases/{alias}/permissions/{below}");
    let change = server.request(method, &target).as_root().json(&body);
    let change = change.header("if-match", &format!("file:v{version}"));
    change.await.expect(200);
}

/// An alias `closed.test` to this port that only `?key=s3cret` opens: its id.
async fn closed_alias(server: &Server, port: u16) -> String {
    let body = json!({ "host": "closed.test", "upstream": format!("http://127.0.0.1:{port}") });
    let made = server
        .post("/api/v1/proxy/aliases", "")
        .as_root()
        .json(&body);
    let made = made.await.expect(201).json()["data"]["id"].clone();
    let id = made.as_str().unwrap().to_owned();
    permit(server, &id, 0, "default", json!({ "default": "deny" })).await;
    let key = json!({ "param": "key", "value": "s3cret" });
    permit(server, &id, 1, "groups/url/token", key).await;
    id
}

/// An upstream that becomes an echo, as a WebSocket would.
async fn echo() -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 8192]).await;
                let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    port
}

/// A tunnel to the echo, which has answered once.
async fn tunnel(server: &Server, host: &str, target: &str) -> tokio::net::TcpStream {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{answer:?}");
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    stream
}

#[tokio::test]
async fn a_tunnel_through_an_alias_ends_when_its_secret_is_replaced() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let port = echo().await;
    let server = Server::empty()
        .set("proxy.allow", "127.0.0.1")
        .set(
            "proxy.aliases",
            format!("open.test=http://127.0.0.1:{port}"),
        )
        .start()
        .await;
    let id = closed_alias(&server, port).await;
    let mut open = tunnel(&server, "open.test", "/").await;
    let mut closed = tunnel(&server, "closed.test", "/?key=s3cret").await;
    let key = json!({ "param": "key", "value": "another" });
    permit(&server, &id, 2, "groups/url/token", key).await;
    // It fails by waiting for the end in vain.
    let ended = tokio::time::timeout(crate::harness::PATIENCE, closed.read_u8()).await;
    assert!(ended.expect("it ends").is_err());
    tunnel(&server, "closed.test", "/?key=another").await;
    open.write_all(b"y").await.unwrap();
    assert_eq!(open.read_u8().await.unwrap(), b'y');
}

#[tokio::test]
async fn the_way_to_https_keeps_the_url_to_itself_too() {
    let server = Server::with_script("a.ts", "return 1;");
    let server = server.set("proxy.redirect_to_https", true).https();
    let server = server.start().await;
    let moved = server.get("/a?token=fp_x").await.expect(308);
    moved.expect_header("referrer-policy", "no-referrer");
    let plain = server.get("/a").await.expect(308);
    assert!(plain.header("referrer-policy").is_none(), "{plain:?}");
}
