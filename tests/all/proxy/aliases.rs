//! Aliases: where requests go, what passes, who may.

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Upstream, data};
use crate::harness::{Reply, Sending, Server, Setup, skip};

const ALIASES: &str = "/api/v1/proxy/aliases";

fn allowing(upstream: &Upstream) -> Setup {
    Server::with_script("where.ts", "return { path: metadata.path, url: req.url }")
        .set("proxy.allow", format!("127.0.0.1:{}", upstream.port))
}

fn create(server: &Server, body: Value) -> Sending<'_> {
    server.post(ALIASES, "").as_root().json(&body)
}

async fn created(server: &Server, body: Value) -> String {
    let reply = create(server, body).await.expect(201).json();
    data(&reply)["id"].as_str().expect("an id").to_owned()
}

fn at<'a>(server: &'a Server, host: &str, target: &str) -> Sending<'a> {
    server.get(target).header("host", host)
}

fn change<'a>(server: &'a Server, method: Method, below: &str, body: Value) -> Sending<'a> {
    let request = server.request(method, &format!("{ALIASES}/{below}"));
    request.as_root().json(&body)
}

#[tokio::test]
async fn a_request_reaches_the_upstream_and_says_where_it_came_from() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let mut server = allowing(&upstream).start().await;
    let id = created(
        &server,
        json!({ "host": "App.Example", "upstream": upstream.url() }),
    )
    .await;
    let sent = server
        .post("/x/y?a=1&token=keep", "hello")
        .header("host", "app.example:80");
    let sent = sent
        .header("x-forwarded-for", "9.9.9.9")
        .header("connection", "x-hop");
    let told = sent.header("x-hop", "1").await.expect(200).json();
    assert_eq!(
        (&told["method"], &told["url"]),
        (&json!("POST"), &json!("/x/y?a=1&token=keep"))
    );
    assert_eq!(told["length"], 5);
    let headers = &told["headers"];
    assert_eq!(headers["host"], "app.example:80");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert!(
        headers["x-hop"].is_null() && headers["via"].is_string(),
        "{headers}"
    );
    at(&server, "other.example", "/where").await.expect(200);

    // It is there after a restart, until it is switched off or deleted.
    server.restart().await;
    at(&server, "app.example", "/").await.expect(200);
    change(
        &server,
        Method::PATCH,
        &format!("{id}/state"),
        json!({ "enabled": false }),
    )
    .await
    .expect(200);
    at(&server, "app.example", "/").await.expect(404);
    let past = json!({ "enabled": true, "expires_at": "2020-01-01T00:00:00Z" });
    change(&server, Method::PATCH, &id, past).await.expect(200);
    at(&server, "app.example", "/").await.expect(404);
    change(&server, Method::PATCH, &id, json!({ "expires_at": null }))
        .await
        .expect(200);
    at(&server, "app.example", "/").await.expect(200);
    change(&server, Method::DELETE, &id, json!({}))
        .await
        .expect(200);
    at(&server, "app.example", "/where").await.expect(200);
}

#[tokio::test]
async fn hosts_prefixes_and_paths_choose_the_target() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let setup = allowing(&upstream).file(
        "2/where.ts",
        "return { deployment: 2, path: metadata.path }",
    );
    let configured = format!("configured.example={}", upstream.url());
    let server = setup.set("proxy.aliases", configured).start().await;
    let url = upstream.url();
    created(&server, json!({ "host": "*.wide.example", "upstream": url, "path_prefix": "/api", "target_path": "/v2" })).await;
    created(
        &server,
        json!({ "host": "a.wide.example", "container_id": "2" }),
    )
    .await;
    created(&server, json!({ "alias": "pinned", "upstream": url, "target_path": "/only", "allow_path_override": false })).await;
    let asked = async |host: &str, target: &str| {
        at(&server, host, target).await.expect(200).json()["url"].clone()
    };
    assert_eq!(asked("b.wide.example", "/api/x?q=1").await, "/v2/x?q=1");
    assert_eq!(asked("b.wide.example", "/api").await, "/v2");
    assert_eq!(
        asked("b.wide.example", "/where").await,
        "/where",
        "not below the prefix"
    );
    assert_eq!(asked("configured.example", "/c").await, "/c");
    assert_eq!(asked("pinned.localhost", "/").await, "/only");
    at(&server, "pinned.localhost", "/other")
        .await
        .expect_error(404, "ALIAS_PATH_PINNED");
    let exact = at(&server, "a.wide.example", "/where").await;
    exact.expect_json(200, json!({ "deployment": 2, "path": "/where" }));
    // A path cannot climb out of what the alias is for.
    for target in ["/api/../secret", "/api/%2e%2e/secret", "/api/..%2fsecret"] {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: b.wide.example\r\nconnection: close\r\n\r\n");
        server.raw(request).await.expect(400);
    }
    // A scripts' alias does not lead to the management API.
    at(&server, "a.wide.example", "/api/v1/exec/scripts/list")
        .as_root()
        .await
        .expect(404);
}

#[tokio::test]
async fn what_is_no_alias_is_refused() {
    let server = Server::empty()
        .set("proxy.allow", "127.0.0.1:9")
        .start()
        .await;
    let good = json!({ "host": "a.example", "upstream": "http://127.0.0.1:9" });
    created(&server, good.clone()).await;
    let conflict = create(&server, good).await.expect(409).json();
    assert_eq!(conflict["details"]["code"], "ALIAS_IN_USE");
    let cases = [
        (
            json!({ "host": "b.example", "upstream": "http://127.0.0.1:10" }),
            403,
        ),
        (
            json!({ "host": "b.example", "upstream": "http://169.254.169.254" }),
            403,
        ),
        (
            json!({ "host": "b.example", "upstream": "http://[::1]:9" }),
            403,
        ),
        (
            json!({ "host": "b.example", "upstream": "file:///etc/passwd" }),
            400,
        ),
        (
            json!({ "host": "b.example", "upstream": "http://u:p@a.example" }),
            400,
        ),
        (json!({ "host": "127.0.0.1", "container_id": "1" }), 400),
        (json!({ "host": "*.com", "container_id": "1" }), 400),
        (json!({ "alias": "a_b", "container_id": "1" }), 400),
        (json!({ "host": "b.example" }), 400),
        (
            json!({ "host": "b.example", "container_id": "1", "upstream": "http://a.example" }),
            400,
        ),
        (
            json!({ "host": "b.example", "container_id": "1", "path_prefix": "api" }),
            400,
        ),
        (
            json!({ "host": "b.example", "container_id": "1", "program": "terminal" }),
            400,
        ),
        (
            json!({ "host": "b.example", "container_id": "1", "program": "exec", "port": 9 }),
            400,
        ),
        (
            json!({ "host": "b.example", "program": "http", "port": 65536 }),
            400,
        ),
        (
            json!({ "host": "b.example", "container_id": "!", "program": "http", "port": 9 }),
            400,
        ),
        (json!({ "host": "b.example", "program": "http" }), 400),
        (
            json!({ "host": "b.example", "program": "exec", "upstream": "http://127.0.0.1:9" }),
            400,
        ),
        (
            json!({ "host": "b.example", "container_id": "1", "expires_at": "2020-01-01T00:00:00Z" }),
            400,
        ),
    ];
    for (body, status) in cases {
        create(&server, body).await.expect(status);
    }
    // A port is one of this machine, whichever deployment it is said to be of.
    let body = json!({ "host": "b.example", "container_id": "1", "program": "http", "port": 9 });
    let rehearse = server.post(&format!("{ALIASES}?dry_run=true"), "");
    let rehearsed = rehearse.as_root().json(&body).await;
    let shown = rehearsed.expect_header("x-dry-run", "true").json();
    assert_eq!(data(&shown)["upstream"], "http://127.0.0.1:9");
    let made = create(&server, body).await.expect(201);
    assert_eq!(made.header("x-dry-run"), None);
    let token = json!({ "alias": "certs", "permissions": ["proxy:cert"] });
    let token = server
        .post("/api/v1/auth/tokens", "")
        .as_root()
        .json(&token)
        .await
        .json();
    let token = data(&token)["token"].as_str().unwrap().to_owned();
    server.get(ALIASES).token(&token).await.expect(403);
    server.get(ALIASES).await.expect(401);
    let random = create(&server, json!({ "alias": null, "container_id": "1" }))
        .await
        .expect(201)
        .json();
    assert_eq!(data(&random)["alias"].as_str().map(str::len), Some(48));
}

#[tokio::test]
async fn an_upstream_that_fails_is_told_by_kind() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let allow = format!("127.0.0.1:{},{closed}", upstream.port);
    let server = Server::empty()
        .set("proxy.allow", allow)
        .set("proxy.first_byte_ms", 300)
        .start()
        .await;
    let own = format!("http://{}", server.address());
    created(
        &server,
        json!({ "host": "node.example", "upstream": upstream.url() }),
    )
    .await;
    created(
        &server,
        json!({ "host": "closed.example", "upstream": format!("http://{closed}") }),
    )
    .await;
    created(
        &server,
        json!({ "host": "nowhere.example", "upstream": "http://nowhere.invalid" }),
    )
    .await;
    created(&server, json!({ "host": "loop.example", "upstream": own })).await;
    at(&server, "closed.example", "/")
        .await
        .expect_error(502, "UPSTREAM_CONNECT");
    at(&server, "nowhere.example", "/")
        .await
        .expect_error(502, "UPSTREAM_DNS");
    at(&server, "node.example", "/breaks")
        .await
        .expect_error(502, "UPSTREAM_PROTOCOL");
    at(&server, "node.example", "/silent")
        .await
        .expect_error(504, "UPSTREAM_TIMEOUT");
    at(&server, "loop.example", "/")
        .await
        .expect_error(508, "LOOP_DETECTED");
    at(&server, "node.example", "/").await.expect(200);
}

#[tokio::test]
async fn an_alias_to_itself_is_a_loop_even_where_the_address_is_allowed() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let server = Server::empty()
        .argument("--http")
        .argument(&address)
        .set("proxy.allow", &address);
    let server = server.start().await;
    created(
        &server,
        json!({ "host": "loop.example", "upstream": format!("http://{address}") }),
    )
    .await;
    at(&server, "loop.example", "/")
        .await
        .expect_error(508, "LOOP_DETECTED");
}

#[tokio::test]
async fn bodies_stream_and_upgrades_pass() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let server = allowing(&upstream).start().await;
    created(
        &server,
        json!({ "host": "app.example", "upstream": upstream.url() }),
    )
    .await;
    // What was sent comes back before more is sent: nobody waits for a body's end.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = b"POST /streams HTTP/1.1\r\nhost: app.example\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    for part in ["one", "two", "six"] {
        stream
            .write_all(format!("3\r\n{part}\r\n").as_bytes())
            .await
            .unwrap();
        let head = read_until(&mut stream, part).await;
        assert!(!head.contains("x-hop"), "{head}");
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "0\r\n\r\n").await;

    for early in ["", "sent before the answer "] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        let ask = format!(
            "GET /socket HTTP/1.1\r\nhost: app.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n{early}"
        );
        socket.write_all(ask.as_bytes()).await.unwrap();
        let head = read_until(&mut socket, &format!("\r\n\r\n{early}")).await;
        assert!(
            head.starts_with("HTTP/1.1 101") && head.contains("upgrade: websocket"),
            "{head}"
        );
        // Bytes that are no HTTP at all.
        for part in ["\0\n\r\n\0ping", "\u{1}GET / HTTP/1.1\n\n"] {
            socket.write_all(part.as_bytes()).await.unwrap();
            read_until(&mut socket, part).await;
        }
    }
    let refused = "GET /refuses HTTP/1.1\r\nhost: app.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\
                   GET /after HTTP/1.1\r\nhost: app.example\r\nconnection: close\r\n\r\n";
    let reply = server.raw(refused).await.expect(403);
    assert!(reply.text().contains("/after"), "HTTP goes on: {reply:?}");

    for nothing in ["level=nope", "kind=nope"] {
        let asked = server.get(&format!("/_logs?{nothing}")).as_root();
        let refused = asked.await.expect(400).text();
        assert!(refused.contains("must be one of"), "{refused}");
    }
    let logs = server
        .get("/_logs?kind=response")
        .as_root()
        .await
        .expect(200)
        .json();
    let line = logs["logs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["url"] == "/streams")
        .cloned();
    let line = line.expect("a line of the stream");
    assert_eq!(
        (&line["status"], &line["source"]),
        (&json!(200), &json!("backend"))
    );
    let told = &line["data"];
    assert_eq!(
        (&told["bytesIn"], &told["bytesOut"]),
        (&json!(9), &json!(9))
    );
    assert_eq!(
        (&told["host"], &told["upstream"]),
        (&json!("app.example"), &json!(upstream.url()))
    );
    let stats = server
        .get("/_logs/stats")
        .as_root()
        .await
        .expect(200)
        .json();
    assert!(stats["byStatus"]["2xx"].as_u64() > Some(0), "{stats}");
    server.get("/_logs").await.expect(401);
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !read.windows(end.len()).any(|part| part == end.as_bytes()) {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(
                count > 0,
                "it ended with {:?}",
                String::from_utf8_lossy(&read)
            );
            read.extend_from_slice(&piece[..count]);
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, reading)
        .await
        .expect("an answer in time");
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn groups_let_requests_in_and_their_secrets_stay_here() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let server = allowing(&upstream).start().await;
    let id = created(
        &server,
        json!({ "host": "app.example", "upstream": upstream.url() }),
    )
    .await;
    let permissions = format!("{id}/permissions");
    let put = |below: &str, version: u64, body: Value| {
        change(
            &server,
            Method::PUT,
            &format!("{permissions}/{below}"),
            body,
        )
        .header("if-match", &format!("file:v{version}"))
    };
    let deny = || {
        change(
            &server,
            Method::PATCH,
            &format!("{permissions}/default"),
            json!({ "default": "deny" }),
        )
    };
    deny().await.expect(428);
    deny().header("if-match", "file:v9").await.expect(412);
    deny().header("if-match", "file:v0").await.expect(200);
    at(&server, "app.example", "/").await.expect(403);
    put(
        "groups/url/token",
        1,
        json!({ "param": "key", "value": "s3cret" }),
    )
    .await
    .expect(200);
    put(
        "groups/head/token",
        2,
        json!({ "header": "x-key", "value": "s3cret" }),
    )
    .await
    .expect(200);
    put(
        "groups/bad/token",
        3,
        json!({ "header": "x", "param": "y", "value": "z" }),
    )
    .await
    .expect(400);
    // SHA-256 of "salt" and "pass".
    let hash = {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(b"saltpass");
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let password =
        json!({ "username": "ann", "password": hash, "algorithm": "sha256", "salt": "salt" });
    put("groups/people/password", 3, password).await.expect(200);
    let unknown = at(&server, "app.example", "/").await.expect(401);
    assert!(
        unknown
            .header("www-authenticate")
            .is_some_and(|value| value.starts_with("Basic"))
    );
    let told = |reply: Reply| reply.expect(200).json();
    let by_url = at(&server, "app.example", "/?a=1&key=s3cret")
        .await
        .expect_header("referrer-policy", "no-referrer");
    assert_eq!(told(by_url)["url"], "/?a=1");
    let by_header = told(
        at(&server, "app.example", "/")
            .header("x-key", "s3cret")
            .await,
    );
    assert!(by_header["headers"]["x-key"].is_null(), "{by_header}");
    let by_password = at(&server, "app.example", "/")
        .header("authorization", "Basic YW5uOnBhc3M=")
        .await;
    assert!(told(by_password)["headers"]["authorization"].is_null());
    at(&server, "app.example", "/?key=wrong").await.expect(401);
    let shown = server
        .get(&format!("{ALIASES}/{permissions}"))
        .as_root()
        .await
        .expect(200);
    assert!(
        !shown.text().contains("s3cret") && !shown.text().contains(&hash),
        "{shown:?}"
    );
    let logs = server.get("/_logs").as_root().await.expect(200);
    assert!(!logs.text().contains("s3cret"), "{logs:?}");
    put("groups/here/ip", 4, json!({ "range": "127.0.0.0/8" }))
        .await
        .expect(200);
    at(&server, "app.example", "/").await.expect(200);
    let off = change(
        &server,
        Method::PATCH,
        &format!("{permissions}/state"),
        json!({ "enable_proxy": false }),
    );
    off.header("if-match", "file:v5").await.expect(200);
    at(&server, "app.example", "/?key=s3cret").await.expect(403);
}

/// HS256 by hand (RFC 7519, section 3.1 shows one).
fn signed(secret: &[u8], claims: Value) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let head = part(r#"{"alg":"HS256","typ":"JWT"}"#);
    let message = format!("{head}.{}", part(&claims.to_string()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let tag = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

#[tokio::test]
async fn signed_tokens_let_requests_in() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let mut server = allowing(&upstream).start().await;
    let id = created(
        &server,
        json!({ "host": "app.example", "upstream": upstream.url() }),
    )
    .await;
    let group = format!("{id}/permissions/groups/staff/jwt");
    let put = async |server: &Server, body: Value| {
        let request = change(server, Method::PUT, &group, body);
        request.header("if-match", "file:v0").await
    };
    let sources = json!(["header:authorization", "cookie:session"]);
    for bad in [
        json!({ "secret": "s3cret", "algorithm": "none", "sources": sources }),
        json!({ "secret": "s3cret", "algorithm": "RS256", "sources": sources }),
        json!({ "secret": "s3cret", "algorithm": "HS256", "sources": [] }),
        json!({ "algorithm": "HS256", "sources": sources }),
    ] {
        put(&server, bad).await.expect(400);
    }
    // Nor of a kind that there is not, nor of another than its fields are of.
    for kind in ["zip", "token"] {
        let body = json!({ "groups": { "staff": { "type": kind, "range": "10.0.0.0/8" } } });
        let request = change(&server, Method::PUT, &format!("{id}/permissions"), body);
        request.header("if-match", "file:v0").await.expect(400);
    }
    let claims = json!({ "role": "admin" });
    let good = json!({ "secret": "s3cret-of-jwt", "algorithm": "HS256", "sources": sources, "claims": claims });
    let told = put(&server, good).await.expect(200);
    assert!(!told.text().contains("s3cret-of-jwt"), "{told:?}");
    let deny = change(
        &server,
        Method::PATCH,
        &format!("{id}/permissions/default"),
        json!({ "default": "deny" }),
    );
    deny.header("if-match", "file:v1").await.expect(200);
    // It is sealed in the store, and there after a restart.
    server.restart().await;
    let far = 4_000_000_000_u64;
    let token = signed(b"s3cret-of-jwt", json!({ "role": "admin", "exp": far }));
    let by_header = at(&server, "app.example", "/").token(&token).await;
    let told = by_header.expect(200).json();
    assert!(told["headers"]["authorization"].is_null(), "{told}");
    let cookie = at(&server, "app.example", "/").header("cookie", &format!("session={token}"));
    cookie.await.expect(200);
    for (secret, claims) in [
        ("other", json!({ "role": "admin" })),
        ("s3cret-of-jwt", json!({ "role": "guest" })),
        (
            "s3cret-of-jwt",
            json!({ "role": "admin", "exp": 1_000_000_000 }),
        ),
    ] {
        let token = signed(secret.as_bytes(), claims);
        at(&server, "app.example", "/")
            .token(&token)
            .await
            .expect(401);
    }
    let mut folders = vec![server.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let secret = b"s3cret-of-jwt";
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_deployment_and_the_project_have_permissions_too() {
    let server = Server::with_script("a.ts", "return 'a'").file("2/a.ts", "return 'two'");
    let mut server = server.start().await;
    created(
        &server,
        json!({ "host": "one.example", "container_id": "1" }),
    )
    .await;
    created(
        &server,
        json!({ "host": "two.example", "container_id": "2" }),
    )
    .await;
    const CONTAINER: &str = "/api/v1/containers/2/proxy/permissions";
    const PROJECT: &str = "/api/v1/projects/any/proxy/permissions";
    let write = |method: Method, path: String, version: u64, body: Value| {
        let request = server.request(method, &path).as_root().json(&body);
        request.header("if-match", &format!("file:v{version}"))
    };
    let deny = json!({ "default": "deny" });
    let patch = |base: &str| format!("{base}/default");
    server.get(CONTAINER).await.expect(401);
    let stale = write(Method::PATCH, patch(CONTAINER), 7, deny.clone());
    stale.await.expect(412);
    write(Method::PATCH, patch(CONTAINER), 0, deny.clone())
        .await
        .expect(200);
    at(&server, "one.example", "/a").await.expect_text(200, "a");
    at(&server, "two.example", "/a").await.expect(403);
    let token = json!({ "header": "x-key", "value": "s3cret" });
    let group = format!("{CONTAINER}/groups/g/token");
    write(Method::PUT, group, 1, token).await.expect(200);
    let asked = || at(&server, "two.example", "/a").header("x-key", "s3cret");
    asked().await.expect_text(200, "two");
    write(Method::PATCH, patch(PROJECT), 0, deny)
        .await
        .expect(200);
    at(&server, "one.example", "/a").await.expect(403);
    asked().await.expect(403);
    server.restart().await;
    at(&server, "one.example", "/a").await.expect(403);
    let reset = server.request(Method::DELETE, PROJECT).as_root();
    reset.header("if-match", "file:v1").await.expect(200);
    at(&server, "one.example", "/a").await.expect_text(200, "a");
    at(&server, "two.example", "/a").await.expect(401);
}

#[tokio::test]
async fn settings_groups_and_services_are_there_by_themselves() {
    let server = Server::with_script("a.ts", "return 'a'")
        .set("proxy.allow", "127.0.0.1:9")
        .start()
        .await;
    let scripts = json!({ "host": "one.example", "container_id": "1" });
    let scripts = created(&server, scripts).await;
    let upstream = json!({ "host": "two.example", "upstream": "http://127.0.0.1:9" });
    let upstream = created(&server, upstream).await;
    const CONTAINER: &str = "/api/v1/containers/1/proxy";
    const PROJECT: &str = "/api/v1/projects/any/proxy";
    let read = async |path: String| {
        let reply = server.get(&path).as_root().await.expect(200).json();
        data(&reply).clone()
    };
    let put = |body: Value, version: &str| {
        let request = server.request(Method::PUT, &format!("{CONTAINER}/settings"));
        let request = request.as_root().json(&body);
        request.header("if-match", version)
    };
    let settings = |version: u64, enabled: bool, default: &str| {
        let version = format!("file:v{version}");
        json!({ "version": version, "enable_proxy": enabled, "default": default })
    };
    let at_first = read(format!("{CONTAINER}/settings")).await;
    assert_eq!(at_first, settings(0, true, "allow"));
    put(json!({ "default": "deny" }), "file:v1")
        .await
        .expect(412);
    put(json!({ "default": "maybe" }), "file:v0")
        .await
        .expect(400);
    let set = put(json!({ "default": "deny" }), "file:v0")
        .await
        .expect(200);
    assert_eq!(data(&set.json()), &settings(1, true, "deny"));
    at(&server, "one.example", "/a").await.expect(403);
    let access =
        async |base: &str, id: &str| read(format!("{base}/services/{id}")).await["access"].clone();
    assert_eq!(access(CONTAINER, &scripts).await, "deny");
    let group = format!("{CONTAINER}/permissions/groups/g/token");
    let group = server.request(Method::PUT, &group).as_root();
    let group = group.json(&json!({ "header": "x-key", "value": "s3cret" }));
    group.header("if-match", "file:v1").await.expect(200);
    let groups = read(format!("{CONTAINER}/groups")).await;
    assert_eq!(
        groups["groups"],
        json!({ "g": { "type": "token", "header": "x-key" } })
    );
    assert_eq!(
        (&groups["count"], &groups["version"]),
        (&json!(1), &json!("file:v2"))
    );
    // A deployment has those that lead to it, the project has all.
    let services = read(format!("{CONTAINER}/services")).await;
    assert_eq!(
        (&services["count"], &services["services"][0]["host"]),
        (&json!(1), &json!("one.example"))
    );
    let documents = &services["services"][0]["documents"];
    assert_eq!(
        documents[1],
        json!({ "of": "container", "enable_proxy": true, "default": "deny", "groups": { "g": "allow" } })
    );
    assert_eq!(read(format!("{PROJECT}/services")).await["count"], 2);
    assert_eq!(access(PROJECT, &scripts).await, "groups");
    assert_eq!(access(PROJECT, &upstream).await, "allow");
    let elsewhere = format!("{CONTAINER}/services/{upstream}");
    server.get(&elsewhere).as_root().await.expect(404);
    put(json!({ "enable_proxy": false }), "file:v2")
        .await
        .expect(200);
    assert_eq!(access(PROJECT, &scripts).await, "deny");
    server.get(&format!("{PROJECT}/groups")).await.expect(401);
}

#[tokio::test]
async fn an_upstream_with_tls_is_believed_only_by_its_certificate() {
    let upstream = Server::with_script("where.ts", "return { host: req.headers.host }")
        .https()
        .start()
        .await;
    let https = upstream.https_address();
    let shown = super::shown(&super::handshake(https, "localhost").await.unwrap());
    let root = upstream.data().join("root.pem");
    let pem = footpath::proxy::bundle::check::to_pem(&[shown.into()]);
    std::fs::write(&root, pem).unwrap();
    for (trusts, status) in [(true, 200), (false, 502)] {
        let mut setup = Server::empty().set("proxy.allow", https);
        if trusts {
            setup = setup.set("proxy.upstream_ca", root.display());
        }
        let server = setup.start().await;
        let url = format!("https://{https}");
        created(&server, json!({ "host": "a.example", "upstream": url })).await;
        created(
            &server,
            json!({ "host": "b.example", "upstream": url, "preserve_host": true }),
        )
        .await;
        let reply = at(&server, "a.example", "/where").await;
        if !trusts {
            reply.expect_error(status, "UPSTREAM_TLS");
            continue;
        }
        reply.expect_json(status, json!({ "host": https.to_string() }));
        let kept = at(&server, "b.example", "/where").await;
        kept.expect_json(status, json!({ "host": "b.example" }));
    }
}

#[tokio::test]
async fn the_log_can_be_followed() {
    let server = Server::empty().start().await;
    server.get("/first").await.expect(404);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let ask = format!(
        "GET /_logs/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nlast-event-id: 0\r\n\r\n",
        crate::harness::ROOT_TOKEN
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let said = read_until(&mut stream, "/first").await;
    assert!(
        said.contains("text/event-stream") && said.contains("id: 1\ndata: {"),
        "{said}"
    );
    server.get("/second?token=s3cret").await.expect(404);
    let said = read_until(&mut stream, "/second").await;
    assert!(!said.contains("s3cret"), "{said}");
}

/// What a server behind takes for one path is one path to permissions too.
#[tokio::test]
async fn another_spelling_of_a_path_gets_by_no_permission() {
    let server = Server::with_script("admin/x.ts", "return 'secret'")
        .script("open.ts", "return 'open'")
        .start()
        .await;
    let site = json!({ "host": "site.example", "container_id": "1" });
    created(&server, site.clone()).await;
    let mut admin = site;
    admin["path_prefix"] = "/%61dmin".into();
    let id = created(&server, admin).await;
    let nobody = json!({ "default": "deny", "groups": {} });
    let put = change(&server, Method::PUT, &format!("{id}/permissions"), nobody);
    put.header("if-match", "file:v0").await.expect(200);
    at(&server, "site.example", "/open").await.expect(200);
    at(&server, "site.example", "/scripts/open")
        .await
        .expect(200);
    at(&server, "site.example", "//open").await.expect(200);
    at(&server, "site.example", "/admin/x").await.expect(403);
    for target in [
        "/%61dmin/x",
        "//admin/x",
        "/./admin/x",
        "/admin%2fx",
        "/scripts/admin/x",
    ] {
        let reply = at(&server, "site.example", target).await.expect(400);
        assert!(reply.text().contains("PATH_SPELLING"), "{target}");
    }
}

#[tokio::test]
async fn what_is_no_path_leads_nowhere() {
    let Some(upstream) = Upstream::start() else {
        skip!("there is no node");
    };
    let server = allowing(&upstream).start().await;
    created(
        &server,
        json!({ "host": "raw.example", "upstream": upstream.url() }),
    )
    .await;
    for (line, status) in [
        ("OPTIONS * HTTP/1.1\r\nHost: raw.example", 400),
        (
            "CONNECT raw.example:80 HTTP/1.1\r\nHost: raw.example:80",
            501,
        ),
        (
            "CONNECT other.example:80 HTTP/1.1\r\nHost: other.example:80",
            501,
        ),
        ("GET /where HTTP/1.0", 200),
    ] {
        let answer = server.raw(format!("{line}\r\nConnection: close\r\n\r\n"));
        answer.await.expect(status);
    }
}
