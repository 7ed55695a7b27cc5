//! Malformed, oversized and misleading input: a clear error, and nothing is lost.

use std::fs;

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn sources_that_are_no_sources_say_why() {
    let setup = Server::with_script("good.ts", "return 'good'");
    let setup = setup
        .file("1/latin.ts", b"return '\xfc'")
        .file("1/binary.ts", [0, 159, 146, 150]);
    let setup = setup.file("1/huge.ts", format!("return '{}'", "x".repeat(10 << 20)));
    let setup = setup
        .file("1/nul.ts", b"return 'a\0b'.length")
        .file("1/empty.ts", "")
        .file("1/bom.ts", "\u{feff}return 'bom'");
    let server = setup.dev().start().await;
    for (target, word) in [
        ("/latin", "UTF-8"),
        ("/binary", "UTF-8"),
        ("/huge", "bytes"),
    ] {
        let reply = server
            .get(target)
            .await
            .expect_error(503, "SCRIPT_NOT_PUBLISHED");
        assert!(reply.text().contains(word), "{reply:?}");
    }
    server.get("/good").await.expect_text(200, "good");
    server.get("/bom").await.expect_text(200, "bom");
    server.get("/nul").await.expect_json(200, json!(3));
    server.get("/empty").await.expect(204);
}

#[tokio::test]
async fn a_saved_file_that_is_no_text_leaves_the_old_version_up() {
    let before = "// @token only\nreturn 'before'";
    let server = Server::with_script("a.ts", before).dev().start().await;
    server.get("/a?token=only").await.expect_text(200, "before");
    let path = server.scripts().join("1");
    let problem = async |name: &str| {
        let list = server.get("/api/v1/exec/scripts/list").as_root();
        let list = list.await.expect(200).json();
        let scripts = list["scripts"].as_array().unwrap();
        let script = scripts.iter().find(|script| script["path"] == name);
        script.map_or(serde_json::Value::Null, |script| script["problem"].clone())
    };
    fs::write(path.join("a.ts"), b"return '\xfc'").unwrap();
    fs::write(path.join("new.ts"), b"return '\xfc'").unwrap();
    server.until("/new", |reply| reply.status == 503).await;
    let told = problem("new.ts").await;
    assert!(told.to_string().contains("UTF-8"), "{told}");
    let told = problem("a.ts").await;
    assert!(told.to_string().contains("UTF-8"), "{told}");
    server.get("/a?token=only").await.expect_text(200, "before");
    server.get("/a").await.expect(401);
    // The same text again is a text again.
    server.save("a.ts", before);
    server.save("new.ts", "return 'new'");
    server.until("/new", |reply| reply.text() == "new").await;
    assert_eq!(problem("a.ts").await, serde_json::Value::Null);
}

#[tokio::test]
async fn links_that_lead_out_of_the_tree_are_not_followed() {
    let setup = Server::with_script("good.ts", "return 'good'").file("outside.txt", "");
    let secret = setup.data().parent().unwrap().join("secret.ts");
    fs::write(
        &secret,
        "export default () => 'secret'; export const secret = 'secret'",
    )
    .unwrap();
    let folder = setup.scripts().join("1");
    std::os::unix::fs::symlink(&secret, folder.join("link.ts")).unwrap();
    std::os::unix::fs::symlink(secret.parent().unwrap(), folder.join("tree")).unwrap();
    let setup = setup.script(
        "imports.ts",
        "import { secret } from './link'; return secret;",
    );
    let server = setup
        .script(
            "deep.ts",
            "import { secret } from './tree/secret'; return secret;",
        )
        .start()
        .await;
    server.get("/good").await.expect_text(200, "good");
    for target in ["/link", "/tree/secret"] {
        server.get(target).await.expect(404);
    }
    for target in ["/imports", "/deep"] {
        server
            .get(target)
            .await
            .expect_error(503, "SCRIPT_NOT_PUBLISHED");
    }
    // Nor is it silent: at the start, and when one is made.
    for path in ["1/link.ts", "1/tree"] {
        assert!(
            server.log().contains(&format!("name=\"{path}\"")),
            "{}",
            server.log()
        );
    }
    std::os::unix::fs::symlink("good.ts", server.scripts().join("1/same.ts")).unwrap();
    server.logs("name=\"1/same.ts\"").await;
    server.get("/same").await.expect(404);
}

#[tokio::test]
async fn names_that_differ_only_by_case_are_two_files_and_a_warning() {
    let server =
        Server::with_scripts(&[("Tool.ts", "return 'Tool'"), ("tool.ts", "return 'tool'")])
            .start()
            .await;
    server.get("/Tool").await.expect_text(200, "Tool");
    server.get("/tool").await.expect_text(200, "tool");
    server.logs("differ only by case").await;
}

#[tokio::test]
async fn odd_urls_are_refused_and_never_lead_out() {
    let setup = Server::with_scripts(&[
        ("a.ts", "return 'a'"),
        ("q.ts", "return metadata.query"),
        ("[id].ts", "return metadata.parameters"),
    ]);
    let server = setup.file("2/secret.ts", "return 'secret'").start().await;
    let cases: &[(&str, u16)] = &[
        ("/%zz", 400),
        ("/%", 400),
        ("/%ff", 400),
        ("/..", 400),
        ("/x/../a", 400),
        ("/%2e%2e/2/secret", 400),
        ("/../2/secret", 400),
        ("/%00", 400),
        ("/a%00b", 400),
        ("/..%2f2%2fsecret", 200),
        ("/%5c..%5c2", 200),
        ("/a", 200),
    ];
    for (target, status) in cases {
        let reply = server
            .raw(format!(
                "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert_eq!(reply.status.as_u16(), *status, "{target}: {reply:?}");
        assert!(!reply.text().contains("'secret'"), "{target}");
    }
    // A query that is malformed is what a browser would make of it.
    server.get("/q?a=%zz&b=%ff&=&c&d=1=2").await.expect_json(
        200,
        json!({ "a": "%zz", "b": "\u{fffd}", "": "", "c": "", "d": "1=2" }),
    );
}

#[tokio::test]
async fn malformed_http_is_refused() {
    let server = Server::with_script("a.ts", "return req.body ? 'body' : 'none'")
        .start()
        .await;
    let post = "POST /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let cases = [
        "nonsense\r\n\r\n".to_owned(),
        "GET /a HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nhost : x\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n".to_owned(),
        format!("{post}content-length: -1\r\n\r\n"),
        format!("{post}content-length: 1, 2\r\n\r\nx"),
        format!("{post}content-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
        format!("{post}content-length: 0x1\r\n\r\nx"),
        format!("{post}content-length: 99999999999999999999999\r\n\r\nx"),
        format!("{post}transfer-encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nx\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: nonsense\r\n\r\n"),
    ];
    for request in cases {
        let reply = server.raw(&request).await;
        assert!(
            (400..=599).contains(&reply.status.as_u16()),
            "{request:?}: {reply:?}"
        );
        // One request in, one answer out.
        assert!(
            !reply.text().contains("HTTP/1.1 "),
            "{request:?}: {reply:?}"
        );
    }
    server.get("/a").await.expect_text(200, "none");
}

#[tokio::test]
async fn a_missing_folder_and_a_bad_setting_are_told_in_a_paragraph() {
    let refusal = Server::empty()
        .set("limits.memory_bytes", "plenty")
        .refuses_to_start()
        .await;
    assert!(
        refusal.stderr.contains("FOOTPATH_LIMITS_MEMORY_BYTES"),
        "{}",
        refusal.stderr
    );
    let refusal = Server::empty()
        .variable("FOOTPATH_SERVER_HTPP", "x")
        .refuses_to_start()
        .await;
    assert!(
        refusal.stderr.contains("FOOTPATH_SERVER_HTTP"),
        "{}",
        refusal.stderr
    );
    let refusal = Server::empty()
        .argument("--config")
        .argument("/no/such/file.toml")
        .refuses_to_start()
        .await;
    assert!(
        refusal.stderr.contains("/no/such/file.toml"),
        "{}",
        refusal.stderr
    );
    let setup = Server::empty();
    fs::write(setup.data(), "a file where the folder belongs").unwrap();
    let data = setup.data().display().to_string();
    let refusal = setup.refuses_to_start().await;
    assert!(refusal.stderr.contains(&data), "{}", refusal.stderr);
}

#[tokio::test]
async fn a_hostile_text_that_is_written_changes_nothing() {
    let server = Server::with_script("a.ts", "return 'good'").start().await;
    server.get("/a").await.expect_text(200, "good");
    let bracket = |open: &str, close: &str| {
        format!("return {}1{};", open.repeat(100_000), close.repeat(100_000))
    };
    let texts = [
        (bracket("(", ")"), 400),
        (bracket("[", "]"), 400),
        (bracket("{a:", "}"), 400),
        ("// \u{0}\nreturn \u{0};".to_owned(), 400),
        ("return '".to_owned() + &"x".repeat(2 << 20) + "'", 413),
        ("return '".to_owned() + &"x".repeat(10 << 20) + "'", 413),
    ];
    for (content, status) in texts {
        let body = json!({ "path": "a.ts", "content": &content });
        // Of what is far too large it may read no more than it must to refuse.
        if let Ok(refused) = crate::api::post(&server, "scripts/write", body)
            .send()
            .await
        {
            let refused = refused.expect(status).json();
            assert!(refused["error"].is_string(), "{refused}");
        } else {
            assert!(content.len() > 5 << 20, "the connection broke");
        }
        let read = crate::api::get(&server, "scripts/read?path=a.ts").await;
        assert_eq!(read.expect(200).json()["content"], "return 'good'");
        server.get("/a").await.expect_text(200, "good");
    }
}
