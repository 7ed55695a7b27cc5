//! What can go wrong while a route is made: each saves nothing, ends in a typed
//! error, and lets the next call succeed.

use serde_json::{Value, json};

use super::provider::{Provider, says};
use super::{SEED, catching};
use crate::harness::{Server, Setup, skip};

const GOOD: &str = "return { good: true };";

/// The first answer to a prompt is a fault, the second is good.
fn first(name: &str, fault: Value) -> [Value; 2] {
    let prompt = format!("URL GET /{name}\n");
    let mut fault = fault;
    fault["match"] = json!({ "userMessage": prompt, "sequenceIndex": 0 });
    [
        fault,
        json!({
            "match": { "userMessage": prompt, "sequenceIndex": 1 },
            "response": { "content": GOOD },
        }),
    ]
}

fn code(text: &str) -> Value {
    json!({ "response": { "content": text } })
}

/// Name, first answer, status and code that the caller gets.
fn cases() -> Vec<(&'static str, Value, u16, &'static str)> {
    let error = |status: u16| json!({ "response": { "error": { "message": "no", "type": "x" }, "status": status } });
    let limited = json!({ "response": { "error": { "message": "no", "type": "x" }, "status": 429, "retryAfter": 7 } });
    let chaos = |rate: &str| json!({ "response": { "content": GOOD }, "chaos": { rate: 1 } });
    let megabyte = format!("// {}\nreturn 1;", "x".repeat(1 << 20));
    let cut = json!({ "response": { "content": "return { half: 1, other: 2 };" }, "chunkSize": 5, "latency": 200, "truncateAfterChunks": 2 });
    let length =
        json!({ "response": { "content": "return { half: 1 };", "finishReason": "length" } });
    let silent = json!({ "response": { "content": GOOD }, "streamingProfile": { "ttft": 60_000 } });
    vec![
        ("rate", limited, 503, "AI_PROVIDER_RATE_LIMIT"),
        (
            "malformed",
            chaos("malformedRate"),
            502,
            "AI_PROVIDER_INVALID",
        ),
        (
            "dropped",
            chaos("disconnectRate"),
            502,
            "AI_PROVIDER_UNREACHABLE",
        ),
        ("down", error(503), 502, "AI_PROVIDER_ERROR"),
        ("auth", error(401), 502, "AI_PROVIDER_AUTH"),
        ("cut", cut, 502, "AI_PROVIDER_CUT"),
        ("silent", silent, 504, "AI_PROVIDER_TIMEOUT"),
        ("length", length, 500, "REFUSED"),
        (
            "prose",
            code("I am sorry, but I cannot write that handler."),
            502,
            "ISOLATE_INVALID",
        ),
        (
            "python",
            code("def handler(req):\n    return {'a': 1}"),
            502,
            "ISOLATE_INVALID",
        ),
        ("megabyte", code(&megabyte), 502, "AI_PROVIDER_TOO_LARGE"),
        ("broken", code("return { a: ;"), 502, "ISOLATE_INVALID"),
        (
            "throws",
            code("throw new RangeError('at load');"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "loads",
            code("export const a = nothing.there; export default (req, res) => a;"),
            502,
            "ISOLATE_INVALID",
        ),
        ("forever", code("for (;;) {}"), 502, "ISOLATE_LIMIT"),
        (
            "memory",
            code("const a = []; for (;;) a.push(new Uint8Array(1e6));"),
            502,
            "ISOLATE_LIMIT",
        ),
        (
            "fails",
            code("return res.status(500).json({ error: 'x' });"),
            502,
            "ISOLATE_STATUS",
        ),
        (
            "files",
            code("return await fs.read('api/[...slug].ts');"),
            502,
            "ISOLATE_THREW",
        ),
        ("eval", code("return eval('1 + 1');"), 502, "ISOLATE_THREW"),
        (
            "function",
            code("return (async () => {}).constructor('return 1')();"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "import",
            code("const a = await import('node:fs'); return a;"),
            502,
            "ISOLATE_INVALID",
        ),
        (
            "metadata",
            code("return (await fetch('http://169.254.169.254/latest/meta-data/')).text();"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "prototype",
            code("return Object.getPrototypeOf(fetch).constructor('return fs')().read('x.ts');"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "host",
            code("return globalThis.__native.fsRead('x.ts');"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "env",
            code("return process.env.SECRET.length;"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "static-import",
            code("import fs from 'node:fs';\nreturn fs.readFileSync('/etc/passwd', 'utf8');"),
            502,
            "ISOLATE_INVALID",
        ),
        (
            "neighbour-file",
            code("import secret from './_lib/secret.ts';\nreturn secret;"),
            502,
            "ISOLATE_INVALID",
        ),
        (
            "constructor",
            code("return req.constructor.constructor('return process')().env;"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "generator",
            code("return (function* () {}).constructor('yield fs')().next().value.read('x.ts');"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "loopback",
            code("return (await fetch('http://127.0.0.1:1/')).text();"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "recursion",
            code("const f = () => f() + 1; return f();"),
            502,
            "ISOLATE_THREW",
        ),
        (
            "proxied",
            code(
                "return new Proxy({}, { get() { throw new Error('trap') }, ownKeys() { throw new Error('trap') } });",
            ),
            502,
            "ISOLATE_THREW",
        ),
    ]
}

fn impatient(provider: &Provider) -> Setup {
    catching(provider)
        .script("api/_default.env", "SECRET=hush")
        .set("author.repairs", 0)
        .set("ai.silence_ms", 1_500)
        .set("author.isolate_ms", 3_000)
        .set("author.isolate_fuel_units", 500_000_000)
        .set("author.calls_per_minute", 1_000)
        .set("author.calls_per_minute_per_client", 1_000)
}

#[tokio::test]
async fn a_fault_saves_nothing_and_the_next_call_succeeds() {
    let cases = cases();
    let fixtures: Vec<Value> = cases
        .iter()
        .flat_map(|(name, fault, ..)| first(name, fault.clone()))
        .collect();
    let Some(provider) = Provider::start(&fixtures) else {
        skip!("aimock is not installed");
    };
    let server = impatient(&provider).start().await;
    for (name, _, status, code) in &cases {
        let path = format!("/api/{name}");
        eprintln!("{name}");
        let reply = server.get(&path).await;
        let reply = reply.expect_error(*status, code);
        if *name == "rate" {
            assert_eq!(reply.header("retry-after"), Some("7"));
        }
        let file = server.scripts().join(format!("1/api/{name}.ts"));
        assert!(!file.exists(), "{name} was saved");
        server
            .get(&path)
            .await
            .expect_json(200, json!({ "good": true }));
        assert!(file.exists(), "{name} was not saved");
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there() {
    let setup = |url: &str| Server::with_script("api/[...slug].ts", SEED).set("ai.base_url", url);
    let server = setup("http://127.0.0.1:1/v1").start().await;
    let reply = server.get("/api/x").await;
    reply.expect_error(502, "AI_PROVIDER_UNREACHABLE");
}

#[tokio::test]
async fn without_a_provider_the_answer_says_how_to_get_one() {
    let server = Server::with_script("api/[...slug].ts", SEED).start().await;
    let reply = server
        .get("/api/x")
        .await
        .expect_error(503, "AI_NOT_CONFIGURED");
    let text = reply.json()["error"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("FOOTPATH_AI_BASE_URL="))
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
}

#[tokio::test]
async fn answers_come_in_many_shapes_and_wrappings() {
    let cases = [
        ("fenced", "```js\nreturn { ok: 1 };\n```"),
        (
            "chatty",
            "Sure! Here it is:\n\n```javascript\nreturn { ok: 1 };\n```\n\nHave fun.",
        ),
        (
            "node",
            "export default function handler(req, res) { res.json({ ok: 1 }); }",
        ),
        (
            "commonjs",
            "module.exports = async (req, res) => ({ ok: 1 });",
        ),
        (
            "web",
            "export default { fetch(request) { return Response.json({ ok: 1 }); } };",
        ),
        (
            "typed",
            "const answer: { ok: number } = { ok: 1 };\nreturn answer;",
        ),
        ("express", "res.status(200).json({ ok: 1 });"),
    ];
    let fixtures: Vec<Value> = cases
        .iter()
        .map(|(name, text)| says(&format!("URL GET /{name}\n"), text))
        .collect();
    let Some(provider) = Provider::start(&fixtures) else {
        skip!("aimock is not installed");
    };
    let server = catching(&provider).start().await;
    for (name, _) in cases {
        for time in ["first", "second"] {
            eprintln!("{name}, {time} call");
            let reply = server.get(&format!("/api/{name}")).await;
            reply.expect_json(200, json!({ "ok": 1 }));
        }
    }
    assert_eq!(provider.calls(&server).await, cases.len());
}
