//! Components outside of Footpath: what they import, what they say of themselves,
//! and that a stock host of wasi:http runs the portable form.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, peer, run, skip};

/// A 2 KB handler of pure Web APIs.
const WEB: &str = "export default { async fetch(request: Request) { const url = new URL(request.url); \
                   return Response.json({ path: url.pathname, body: await request.text(), id: crypto.randomUUID() }) } }";

/// A folder with one script, as `scripts/1/<name>`.
fn folder(name: &str, source: &str) -> TempDir {
    let home = TempDir::new().unwrap();
    let path = home.path().join("scripts/1").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, source).unwrap();
    home
}

fn compile(home: &Path, name: &str, portable: bool) -> PathBuf {
    let output = home.join(if portable {
        "portable.wasm"
    } else {
        "shared.wasm"
    });
    let script = format!("scripts/1/{name}");
    let mut arguments = vec!["compile", &script, "-o", output.to_str().unwrap()];
    arguments.extend(portable.then_some("--portable"));
    let done = run(&arguments, home, "");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    output
}

fn wasm_tools(tool: &Path, arguments: &[&str], file: &Path) -> String {
    let done = Command::new(tool)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

/// The interfaces that `component wit` prints for a component, without versions.
fn interfaces(wit: &str, kind: &str) -> BTreeSet<String> {
    let lines = wit
        .lines()
        .filter_map(|line| line.trim().strip_prefix(kind)?.strip_suffix(';'));
    lines
        .map(|name| name.trim().split('@').next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_capability_is_an_import() {
    let Some(tool) = peer("wasm-tools") else {
        skip!("make peers installs wasm-tools")
    };
    let always = [
        "wasi:io/error",
        "wasi:io/poll",
        "wasi:io/streams",
        "wasi:clocks/monotonic-clock",
        "wasi:clocks/wall-clock",
        "wasi:random/random",
        "wasi:http/types",
    ];
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("return 1;", &[], &[]),
        (
            "return (await fetch('/x')).status;",
            &["wasi:http/outgoing-handler"],
            &["wasi:http/outgoing-handler"],
        ),
        ("return await kv.get('x');", &["footpath:host/kv"], &[]),
        (
            "return (shared.n = 1);",
            &["footpath:host/shared-state"],
            &[],
        ),
    ];
    for (source, shared_form, portable_form) in cases {
        let home = folder("one.ts", source);
        let own = [
            "footpath:host/context",
            "footpath:host/answer",
            "footpath:host/log",
        ];
        let forms = [
            (false, *shared_form, &own[..]),
            (true, *portable_form, &["wasi:cli/stderr"]),
        ];
        for (portable, granted, host) in forms {
            let component = compile(home.path(), "one.ts", portable);
            wasm_tools(&tool, &["validate"], &component);
            let wit = wasm_tools(&tool, &["component", "wit"], &component);
            let expected = always
                .iter()
                .chain(granted)
                .chain(host)
                .map(|name| (*name).to_owned());
            assert_eq!(
                interfaces(&wit, "import"),
                expected.collect(),
                "{source} portable={portable}"
            );
            let exports = interfaces(&wit, "export");
            assert_eq!(
                exports,
                BTreeSet::from(["wasi:http/incoming-handler".to_owned()]),
                "{source}"
            );
        }
    }
}

#[test]
fn a_component_says_what_it_was_made_from() {
    let home = folder("api/one.ts", WEB);
    for portable in [false, true] {
        let bytes = std::fs::read(compile(home.path(), "api/one.ts", portable)).unwrap();
        let sections = wasmparser::Parser::new(0)
            .parse_all(&bytes)
            .filter_map(|payload| match payload.unwrap() {
                wasmparser::Payload::CustomSection(section) if section.name() == "footpath" => {
                    Some(section.data().to_vec())
                }
                _ => None,
            });
        let sections: Vec<Vec<u8>> = sections.collect();
        assert_eq!(sections.len(), 1);
        let provenance: Value = serde_json::from_slice(&sections[0]).unwrap();
        let text = provenance.to_string();
        use sha2::Digest;
        let hash: String = sha2::Sha256::digest(WEB)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        for part in [
            "1/api/one.ts",
            &hash,
            concat!("footpath ", env!("CARGO_PKG_VERSION")),
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

#[test]
fn components_stay_small() {
    let padded = format!("{WEB}\n// {}", "x".repeat(2048 - WEB.len()));
    let home = folder("two.ts", &padded);
    for (portable, bytes_max) in [(false, 600_000), (true, 2_500_000)] {
        let length = std::fs::metadata(compile(home.path(), "two.ts", portable))
            .unwrap()
            .len();
        assert!(length <= bytes_max, "portable={portable}: {length} bytes");
    }
}

/// A stock `wasmtime serve`, killed when it is dropped.
struct Stock {
    child: Child,
    address: String,
}

impl Stock {
    fn serve(wasmtime: &Path, component: &Path) -> Self {
        let mut command = Command::new(wasmtime);
        command
            .args(["serve", "-Scli", "--addr", "127.0.0.1:0"])
            .arg(component);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let said =
            lines.find_map(|line| Some(line.split_once("http://")?.1.trim_matches('/').to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: said.expect("wasmtime says where it listens"),
        }
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn stock_wasmtime_serves_the_portable_form_like_footpath() {
    let Some(wasmtime) = peer("wasmtime") else {
        skip!("make peers installs wasmtime")
    };
    let cases: &[(&str, &str, &str, &str, Value)] = &[
        (
            "hello.ts",
            "return { hello: 'world' };",
            "/hello",
            "",
            json!({ "hello": "world" }),
        ),
        (
            "users/[id].ts",
            "export default (req: any, res: any, metadata: any) => ({ p: metadata.parameters, q: metadata.query, b: req.body ?? null });",
            "/users/7?x=1",
            r#"{"n":[1]}"#,
            json!({ "p": { "id": "7" }, "q": { "x": "1", "id": "7" }, "b": { "n": [1] } }),
        ),
        (
            "web.ts",
            "export default { async fetch(request: Request) { const text = await request.text(); console.log('seen', text); return Response.json({ text }) } };",
            "/web",
            "body",
            json!({ "text": "body" }),
        ),
        (
            "stream.ts",
            "async function* parts() { yield '['; await new Promise((r) => setTimeout(r, 20)); yield '1]' } return parts();",
            "/stream",
            "",
            json!([1]),
        ),
        (
            "main.ts",
            "import { x } from './_lib'; return { x };",
            "/main",
            "",
            json!({ "x": 1 }),
        ),
    ];
    for (name, source, target, body, expected) in cases {
        let home = folder(name, source);
        std::fs::write(home.path().join("scripts/1/_lib.ts"), "export const x = 1;").unwrap();
        let stock = Stock::serve(&wasmtime, &compile(home.path(), name, true));
        let footpath = Server::with_scripts(&[(name, source), ("_lib.ts", "export const x = 1;")])
            .start()
            .await;
        let method = if body.is_empty() {
            http::Method::GET
        } else {
            http::Method::POST
        };
        for there in [None, Some(stock.address.as_str())] {
            let request = footpath
                .request(method.clone(), target)
                .header("content-type", "application/json");
            let request = match there {
                Some(address) => request.instead_to(address),
                None => request,
            };
            request.body(*body).await.expect_json(200, expected.clone());
        }
    }
}

#[tokio::test]
async fn in_a_stock_host_two_requests_differ_and_errors_are_answers() {
    let Some(wasmtime) = peer("wasmtime") else {
        skip!("make peers installs wasmtime")
    };
    let source = "if (metadata.query.throw) throw new Error('on purpose'); return { r: Math.random(), id: crypto.randomUUID() };";
    let home = folder("r.ts", source);
    let stock = Stock::serve(&wasmtime, &compile(home.path(), "r.ts", true));
    let server = Server::empty().start().await;
    let get = |target: &str| server.get(target).instead_to(&stock.address);
    let (one, two) = (
        get("/r").await.expect(200).json(),
        get("/r").await.expect(200).json(),
    );
    assert!(
        one["r"] != two["r"] && one["id"] != two["id"],
        "{one} {two}"
    );
    get("/r?throw=1").await.expect(500);
    get("/r").await.expect(200);
}
