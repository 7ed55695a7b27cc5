//! Answers that do not wait for the request's body, and clients that send all of it
//! before they read anything.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::handshake_for;
use crate::harness::{PATIENCE, Server, skip};

/// More than the kernel keeps for a connection.
const UPLOAD_BYTES: usize = 12 << 20;
const REFUSAL: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";

/// Answers when it has read the head, and reads no more. Then it goes, or stays.
async fn upstream(answer: &'static str, goes: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut staying = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            staying.push(stream);
            if goes {
                // With bytes unread, so that the kernel resets the connection.
                staying.clear();
            }
        }
    });
    address
}

async fn before(upstream: SocketAddr) -> Server {
    let server = Server::with_script("a.ts", "return req.body ? 'read' : 'none'")
        .set("proxy.allow", upstream)
        .set("proxy.aliases", format!("app.example=http://{upstream}"))
        .set("limits.request_body_bytes", 1 << 20)
        .https();
    server.start().await
}

/// Sends all, then reads to the end.
async fn upload<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    chunked: bool,
) -> String {
    let exchange = async {
        let framing = match chunked {
            true => "transfer-encoding: chunked".to_owned(),
            false => format!("content-length: {UPLOAD_BYTES}"),
        };
        let head = format!("POST /a HTTP/1.1\r\nhost: {host}\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..UPLOAD_BYTES / piece.len() {
            if chunked {
                stream.write_all(b"10000\r\n").await.unwrap();
            }
            stream.write_all(&piece).await.expect("somebody takes it");
            if chunked {
                stream.write_all(b"\r\n").await.unwrap();
            }
        }
        if chunked {
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let exchange = tokio::time::timeout(PATIENCE, exchange).await;
    exchange.expect("an answer in time")
}

#[tokio::test]
async fn an_upstream_that_answers_without_reading_is_heard() {
    for goes in [true, false] {
        let server = before(upstream(REFUSAL, goes).await).await;
        for round in 0..20 {
            let stream = TcpStream::connect(server.address()).await.unwrap();
            let answer = upload(stream, "app.example", round % 2 == 0).await;
            assert!(
                answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\nno"),
                "round {round}: {answer}"
            );
            // The rest of the body is not for anybody (RFC 9112, section 9.6).
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        }
        let stream = handshake_for(server.https_address(), "app.example", &[b"http/1.1"]);
        let answer = upload(stream.await.unwrap(), "app.example", false).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
}

#[tokio::test]
async fn an_upstream_that_goes_without_an_answer_is_told_as_such() {
    let server = before(upstream("", true).await).await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let answer = upload(stream, "app.example", false).await;
    assert!(
        answer.starts_with("HTTP/1.1 502 ") && answer.contains("UPSTREAM_PROTOCOL"),
        "{answer}"
    );
}

#[tokio::test]
async fn who_sends_too_much_reads_why() {
    let server = before("127.0.0.1:9".parse().unwrap()).await;
    for chunked in [false, true] {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let answer = upload(stream, "other.example", chunked).await;
        assert!(
            answer.starts_with("HTTP/1.1 413 ") && answer.contains("LIMIT_REQUEST_BODY"),
            "{answer}"
        );
    }
}

/// The status that curl tells of an upload over HTTP/2, and the body.
fn curl(server: &Server, host: &str) -> Option<String> {
    let address = server.https_address();
    let mut child = Command::new("curl")
        .args(["-sSk", "--http2", "--max-time", "30", "--data-binary", "@-"])
        .args(["-w", " %{http_version} %{http_code}"])
        .args(["--connect-to", &format!("{host}:443:{address}")])
        .arg(format!("https://{host}/a"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut upload = child.stdin.take().unwrap();
    upload.write_all(&vec![b'x'; UPLOAD_BYTES]).unwrap();
    drop(upload);
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_before_the_reset_of_its_stream() {
    for goes in [true, false] {
        let server = before(upstream(REFUSAL, goes).await).await;
        for _ in 0..8 {
            let Some(said) = curl(&server, "app.example") else {
                skip!("there is no curl");
            };
            assert_eq!(said, "no 2 403");
            let said = curl(&server, "other.example").unwrap();
            assert!(said.ends_with(" 2 413"), "{said}");
        }
    }
}
