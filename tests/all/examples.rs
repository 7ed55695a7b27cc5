//! The examples in `scripts/`, called as their guide says, and what `footpath init`
//! makes: both have to work for whoever meets Footpath for the first time.

use std::fs;
use std::path::Path;
use std::process::Command;

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, Setup, peer, run, skip};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest/footpath.d.ts");

/// The folder as it is in the repository.
fn examples() -> Setup {
    with_folder(Server::empty(), Path::new(EXAMPLES), "")
}

fn with_folder(mut setup: Setup, folder: &Path, below: &str) -> Setup {
    for entry in fs::read_dir(folder).expect("a folder of scripts") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        let path = format!("{below}{name}");
        setup = if entry.path().is_dir() {
            with_folder(setup, &entry.path(), &format!("{path}/"))
        } else {
            setup.file(&path, fs::read(entry.path()).expect("a file"))
        };
    }
    setup
}

#[tokio::test]
async fn the_small_ones_answer_as_their_text_says() {
    let server = examples().start().await;
    let cases = [
        ("/hello", 200, json!({ "hello": "world" })),
        ("/hello?name=you", 200, json!({ "hello": "you" })),
        (
            "/api/users/1",
            200,
            json!({ "id": "1", "name": "Ada", "role": "editor" }),
        ),
        ("/api/users/9", 404, json!({ "error": "no user 9" })),
        (
            "/proxy/api/users/2",
            200,
            json!({ "id": "2", "name": "Grace", "role": "reader" }),
        ),
        ("/proxy/api/users/9", 404, json!({ "error": "no user 9" })),
        (
            "/api/time?as=tea",
            400,
            json!({ "error": "as is iso or unix" }),
        ),
        ("/counter", 200, json!({ "visits": 1 })),
        ("/counter", 200, json!({ "visits": 2 })),
    ];
    for (target, status, body) in cases {
        server.get(target).await.expect_json(status, body);
    }
}

#[tokio::test]
async fn the_clock_tells_the_time_in_both_ways() {
    let server = examples().start().await;
    let iso = server.get("/api/time").await.expect(200).json();
    let iso = chrono::DateTime::parse_from_rfc3339(iso["now"].as_str().expect("a text"));
    let unix = server.get("/api/time?as=unix").await.expect(200).json();
    let apart = unix["now"].as_i64().expect("a number") - iso.expect("RFC 3339").timestamp();
    assert!((0..=60).contains(&apart), "{apart} s apart");
}

#[tokio::test]
async fn echo_shows_what_was_sent() {
    let server = examples().start().await;
    let sent = json!({ "a": 1 });
    let reply = server
        .request(Method::POST, "/api/echo?x=1&y=two")
        .json(&sent);
    reply
        .header("origin", "https://a.example")
        .await
        .expect_json(
            200,
            json!({
                "method": "POST", "url": "/api/echo?x=1&y=two", "query": { "x": "1", "y": "two" },
                "type": "application/json", "body": sent, "files": [],
            }),
        );
    let form = "--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
                content-type: text/plain\r\n\r\nhello\r\n--b--\r\n";
    let reply = server
        .post("/api/echo", form)
        .header("content-type", "multipart/form-data; boundary=b");
    let files = &reply.await.expect(200).json()["files"];
    assert_eq!(
        *files,
        json!([{ "fieldName": "f", "filename": "a.txt", "type": "text/plain", "size": 5 }])
    );
}

#[tokio::test]
async fn the_stream_is_server_sent_events() {
    let server = examples().start().await;
    let reply = server.get("/stream?count=2").await;
    let reply = reply.expect_header("content-type", "text/event-stream");
    reply.expect_text(
        200,
        "id: 1\ndata: {\"n\":1,\"of\":2}\n\nid: 2\ndata: {\"n\":2,\"of\":2}\n\n",
    );
}

#[tokio::test]
async fn the_list_of_examples_names_routes_that_answer() {
    let server = examples().start().await;
    let list = server.get("/").await.expect(200).json();
    let list = list["examples"].as_object().expect("an object").clone();
    assert!(list.len() > 5, "{list:?}");
    for target in list.keys() {
        server.get(target).await.expect(200);
    }
    let guide = server.get("/guide.md").await.expect(200);
    let guide = guide.expect_header("content-type", "text/markdown; charset=utf-8");
    let text = fs::read(Path::new(EXAMPLES).join("1/guide.md")).expect("the guide");
    assert_eq!(guide.body, text);
}

#[tokio::test]
async fn what_init_makes_answers() {
    let home = TempDir::new().expect("a folder");
    init(home.path());
    let setup = with_folder(Server::empty(), &home.path().join("site/scripts"), "");
    let server = setup.start().await;
    let cases: &[(&str, Value)] = &[
        ("/hello", json!({ "hello": "world" })),
        ("/hello?name=you", json!({ "hello": "you" })),
        ("/counter", json!({ "calls": 1 })),
        ("/counter", json!({ "calls": 2 })),
    ];
    for (target, body) in cases {
        server.get(target).await.expect_json(200, body.clone());
    }
}

fn init(home: &Path) {
    let done = run(&["init", "site"], home, "");
    assert!(done.status.success(), "{done:?}");
}

/// What the compiler says about a folder, a line each.
fn complaints(tsc: &Path, folder: &Path) -> Vec<String> {
    let done = Command::new(tsc)
        .args(["--noEmit", "--pretty", "false"])
        .current_dir(folder)
        .output()
        .expect("tsc runs");
    let said: Vec<String> = String::from_utf8_lossy(&done.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(done.status.success(), said.is_empty(), "{done:?}");
    said
}

#[test]
fn an_editor_checks_the_types_of_what_init_makes() {
    let Some(tsc) = peer("tsc") else {
        skip!("tsc is not there");
    };
    let home = TempDir::new().expect("a folder");
    init(home.path());
    let site = home.path().join("site");
    assert_eq!(complaints(&tsc, &site), [""; 0]);
    // It is the types that are checked, not the mere syntax.
    let wrong = "export default () => metadata.parameters.nothing.length + kv.nothing();";
    fs::write(site.join("scripts/1/wrong.ts"), wrong).expect("written");
    let said = complaints(&tsc, &site).join("\n");
    assert!(
        said.contains("wrong.ts") && said.contains("nothing"),
        "{said}"
    );
}

#[test]
fn an_editor_checks_the_types_of_the_examples() {
    let Some(tsc) = peer("tsc") else {
        skip!("tsc is not there");
    };
    let home = TempDir::new().expect("a folder");
    init(home.path());
    let site = home.path().join("site");
    fs::remove_dir_all(site.join("scripts")).expect("removed");
    copy(Path::new(EXAMPLES), &site.join("scripts"));
    fs::copy(TYPES, site.join("footpath.d.ts")).expect("copied");
    // That a file is the body of a function is what TypeScript has no name for.
    let mut said = complaints(&tsc, &site);
    said.retain(|line| !line.contains("error TS1108: A 'return' statement"));
    assert_eq!(said, [""; 0]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}
