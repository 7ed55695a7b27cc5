//! The verbs of the program, as somebody at a terminal meets them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{PATIENCE, Server, footpath, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[track_caller]
fn succeeds(done: &Output) -> String {
    assert!(
        done.status.success(),
        "{}\n{}",
        text(&done.stdout),
        text(&done.stderr)
    );
    text(&done.stdout)
}

#[track_caller]
fn fails(done: &Output) -> String {
    assert!(
        !done.status.success(),
        "{}\n{}",
        text(&done.stdout),
        text(&done.stderr)
    );
    let said = text(&done.stdout) + &text(&done.stderr);
    assert!(
        !said.contains("panicked") && !said.contains("Backtrace"),
        "{said}"
    );
    said
}

fn write(folder: &Path, path: &str, content: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn every_verb_has_help() {
    let home = TempDir::new().unwrap();
    let all = succeeds(&run(&["--help"], home.path(), ""));
    for verb in [
        "serve", "init", "check", "compile", "invoke", "logs", "export", "import",
    ] {
        assert!(
            all.lines().any(|line| line.trim_start().starts_with(verb)),
            "{verb} in\n{all}"
        );
        let help = succeeds(&run(&[verb, "--help"], home.path(), ""));
        assert!(
            help.contains("Usage:") && help.len() > 150,
            "{verb}:\n{help}"
        );
    }
    let version = succeeds(&run(&["--version"], home.path(), ""));
    assert_eq!(
        version.trim(),
        concat!("footpath ", env!("CARGO_PKG_VERSION"))
    );
    let unknown = fails(&run(&["srve"], home.path(), ""));
    assert!(unknown.contains("serve"), "{unknown}");
}

#[tokio::test]
async fn init_makes_a_folder_that_works() {
    let home = TempDir::new().unwrap();
    succeeds(&run(&["init", "site"], home.path(), ""));
    let site = home.path().join("site");
    for file in ["tsconfig.json", "footpath.d.ts", "scripts/1/hello.ts"] {
        assert!(site.join(file).exists(), "{file}");
    }
    succeeds(&run(&["check", "scripts"], &site, ""));
    let hello = std::fs::read_to_string(site.join("scripts/1/hello.ts")).unwrap();
    let server = Server::with_script("hello.ts", &hello).start().await;
    server.get("/hello").await.expect(200);
    std::fs::write(site.join("scripts/1/hello.ts"), "mine").unwrap();
    let again = fails(&run(&["init", "site"], home.path(), ""));
    assert!(again.contains("hello.ts"), "{again}");
    assert_eq!(
        std::fs::read_to_string(site.join("scripts/1/hello.ts")).unwrap(),
        "mine"
    );
}

#[test]
fn check_finds_what_serve_would() {
    let home = TempDir::new().unwrap();
    write(home.path(), "scripts/1/good.ts", "return 1;");
    let good = succeeds(&run(&["check", "scripts"], home.path(), ""));
    assert!(good.contains("0 problems"), "{good}");
    write(home.path(), "scripts/1/bad.ts", "const a = 1;\nconst b = ;");
    write(home.path(), "scripts/1/twice/index.ts", "return 1;");
    write(
        home.path(),
        "scripts/1/twice.ts",
        "// @timeout soon\nreturn 1;",
    );
    write(home.path(), "scripts/1/u/[id].ts", "return 1;");
    write(home.path(), "scripts/1/u/[name]/x.ts", "return 1;");
    let said = fails(&run(&["check", "scripts"], home.path(), ""));
    for part in [
        "bad.ts:2:11",
        "more than one file",
        "one level has the parameter names",
        "@timeout",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    let printed = succeeds(&run(&["check", "--print"], home.path(), ""));
    assert!(
        printed.contains("[limits]") && printed.contains("wall_clock_ms = 30000"),
        "{printed}"
    );
    write(home.path(), "footpath.toml", "[limits]\nmemroy_bytes = 1\n");
    let said = fails(&run(
        &["check", "--config", "footpath.toml"],
        home.path(),
        "",
    ));
    assert!(said.contains("limits.memory_bytes"), "{said}");
}

#[test]
fn compile_says_what_is_wrong_and_writes_nothing_then() {
    let home = TempDir::new().unwrap();
    write(home.path(), "scripts/1/bad.ts", "\nreturn <p>no</p>;");
    let said = fails(&run(
        &["compile", "scripts/1/bad.ts", "-o", "out.wasm"],
        home.path(),
        "",
    ));
    assert!(said.contains("bad.ts:2:8"), "{said}");
    assert!(!home.path().join("out.wasm").exists());
    let said = fails(&run(
        &["compile", "scripts/1/none.ts", "-o", "out.wasm"],
        home.path(),
        "",
    ));
    assert!(said.contains("none.ts"), "{said}");
    write(home.path(), "scripts/1/good.ts", "return 1;");
    let said = fails(&run(
        &[
            "compile",
            "scripts/1/good.ts",
            "-o",
            "no/such/folder/out.wasm",
        ],
        home.path(),
        "",
    ));
    assert!(said.contains("no/such/folder"), "{said}");
}

#[test]
fn invoke_runs_a_script_once() {
    let home = TempDir::new().unwrap();
    write(
        home.path(),
        "scripts/1/users/[id].ts",
        "if (metadata.query.fail) throw new Error('on purpose');\nreturn { m: req.method, p: metadata.parameters.id, b: req.body ?? null };",
    );
    let script = "scripts/1/users/[id].ts";
    let arguments = [
        "invoke",
        script,
        "--method",
        "POST",
        "--path",
        "/users/7",
        "--body",
        r#"{"a":1}"#,
        "-H",
        "content-type: application/json",
    ];
    let answer = succeeds(&run(&arguments, home.path(), ""));
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer, json!({ "m": "POST", "p": "7", "b": { "a": 1 } }));
    let said = fails(&run(
        &["invoke", script, "--path", "/users/7?fail=1"],
        home.path(),
        "",
    ));
    assert!(
        said.contains("on purpose") && said.contains("[id].ts:1:"),
        "{said}"
    );
    // What is no path must not become a part of the address.
    for elsewhere in ["users/7", "@other.example/x"] {
        let wrong = run(&["invoke", script, "--path", elsewhere], home.path(), "");
        assert!(
            fails(&wrong).contains("does not begin with a slash"),
            "{elsewhere}"
        );
    }
}

#[tokio::test]
async fn an_export_can_be_imported_elsewhere() {
    let put = "await kv.set('key', 'kept'); return 1;";
    let get = "return await kv.get('key') ?? 'nothing';";
    let mut first = Server::with_scripts(&[("put.ts", put), ("get.ts", get)])
        .start()
        .await;
    first.get("/put").await.expect(200);
    let home = TempDir::new().unwrap();
    let data = first.data().display().to_string();
    let said = fails(&run(
        &["export", "state.footpath", "--data", &data],
        home.path(),
        "",
    ));
    assert!(said.contains(&first.pid().to_string()), "{said}");
    assert!(first.stop().success());
    succeeds(&run(
        &["export", "state.footpath", "--data", &data],
        home.path(),
        "",
    ));
    let second = Server::with_script("get.ts", get);
    let data = second.data().display().to_string();
    succeeds(&run(
        &["import", "state.footpath", "--data", &data],
        home.path(),
        "",
    ));
    let second = second.start().await;
    second.get("/get").await.expect_text(200, "kept");
    // A damaged export is refused as a whole.
    let mut bytes = std::fs::read(home.path().join("state.footpath")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(home.path().join("damaged"), bytes).unwrap();
    let third = Server::with_script("get.ts", get);
    let data = third.data().display().to_string();
    fails(&run(
        &["import", "damaged", "--data", &data],
        home.path(),
        "",
    ));
    let third = third.start().await;
    third.get("/get").await.expect_text(200, "nothing");
}

#[test]
fn a_store_that_is_not_there_is_not_exported() {
    let home = TempDir::new().unwrap();
    let said = fails(&run(
        &["export", "state.footpath", "--data", "dtaa"],
        home.path(),
        "",
    ));
    assert!(said.contains("dtaa") && said.contains("--data"), "{said}");
    assert!(!home.path().join("dtaa").exists());
    assert!(!home.path().join("state.footpath").exists());
}

#[tokio::test]
async fn the_first_start_makes_a_root_token_and_shows_it_once() {
    let mut server = Server::with_script("a.ts", "return 1")
        .variable("FOOTPATH_TOKEN", "")
        .start()
        .await;
    server.logs("curl").await;
    let log = server.log();
    let token = log
        .lines()
        .find_map(|line| line.strip_prefix("export FOOTPATH_TOKEN="));
    let token = token.unwrap_or_else(|| panic!("no token in {log}"));
    let list = "/api/v1/exec/scripts/list";
    server.get(list).await.expect(401);
    server.get(list).token("guessed").await.expect(401);
    server.get(list).token(token).await.expect(200);
    server.restart().await;
    server.get(list).token(token).await.expect(200);
    assert!(!server.log().contains(token), "{}", server.log());
}

#[tokio::test]
async fn logs_are_shown_filtered_and_followed() {
    let server = Server::with_scripts(&[
        ("a.ts", "console.log('from a'); return 1"),
        ("b.ts", "console.warn('from b'); throw new Error('broken')"),
    ])
    .start()
    .await;
    let data = server.data().display().to_string();
    let shown = |arguments: &[&str]| {
        let all = [&["logs", "--data", &data], arguments].concat();
        succeeds(&run(&all, Path::new("/"), ""))
    };
    let first = server.get("/a").await.expect(200);
    let id = first.headers["x-execution-id"].to_str().unwrap().to_owned();
    server.get("/b").await.expect(500);
    server.get("/missing").await.expect(404);
    // A question to the API comes after all that was logged before it.
    server
        .get("/api/v1/exec/logs/list")
        .as_root()
        .await
        .expect(200);
    let all = shown(&[]);
    assert_eq!(
        all.lines().filter(|line| line.contains("from ")).count(),
        2,
        "{all}"
    );
    assert!(all.contains(&format!("INFO  1/a.ts {id} from a")), "{all}");
    assert!(all.contains("broken") && all.contains("b.ts:1:"), "{all}");
    assert!(!shown(&["--level", "warn"]).contains("from a"));
    assert!(!shown(&["--level", "error"]).contains("from b"));
    assert!(!shown(&["--script", "1/a.ts"]).contains("from b"));
    let one = shown(&["--request", &id[..8], "--json"]);
    let one: serde_json::Value = serde_json::from_str(&one).expect("one line of JSON");
    assert_eq!(
        (&one["message"], &one["level"]),
        (&json!("from a"), &json!("info"))
    );
    assert_eq!(
        shown(&["-n", "1"])
            .lines()
            .filter(|line| !line.starts_with(' '))
            .count(),
        1
    );
    let access = shown(&["access"]);
    assert_eq!(
        access
            .lines()
            .filter(|line| line.contains(" GET /"))
            .count(),
        access.lines().count(),
        "{access}"
    );
    assert!(access.contains(" 404 GET /missing"), "{access}");
    assert!(!shown(&["access", "--level", "error"]).contains("/missing"));
    let nowhere = fails(&run(&["logs", "--data", "/nowhere"], Path::new("/"), ""));
    assert!(nowhere.contains("--data"), "{nowhere}");
    follow(&server, &data).await;
}

async fn follow(server: &Server, data: &str) {
    let mut following = footpath();
    following
        .args([
            "logs", "--follow", "-n", "0", "--script", "a.ts", "--data", data,
        ])
        .stdout(Stdio::piped());
    let mut following = following.spawn().expect("the binary can be run");
    let mut lines = BufReader::new(following.stdout.take().expect("piped")).lines();
    // It may begin to follow after the first of them.
    let calls = async {
        loop {
            server.get("/b").await.expect(500);
            server.get("/a").await.expect(200);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let reading = tokio::task::spawn_blocking(move || lines.next());
    let line = tokio::select! {
        line = reading => line.expect("no panic").expect("a line").expect("UTF-8"),
        () = calls => unreachable!("it calls for ever"),
        () = tokio::time::sleep(PATIENCE) => panic!("nothing is followed"),
    };
    following.kill().expect("it still follows");
    following.wait().expect("a child of ours");
    assert!(line.ends_with("from a"), "{line}");
}
