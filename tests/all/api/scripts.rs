//! `scripts/*`: writing, reading, listing, deleting, moving.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use super::{get, post, write};
use crate::harness::{PATIENCE, Server};

#[tokio::test]
async fn what_is_written_answers_the_next_call() {
    let server = Server::empty().start().await;
    let answer = write(&server, "api/hello.ts", "return { hello: 'one' }").await;
    assert_eq!(answer["path"], "api/hello.ts");
    assert_eq!(answer["resolvedPath"], "1/api/hello.ts");
    assert_eq!(
        (&answer["created"], &answer["updated"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&answer["size"], &answer["validated"]),
        (&json!(23), &json!(true))
    );
    assert_eq!(
        (&answer["version"], &answer["evaluated"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        (&answer["route"], &answer["problem"]),
        (&json!("/api/hello"), &Value::Null)
    );
    server
        .get("/api/hello")
        .await
        .expect_json(200, json!({ "hello": "one" }));
    for number in 2..20 {
        let answer = write(&server, "api/hello.ts", &format!("return {number}")).await;
        assert_eq!(
            (&answer["updated"], &answer["version"]),
            (&json!(true), &json!(number))
        );
        server
            .get("/api/hello")
            .await
            .expect_json(200, json!(number));
    }
    let file = fs::read_to_string(server.scripts().join("1/api/hello.ts")).unwrap();
    assert_eq!(file, "return 19");
    // The watcher saw all of it and published nothing a second time.
    let versions = get(&server, "scripts/versions?path=api/hello.ts")
        .await
        .expect(200)
        .json();
    assert_eq!(versions["count"], 19);
    assert!(
        versions["versions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|version| version["token"] == "root")
    );
}

#[tokio::test]
async fn what_does_not_compile_changes_nothing() {
    let server = Server::with_script("a.ts", "return 'good'").start().await;
    server.get("/a").await.expect_text(200, "good");
    let body = json!({ "path": "a.ts", "content": "const x: number = 1\nreturn x +" });
    let reply = post(&server, "scripts/write", body.clone())
        .await
        .expect_error(400, "ERROR_400")
        .json();
    assert_eq!(reply["error"], "Script validation failed");
    let validation = &reply["details"]["validation"];
    assert_eq!(validation["valid"], false);
    let error = &validation["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"]),
        (&json!("a.ts"), &json!(2))
    );
    assert!(error["column"].as_u64().unwrap() > 5);
    assert!(
        error["frame"]
            .as_str()
            .unwrap()
            .contains("> 2 | return x +")
    );
    server.get("/a").await.expect_text(200, "good");
    assert_eq!(
        fs::read_to_string(server.scripts().join("1/a.ts")).unwrap(),
        "return 'good'"
    );
    // A new file of that kind is not made either.
    let body_of_new = json!({ "path": "new.ts", "content": "return +" });
    post(&server, "scripts/write", body_of_new)
        .await
        .expect(400);
    assert!(!server.scripts().join("1/new.ts").exists());
    // Without validation the text is stored, and the old version answers.
    let mut unchecked = body;
    unchecked["validate"] = json!(false);
    let answer = post(&server, "scripts/write", unchecked)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&answer["validated"], &answer["version"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(answer["problem"]["diagnostics"][0]["line"], 2);
    server.get("/a").await.expect_text(200, "good");
    assert!(
        fs::read_to_string(server.scripts().join("1/a.ts"))
            .unwrap()
            .ends_with("x +")
    );
    let listed = get(&server, "scripts/list").await.expect(200).json();
    assert!(
        listed["scripts"][0]["problem"]["message"]
            .as_str()
            .unwrap()
            .starts_with("a.ts:2:")
    );
}

#[tokio::test]
async fn the_old_version_also_outlives_a_restart() {
    let mut server = Server::with_script("a.ts", "return 'good'").start().await;
    server.get("/a").await.expect_text(200, "good");
    let body = json!({ "path": "a.ts", "content": "return +", "validate": false });
    post(&server, "scripts/write", body).await.expect(200);
    server.get("/a").await.expect_text(200, "good");
    server.restart().await;
    server.get("/a").await.expect_text(200, "good");
    let listed = get(&server, "scripts/list").await.expect(200).json();
    assert!(listed["scripts"][0]["problem"].is_object(), "{listed}");
}

#[tokio::test]
async fn a_top_level_that_throws_is_told_with_its_place() {
    let server = Server::empty().start().await;
    let content = "const a: number = 1\nfail()\nfunction fail() { throw new TypeError('no' + a) }\n\
                   export default (req: Request) => new Response()";
    let body = json!({ "path": "a.ts", "content": content });
    let error = post(&server, "scripts/write", body)
        .await
        .expect(400)
        .json();
    let error = &error["details"]["validation"]["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"]),
        (&json!("a.ts"), &json!(3))
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .ends_with("TypeError: no1"),
        "{error}"
    );
}

#[tokio::test]
async fn files_of_other_kinds_are_checked_as_what_they_are() {
    let server = Server::empty().start().await;
    let valid = [
        ("data.json", "{\"a\": [1]}"),
        ("_lib/helper.ts", "export const a: number = 1"),
        ("_lib/config.ts", "export default { a: 1 }"),
        (
            "x.test.ts",
            "import { test } from 'vitest'; test('x', () => {})",
        ),
        ("types.d.ts", "declare const a: string"),
        ("page.md", "# Hello"),
        ("notes.txt", "{"),
        ("app.env", "A=1"),
    ];
    for (path, content) in valid {
        let answer = write(&server, path, content).await;
        assert_eq!(answer["problem"], Value::Null, "{path}");
    }
    server.get("/page.md").await.expect_text(200, "# Hello");
    let body = json!({ "path": "data.json", "content": "{\"a\":\n}" });
    let reply = post(&server, "scripts/write", body)
        .await
        .expect(400)
        .json();
    assert_eq!(reply["error"], "Invalid JSON");
    let error = &reply["details"]["validation"]["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"]),
        (&json!("data.json"), &json!(2))
    );
    for (path, content) in [
        ("_lib/helper.ts", "export const a = "),
        ("_lib/helper.ts", "import './nothing'; export const a = 1"),
        ("x.test.ts", "test("),
    ] {
        let body = json!({ "path": path, "content": content });
        let reply = post(&server, "scripts/write", body)
            .await
            .expect(400)
            .json();
        assert_eq!(reply["error"], "Script validation failed", "{path}");
        assert_eq!(reply["details"]["validation"]["errors"][0]["file"], path);
    }
    // What looks like a route and is none is told.
    let answer = write(&server, "app.tsx", "x").await;
    assert!(
        answer["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .contains(".tsx"),
        "{answer}"
    );
    // So is what stands in the comments and has no effect.
    for (comment, expected) in [
        ("// @schedule */0 5 * * *", "is no schedule"),
        ("/** @token hush */", "block comment"),
    ] {
        let answer = write(&server, "comments.ts", &format!("{comment}\nreturn 1")).await;
        assert!(
            answer["warnings"][0]["message"]
                .as_str()
                .unwrap()
                .contains(expected),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn users_of_a_library_are_published_with_it() {
    let server = Server::with_scripts(&[
        ("_lib/v.ts", "export const v = 1"),
        ("a.ts", "import { v } from './_lib/v'\nreturn v"),
    ])
    .start()
    .await;
    server.get("/a").await.expect_json(200, json!(1));
    let answer = write(&server, "_lib/v.ts", "export const v = 2").await;
    assert_eq!(
        answer["republished"],
        json!([{ "path": "1/a.ts", "problem": null }])
    );
    server.get("/a").await.expect_json(200, json!(2));
    let answer = write(&server, "_lib/v.ts", "export const w = 3").await;
    assert!(
        answer["republished"][0]["problem"]["message"]
            .as_str()
            .unwrap()
            .contains("'v'"),
        "{answer}"
    );
    server.get("/a").await.expect_json(200, json!(2));
    write(&server, "_lib/v.ts", "export const v = 4").await;
    server.get("/a").await.expect_json(200, json!(4));
    // An environment file counts as one too.
    write(&server, "env.ts", "return process.env.NAME").await;
    let answer = write(&server, "env.env", "NAME=value").await;
    assert_eq!(answer["republished"][0]["path"], "1/env.ts");
    server.get("/env").await.expect_text(200, "value");
}

#[tokio::test]
async fn secrets_stay_what_they_are_and_hidden() {
    let source = "// @token s3cret the phone\n// @token other\nreturn 'in'";
    let server = Server::with_script("a.ts", source).start().await;
    let read = get(&server, "scripts/read?path=a.ts")
        .await
        .expect(200)
        .json();
    let shown = "// @token [REDACTED] the phone\n// @token [REDACTED]\nreturn 'in'";
    assert_eq!(read["content"], shown);
    assert_eq!(
        read["magicComments"]["token"],
        json!(["[REDACTED]", "[REDACTED]"])
    );
    write(&server, "a.ts", &shown.replace("'in'", "'changed'")).await;
    server
        .get("/a")
        .token("s3cret")
        .await
        .expect_text(200, "changed");
    server
        .get("/a?token=other")
        .await
        .expect_text(200, "changed");
    server.get("/a").token("[REDACTED]").await.expect(401);
    let body = json!({ "path": "a.ts", "content": "// @token [REDACTED] somebody\nreturn 1" });
    let reply = post(&server, "scripts/write", body)
        .await
        .expect(400)
        .json();
    assert_eq!(reply["details"]["code"], "REDACTED_SECRET_UNRESOLVED");
    let body = json!({ "path": "new.ts", "content": "// @token [REDACTED]\nreturn 1" });
    post(&server, "scripts/write", body).await.expect(400);
    // Neither an error's frame nor the component holds them.
    let body = json!({ "path": "b.ts", "content": "// @token s3cret\nreturn +" });
    let reply = post(&server, "scripts/write", body)
        .await
        .expect(400)
        .text();
    assert!(
        !reply.contains("s3cret") && reply.contains("[REDACTED]"),
        "{reply}"
    );
    let component = get(&server, "scripts/component?path=a.ts")
        .await
        .expect(200);
    let holds = |text: &[u8]| {
        component
            .body
            .windows(text.len())
            .any(|window| window == text)
    };
    assert!(holds(b"changed") && !holds(b"s3cret"));
}

#[tokio::test]
async fn preconditions_hold() {
    let server = Server::with_script("a.ts", "return 1").start().await;
    let read = get(&server, "scripts/read?path=a.ts").await.expect(200);
    let etag = read.header("etag").unwrap().to_owned();
    assert_eq!(read.json()["etag"], etag);
    get(&server, "scripts/read?path=a.ts")
        .header("if-none-match", &etag)
        .await
        .expect_text(304, "");
    let body = |content: &str| json!({ "path": "a.ts", "content": content });
    let changed = post(&server, "scripts/write", body("return 2"))
        .header("if-match", &etag)
        .await
        .expect(200);
    let new_etag = changed.header("etag").unwrap().to_owned();
    assert_ne!(new_etag, etag);
    let stale = post(&server, "scripts/write", body("return 3")).header("if-match", &etag);
    stale.await.expect_error(412, "ERROR_412");
    let only_new = post(&server, "scripts/write", body("return 3")).header("if-none-match", "*");
    only_new.await.expect_error(412, "ERROR_412");
    post(&server, "scripts/write", body("return 3"))
        .header("if-match", "bare")
        .await
        .expect(400);
    let mut only_new = body("return 3");
    only_new["ifNotExists"] = json!(true);
    let exists = post(&server, "scripts/write", only_new)
        .await
        .expect_error(409, "ERROR_409")
        .json();
    assert_eq!(exists["error"], "File already exists");
    assert_eq!(
        exists["details"],
        json!({ "path": "a.ts", "resolvedPath": "1/a.ts" })
    );
    let delete = "/api/v1/exec/scripts/delete?path=a.ts&confirm=true";
    server
        .request(Method::DELETE, delete)
        .as_root()
        .header("if-match", &etag)
        .await
        .expect(412);
    let moved = json!({ "from": "a.ts", "to": "b.ts" });
    post(&server, "scripts/move", moved.clone())
        .header("if-match", &etag)
        .await
        .expect(412);
    server.get("/a").await.expect_json(200, json!(2));
    post(&server, "scripts/move", moved)
        .header("if-match", &new_etag)
        .await
        .expect(200);
    server.get("/b").await.expect_json(200, json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_create_one_does() {
    let server = Server::empty().start().await;
    let create = |number: usize| {
        let body =
            json!({ "path": "a.ts", "content": format!("return {number}"), "ifNotExists": true });
        post(&server, "scripts/write", body)
    };
    let replies = futures_util::future::join_all((0..20).map(|number| create(number).send())).await;
    let statuses: Vec<u16> = replies
        .iter()
        .map(|reply| reply.as_ref().unwrap().status.as_u16())
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 409).count(),
        19,
        "{statuses:?}"
    );
    let winner = statuses.iter().position(|status| *status == 200).unwrap();
    server.get("/a").await.expect_json(200, json!(winner));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_writer_wrote_is_what_answers() {
    let server = Server::empty().start().await;
    let body = |number: usize| json!({ "path": "a.ts", "content": format!("return {number}") });
    let writes = (0..20).map(|number| post(&server, "scripts/write", body(number)).send());
    for reply in futures_util::future::join_all(writes).await {
        reply.unwrap().expect(200);
    }
    let file = fs::read_to_string(server.scripts().join("1/a.ts")).unwrap();
    let live = format!("return {}", server.get("/a").await.expect(200).text());
    assert_eq!(live, file);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let server = Server::with_script("a.ts", "return 1").start().await;
    let body = json!({ "path": "a.ts", "content": "return 2" });
    let answer = post(&server, "scripts/write?dry_run=true", body.clone())
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&answer["dry_run"], &answer["updated"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(answer["shape"], "node");
    let bad = json!({ "path": "a.ts", "content": "return +" });
    post(&server, "scripts/write?dry_run=true", bad)
        .await
        .expect(400);
    let mut in_body = body;
    in_body["dry_run"] = json!(true);
    post(&server, "scripts/write", in_body).await.expect(200);
    let moved = json!({ "from": "a.ts", "to": "b/c.ts" });
    let answer = post(&server, "scripts/move?dry_run=true", moved)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&answer["moved"], &answer["route"]),
        (&json!(false), &json!("/b/c"))
    );
    let delete = "/api/v1/exec/scripts/delete?path=a.ts&confirm=true&dry_run=true";
    let answer = server
        .request(Method::DELETE, delete)
        .as_root()
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&answer["deleted"], &answer["size"]),
        (&json!(false), &json!(8))
    );
    server.get("/a").await.expect_json(200, json!(1));
    assert_eq!(fs::read_dir(server.scripts().join("1")).unwrap().count(), 1);
    let versions = get(&server, "scripts/versions?path=a.ts")
        .await
        .expect(200)
        .json();
    assert_eq!(versions["count"], 1);
}

#[tokio::test]
async fn paths_that_lead_elsewhere_are_refused() {
    let setup = Server::with_script("a/b.ts", "return 1").file("outside.txt", "");
    std::os::unix::fs::symlink("/etc", setup.scripts().join("1/link")).unwrap();
    let server = setup.start().await;
    let cases = [
        (
            "../x.ts",
            403,
            "Invalid path: must be within scripts directory",
        ),
        (
            "/etc/passwd",
            403,
            "Invalid path: must be within scripts directory",
        ),
        (
            "a/../../x.ts",
            403,
            "Invalid path: must be within scripts directory",
        ),
        (".git/config", 403, "Path is excluded from access"),
        ("node_modules/x.js", 403, "Path is excluded from access"),
        ("a/_sdk/x.ts", 403, "Path is excluded from access"),
        ("_hoody/x.ts", 403, "Path is excluded from access"),
        (".hoody-cache/x", 403, "Path is excluded from access"),
        (
            "link/passwd",
            403,
            "Invalid path: resolves through a symlink",
        ),
        ("a//b.ts", 400, "Invalid path"),
        ("a\\b.ts", 400, "Invalid path"),
        ("a\0.ts", 400, "Invalid path"),
        ("a", 400, "path is a directory; use scripts/list"),
    ];
    for (path, status, error) in cases {
        let encoded: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        let read = get(&server, &format!("scripts/read?path={encoded}"))
            .await
            .expect(status)
            .json();
        assert_eq!(read["error"], error, "{path}");
        let body = json!({ "path": path, "content": "return 1" });
        post(&server, "scripts/write", body).await.expect(status);
        let body = json!({ "from": "a/b.ts", "to": path });
        let moved = post(&server, "scripts/move", body).await;
        assert!(!moved.status.is_success(), "{path}");
        let delete = format!("/api/v1/exec/scripts/delete?path={encoded}&confirm=true");
        server
            .request(Method::DELETE, &delete)
            .as_root()
            .await
            .expect(status);
    }
    let below_a_file = json!({ "path": "a/b.ts/c.ts", "content": "return 1" });
    post(&server, "scripts/write", below_a_file)
        .await
        .expect(400);
    let no_folder = json!({ "path": "new/c.ts", "content": "return 1", "createDirs": false });
    let reply = post(&server, "scripts/write", no_folder)
        .await
        .expect(400)
        .json();
    assert_eq!(reply["error"], "Directory does not exist");
    server.get("/a/b").await.expect_json(200, json!(1));
}

#[tokio::test]
async fn a_file_can_be_too_large() {
    let server = Server::empty()
        .set("limits.source_bytes", 1000)
        .start()
        .await;
    let body = json!({ "path": "a.ts", "content": format!("return '{}'", "x".repeat(1000)) });
    let reply = post(&server, "scripts/write", body)
        .await
        .expect_error(413, "ERROR_413")
        .json();
    assert_eq!(reply["details"]["maxBytes"], 1000);
}

#[tokio::test]
async fn scripts_are_deleted_and_moved() {
    let server = Server::with_scripts(&[
        ("a.ts", "return 'a'"),
        ("b.ts", "return 'b'"),
        ("lib/v.ts", "export const v = 1"),
        ("user.ts", "import { v } from './lib/v'\nreturn v"),
    ])
    .start()
    .await;
    let delete = |query: &str| {
        let target = format!("/api/v1/exec/scripts/delete?{query}");
        server.request(Method::DELETE, &target).as_root()
    };
    let reply = delete("path=a.ts").await.expect(400).json();
    assert_eq!(reply["error"], "confirm=true parameter required for safety");
    delete("path=a.ts&confirm=yes").await.expect(400);
    let answer = delete("path=a.ts&confirm=true").await.expect(200).json();
    let expected = json!({
        "deleted": true, "path": "a.ts", "resolvedPath": "1/a.ts", "size": 10, "type": "file", "dry_run": false,
        "republished": [],
    });
    assert_eq!(answer, expected);
    server.get("/a").await.expect(404);
    delete("path=a.ts&confirm=true")
        .await
        .expect_error(404, "ERROR_404");
    get(&server, "scripts/read?path=a.ts")
        .await
        .expect_error(404, "ERROR_404");

    let moved = |from: &str, to: &str, overwrite: bool| {
        post(
            &server,
            "scripts/move",
            json!({ "from": from, "to": to, "overwrite": overwrite }),
        )
    };
    let answer = moved("b.ts", "deep/er/c.ts", false)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&answer["resolvedTo"], &answer["route"]),
        (&json!("1/deep/er/c.ts"), &json!("/deep/er/c"))
    );
    server.get("/b").await.expect(404);
    server.get("/deep/er/c").await.expect_text(200, "b");
    moved("b.ts", "d.ts", false).await.expect(404);
    let reply = moved("deep/er/c.ts", "user.ts", false)
        .await
        .expect_error(409, "ERROR_409")
        .json();
    assert_eq!(reply["details"]["path"], "user.ts");
    // A relative import means another file at the new place.
    let reply = moved("user.ts", "deep/user.ts", false)
        .await
        .expect(400)
        .json();
    assert_eq!(
        reply["details"]["validation"]["errors"][0]["file"],
        "deep/user.ts"
    );
    server.get("/user").await.expect_json(200, json!(1));
    moved("deep/er/c.ts", "user.ts", true).await.expect(200);
    server.get("/user").await.expect_text(200, "b");
    assert!(
        !server.scripts().join("1/deep").exists(),
        "empty folders go too"
    );
}

#[tokio::test]
async fn a_folder_that_comes_or_goes_takes_its_scripts_along() {
    let server =
        Server::with_scripts(&[("_away/a.ts", "return 'a'"), ("_away/b/c.ts", "return 'c'")])
            .start()
            .await;
    let folder = server.scripts().join("1");
    fs::rename(folder.join("_away"), folder.join("here")).unwrap();
    server.until("/here/a", |reply| reply.status == 200).await;
    server.until("/here/b/c", |reply| reply.status == 200).await;
    fs::rename(folder.join("here"), folder.join("_away")).unwrap();
    server.until("/here/a", |reply| reply.status == 404).await;
    server.until("/here/b/c", |reply| reply.status == 404).await;
}

#[tokio::test]
async fn lists_tell_what_answers() {
    let server = Server::with_scripts(&[
        (
            "api/users/[id].ts",
            "// @label users\n// @tags a, b\n// @mode worker\nreturn 1",
        ),
        ("api/off.ts", "// @enabled false\n// @tags b\nreturn 1"),
        ("bad.ts", "return +"),
        ("lib.ts", "export const a = 1"),
        ("_hidden.ts", "export const a = 1"),
        ("page.md", "# x"),
        ("data.json", "{}"),
        ("x.ts", "return 1"),
        ("x.js", "return 1"),
    ])
    .start()
    .await;
    server.get("/bad").await.expect(503);
    server.get("/lib").await;
    let list = async |query: &str| {
        get(&server, &format!("scripts/list?{query}"))
            .await
            .expect(200)
            .json()
    };
    let paths = |answer: &Value| -> Vec<String> {
        let scripts = answer["scripts"].as_array().unwrap().iter();
        scripts
            .map(|script| script["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = list("include_comments=true&metadata=true").await;
    let expected = [
        "_hidden.ts",
        "api/off.ts",
        "api/users/[id].ts",
        "bad.ts",
        "lib.ts",
        "page.md",
        "x.js",
        "x.ts",
    ];
    assert_eq!(paths(&all), expected);
    assert_eq!(
        (&all["count"], &all["directory"], &all["recursive"]),
        (&json!(8), &json!(""), &json!(true))
    );
    let find = |path: &str| {
        let scripts = all["scripts"].as_array().unwrap();
        scripts
            .iter()
            .find(|script| script["path"] == path)
            .unwrap()
    };
    let users = find("api/users/[id].ts");
    assert_eq!(
        (&users["name"], &users["isDirectory"]),
        (&json!("[id].ts"), &json!(false))
    );
    assert_eq!(
        (&users["route"], &users["mode"]),
        (&json!("/api/users/[id]"), &json!("worker"))
    );
    assert_eq!(users["magicComments"]["label"], "users");
    assert_eq!(users["metadata"]["extension"], ".ts");
    assert_eq!(
        find("bad.ts")["problem"]["diagnostics"][0]["file"],
        Value::Null
    );
    assert_eq!(
        find("bad.ts")["problem"]["diagnostics"][0]["path"],
        "bad.ts"
    );
    assert_eq!(
        (&find("lib.ts")["shape"], &find("lib.ts")["route"]),
        (&json!("library"), &Value::Null)
    );
    assert!(
        find("x.ts")["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("more than one file")
    );
    assert_eq!(all["conflicts"][0]["files"], json!(["x.js", "x.ts"]));

    assert_eq!(
        paths(&list("dir=api").await),
        ["api/off.ts", "api/users/[id].ts"]
    );
    assert_eq!(
        paths(&list("dir=api&recursive=false").await),
        ["api/users", "api/off.ts"]
    );
    assert_eq!(paths(&list("label=users").await), ["api/users/[id].ts"]);
    assert_eq!(
        paths(&list("tags=b").await),
        ["api/off.ts", "api/users/[id].ts"]
    );
    assert_eq!(paths(&list("tags=b,a").await), ["api/users/[id].ts"]);
    assert_eq!(paths(&list("mode=worker").await), ["api/users/[id].ts"]);
    assert_eq!(paths(&list("enabled=false").await), ["api/off.ts"]);
    assert_eq!(paths(&list("filter=USERS").await), ["api/users/[id].ts"]);
    assert_eq!(paths(&list("filter=*.js").await), ["x.js"]);
    assert_eq!(paths(&list("websocket=true").await), [""; 0]);
    assert_eq!(
        list("tags=b&mode=worker").await["filters"],
        json!({ "tags": "b", "mode": "worker" })
    );
    let everything = list("exhaustive=true&dir=api").await;
    let entries = everything["entries"].as_array().unwrap();
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| (entry["path"].clone(), entry["type"].clone()))
        .collect();
    let expected = [
        ("api/off.ts", "file"),
        ("api/users", "directory"),
        ("api/users/[id].ts", "file"),
    ];
    assert_eq!(
        shown,
        expected.map(|(path, kind)| (json!(path), json!(kind)))
    );

    get(&server, "scripts/list?mode=fast").await.expect(400);
    get(&server, "scripts/list?remote=some").await.expect(400);
    let reply = get(&server, "scripts/list?dir=nothing")
        .await
        .expect(404)
        .json();
    assert_eq!(reply["error"], "Directory not found");
    let reply = get(&server, "scripts/list?dir=node_modules")
        .await
        .expect(403)
        .json();
    assert_eq!(
        reply["error"],
        "Directory is excluded from script discovery"
    );
}

#[tokio::test]
async fn an_exhaustive_list_is_whole_or_refused() {
    use std::os::unix::ffi::OsStringExt;
    let server = Server::with_script("a/x.ts", "return 1").start().await;
    let folder = server.scripts().join("1");
    let name = std::ffi::OsString::from_vec(b"latin-\xfc.ts".to_vec());
    fs::write(folder.join("a").join(name), "").unwrap();
    let reply = get(&server, "scripts/list?exhaustive=true")
        .await
        .expect(422)
        .json();
    assert_eq!(reply["details"]["code"], "NAME_NOT_UTF8");
    fs::create_dir(folder.join("many")).unwrap();
    for number in 0..10_001 {
        fs::write(folder.join(format!("many/{number}.txt")), "").unwrap();
    }
    let reply = get(&server, "scripts/list?exhaustive=true&dir=many")
        .await
        .expect(422)
        .json();
    assert_eq!(reply["details"]["code"], "TOO_MANY_ENTRIES");
}

#[tokio::test]
async fn a_tree_shows_the_folders() {
    let server = Server::with_scripts(&[("a.ts", "return 1"), ("api/v1/b.ts", "return 1")])
        .start()
        .await;
    let tree = async |body: Value| post(&server, "scripts/tree", body).await.expect(200).json();
    let b = json!({ "name": "b.ts", "path": "api/v1/b.ts", "type": "file" });
    let v1 = json!({ "name": "v1", "path": "api/v1", "type": "directory", "children": [b] });
    let api = json!({ "name": "api", "path": "api", "type": "directory", "children": [v1] });
    let a = json!({ "name": "a.ts", "path": "a.ts", "type": "file" });
    assert_eq!(
        tree(json!({})).await,
        json!({ "baseDir": "", "tree": [api, a] })
    );
    assert_eq!(
        tree(json!({ "baseDir": "api", "maxDepth": 1 })).await["tree"][0]["children"],
        json!([])
    );
    let with_metadata = tree(json!({ "baseDir": "api/v1", "includeMetadata": true })).await;
    assert_eq!(with_metadata["tree"][0]["metadata"]["size"], 8);
    post(&server, "scripts/tree", json!({ "baseDir": "nothing" }))
        .await
        .expect(404);
    assert_eq!(tree(json!({ "execId": "new" })).await["tree"], json!([]));
}

#[tokio::test]
async fn a_component_is_what_stands_in_its_headers() {
    let server = Server::with_scripts(&[
        ("a.ts", "return 1"),
        ("lib.ts", "export const a = 1"),
        ("page.md", ""),
    ])
    .start()
    .await;
    for form in ["shared", "portable"] {
        let operation = format!("scripts/component?path=a.ts&form={form}");
        let reply = get(&server, &operation)
            .await
            .expect(200)
            .expect_header("content-type", "application/wasm");
        assert_eq!(&reply.body[..4], b"\0asm");
        let etag = reply.header("etag").unwrap().to_owned();
        get(&server, &operation)
            .header("if-none-match", &etag)
            .await
            .expect_text(304, "");
        write(&server, "a.ts", &format!("return '{form}'")).await;
        let changed = get(&server, &operation)
            .header("if-none-match", &etag)
            .await
            .expect(200);
        assert_ne!(changed.header("etag"), Some(etag.as_str()));
    }
    get(&server, "scripts/component?path=a.ts&form=other")
        .await
        .expect(400);
    get(&server, "scripts/component?path=gone.ts")
        .await
        .expect(404);
    get(&server, "scripts/component?path=lib.ts")
        .await
        .expect(422);
    get(&server, "scripts/component?path=page.md")
        .await
        .expect(422);
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_in_408() {
    use std::io::{Read, Write};
    let server = Server::empty()
        .set("limits.body_read_ms", 100)
        .start()
        .await;
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let token = crate::harness::ROOT_TOKEN;
    let head = format!(
        "POST /api/v1/exec/scripts/write HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-length: 100\r\nconnection: close\r\n\r\n{{\"path\":"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    // The rest never comes; the connection may end without a farewell.
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        answer.contains("Request body read timeout") && answer.contains("timeoutMs"),
        "{answer}"
    );
}
