//! What the caller and the log learn when a script fails, in terms of its source.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Server, Setup};

fn failing() -> Setup {
    Server::with_scripts(&[
        // The call that throws stands in line 4, column 15.
        (
            "boom.ts",
            "interface Unused { a: string }\n\nfunction inner(value: number): never {\n    throw new RangeError(`no ${value}`);\n}\nexport default async (req: any, res: any) => {\n  inner(7 as number);\n};",
        ),
        (
            "_lib/deep.ts",
            "type T = { x?: string };\nexport const deep = (t: T): string => {\n  return JSON.parse(t.x!).length;\n};",
        ),
        (
            "uses.ts",
            "import { deep } from './_lib/deep';\nawait Promise.resolve();\nreturn deep({});",
        ),
    ])
}

#[tokio::test]
async fn in_production_the_caller_gets_an_id_and_the_log_the_stack() {
    let server = failing().start().await;
    let reply = server.get("/boom").await.expect_error(500, "SCRIPT_ERROR");
    let answer = reply.json();
    assert_eq!(answer["requestId"], reply.header("x-execution-id").unwrap());
    assert!(answer.get("stack").is_none(), "{answer}");
    assert!(
        !answer.to_string().contains("no 7"),
        "a message may hold secrets: {answer}"
    );
    server.logs("RangeError: no 7").await;
    server.logs("boom.ts:4:15").await;
    server.logs("boom.ts:7:3").await;
    server.logs(answer["requestId"].as_str().unwrap()).await;
    server.get("/uses").await.expect_error(500, "SCRIPT_ERROR");
    server.logs("_lib/deep.ts:3:").await;
    server.logs("uses.ts:3:8").await;
}

#[tokio::test]
async fn in_development_the_caller_gets_the_stack_too() {
    let mut server = failing().dev().start().await;
    for _ in 0..2 {
        let answer = server
            .get("/boom")
            .await
            .expect_error(500, "SCRIPT_ERROR")
            .json();
        assert_eq!(answer["error"], "RangeError: no 7");
        let stack = answer["stack"].as_str().unwrap();
        assert!(
            stack.contains("boom.ts:4:15") && stack.contains("boom.ts:7:3"),
            "{stack}"
        );
        // After a restart nothing is compiled, and the stack is still in TypeScript.
        server.restart().await;
    }
}

/// What is no call and no `throw` has the place of its statement.
#[tokio::test]
async fn an_error_that_nobody_threw_has_a_place_too() {
    let cases = [
        (
            "property",
            "type T = any;\nconst a: T = req.nothing;\nreturn a.b.c;",
            "property.ts:3:1",
        ),
        (
            "declared",
            "interface I { a: string }\n\nconst a = req.nothing.more;\nreturn a;",
            "declared.ts:3:1",
        ),
        (
            "unknown",
            "const a = req.method;\nif (a) return nothing;\nreturn 2",
            "unknown.ts:2:8",
        ),
        (
            "condition",
            "const a: any = null;\n\nif (a.b) return 1;",
            "condition.ts:3:1",
        ),
        (
            "loop",
            "export default (req: any) => {\n  const a = req.nothing;\n  for (const b of a.list) return b;\n}",
            "loop.ts:3:3",
        ),
        (
            "web",
            "export default {\n  fetch(request: Request) {\n    const body: any = null;\n    return body.text;\n  },\n}",
            "web.ts:4:5",
        ),
        (
            "common",
            "module.exports = (req, res) => {\n  const a = req.nothing;\n  return a.b;\n}",
            "common.ts:3:3",
        ),
    ];
    let server = Server::empty()
        .routes(&cases.map(|(name, source, _)| (name, source)))
        .dev()
        .start()
        .await;
    for (name, _, place) in cases {
        let answer = server.get(&format!("/{name}")).await.expect(500).json();
        let stack = answer["stack"].as_str().unwrap();
        assert!(stack.contains(place), "{place}: {stack}");
    }
}

#[tokio::test]
async fn whatever_is_thrown_is_one_kind_of_answer() {
    let cases = [
        ("text", "throw 'plain text'", "plain text"),
        ("null", "throw null", "null"),
        ("object", "throw { code: 7 }", "{\"code\":7}"),
        (
            "cause",
            "throw new Error('outer', { cause: new Error('inner') })",
            "outer",
        ),
        (
            "rejected",
            "await Promise.reject(new TypeError('later'))",
            "later",
        ),
        (
            "unhandled",
            "Promise.reject(new Error('nobody listens')); await new Promise((r) => setTimeout(r, 50)); return 1",
            "nobody listens",
        ),
        (
            "timer",
            "setTimeout(() => { throw new Error('in a timer') }, 1); await new Promise((r) => setTimeout(r, 1000)); return 1",
            "in a timer",
        ),
        (
            "undefined-name",
            "return notThere",
            "notThere is not defined",
        ),
        (
            "missing-global",
            "return new WebSocket('ws://x')",
            "use fetch",
        ),
        (
            "getter",
            "return { get a() { throw new Error('in a getter') } }",
            "in a getter",
        ),
    ];
    let setup = cases
        .iter()
        .fold(Server::empty(), |setup, (name, source, _)| {
            setup.script(&format!("{name}.ts"), source)
        });
    let server = setup.dev().start().await;
    for (name, _, message) in cases {
        let error = server
            .get(&format!("/{name}"))
            .await
            .expect_error(500, "SCRIPT_ERROR")
            .json();
        assert!(
            error["error"].as_str().unwrap().contains(message),
            "{name}: {error}"
        );
    }
}

#[tokio::test]
async fn an_error_that_is_printed_has_its_place_in_the_source() {
    // The types go, so that what runs has other lines than what was written.
    let printed =
        "interface Gone {\n  a: string;\n}\n\nconsole.error(new Error('printed'));\nreturn 1;";
    let late =
        "interface Gone {\n  a: string;\n}\n\nPromise.reject(new Error('late'));\nres.end('1');";
    let server = Server::with_scripts(&[("printed.ts", printed), ("late.ts", late)])
        .dev()
        .start()
        .await;
    for (name, message) in [("printed", "Error: printed"), ("late", "Error: late")] {
        server.get(&format!("/{name}")).await.expect_text(200, "1");
        server.logs(message).await;
        server.logs(&format!("({name}.ts:5:")).await;
    }
}

#[tokio::test]
async fn what_can_never_answer_says_so_at_once() {
    let cases = [
        ("settles", "await new Promise(() => {}); return 1"),
        (
            "callback",
            "module.exports = async (req, res) => { await new Promise(() => {}) }",
        ),
        (
            "web",
            "export default { fetch(request) { return new Promise(() => {}) } }",
        ),
    ];
    let setup = Server::empty().routes(&cases);
    let server = setup.start().await;
    for (name, _) in cases {
        let reply = server
            .get(&format!("/{name}"))
            .await
            .expect_error(500, "NEVER_SETTLES");
        assert!(
            reply.json()["error"].as_str().unwrap().contains("promise"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_a_whole_one() {
    let breaks_off = [
        (
            "throws",
            "async function* parts() { yield 'a'; throw new Error('mid-stream') } return parts();",
        ),
        (
            "loops",
            "// @timeout 500\nres.write('a'); await new Promise((done) => setTimeout(done, 50)); for (;;);",
        ),
    ];
    let setup = Server::empty().routes(&breaks_off);
    let server = setup.start().await;
    for (name, _) in breaks_off {
        let sent = server.get(&format!("/{name}")).send().await;
        assert!(sent.is_err(), "{name} looks whole: {sent:?}");
    }
    server.logs("mid-stream").await;
}

#[tokio::test]
async fn what_a_slow_reader_has_not_taken_yet_still_comes() {
    let source = "const part = 'x'.repeat(64 << 10);
        res.writeHead(200);
        for (let i = 0; i < 64; i++) res.write(part);
        res.end('the end');";
    let server = Server::with_script("large.ts", source).start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    // The handler has returned long before the sockets' buffers have room.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = String::from_utf8_lossy(&answer[answer.len().saturating_sub(40)..]).into_owned();
    assert!(end.ends_with("the end\r\n0\r\n\r\n"), "{end:?}");
    assert!(answer.len() > 64 * (64 << 10));
}

#[tokio::test]
async fn what_does_not_compile_says_where() {
    let cases = [
        (
            "syntax",
            "const a = 1;\nconst b = ;\nreturn a;",
            "syntax.ts:2:11",
        ),
        ("twice", "const a = 1;\nconst a = 2;", "twice.ts:2:7"),
        ("jsx", "return <p>hello</p>;", "jsx.ts:1:8"),
        (
            "missing",
            "\nimport { x } from './nowhere';\nreturn x;",
            "missing.ts:2:19",
        ),
        ("bare", "import _ from 'lodash';\nreturn _;", "bare.ts:1:15"),
        (
            "outside",
            "import x from '../../2/secret';\nreturn x;",
            "outside.ts:1:15",
        ),
        (
            "top-level",
            "const early = null as any;\nearly.property;\nexport default () => 1;",
            "top-level.ts:2:",
        ),
    ];
    let setup = cases
        .iter()
        .fold(Server::empty(), |setup, (name, source, _)| {
            setup.script(&format!("{name}.ts"), source)
        });
    let server = setup
        .file("2/secret.ts", "export default 1")
        .dev()
        .start()
        .await;
    for (name, _, place) in cases {
        let reply = server
            .get(&format!("/{name}"))
            .await
            .expect_error(503, "SCRIPT_NOT_PUBLISHED");
        assert!(reply.text().contains(place), "{name}: {reply:?}");
        server.logs(place).await;
    }
}

#[tokio::test]
async fn a_malformed_body_is_the_callers_fault() {
    let server = Server::with_script("e.ts", "return { got: req.body ?? null }")
        .start()
        .await;
    let reply = server
        .post("/e", "{\"a\":")
        .header("content-type", "application/json")
        .await;
    let answer = reply.expect_error(400, "ERROR_400").json();
    assert_eq!(answer["error"], "Invalid JSON body");
    assert_eq!(answer["details"]["bodyPreview"], "{\"a\":");
    assert_eq!(answer["details"]["contentType"], "application/json");
    assert!(
        answer["details"]["parseError"].is_string() && answer["details"]["hint"].is_string(),
        "{answer}"
    );
    let reply = server
        .post("/e", "--b\r\nnonsense")
        .header("content-type", "multipart/form-data; boundary=b")
        .await;
    reply.expect_error(400, "ERROR_400");
    // No body is no malformed body.
    let reply = server
        .post("/e", "")
        .header("content-type", "application/json")
        .await;
    reply.expect_json(200, json!({ "got": null }));
}

#[tokio::test]
async fn console_lines_are_in_the_log_with_the_request() {
    let source =
        "console.log('one', { two: [2] }); console.error('three'); return metadata.executionId;";
    let server = Server::with_script("c.ts", source).start().await;
    let id = server.get("/c").await.expect(200).text();
    server.logs("three").await;
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("one"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains("two") && line.contains(&id) && line.contains("1/c.ts"),
        "{line}"
    );
}
