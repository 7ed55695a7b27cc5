//! Bytes that can be read as one request or as two. Each case is one answer, and
//! that refuses.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Server};

/// Everything that the server says until it closes the connection.
async fn say(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    // A reset after the answer is an end too.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the server waits for more: {bytes:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines.map(|rest| &rest[..3]).collect()
}

#[tokio::test]
async fn one_request_is_never_two() {
    let server = Server::with_script("a.ts", "return 'a'").start().await;
    server.get("/a").await.expect_text(200, "a");
    let hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    let post = "POST /a HTTP/1.1\r\nHost: x\r\n";
    let length = hidden.len();
    let cases = [
        // CL.TE, TE.CL, TE.TE, CL.CL
        format!(
            "{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n{hidden}"),
        format!(
            "{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("{post}Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post} Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 0, {length}\r\n\r\n{hidden}"),
        format!("{post}Content-Length: +{length}\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 0\n\n{hidden}"),
        format!("{post}A: b\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("{post}A: b\rContent-Length: {length}\r\n\r\n{hidden}"),
        format!("{post}A: b\0\r\n\r\n{hidden}"),
        format!("{post}Content-Length\0: {length}\r\n\r\n{hidden}"),
        // Chunks.
        format!("{post}Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n{hidden}"),
        format!(
            "{post}Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\nx\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "{post}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n{hidden}"
        ),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n{hidden}"),
        // Hosts.
        format!("GET /a HTTP/1.1\r\n\r\n{hidden}"),
        format!("GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n{hidden}"),
        format!("GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n{hidden}"),
        // Request lines.
        format!("GET /a HTTP/1.1 \r\nHost: x\r\n\r\n{hidden}"),
        format!("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n{hidden}"),
        format!("GET  /a HTTP/1.1\r\nHost: x\r\n\r\n{hidden}"),
        format!("GET /a\r\n\r\n{hidden}"),
        format!("GET /a HTTP/1.2\r\nHost: x\r\n\r\n{hidden}"),
        format!(
            "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
    ];
    for case in cases {
        let answer = say(&server, case.as_bytes()).await;
        assert_eq!(statuses(&answer), ["400"], "{case:?}: {answer}");
    }
    server.get("/a").await.expect_text(200, "a");
}

#[tokio::test]
async fn what_was_asked_before_is_answered_and_what_comes_after_is_not() {
    let server = Server::with_script("a.ts", "return 'a'").start().await;
    server.get("/a").await.expect_text(200, "a");
    let good = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let bad = "GET /a HTTP/1.1\r\nHost : x\r\n\r\n";
    let answer = say(&server, format!("{good}{good}{bad}{good}").as_bytes()).await;
    assert_eq!(statuses(&answer), ["200", "200", "400"], "{answer}");
    // The legal kind of several requests at once.
    let body = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    let chunked = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nA: b\r\n\r\n";
    let connect = "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n";
    let answer = say(&server, format!("{connect}{bad}").as_bytes()).await;
    assert_eq!(statuses(&answer).last(), Some(&"400"), "{answer}");
    let last = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = say(&server, format!("{body}{chunked}{body}{last}").as_bytes()).await;
    assert_eq!(statuses(&answer), ["200"; 4], "{answer}");
}

#[tokio::test]
async fn a_body_that_goes_wrong_midway_ends_the_connection() {
    let server = Server::with_script("a.ts", "return req.body ? 'body' : 'none'")
        .start()
        .await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    stream.write_all(head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _ = stream
        .write_all(b"5\nhello\r\n0\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(statuses(&answer).len() <= 1, "{answer}");
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn a_head_that_never_ends_is_too_large() {
    let server = Server::empty().start().await;
    let mut head = b"GET / HTTP/1.1\r\nHost: x\r\nA: ".to_vec();
    head.resize(100 << 10, b'a');
    let answer = say(&server, &head).await;
    assert_eq!(statuses(&answer), ["431"], "{answer}");
    let many = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "A: b\r\n".repeat(500)
    );
    let answer = say(&server, many.as_bytes()).await;
    assert_eq!(statuses(&answer), ["431"], "{answer}");
}

/// The last answer: its head, and its body as JSON.
fn last(answer: &str) -> (&str, Value) {
    let last = answer.rsplit("HTTP/1.1 ").next().unwrap();
    let (head, body) = last.split_once("\r\n\r\n").expect("a head");
    let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    (head, body)
}

#[tokio::test]
async fn a_refusal_says_why_as_every_error_does() {
    let server = Server::with_script("a.ts", "return 'a'").start().await;
    server.get("/a").await.expect_text(200, "a");
    let good = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let many = "A: b\r\n".repeat(200);
    let long = "a".repeat(100 << 10);
    let cases = [
        (
            "GET /a HTTP/1.1\r\n\r\n".to_owned(),
            "MALFORMED_REQUEST",
            "there is no Host",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n".to_owned(),
            "MALFORMED_REQUEST",
            "the size of a chunk",
        ),
        (
            format!("GET /a HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
            "LIMIT_HEADERS",
            "128 header fields",
        ),
        (
            format!("GET /a?{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
            "LIMIT_HEADERS",
            "65536 bytes",
        ),
    ];
    for (bad, code, reason) in cases {
        for before in [0, 2] {
            let sent = good.repeat(before) + &bad + good;
            let answer = say(&server, sent.as_bytes()).await;
            let statuses = statuses(&answer);
            assert_eq!(statuses.len(), before + 1, "{answer}");
            assert!(statuses[..before].iter().all(|status| *status == "200"));
            let (head, body) = last(&answer);
            let status = if code == "LIMIT_HEADERS" {
                "431 "
            } else {
                "400 "
            };
            assert!(head.starts_with(status), "{answer}");
            assert!(head.contains("connection: close"), "{answer}");
            assert!(head.contains("content-type: application/json"), "{answer}");
            assert_eq!(body["code"], code, "{answer}");
            let error = body["error"].as_str().unwrap();
            assert!(
                error.contains(reason) && body["timestamp"].is_string(),
                "{answer}"
            );
        }
    }
    // Bytes that are no text at all.
    let answer = say(&server, b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(last(&answer).1["code"], "MALFORMED_REQUEST", "{answer}");
    let logs = server.get("/_logs").as_root().await.expect(200);
    assert!(logs.text().contains("there is no Host"), "{logs:?}");
}

#[tokio::test]
async fn who_is_refused_while_sending_reads_why() {
    let server = Server::empty().start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head =
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\nContent-Length: 1\r\n\r\n";
    stream.write_all(head).await.unwrap();
    for _ in 0..200 {
        stream
            .write_all(&[b'x'; 32 << 10])
            .await
            .expect("somebody takes it");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(last(&answer).1["code"], "MALFORMED_REQUEST", "{answer}");
}
