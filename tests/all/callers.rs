//! Hostile callers: what they send is refused within limits, and the server goes
//! on answering.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::PATIENCE;
use crate::limits::{FAR_MS, guarded, limited, memory_returns, settled, still_good};

#[tokio::test]
async fn request_bodies_have_a_size() {
    let server = guarded()
        .set("limits.request_body_bytes", 1 << 20)
        .script("length.ts", "return { length: req.rawBody.length }")
        .script("web.ts", "export default { async fetch(request: Request) { return Response.json({ length: (await request.text()).length }) } }")
        .script("ignores.ts", "export default { fetch: () => new Response('did not look') }")
        .start()
        .await;
    for target in ["/length", "/web"] {
        let fits = server.post(target, vec![b'x'; 1 << 20]).await;
        fits.expect_json(200, json!({ "length": 1 << 20 }));
        // Announced, so refused before a byte of it is read.
        limited(
            server.post(target, vec![b'x'; (1 << 20) + 1]).await,
            413,
            "REQUEST_BODY",
            1 << 20,
        );
        // Not announced: refused when it has grown too large.
        let mut chunked = format!("POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
        for _ in 0..32 {
            chunked.extend_from_slice(b"10000\r\n");
            chunked.extend(std::iter::repeat_n(b'x', 0x10000));
            chunked.extend_from_slice(b"\r\n");
        }
        limited(server.raw(chunked).await, 413, "REQUEST_BODY", 1 << 20);
        still_good(&server).await;
    }
}

#[tokio::test]
async fn a_json_bomb_as_a_body_is_refused() {
    // What stops it is what it needs, not how long a busy machine takes over it.
    let server = guarded()
        .set("limits.wall_clock_ms", FAR_MS)
        .script("json.ts", "return { got: typeof req.body }")
        .start()
        .await;
    still_good(&server).await;
    let before = settled(&server).await;
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let wide = format!("[{}0]", "{},".repeat(3_000_000));
    for (body, statuses) in [(deep, [400, 500]), (wide, [500, 500])] {
        let reply = server
            .post("/json", body)
            .header("content-type", "application/json")
            .await;
        let answer = reply.json();
        assert!(statuses.contains(&reply.status.as_u16()), "{answer}");
        let code = answer["code"].as_str().unwrap();
        assert!(
            [
                "ERROR_400",
                "SCRIPT_ERROR",
                "LIMIT_MEMORY",
                "LIMIT_STACK",
                "LIMIT_FUEL"
            ]
            .contains(&code),
            "{answer}"
        );
        still_good(&server).await;
    }
    memory_returns(&server, before).await;
}

#[tokio::test]
async fn a_million_request_headers_are_refused() {
    let server = guarded().start().await;
    let many: String = (0..1_000_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let reply = server
        .raw(format!("GET /good HTTP/1.1\r\nhost: x\r\n{many}\r\n"))
        .await;
    assert_eq!(reply.status.as_u16(), 431, "{reply:?}");
    let long = "y".repeat(100_000);
    let reply = server.get("/good").header("x-long", &long).await;
    assert_eq!(reply.status.as_u16(), 431, "{reply:?}");
    let long = "y".repeat(2 << 20);
    let reply = server
        .raw(format!(
            "GET /good HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n"
        ))
        .await;
    assert_eq!(reply.status.as_u16(), 431, "{reply:?}");
    let reply = server
        .raw(format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .await;
    assert!([414, 431].contains(&reply.status.as_u16()), "{reply:?}");
    still_good(&server).await;
}

#[tokio::test]
async fn a_slow_upload_does_not_outlive_the_wall_clock() {
    let setup = guarded().script("length.ts", "return { length: req.rawBody.length }");
    let server = setup.start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        .await
        .unwrap();
    let (mut from, mut to) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = Vec::new();
    let reading = async {
        while !answer.windows(13).any(|part| part == b"LIMIT_TIMEOUT") {
            assert_ne!(
                from.read_buf(&mut answer).await.unwrap_or(0),
                0,
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("an answer in time");
    dripping.abort();
    assert!(
        answer.starts_with(b"HTTP/1.1 504"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    still_good(&server).await;
}
