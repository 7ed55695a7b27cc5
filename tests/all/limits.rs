//! Hostile handlers: each ends with its typed answer, the server goes on
//! answering, and the memory comes back.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Reply, Server, Setup};

/// The wall clock of handlers here, in milliseconds.
pub const WALL_CLOCK_MS: u64 = 2_000;
/// Fuel of handlers here: about a fifth of a second of CPU.
const FUEL_UNITS: u64 = 1_000_000_000;
/// Memory of handlers here, in bytes.
const MEMORY_BYTES: u64 = 32 << 20;
/// A limited answer comes within its limit and this much more. Not a benchmark:
/// the machine of the tests may be busy with other tests.
const SLACK: Duration = Duration::from_secs(15);
/// How much more memory than before the server may hold when all is over, in bytes:
/// each of 32 slots keeps up to 4 MiB for the next call.
const MEMORY_SLACK_BYTES: u64 = 128 << 20;

/// A server with a good route and small limits.
pub fn guarded() -> Setup {
    Server::with_script("good.ts", "return { good: true }")
        .set("limits.wall_clock_ms", WALL_CLOCK_MS)
        .set("limits.fuel_units", FUEL_UNITS)
        .set("limits.memory_bytes", MEMORY_BYTES)
}

pub async fn still_good(server: &Server) {
    server
        .get("/good")
        .await
        .expect_json(200, json!({ "good": true }));
}

/// The body of a limit's answer.
#[track_caller]
pub fn limited(reply: Reply, status: u16, name: &str, max: u64) -> Value {
    let answer = reply.expect_error(status, &format!("LIMIT_{name}")).json();
    assert_eq!(answer["limit"], name.to_lowercase(), "{answer}");
    assert_eq!(answer["max"], max, "{answer}");
    assert!(answer["used"].as_u64().is_some(), "{answer}");
    assert!(
        answer["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
        "{answer}"
    );
    answer
}

/// The memory that the server holds when it has published its scripts, in bytes:
/// publishing takes some that stays.
pub async fn settled(server: &Server) -> u64 {
    server.logs("published what was new").await;
    server.resident_bytes()
}

/// Waits until the server holds about as much memory as before.
pub async fn memory_returns(server: &Server, before_bytes: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = server.resident_bytes();
        if now <= before_bytes + MEMORY_SLACK_BYTES {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{} MiB before, {} MiB now",
            before_bytes >> 20,
            now >> 20
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Handlers that never stop computing.
const BURNERS: &[(&str, &str)] = &[
    ("loop", "for (;;) ;"),
    (
        "promises",
        "const f = () => { Promise.resolve().then(f) }; f(); await new Promise(() => {})",
    ),
    (
        "microtasks",
        "const f = () => queueMicrotask(f); f(); await new Promise(() => {})",
    ),
    ("awaits", "for (;;) await 0"),
    ("regex", "return /^(a+)+$/.test('a'.repeat(40) + '!')"),
    (
        "caught",
        "for (;;) try { for (const a = [];;) a.push(new Uint8Array(1 << 20)) } catch {}",
    ),
    (
        "sort",
        "const a = Array.from({ length: 2e5 }, (_, i) => -i); for (;;) a.sort().reverse()",
    ),
    (
        "bigint",
        "for (let n = 3n;;) n = n * n % (10n ** 4000n + 7n) + 3n",
    ),
    (
        "replace",
        "for (let s = 'a'.repeat(1e5);;) s = s.replaceAll('a', 'b').replaceAll('b', 'a')",
    ),
];

/// Handlers that never stop waiting.
const WAITERS: &[(&str, &str)] = &[
    (
        "timers",
        "for (;;) await new Promise((r) => setTimeout(r, 1))",
    ),
    ("sleep", "await new Promise((r) => setTimeout(r, 600_000))"),
    (
        "interval",
        "setInterval(() => {}, 10); await new Promise(() => {})",
    ),
    ("neighbour", "await fetch('/patient')"),
];

/// Handlers that never have enough memory.
const EATERS: &[(&str, &str)] = &[
    (
        "arrays",
        "for (const a = [];;) a.push(new Array(10_000).fill(1))",
    ),
    (
        "buffers",
        "for (const a = [];;) a.push(new Uint8Array(1 << 20))",
    ),
    ("one-buffer", "return new Uint8Array(1 << 30).length"),
    ("text", "for (let s = 'x';;) s = [s, s].join('')"),
    (
        "answer",
        "let s = 'x'; while (s.length < 1e7) s = [s, s].join(''); return [s, s]",
    ),
];

/// Where one limit is tested the others are far away.
pub const FAR_MS: u64 = 60_000;
const FAR_FUEL_UNITS: u64 = 500_000_000_000;

async fn all_hit(setup: Setup, handlers: &[(&str, &str)], status: u16, limit: &str, max: u64) {
    let add =
        |setup: Setup, (name, source): &(&str, &str)| setup.script(&format!("{name}.ts"), source);
    let server = handlers.iter().fold(setup, add).start().await;
    still_good(&server).await;
    let before = settled(&server).await;
    for (name, _) in handlers {
        let started = Instant::now();
        limited(server.get(&format!("/{name}")).await, status, limit, max);
        let took = started.elapsed();
        let allowed = Duration::from_millis(WALL_CLOCK_MS) + SLACK;
        assert!(took < allowed, "{name} took {took:?}");
        still_good(&server).await;
    }
    memory_returns(&server, before).await;
}

#[tokio::test]
async fn endless_computing_hits_the_fuel_limit() {
    let setup = guarded().set("limits.wall_clock_ms", FAR_MS);
    all_hit(setup, BURNERS, 500, "FUEL", FUEL_UNITS).await;
}

#[tokio::test]
async fn endless_waiting_hits_the_wall_clock() {
    // The neighbour's own time must not be over first.
    let patient = "// @timeout 60s\nawait new Promise((r) => setTimeout(r, 600_000))";
    let setup = guarded().script("patient.ts", patient);
    all_hit(setup, WAITERS, 504, "TIMEOUT", WALL_CLOCK_MS).await;
}

#[tokio::test]
async fn endless_memory_hits_the_memory_limit() {
    let setup = guarded()
        .set("limits.wall_clock_ms", FAR_MS)
        .set("limits.fuel_units", FAR_FUEL_UNITS);
    all_hit(setup, EATERS, 500, "MEMORY", MEMORY_BYTES).await;
}

#[tokio::test]
async fn deep_recursion_ends_the_call_and_not_the_server() {
    let cases = [
        (
            "plain",
            "const f = (n: number): number => f(n + 1) + 1; return f(0);",
        ),
        (
            "methods",
            "const o: any = { toString() { return '' + o } }; return String(o);",
        ),
        (
            "getter",
            "const o: any = { get a() { return o.a } }; return o.a;",
        ),
        (
            "sort",
            "const f = (): any => [2, 1].sort(() => f()); return f();",
        ),
        (
            "json",
            "const o: any = { toJSON() { return JSON.stringify(o) } }; return o;",
        ),
        (
            "nested-json",
            "let o: any = []; for (let i = 0; i < 200_000; i++) o = [o]; return o;",
        ),
        (
            "parse-json",
            "return JSON.parse('['.repeat(500_000) + ']'.repeat(500_000)).length;",
        ),
        (
            "nested-regex",
            "return new RegExp('('.repeat(50_000) + ')'.repeat(50_000)).test('x');",
        ),
        (
            "eval",
            "return (0, eval)('('.repeat(50_000) + '1' + ')'.repeat(50_000));",
        ),
        (
            "proxies",
            "let p: any = {}; for (let i = 0; i < 100_000; i++) p = new Proxy(p, {}); return p.x ?? 1;",
        ),
        (
            "promises",
            "const f = async (): Promise<any> => await f(); return f();",
        ),
    ];
    let patient = guarded().set("limits.wall_clock_ms", FAR_MS);
    let setup = patient.routes(&cases);
    let server = setup.dev().start().await;
    still_good(&server).await;
    let before = settled(&server).await;
    for (name, _) in cases {
        let answer = server.get(&format!("/{name}")).await.expect(500).json();
        let code = answer["code"].as_str().unwrap();
        // QuickJS notices most of it and throws; the sandbox's own stack, memory
        // and fuel are behind it.
        let known = ["SCRIPT_ERROR", "LIMIT_STACK", "LIMIT_MEMORY", "LIMIT_FUEL"];
        assert!(known.contains(&code), "{name}: {answer}");
        still_good(&server).await;
    }
    let answer = server
        .get("/plain")
        .await
        .expect_error(500, "SCRIPT_ERROR")
        .json();
    assert!(
        answer["error"].as_str().unwrap().contains("call stack"),
        "{answer}"
    );
    memory_returns(&server, before).await;
}

#[tokio::test]
async fn a_bomb_at_the_top_level_is_a_script_that_does_not_publish() {
    let cases = [
        ("loop", "for (;;) ;\nexport default () => 1;", "fuel"),
        (
            "memory",
            "const all: any[] = []; for (;;) all.push(new Uint8Array(1 << 20));\nexport default () => 1;",
            "memory",
        ),
        (
            "stack",
            "const f = (): any => f(); f();\nexport default () => 1;",
            "stack",
        ),
        (
            "nested",
            &format!("return {}1{};", "(".repeat(100_000), ")".repeat(100_000)),
            "deep",
        ),
        (
            "arrays",
            &format!("return {}1{};", "[".repeat(100_000), "]".repeat(100_000)),
            "deep",
        ),
        ("chain", &format!("return 1{};", " + 1".repeat(100_000)), ""),
        (
            "types",
            &format!(
                "type T = {}1{};\nreturn 1;",
                "Array<".repeat(20_000),
                ">".repeat(20_000)
            ),
            "",
        ),
    ];
    let setup = cases.iter().fold(guarded(), |setup, (name, source, _)| {
        setup.script(&format!("{name}.ts"), source)
    });
    let server = setup.dev().start().await;
    for (name, _, word) in cases {
        let answer = server
            .get(&format!("/{name}"))
            .await
            .expect_error(503, "SCRIPT_NOT_PUBLISHED")
            .json();
        assert!(answer.to_string().contains(word), "{name}: {answer}");
        still_good(&server).await;
    }
}

#[tokio::test]
async fn answers_have_a_size() {
    let server = guarded()
        .set("limits.wall_clock_ms", FAR_MS)
        .set("limits.response_body_bytes", 1 << 20)
        .script("text.ts", "return 'x'.repeat((1 << 20) + 1)")
        .script("fits.ts", "return 'x'.repeat(1 << 20)")
        .script(
            "stream.ts",
            "async function* parts() { for (;;) yield 'x'.repeat(10_000) } return parts()",
        )
        .script(
            "headers.ts",
            "for (let i = 0; i < 1_000_000; i++) res.setHeader('x-' + i, 'y'); return 1",
        )
        .script(
            "header.ts",
            "res.setHeader('x-large', 'y'.repeat(4 << 20)); return 1",
        )
        .dev()
        .start()
        .await;
    still_good(&server).await;
    let before = settled(&server).await;
    assert_eq!(server.get("/fits").await.expect(200).body.len(), 1 << 20);
    limited(server.get("/text").await, 500, "RESPONSE_BODY", 1 << 20);
    // Its head was sent long before: what is left is to break off.
    let sent = server.get("/stream").send().await;
    assert!(sent.is_err(), "an endless stream looks whole: {sent:?}");
    for name in ["headers", "header"] {
        let answer = server.get(&format!("/{name}")).await.expect(500).json();
        let code = answer["code"].as_str().unwrap();
        assert!(
            ["LIMIT_HEADERS", "LIMIT_MEMORY", "LIMIT_FUEL"].contains(&code),
            "{name}: {answer}"
        );
        still_good(&server).await;
    }
    memory_returns(&server, before).await;
}

#[tokio::test]
async fn a_log_flood_is_cut() {
    let flood =
        "for (let i = 0; i < 100_000; i++) console.log('flood ' + 'x'.repeat(1000)); return 'done'";
    let setup = guarded()
        .set("limits.log_bytes", 64 << 10)
        .set("limits.fuel_units", 50_000_000_000u64);
    let server = setup
        .script("flood.ts", flood)
        .set("limits.wall_clock_ms", 60_000)
        .start()
        .await;
    server.get("/flood").await.expect_text(200, "done");
    server.logs("the rest is dropped").await;
    let length = server.log().len();
    assert!(length < 256 << 10, "{length} bytes of log");
    still_good(&server).await;
}

#[tokio::test]
async fn the_good_ones_are_served_beside_the_hostile_ones() {
    let setup = guarded().script("loop.ts", "for (;;) ;").script(
        "eat.ts",
        "const a: any[] = []; for (;;) a.push(new Uint8Array(1 << 20));",
    );
    let server = setup.set("limits.wall_clock_ms", FAR_MS).start().await;
    still_good(&server).await;
    let before = settled(&server).await;
    let hostile = async {
        let loops = join_all((0..6).map(|_| async { server.get("/loop").await }));
        let eaters = join_all((0..6).map(|_| async { server.get("/eat").await }));
        let (loops, eaters) = tokio::join!(loops, eaters);
        for reply in loops {
            limited(reply, 500, "FUEL", FUEL_UNITS);
        }
        for reply in eaters {
            limited(reply, 500, "MEMORY", MEMORY_BYTES);
        }
    };
    let good = async {
        for _ in 0..50 {
            still_good(&server).await;
        }
    };
    tokio::join!(hostile, good);
    memory_returns(&server, before).await;
}

#[tokio::test]
async fn what_is_handed_to_the_host_has_a_size() {
    let cases = [
        (
            "header",
            "await fetch('/good', { headers: { x: text } })",
            4 << 20,
            "HEADERS",
        ),
        (
            "big-header",
            "await fetch('/good', { headers: { x: text } })",
            42 << 20,
            "HOST_CALL",
        ),
        (
            "answer-header",
            "res.setHeader('x', text)",
            42 << 20,
            "HOST_CALL",
        ),
        ("value", "await kv.set('a', text)", 42 << 20, "HOST_CALL"),
        ("key", "await kv.get(text)", 42 << 20, "HOST_CALL"),
        ("log", "console.log(text)", 42 << 20, "HOST_CALL"),
        (
            "method",
            "await fetch('/good', { method: text })",
            42 << 20,
            "HOST_CALL",
        ),
    ];
    let setup = cases
        .iter()
        .fold(guarded(), |setup, (name, code, bytes, _)| {
            let source =
                format!("// @memory 256mb\nconst text = 'y'.repeat({bytes}); {code}; return 1");
            setup.script(&format!("{name}.ts"), &source)
        });
    let server = setup
        .set("limits.wall_clock_ms", FAR_MS)
        .set("limits.fuel_units", FAR_FUEL_UNITS)
        .start()
        .await;
    still_good(&server).await;
    let before = settled(&server).await;
    for (name, _, _, limit) in cases {
        let max = if limit == "HEADERS" {
            128 << 10
        } else {
            40 << 20
        };
        limited(server.get(&format!("/{name}")).await, 500, limit, max);
        still_good(&server).await;
    }
    memory_returns(&server, before).await;
}

#[tokio::test]
async fn what_the_host_holds_for_a_handler_has_a_number() {
    let setup = guarded()
        .set("limits.wall_clock_ms", FAR_MS)
        .set("limits.fuel_units", FAR_FUEL_UNITS);
    let calls = ("calls", "for (;;) fetch('/good').catch(() => {})");
    all_hit(setup, &[calls], 500, "HANDLES", 4096).await;
}
