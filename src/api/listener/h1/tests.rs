//! Requests as bytes, and what becomes of them.

use super::*;

/// How many requests the bytes are, or why they are none. `piece`: so many bytes
/// arrive at once.
fn requests(bytes: &[u8], piece: usize) -> Result<usize, Violation> {
    let mut framing = Framing::default();
    let (mut ended, mut taken, mut arrived) = (0, 0, 0);
    while arrived < bytes.len() {
        arrived = (arrived + piece).min(bytes.len());
        while taken < arrived {
            let between = framing.is_between();
            match framing.step(&bytes[taken..arrived])? {
                0 => break,
                count => taken += count,
            }
            ended += usize::from(!between && framing.is_between());
            ended += usize::from(between && framing.is_between());
        }
    }
    Ok(ended)
}

#[track_caller]
fn refused(request: &str) {
    for piece in [1, 7, request.len()] {
        let found = requests(request.as_bytes(), piece);
        assert!(
            found.is_err(),
            "{request:?} in pieces of {piece}: {found:?}"
        );
    }
}

#[track_caller]
fn accepted(request: &str, count: usize) {
    for piece in [1, 7, request.len()] {
        let found = requests(request.as_bytes(), piece);
        assert_eq!(found, Ok(count), "{request:?} in pieces of {piece}");
    }
}

const POST: &str = "POST / HTTP/1.1\r\nHost: x\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn what_is_legal_passes() {
    accepted("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1);
    accepted("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 1);
    accepted("GET / HTTP/1.0\r\n\r\n", 1);
    accepted("GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", 1);
    accepted(
        "GET http://[::1]:80/a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        1,
    );
    accepted("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 1);
    accepted("GET /?a=http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", 1);
    accepted(
        "GET / HTTP/1.1\r\nHost:x\r\nA:\r\nB: \tc d \t\r\nC: \u{fc}\r\n\r\n",
        1,
    );
    accepted(&format!("{POST}Content-Length: 0\r\n\r\n").repeat(3), 3);
    accepted(
        &format!("{POST}Content-Length: 5\r\n\r\nhello").repeat(2),
        2,
    );
    accepted(&format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n").repeat(2), 2);
    accepted(
        &format!("{CHUNKED}5;a=b;c=\"d e\"\r\nhello\r\n000\r\nA: b\r\n\r\n"),
        1,
    );
    accepted(
        &format!("{CHUNKED}A\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        2,
    );
    accepted(
        "POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        1,
    );
    // An incomplete one is no violation yet.
    accepted("GET / HTTP/1.1\r\nHost: x\r\n", 0);
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let heads = [
        // Line ends.
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\n",
        "GET / HTTP/1.1\rHost: x\r\r",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        // The request line.
        " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET /\tHTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: x\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET / http/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.10\r\nHost: x\r\n\r\n",
        "GET / HTTP/01.1\r\nHost: x\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET: / HTTP/1.1\r\nHost: x\r\n\r\n",
        "/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\x7fb HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT x:1/ HTTP/1.1\r\nHost: x\r\n\r\n",
        // Fields.
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n A: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA\t: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA(b): c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\u{fc}: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\x0bc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\x7fc\r\n\r\n",
        // Host.
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x?y\r\n\r\n",
    ];
    heads.into_iter().for_each(refused);
    let lengths = [
        "-1",
        "+1",
        "0x1",
        "1,1",
        "1, 1",
        "1 1",
        "1;",
        "",
        "a",
        "1.0",
        "1e1",
        "\u{b2}",
        "\"1\"",
        "18446744073709551616",
    ];
    for length in lengths {
        refused(&format!("{POST}Content-Length: {length}\r\n\r\nx"));
    }
    let bodies = [
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "Content-Length: 1\r\ncontent-length: 1\r\n\r\nx",
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked;a\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \r\n\r\n0\r\n\r\n",
    ];
    for body in bodies {
        refused(&format!("{POST}{body}"));
    }
    refused("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

#[test]
fn a_chunked_body_is_taken_by_the_letter() {
    let chunks = [
        "zz\r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "1 \r\nx\r\n0\r\n\r\n",
        "1 ;a\r\nx\r\n0\r\n\r\n",
        "1_0\r\nx\r\n0\r\n\r\n",
        "\r\nx\r\n0\r\n\r\n",
        ";a\r\nx\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nx\r\n0\r\n\r\n",
        "10000000000000001\r\nx\r\n0\r\n\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "2\r\nx\r\n0\r\n\r\n",
        "1;a\n\r\nx\r\n0\r\n\r\n",
        "1;a\rb\r\nx\r\n0\r\n\r\n",
        "1;a\0b\r\nx\r\n0\r\n\r\n",
        "1\r\nx\r\n0\n\r\n",
        "1\r\nx\r\n0\r\n\n",
        "1\r\nx\r\n0\r\nA\r\n\r\n",
        "1\r\nx\r\n0\r\nA : b\r\n\r\n",
        "1\r\nx\r\n0\r\n A: b\r\n\r\n",
        "1\r\nx\r\n0\r\nA: b\0\r\n\r\n",
        "1\r\nx\r\n0\r\nContent-Length: 1\r\n\r\n",
        "1\r\nx\r\n0\r\nHost: y\r\n\r\n",
        "1\r\nx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    for body in chunks {
        refused(&format!("{CHUNKED}{body}"));
    }
    refused(&format!("{CHUNKED}1;{}", "a".repeat(CHUNK_LINE_BYTES_MAX)));
    let trailers = format!("A: {}\r\n", "b".repeat(100)).repeat(TRAILER_BYTES_MAX / 100);
    refused(&format!("{CHUNKED}0\r\n{trailers}\r\n"));
}

#[test]
fn after_a_request_to_upgrade_nothing_is_judged() {
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n\0\n\x81";
    let mut framing = Framing::default();
    assert_eq!(framing.step(request), Ok(request.len() - 3));
    assert!(framing.asked_to_upgrade());
    assert_eq!(framing.step(&request[request.len() - 3..]), Ok(0));
    framing.not_upgraded();
    assert!(framing.step(&request[request.len() - 3..]).is_err());
}
