//! Clients that are slow, or that speak HTTP/2 to do harm. What they get is their
//! own business; others go on being served.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, REQUEST, RST_STREAM, SETTINGS,
    frame,
};
use crate::harness::{PATIENCE, Server};

async fn h2(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    stream
}

/// Sends until the server has had enough; false if it never has.
async fn is_cut_off(stream: TcpStream, frames: impl Iterator<Item = Vec<u8>>) -> bool {
    let (mut reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
    });
    for frame in frames {
        if writer.write_all(&frame).await.is_err() || reading.is_finished() {
            return true;
        }
    }
    tokio::time::timeout(PATIENCE, reading).await.is_ok()
}

async fn served() -> Server {
    let server = Server::with_script("a.ts", "return 'a'").start().await;
    server.get("/a").await.expect_text(200, "a");
    server
}

#[tokio::test]
async fn an_ordinary_request_in_these_frames_is_answered() {
    let server = served().await;
    let mut stream = h2(&server).await;
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, REQUEST);
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    // The end of the stream is in this frame or in one of its own.
    let ends = [0, END_STREAM].map(|flags| frame(DATA, flags, 1, b"a"));
    let length = ends[0].len();
    while !answer
        .windows(length)
        .any(|part| ends.contains(&part.to_vec()))
    {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "{answer:?}");
        answer.extend_from_slice(&piece[..count]);
    }
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let server = served().await;
    let stream = h2(&server).await;
    let resets = (0..20_000).map(|index| {
        let id = index * 2 + 1;
        let open = frame(HEADERS, END_STREAM | END_HEADERS, id, REQUEST);
        [open, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
    });
    assert!(is_cut_off(stream, resets).await);
    server.get("/a").await.expect_text(200, "a");
}

#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let server = served().await;
    server.get("/a").await.expect_text(200, "a");
    let before = server.resident_bytes();
    let stream = h2(&server).await;
    // A literal field with a name and a value, again and again.
    let fields = [b"\x00\x01a\x7f\x01".as_slice(), &[b'b'; 128]]
        .concat()
        .repeat(100);
    let open = frame(HEADERS, END_STREAM, 1, REQUEST);
    let more = (0..4_000).map(|_| frame(CONTINUATION, 0, 1, &fields));
    assert!(is_cut_off(stream, std::iter::once(open).chain(more)).await);
    server.get("/a").await.expect_text(200, "a");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
}

#[tokio::test]
async fn a_host_other_than_the_authority_is_refused() {
    let server = served().await;
    let mut stream = h2(&server).await;
    let request = [REQUEST, b"\x00\x04host\x01y"].concat();
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &request);
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    let text = b"two hosts";
    while !answer.windows(text.len()).any(|part| part == text) {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "{answer:?}");
        answer.extend_from_slice(&piece[..count]);
    }
}

#[tokio::test]
async fn a_thousand_slow_clients_do_not_keep_others_waiting() {
    let server = served().await;
    let starts: [&[u8]; 4] = [
        b"",
        b"GET /a HTTP/1.1\r\nHo",
        b"PRI * HTTP/2.0\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
    ];
    let mut slow = Vec::new();
    for index in 0..1000 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        // A body that never ends holds an instance, of which there are not so many.
        let start = starts[if index < 4 { index } else { index % 3 }];
        stream.write_all(start).await.unwrap();
        slow.push(stream);
    }
    for _ in 0..50 {
        server.get("/a").await.expect_text(200, "a");
    }
    drop(slow);
}
