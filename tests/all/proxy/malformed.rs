//! Requests that no standard allows, in 92 kinds: ours are refused at least as often
//! as Node refuses them, and none is answered twice.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Upstream;
use crate::harness::{PATIENCE, Server, skip};

const COUNT: usize = 92;
/// What Node 20 refused of such a list when it was measured.
const REFUSED_MIN: usize = 85;

/// What a server made of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Refused,
    Closed,
    Accepted,
    Several,
}

async fn made(address: SocketAddr, bytes: &[u8]) -> Made {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the server waits for more than {bytes:?}");
    let answer = String::from_utf8_lossy(&answer);
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).collect();
    match statuses[..] {
        [] => Made::Closed,
        [one] if one.starts_with('4') || one.starts_with('5') => Made::Refused,
        [_] => Made::Accepted,
        _ => Made::Several,
    }
}

/// Each is one request at most.
fn requests() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut add = |text: String| all.push(text.into_bytes());
    for line in [
        "GET / HTTP/1.1 ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1\tx",
        "GET /a b HTTP/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/3.0",
        "GET / HTTP/11",
        "GET / HTTP/1",
        "GET / HTTP/1.10",
        "GET / http/1.1",
        "GET / HTTQ/1.1",
        "GET / HTTP/-1.1",
        "GET /",
        "GET HTTP/1.1",
        "/ HTTP/1.1",
        "G\0T / HTTP/1.1",
        "GE(T / HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET x HTTP/1.1",
    ] {
        add(format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n"));
    }
    for field in [
        "A : b",
        "A\t: b",
        ": b",
        "A b",
        "A",
        "A\0: b",
        "A: b\0c",
        "A: b\u{1}c",
        "A: b\u{7f}c",
        "A: b\rc",
        "A: b\r c: d",
        "A(: b",
        "A/b: c",
        "A\"b: c",
        "A@b: c",
        "A: b\r\n c",
        "A: b\r\n\tc",
        "Host: x",
        "Host: y",
        " A: b",
    ] {
        add(format!(
            "GET / HTTP/1.1\r\nHost: x\r\n{field}\r\nConnection: close\r\n\r\n"
        ));
    }
    for length in [
        "-1",
        "+5",
        "0x5",
        "5a",
        "5 5",
        "5,6",
        "5, 6",
        "5_0",
        "5.0",
        "1e1",
        "",
        " ",
        "five",
        "\t\u{b}5",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        add(format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\nhello"
        ));
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\r\n chunked",
    ] {
        add(format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ));
    }
    for body in [
        "g\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\rhello\r0\r\r",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nA : b\r\n\r\n",
        "5\r\nhello\r\n0\r\nA\0: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    ] {
        add(format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        ));
    }
    add("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned());
    add("GET / HTTP/1.1\nHost: x\nConnection: close\n\n".to_owned());
    add("GET / HTTP/1.1\r\nHost: x\nConnection: close\r\n\r\n".to_owned());
    all
}

#[tokio::test]
async fn malformed_requests_are_refused_at_least_as_often_as_by_node() {
    let Some(node) = Upstream::start() else {
        skip!("there is no node");
    };
    let server = Server::with_script("index.ts", "return 'a'").start().await;
    server.get("/").await.expect_text(200, "a");
    let requests = requests();
    assert_eq!(requests.len(), COUNT);
    let (mut ours, mut theirs) = (0, 0);
    let mut lenient = Vec::new();
    for request in &requests {
        let text = String::from_utf8_lossy(request);
        let by_us = made(server.address(), request).await;
        let by_node = made(SocketAddr::from(([127, 0, 0, 1], node.port)), request).await;
        assert_ne!(by_us, Made::Several, "{text:?}");
        ours += usize::from(by_us == Made::Refused);
        theirs += usize::from(by_node == Made::Refused);
        if by_us != Made::Refused {
            lenient.push(format!("{text:?}: {by_us:?}, node {by_node:?}"));
        }
    }
    let told = format!("we refuse {ours}, node {theirs}:\n{}", lenient.join("\n"));
    assert!(ours >= REFUSED_MIN && ours >= theirs, "{told}");
    server.get("/").await.expect_text(200, "a");
}
