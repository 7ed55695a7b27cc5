//! Bytes that can be read as one request or as two. Each case is one answer, and
//! that refuses.

use std::time::Duration;

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
