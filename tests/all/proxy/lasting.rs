//! What streams through an alias ends when whoever asked for it may not have it any
//! more, and goes on for everybody else.

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::data;
use crate::harness::{PATIENCE, Server};

const ALIASES: &str = "/api/v1/proxy/aliases";

/// Streams for ever, as server-sent events or as whatever else the path says.
async fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                let kind = match head.starts_with(b"GET /events") {
                    true => "text/event-stream",
                    false => "text/plain",
                };
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await?;
                loop {
                    stream.write_all(b"9\r\ndata: x\n\n\r\n").await?;
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                #[allow(unreachable_code, reason = "it says what the task gives")]
                std::io::Result::Ok(())
            });
        }
    });
    address.to_string()
}

/// A stream that has begun.
async fn begun(server: &Server, host: &str, path: &str, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nx-key: {key}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    goes_on(&mut stream).await;
    stream
}

async fn goes_on(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    while !seen.windows(5).any(|part| part == b"data:") {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut seen)).await;
        let count = read.expect("something in time").unwrap();
        assert!(
            count > 0,
            "it ended with {:?}",
            String::from_utf8_lossy(&seen)
        );
    }
}

/// What came before the end, whoever made it.
async fn rest(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "it goes on");
    String::from_utf8_lossy(&rest).into_owned()
}

async fn change(server: &Server, method: Method, path: &str, version: Option<u64>, body: Value) {
    let request = server.request(method, path).as_root().json(&body);
    let request = match version {
        Some(version) => request.header("if-match", &format!("file:v{version}")),
        None => request,
    };
    request.await.expect(200);
}

#[tokio::test]
async fn streams_end_with_the_secret_that_began_them() {
    let upstream = upstream().await;
    let server = Server::with_script(
        "events.ts",
        "const text = new TextEncoder().encode('data: x\\n\\n');
         const pause = () => new Promise((done) => setTimeout(done, 20));
         const body = new ReadableStream({ async pull(to) { await pause(); to.enqueue(text); } });
         return new Response(body, { headers: { 'content-type': 'text/event-stream' } })",
    )
    .set("proxy.allow", &upstream)
    .start()
    .await;
    for target in [
        json!({ "host": "app.example", "upstream": format!("http://{upstream}") }),
        json!({ "host": "app.example", "container_id": "1" }),
    ] {
        let made = server.post(ALIASES, "").as_root().json(&target);
        let made = made.await.expect(201).json();
        let id = data(&made)["id"].as_str().unwrap().to_owned();
        let group = |name: &str| format!("{ALIASES}/{id}/permissions/groups/{name}/token");
        let secret = |value: &str| json!({ "header": "x-key", "value": value });
        change(&server, Method::PUT, &group("a"), Some(0), secret("one")).await;
        change(&server, Method::PUT, &group("b"), Some(1), secret("two")).await;
        let default = format!("{ALIASES}/{id}/permissions/default");
        let deny = json!({ "default": "deny" });
        change(&server, Method::PATCH, &default, Some(2), deny).await;
        let by_one = begun(&server, "app.example", "/events", "one").await;
        let mut by_two = begun(&server, "app.example", "/events", "two").await;
        change(&server, Method::PUT, &group("a"), Some(3), secret("new")).await;
        let rest_of_one = rest_of_events(by_one).await;
        assert!(
            rest_of_one.ends_with("\r\n0\r\n\r\n"),
            "events just end: {rest_of_one}"
        );
        goes_on(&mut by_two).await;
        change(
            &server,
            Method::DELETE,
            &format!("{ALIASES}/{id}"),
            None,
            json!({}),
        )
        .await;
        rest_of_events(by_two).await;
    }
}

/// As [`rest`], where the connection may be kept after the stream's end.
async fn rest_of_events(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    let reading = async {
        while !rest.ends_with(b"\r\n0\r\n\r\n") && stream.read_buf(&mut rest).await.unwrap() > 0 {}
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    assert!(read.is_ok(), "it goes on");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn what_is_no_stream_of_events_is_broken_off() {
    let upstream = upstream().await;
    let server = Server::empty()
        .set("proxy.allow", &upstream)
        .set("proxy.aliases", format!("app.example=http://{upstream}"))
        .start()
        .await;
    let stream = begun(&server, "app.example", "/download", "").await;
    // Nobody who asks now would be let in.
    const STATE: &str = "/api/v1/projects/mine/proxy/permissions/state";
    let off = json!({ "enable_proxy": false });
    change(&server, Method::PATCH, STATE, Some(0), off).await;
    let rest = rest(stream).await;
    assert!(
        !rest.ends_with("0\r\n\r\n"),
        "a part passes for the whole: {rest}"
    );
}
