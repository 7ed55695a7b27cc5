//! Bodies over HTTP/2 whose sender gives them up without calling it an error: they do
//! not arrive as if they were complete.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame};
use crate::harness::{PATIENCE, Server};

const NO_ERROR: u32 = 0;
const CANCEL: u32 = 8;
const ACK: u8 = 1;
/// `:status: 200`, in HPACK.
const OK: &[u8] = b"\x88";
/// The same with `content-length: 9`.
const OK_OF_NINE: &[u8] = b"\x88\x5c\x019";
/// `POST /a` at `http://app.example`, in HPACK.
const UPLOAD: &[u8] = b"\x83\x86\x44\x02/a\x41\x0bapp.example";
const END_OF_CHUNKS: &str = "0\r\n\r\n";

fn reset(code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, 1, &code.to_be_bytes())
}

/// Answers the first request of each connection with these frames.
async fn upstream(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.read_exact(&mut [0; PREFACE.len()]).await.unwrap();
            stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
            stream
                .write_all(&frame(SETTINGS, ACK, 0, &[]))
                .await
                .unwrap();
            loop {
                let mut head = [0; 9];
                stream.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                stream.read_exact(&mut payload).await.unwrap();
                if head[3] == HEADERS {
                    break;
                }
            }
            stream.write_all(&answer).await.unwrap();
            // It stays: what ends is the stream alone.
            tokio::spawn(async move { while stream.read_u8().await.is_ok() {} });
        }
    });
    address
}

async fn before(scheme: &str, upstream: SocketAddr) -> Server {
    Server::with_script("a.ts", "return 'a'")
        .set("proxy.allow", upstream)
        .set(
            "proxy.aliases",
            format!("app.example={scheme}://{upstream}"),
        )
        .start()
        .await
}

#[tokio::test]
async fn an_answer_that_was_given_up_breaks_off() {
    let head = |fields| frame(HEADERS, END_HEADERS, 1, fields);
    let part = |flags| frame(DATA, flags, 1, b"part");
    let whole = [head(OK), part(END_STREAM), reset(NO_ERROR)].concat();
    let table = [
        ("whole", whole, true),
        (
            "reset",
            [head(OK), part(0), reset(NO_ERROR)].concat(),
            false,
        ),
        (
            "cancelled",
            [head(OK), part(0), reset(CANCEL)].concat(),
            false,
        ),
        (
            "short",
            [head(OK_OF_NINE), part(0), reset(NO_ERROR)].concat(),
            false,
        ),
    ];
    for (what, answer, is_whole) in table {
        let server = before("h2c", upstream(answer).await).await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = "GET /a HTTP/1.1\r\nhost: app.example\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let reading = stream.read_to_end(&mut answer);
        let _ = timeout(PATIENCE, reading).await.expect("an end in time");
        let answer = String::from_utf8(answer).unwrap();
        // The head may be gone with the body, and is not another one.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 200"),
            "{what}: {answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let has_ended = match head.contains("chunked") {
            true => body.ends_with(END_OF_CHUNKS),
            false => body.len() == 9,
        };
        assert_eq!(has_ended, is_whole, "{what}: {answer}");
    }
}

#[tokio::test]
async fn an_upload_that_was_given_up_breaks_off() {
    for code in [NO_ERROR, CANCEL] {
        let (upstream, seen) = reading().await;
        let server = before("http", upstream).await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let settings = frame(SETTINGS, 0, 0, &[]);
        let head = frame(HEADERS, END_HEADERS, 1, UPLOAD);
        let part = frame(DATA, 0, 1, b"part");
        let start = [PREFACE, &settings, &head, &part].concat();
        stream.write_all(&start).await.unwrap();
        let (first, rest) = timeout(PATIENCE, seen).await.expect("in time").unwrap();
        assert!(first.starts_with("POST /a HTTP/1.1"), "{first}");
        stream.write_all(&reset(code)).await.unwrap();
        let rest = timeout(PATIENCE, rest).await.expect("in time").unwrap();
        assert!(!rest.ends_with(END_OF_CHUNKS), "code {code}: {rest}");
    }
}

/// It is the client that failed, and the log does not blame the upstream.
#[tokio::test]
async fn an_upload_that_was_cut_is_no_fault_of_the_upstream() {
    let (upstream, seen) = reading().await;
    let server = before("http", upstream).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let cut = "POST /a HTTP/1.1\r\nhost: app.example\r\ncontent-length: 9\r\n\r\npart";
    stream.write_all(cut.as_bytes()).await.unwrap();
    let (_, rest) = timeout(PATIENCE, seen).await.expect("in time").unwrap();
    drop(stream);
    timeout(PATIENCE, rest).await.expect("in time").unwrap();
    let line = async || {
        let logs = server.get("/_logs?method=POST").as_root();
        logs.await.expect(200).json()["logs"][0].clone()
    };
    let written = async {
        while line().await.is_null() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, written).await.expect("a line in time");
    let line = line().await;
    assert!(line["status"].as_u64().unwrap() < 500, "{line}");
}

/// Reads one request: what came until the first part of the body was there, then all.
async fn reading() -> (SocketAddr, JoinHandle<(String, JoinHandle<String>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        while !text.contains("part") {
            text.push(stream.read_u8().await.unwrap().into());
        }
        let first = text.clone();
        let rest = tokio::spawn(async move {
            while let Ok(byte) = stream.read_u8().await {
                text.push(byte.into());
            }
            text
        });
        (first, rest)
    });
    (address, seen)
}
