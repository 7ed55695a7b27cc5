//! What a handler's result means as a response, whatever the handler's shape.

use http::Method;
use serde_json::json;

use crate::harness::{Sending, Server};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

struct Case {
    /// The route, and what the body of the script says.
    name: &'static str,
    source: &'static str,
    status: u16,
    content_type: &'static str,
    body: &'static [u8],
}

const fn case(
    name: &'static str,
    source: &'static str,
    status: u16,
    content_type: &'static str,
    body: &'static str,
) -> Case {
    Case {
        name,
        source,
        status,
        content_type,
        body: body.as_bytes(),
    }
}

const VALUES: &[Case] = &[
    case("object", "return { a: 1 }", 200, JSON, r#"{"a":1}"#),
    case(
        "array",
        "return [1, 'b', null]",
        200,
        JSON,
        r#"[1,"b",null]"#,
    ),
    case("number", "return 7.5", 200, JSON, "7.5"),
    case("not-a-number", "return NaN", 200, JSON, "null"),
    case("boolean", "return false", 200, JSON, "false"),
    case("null", "return null", 200, JSON, "null"),
    case("nothing", "const unused = 1;", 204, "", ""),
    case("undefined", "return undefined", 204, "", ""),
    case(
        "undefined-with-status",
        "res.status(202); return undefined",
        202,
        "",
        "",
    ),
    case("text", "return 'grüße'", 200, TEXT, "grüße"),
    case("empty-text", "return ''", 200, TEXT, ""),
    Case {
        name: "bytes",
        source: "return new Uint8Array([0, 255, 10])",
        status: 200,
        content_type: BYTES,
        body: &[0, 255, 10],
    },
    case(
        "buffer",
        "return new TextEncoder().encode('abc').buffer",
        200,
        BYTES,
        "abc",
    ),
    case(
        "view",
        "return new Uint8Array([1, 65, 66, 2]).subarray(1, 3)",
        200,
        BYTES,
        "AB",
    ),
    case(
        "node-buffer",
        "return Buffer.from('abc')",
        200,
        BYTES,
        "abc",
    ),
    case(
        "blob",
        "return new Blob(['a{}'], { type: 'text/css' })",
        200,
        "text/css",
        "a{}",
    ),
    case(
        "form",
        "return new URLSearchParams({ a: 'b c' })",
        200,
        "application/x-www-form-urlencoded;charset=UTF-8",
        "a=b+c",
    ),
    case(
        "date",
        "return new Date(0)",
        200,
        JSON,
        r#""1970-01-01T00:00:00.000Z""#,
    ),
    case(
        "class",
        "class P { x = 1; #y = 2 } return new P()",
        200,
        JSON,
        r#"{"x":1}"#,
    ),
    case(
        "to-json",
        "return { toJSON: () => ({ b: 2 }) }",
        200,
        JSON,
        r#"{"b":2}"#,
    ),
    case(
        "like-a-response",
        "return { status: 301, body: 'x' }",
        200,
        JSON,
        r#"{"status":301,"body":"x"}"#,
    ),
    case(
        "promise",
        "return Promise.resolve({ late: true })",
        200,
        JSON,
        r#"{"late":true}"#,
    ),
    case(
        "thenable",
        "return { then(resolve: any) { resolve('then') } }",
        200,
        TEXT,
        "then",
    ),
    case(
        "awaited",
        "const x = await Promise.resolve(3); return { x }",
        200,
        JSON,
        r#"{"x":3}"#,
    ),
    case(
        "status",
        "res.status(201); return { made: 1 }",
        201,
        JSON,
        r#"{"made":1}"#,
    ),
    case(
        "type",
        "res.setHeader('Content-Type', 'text/css'); return 'a{}'",
        200,
        "text/css",
        "a{}",
    ),
    case(
        "json-type",
        "res.type('application/problem+json'); return { a: 1 }",
        200,
        "application/problem+json",
        r#"{"a":1}"#,
    ),
    case(
        "ended",
        "res.status(203).json({ own: 1 }); return { ignored: 1 }",
        203,
        JSON,
        r#"{"own":1}"#,
    ),
    case(
        "sent",
        "res.send('<p>')",
        200,
        "text/html; charset=utf-8",
        "<p>",
    ),
    case(
        "written",
        "res.writeHead(207, { 'content-type': 'text/x' }); res.write('a'); res.end('b')",
        207,
        "text/x",
        "ab",
    ),
    case(
        "response",
        "return new Response('r', { status: 418, headers: { 'content-type': 'a/b' } })",
        418,
        "a/b",
        "r",
    ),
    case(
        "response-json",
        "return Response.json({ j: 1 }, { status: 202 })",
        202,
        JSON,
        r#"{"j":1}"#,
    ),
    case(
        "response-empty",
        "return new Response(null, { status: 204 })",
        204,
        "",
        "",
    ),
    case(
        "iterable",
        "async function* parts() { yield 'a'; yield 'b' } return parts()",
        200,
        TEXT,
        "ab",
    ),
    case(
        "iterable-of-bytes",
        "async function* parts() { yield new Uint8Array([65]); yield 'b' } return parts()",
        200,
        TEXT,
        "Ab",
    ),
    case(
        "stream",
        "return new ReadableStream({ start(c) { c.enqueue('x'); c.enqueue('y'); c.close() } })",
        200,
        TEXT,
        "xy",
    ),
    case(
        "text-stream",
        "async function* t() { yield 'tok'; yield 'en' } return { textStream: t() }",
        200,
        TEXT,
        "token",
    ),
    case("neighbour", "return fetch('/response')", 418, "a/b", "r"),
    case(
        "neighbour-awaited",
        "const answer = await fetch('/response-json'); return new Response(answer.body, answer)",
        202,
        JSON,
        r#"{"j":1}"#,
    ),
];

#[tokio::test]
async fn every_value_has_its_meaning() {
    let setup = VALUES.iter().fold(Server::empty(), |setup, case| {
        setup.script(&format!("{}.ts", case.name), case.source)
    });
    let server = setup.start().await;
    for case in VALUES {
        let target = format!("/{}", case.name);
        let reply = server.get(&target).await;
        let seen = (
            reply.status.as_u16(),
            reply.header("content-type").unwrap_or_default(),
            &reply.body[..],
        );
        assert_eq!(
            seen,
            (case.status, case.content_type, case.body),
            "{}: {reply:?}",
            case.name
        );
        let head = server.request(Method::HEAD, &target).await;
        assert_eq!(head.status.as_u16(), case.status, "HEAD {}", case.name);
        assert_eq!(
            head.header("content-length"),
            reply.header("content-length"),
            "HEAD {}",
            case.name
        );
        assert!(head.body.is_empty(), "HEAD {}", case.name);
    }
}

#[tokio::test]
async fn what_has_no_meaning_is_an_error_that_says_so() {
    let cases = [
        ("bigint", "return 10n", "cannot return a bigint"),
        ("function", "return () => 1", "cannot return a function"),
        ("symbol", "return Symbol('x')", "cannot return a symbol"),
        (
            "circular",
            "const a: any = {}; a.a = a; return a",
            "cannot be written as JSON",
        ),
        (
            "error",
            "return new RangeError('returned')",
            "RangeError: returned",
        ),
        (
            "bad-part",
            "async function* p() { yield 7 as any } return p()",
            "",
        ),
        ("status", "res.status(99); return 1", "not a status"),
        (
            "header",
            "res.setHeader('a b', 'x'); return 1",
            "not a header name",
        ),
        (
            "injected",
            "res.setHeader('a', 'x\\r\\nb: c'); return 1",
            "line breaks",
        ),
        ("no-response", "return Response.error()", "cannot be sent"),
    ];
    let setup = cases
        .iter()
        .fold(Server::empty(), |setup, (name, source, _)| {
            setup.script(&format!("{name}.ts"), source)
        });
    let server = setup.dev().start().await;
    for (name, _, message) in cases {
        // A stream that breaks has begun its answer with 200 already.
        let Ok(reply) = server.get(&format!("/{name}")).send().await else {
            assert_eq!(name, "bad-part");
            continue;
        };
        let error = reply.expect_error(500, "SCRIPT_ERROR").json()["error"].to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_stream_arrives_as_it_is_made() {
    let source = r#"
        async function* parts() {
            yield "first";
            await new Promise((resolve) => setTimeout(resolve, 100_000));
            yield "never";
        }
        return parts();
    "#;
    let server = Server::with_script("s.ts", source).start().await;
    let mut stream = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream
        .write_all(b"GET /s HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut seen = Vec::new();
    while !seen.windows(5).any(|five| five == b"first") {
        let count =
            tokio::time::timeout(crate::harness::PATIENCE, stream.read_buf(&mut seen)).await;
        assert_ne!(
            count.expect("a part in time").unwrap(),
            0,
            "the stream ended early"
        );
    }
}

/// Cookies are one field however they came (RFC 9113, 8.2.3), the host is among the
/// fields, and they can be handed on as they are.
#[tokio::test]
async fn the_fields_of_a_request_are_what_a_script_expects() {
    let server = Server::with_scripts(&[
        (
            "web.ts",
            "export default (request: Request) => Response.json([request.headers.get('cookie'), request.headers.get('host'), [...request.headers.keys()]])",
        ),
        (
            "node.ts",
            "return [req.headers.cookie, req.headers.host, Object.keys(req.headers)]",
        ),
        (
            "on.ts",
            "export default (request: Request) => fetch(new Request('/web', request))",
        ),
        (
            "with.ts",
            "export default (request: Request) => fetch('/node', { headers: request.headers })",
        ),
    ])
    .start()
    .await;
    let own = "a.localhost:1";
    // Within the server it is nobody's.
    let within = "self.footpath.internal";
    for (route, host) in [
        ("/web", own),
        ("/node", own),
        ("/on", within),
        ("/with", within),
    ] {
        let head = format!(
            "GET {route} HTTP/1.1\r\nHost: {own}\r\nCookie: a=1\r\nUser-Agent: x\r\nAccept: */*\r\nCookie: b=2\r\nConnection: close\r\n\r\n"
        );
        let mut answer = server.raw(head).await.expect(200).json();
        let names = answer[2].as_array_mut().unwrap();
        names.sort_by_key(ToString::to_string);
        assert_eq!(
            answer,
            json!(["a=1; b=2", host, ["accept", "cookie", "host", "user-agent"]]),
            "{route}"
        );
    }
}

#[tokio::test]
async fn a_response_keeps_its_repeated_headers() {
    let source = r#"
        const headers = new Headers();
        headers.append("set-cookie", "a=1");
        headers.append("set-cookie", "b=2");
        return new Response("x", { headers });
    "#;
    let server = Server::with_script("c.ts", source).start().await;
    let reply = server.get("/c").await.expect(200);
    let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[tokio::test]
async fn the_request_is_as_promised() {
    let source = r#"
        return {
            req: { url: req.url, method: req.method, custom: req.headers["x-custom"], body: req.body ?? null },
            raw: req.rawBody ? req.rawBody.toString() : null,
            files: req.files.map((f) => ({ ...f, data: f.data.toString() })),
            meta: { path: metadata.path, url: metadata.url, method: metadata.method, query: metadata.query,
                    ip: metadata.clientIp, parameters: metadata.parameters },
            remote: req.socket.remoteAddress,
        };
    "#;
    let server = Server::with_script("echo/[id].ts", source).start().await;
    let meta = |method: &str| {
        json!({
            "path": "/echo/7", "url": "/echo/7?a=1&a=2&id=no", "method": method,
            "query": { "a": "2", "id": "7" }, "ip": "127.0.0.1", "parameters": { "id": "7" },
        })
    };
    let target = "/echo/7?a=1&a=2&id=no";
    let expected = |method: &str,
                    body: serde_json::Value,
                    raw: serde_json::Value,
                    files: serde_json::Value| {
        json!({
            "req": { "url": target, "method": method, "custom": "x, y", "body": body },
            "raw": raw, "files": files, "meta": meta(method), "remote": "127.0.0.1",
        })
    };
    fn custom<'a>(sending: Sending<'a>, content_type: &str) -> Sending<'a> {
        sending
            .header("x-custom", "x")
            .header("X-Custom", "y")
            .header("content-type", content_type)
    }
    let reply = custom(server.get(target), "application/json").await;
    reply.expect_json(200, expected("GET", json!(null), json!(null), json!([])));
    let bodies = [
        ("application/json", r#"{"a":[1]}"#, json!({ "a": [1] })),
        ("application/vnd.x+json; charset=utf-8", "3", json!(3)),
        (
            "application/x-www-form-urlencoded",
            "k=1&k=2&u=%C3%BC+x",
            json!({ "k": "2", "u": "ü x" }),
        ),
    ];
    for (content_type, body, parsed) in bodies {
        let reply = custom(server.post(target, body), content_type).await;
        reply.expect_json(200, expected("POST", parsed, json!(body), json!([])));
    }
    let multipart = "--b\r\ncontent-disposition: form-data; name=\"t\"\r\n\r\ntext\r\n--b\r\ncontent-disposition: \
                     form-data; name=\"f\"; filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\nFILE\r\n--b--\r\n";
    let reply = custom(
        server.post(target, multipart),
        "multipart/form-data; boundary=b",
    )
    .await;
    let file = json!({ "fieldName": "f", "filename": "a.txt", "type": "text/plain", "size": 4, "data": "FILE" });
    reply.expect_json(
        200,
        expected(
            "POST",
            json!({ "t": "text" }),
            json!(multipart),
            json!([file]),
        ),
    );
}

#[tokio::test]
async fn two_requests_differ() {
    let source = "return { r: Math.random(), id: crypto.randomUUID(), e: metadata.executionId, t: Date.now() }";
    let server = Server::with_script("r.ts", source).start().await;
    let (one, two) = (
        server.get("/r").await.expect(200),
        server.get("/r").await.expect(200),
    );
    assert_eq!(one.json()["e"], one.header("x-execution-id").unwrap());
    let (one, two) = (one.json(), two.json());
    for key in ["r", "id", "e"] {
        assert_ne!(one[key], two[key], "{key}");
    }
    assert!(two["t"].as_f64() >= one["t"].as_f64(), "{one} {two}");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as f64;
    assert!(
        (now - two["t"].as_f64().unwrap()).abs() < 600_000.0,
        "the clock is not frozen at publish: {two}"
    );
}

#[tokio::test]
async fn what_is_promised_to_wait_until_ends_after_the_answer() {
    let source = r#"
        export default {
            fetch(request: Request, env: unknown, ctx: any) {
                const later = () => new Promise((resolve) => setTimeout(resolve, 50));
                // The second is promised while the first is waited for.
                ctx.waitUntil(later().then(() => ctx.waitUntil(later().then(() => kv.set("later", "done")))));
                return new Response(request.method);
            },
        };
    "#;
    let server = Server::with_scripts(&[
        ("work.ts", source),
        ("seen.ts", "const seen = await kv.get('later'); if (seen) await kv.delete('later'); return seen ?? 'not yet'"),
    ])
    .start()
    .await;
    for method in [Method::GET, Method::HEAD, Method::POST] {
        server.request(method, "/work").await.expect(200);
        server.until("/seen", |reply| reply.text() == "done").await;
    }
}
