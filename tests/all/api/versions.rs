//! `scripts/versions` and `scripts/rollback`.

use http::Method;
use serde_json::{Value, json};

use super::{get, post, token, write};
use crate::harness::Server;

#[tokio::test]
async fn every_text_that_was_published_can_be_read_and_compared() {
    let server = Server::with_script("a.ts", "// @token s3cret\nreturn 1\n")
        .start()
        .await;
    server.get("/a").token("s3cret").await.expect(200);
    let writer = token(&server, &["exec"]).await;
    let body = json!({ "path": "a.ts", "content": "// @token [REDACTED]\nreturn 2\n" });
    post(&server, "scripts/write", body)
        .header("x-token", &writer)
        .await
        .expect(200);
    let list = get(&server, "scripts/versions?path=a.ts")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&list["count"], &list["resolvedPath"]),
        (&json!(2), &json!("1/a.ts"))
    );
    let [newest, oldest] = list["versions"].as_array().unwrap().as_slice() else {
        panic!("{list}")
    };
    assert_eq!(
        (&newest["version"], &newest["live"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(
        (&oldest["version"], &oldest["live"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        (&oldest["origin"], &oldest["token"]),
        (&json!("person"), &Value::Null)
    );
    assert_eq!((&oldest["size"], &newest["size"]), (&json!(26), &json!(26)));
    let hash = oldest["hash"].as_str().unwrap();
    for selector in [hash, &hash[..8], "1"] {
        let read = get(
            &server,
            &format!("scripts/versions?path=a.ts&hash={selector}"),
        )
        .await
        .expect(200)
        .json();
        assert_eq!(
            read["content"], "// @token [REDACTED]\nreturn 1\n",
            "{selector}"
        );
        assert_eq!(read["version"]["version"], 1);
    }
    let diff = get(&server, "scripts/versions?path=a.ts&from=1&to=2")
        .await
        .expect(200)
        .json();
    let expected = "--- version 1\n+++ version 2\n@@ -1,2 +1,2 @@\n // @token [REDACTED]\n-return 1\n+return 2\n";
    assert_eq!(diff["diff"], expected);
    let to_file = get(&server, "scripts/versions?path=a.ts&from=2")
        .await
        .expect(200)
        .json();
    assert_eq!(to_file["diff"], "");
    for query in [
        "path=a.ts&hash=9",
        "path=a.ts&hash=ffffffff",
        "path=a.ts&from=1&to=7",
        "path=b.ts",
    ] {
        get(&server, &format!("scripts/versions?{query}"))
            .await
            .expect_error(404, "ERROR_404");
    }
    get(&server, "scripts/versions?path=a.ts&to=2")
        .await
        .expect(400);
}

#[tokio::test]
async fn a_rollback_writes_the_old_text_back() {
    let mut server = Server::with_script("a.ts", "return 'one'").start().await;
    server.get("/a").await.expect_text(200, "one");
    write(&server, "a.ts", "return 'two'").await;
    let back = async |body: Value| post(&server, "scripts/rollback", body).await;
    let dry = post(
        &server,
        "scripts/rollback?dry_run=true",
        json!({ "path": "a.ts", "version": 1 }),
    )
    .await;
    assert_eq!(dry.expect(200).json()["dry_run"], true);
    server.get("/a").await.expect_text(200, "two");
    let answer = back(json!({ "path": "a.ts", "version": 1 }))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&answer["rolledBackTo"]["version"], &answer["version"]),
        (&json!(1), &json!(3))
    );
    server.get("/a").await.expect_text(200, "one");
    assert_eq!(
        std::fs::read_to_string(server.scripts().join("1/a.ts")).unwrap(),
        "return 'one'"
    );
    let list = get(&server, "scripts/versions?path=a.ts")
        .await
        .expect(200)
        .json();
    let two = list["versions"][1]["hash"].as_str().unwrap().to_owned();
    back(json!({ "path": "a.ts", "hash": two }))
        .await
        .expect(200);
    server.get("/a").await.expect_text(200, "two");
    back(json!({ "path": "a.ts", "version": 9 }))
        .await
        .expect_error(404, "ERROR_404");
    back(json!({ "path": "a.ts" })).await.expect(400);
    back(json!({ "path": "a.ts", "version": 1, "hash": "abcdefgh" }))
        .await
        .expect(400);
    // Also of a script that is gone, and after a restart.
    let delete = "/api/v1/exec/scripts/delete?path=a.ts&confirm=true";
    server
        .request(Method::DELETE, delete)
        .as_root()
        .await
        .expect(200);
    server.get("/a").await.expect(404);
    server.restart().await;
    post(
        &server,
        "scripts/rollback",
        json!({ "path": "a.ts", "version": 1 }),
    )
    .await
    .expect(200);
    server.get("/a").await.expect_text(200, "one");
}

#[tokio::test]
async fn the_oldest_versions_go() {
    let server = Server::empty()
        .set("exec.versions_per_script_max", 3)
        .start()
        .await;
    for number in 1..=6 {
        write(&server, "a.ts", &format!("return {number}")).await;
    }
    let list = get(&server, "scripts/versions?path=a.ts")
        .await
        .expect(200)
        .json();
    let numbers: Vec<_> = list["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["version"].clone())
        .collect();
    assert_eq!(numbers, [6, 5, 4]);
    get(&server, "scripts/versions?path=a.ts&hash=3")
        .await
        .expect(404);
}
