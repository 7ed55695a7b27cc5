//! A saved file is live, a broken one is not, and a restart changes nothing.

use std::fs;

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn a_saved_file_is_live() {
    let server = Server::with_script("a.ts", "return 1").start().await;
    server.get("/a").await.expect_json(200, json!(1));
    server.save("a.ts", "return 2");
    server.until("/a", |reply| reply.text() == "2").await;
    server.get("/new/deep").await.expect(404);
    server.save("new/deep.ts", "return 'new'");
    server
        .until("/new/deep", |reply| reply.text() == "new")
        .await;
    // As many editors save: beside it, then renamed over it.
    let folder = server.scripts().join("1");
    fs::write(folder.join(".a.ts.swp"), "return 3").unwrap();
    fs::rename(folder.join(".a.ts.swp"), folder.join("a.ts")).unwrap();
    server.until("/a", |reply| reply.text() == "3").await;
    server.remove("a.ts");
    server.until("/a", |reply| reply.status == 404).await;
}

#[tokio::test]
async fn folders_come_and_go_as_a_whole() {
    let server = Server::with_script("old/x.ts", "return 'x'").start().await;
    server.get("/old/x").await.expect(200);
    let folder = server.scripts().join("1");
    fs::rename(folder.join("old"), folder.join("moved")).unwrap();
    server.until("/moved/x", |reply| reply.text() == "x").await;
    server.until("/old/x", |reply| reply.status == 404).await;
    fs::remove_dir_all(folder.join("moved")).unwrap();
    server.until("/moved/x", |reply| reply.status == 404).await;
    // A whole deployment that appears is served like the others.
    fs::create_dir_all(server.scripts().join("shop")).unwrap();
    fs::write(server.scripts().join("shop/y.ts"), "return 'shop'").unwrap();
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    while server
        .get("/y")
        .header("host", "shop.localhost")
        .await
        .text()
        != "shop"
    {
        assert!(
            std::time::Instant::now() < deadline,
            "the new deployment does not answer"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_broken_file_leaves_the_old_version_up() {
    let mut server = Server::with_script("a.ts", "return 'good'").start().await;
    server.get("/a").await.expect_text(200, "good");
    server.save("a.ts", "return 'half");
    server.logs("a.ts:1:8").await;
    server.get("/a").await.expect_text(200, "good");
    server.restart().await;
    server.get("/a").await.expect_text(200, "good");
    server.save("a.ts", "return 'mended'");
    server.until("/a", |reply| reply.text() == "mended").await;
}

#[tokio::test]
async fn requests_never_fail_while_a_script_changes() {
    let server = Server::with_script("a.ts", "return { n: 0 }").start().await;
    server.get("/a").await.expect(200);
    let calling = async {
        let mut last = 0;
        while last < 20 {
            let reply = server.get("/a").await.expect(200).json();
            let now = reply["n"].as_u64().unwrap_or_else(|| panic!("{reply}"));
            assert!(now >= last, "{now} after {last}: an old version came back");
            last = now;
        }
    };
    let saving = async {
        for n in 1..=20 {
            server.save("a.ts", &format!("return {{ n: {n} }}"));
            server.until("/a", |reply| reply.json()["n"] == n).await;
        }
    };
    tokio::join!(calling, saving);
}

#[tokio::test]
async fn the_environment_comes_from_files_beside_the_script() {
    let setup = Server::with_scripts(&[
        ("_default.env", "A=root\nB=root\nC=root\n"),
        ("api/_default.env", "B=folder\nC=folder\n"),
        ("api/x.env", "C='the script'\n"),
        (
            "api/x.ts",
            "const { A, B, C, PATH, FOOTPATH_TOKEN } = process.env; return { A, B, C, PATH, FOOTPATH_TOKEN };",
        ),
    ]);
    let server = setup.start().await;
    server.get("/api/x").await.expect_json(
        200,
        json!({ "A": "root", "B": "folder", "C": "the script" }),
    );
    server.save("_default.env", "A=changed\n");
    server
        .until("/api/x", |reply| reply.json()["A"] == "changed")
        .await;
}

#[tokio::test]
async fn a_restart_publishes_nothing_again() {
    let mut server = Server::with_scripts(&[
        ("a.ts", "return 'a'"),
        ("[id].ts", "return metadata.parameters.id"),
    ])
    .start()
    .await;
    server.get("/a").await.expect_text(200, "a");
    server.get("/x").await.expect_text(200, "x");
    server.logs("published what was new").await;
    server.restart().await;
    server.get("/a").await.expect_text(200, "a");
    server.get("/x").await.expect_text(200, "x");
    assert!(!server.log().contains("published"), "{}", server.log());
    // What changes while nobody looks is published by the next start.
    server.kill();
    server.save("a.ts", "return 'changed meanwhile'");
    server.restart().await;
    server.get("/a").await.expect_text(200, "changed meanwhile");
}
