//! Raw crontabs.

use http::Method;
use serde_json::{Value, json};

use super::{ENTRIES, add, get, id, never, rows, run, send};
use crate::harness::Server;

const CRONTAB: &str = "/users/me/crontab";

async fn put(server: &Server, crontab: &str) -> crate::harness::Reply {
    send(server, Method::PUT, CRONTAB, json!({ "crontab": crontab })).await
}

#[tokio::test]
async fn a_crontab_replaces_everything() {
    let server = Server::with_script("x.ts", "return 1").start().await;
    let managed = add(&server, never("curl /x")).await;
    run(&server, &managed).await;
    let before = get(&server, CRONTAB).await.expect(200).json();
    assert_eq!(before["user"], "root");
    let text = before["crontab"].as_str().unwrap().to_owned();
    assert!(
        text.contains("\n0 0 29 2 * curl /x\n") && text.contains(id(&managed)),
        "{text}"
    );
    // With what is there and one more, the entry keeps its name and its rows.
    let more = format!("# mine\n{text}0 4 * * 0 curl /y\n");
    let written = put(&server, &more).await.expect(200).json();
    assert_eq!(
        written,
        json!({ "user": "root", "crontab": more, "removed_expired": 0 })
    );
    assert_eq!(rows(&server, &managed).await.len(), 1);
    let list = get(&server, ENTRIES).await.json();
    let kinds: Vec<&Value> = list["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["type"])
        .collect();
    assert_eq!(kinds, ["raw", "managed", "raw"]);
    let line = &list["entries"][2];
    assert_eq!(line["line"], "0 4 * * 0 curl /y");
    // It is an entry like any other: named, told when it is due, and to be run.
    assert_eq!(line["next_runs"].as_array().unwrap().len(), 5);
    assert!(line["schedule_human"].is_string());
    assert_eq!(run(&server, line).await["command"], "curl /y");
    assert_eq!(
        list["entries"][0],
        json!({ "type": "raw", "line": "# mine" })
    );
    // Disabled: the line stays, behind a sign.
    let target = format!("{ENTRIES}/{}", id(&managed));
    send(&server, Method::PATCH, &target, json!({ "enabled": false }))
        .await
        .expect(200);
    let text = get(&server, CRONTAB).await.json()["crontab"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        text.contains("\n# hoody-cron-disabled: 0 0 29 2 * curl /x\n"),
        "{text}"
    );
    put(&server, &text).await.expect(200);
    assert_eq!(
        get(&server, &target).await.expect(200).json()["enabled"],
        false
    );
    put(&server, "").await.expect(200);
    get(&server, &target)
        .await
        .expect_error(404, "ENTRY_NOT_FOUND");
    assert_eq!(get(&server, ENTRIES).await.json()["total"], 0);
}

#[tokio::test]
async fn a_dry_run_answers_with_what_would_be() {
    let server = Server::empty().start().await;
    let managed = add(&server, never("curl /x")).await;
    let before = get(&server, CRONTAB).await.json()["crontab"].clone();
    let text = "CRON_TZ=Europe/Berlin\n0 5 * * * curl /new\n\
                # hoody-cron: {\"expires_at\":\"2020-01-01T00:00:00Z\"}\n* * * * * curl /old\n";
    let body = json!({ "crontab": text });
    let target = format!("{CRONTAB}?dry_run=true");
    let preview = send(&server, Method::PUT, &target, body).await;
    let would = "CRON_TZ=Europe/Berlin\n0 5 * * * curl /new\n";
    let expected = json!({ "user": "root", "crontab": would, "removed_expired": 1 });
    preview.expect_json(200, expected.clone());
    assert_eq!(get(&server, CRONTAB).await.json()["crontab"], before);
    assert_eq!(get(&server, ENTRIES).await.json()["total"], 1);
    let target = format!("{ENTRIES}/{}", id(&managed));
    get(&server, &target).await.expect(200);
    // And so it is then.
    put(&server, text).await.expect_json(200, expected);
    assert_eq!(get(&server, CRONTAB).await.json()["crontab"], would);
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let server = Server::empty().start().await;
    let managed = add(&server, never("curl /x")).await;
    let metadata = "# hoody-cron: {\"expires_at\":\"2020-01-01T00:00:00Z\"}\n";
    let cases = [
        (
            "0 4 * * 0 curl /x\n61 * * * * curl /x".to_owned(),
            400,
            "INVALID_SCHEDULE",
        ),
        ("* * * * * rm -rf /".to_owned(), 400, "INVALID_COMMAND"),
        (
            "# hoody-cron: {\"user\":\"alice\"}\n* * * * * curl /x".to_owned(),
            400,
            "INVALID_CRONTAB",
        ),
        // Forged metadata say nothing that the API would not take.
        (
            "# hoody-cron: {\"overlap\":\"never\"}\n* * * * * curl /x".to_owned(),
            400,
            "INVALID_CRONTAB",
        ),
        (
            "# hoody-cron: {\"retries\":99}\n* * * * * curl /x".to_owned(),
            400,
            "INVALID_POLICY",
        ),
        (
            "# hoody-cron: {\"timezone\":\"Mars\"}\n* * * * * curl /x".to_owned(),
            400,
            "INVALID_SCHEDULE",
        ),
        (
            "# hoody-cron: not JSON\n* * * * * curl /x".to_owned(),
            400,
            "INVALID_CRONTAB",
        ),
        (
            "# hoody-cron: {}\n# and nothing to belong to".to_owned(),
            400,
            "INVALID_CRONTAB",
        ),
        // Control characters, in a text and in an entry.
        ("# a\u{2028}b\n".to_owned(), 400, "INVALID_CRONTAB"),
        ("* * * * * curl /x\u{b}".to_owned(), 400, "INVALID_COMMAND"),
        ("#".repeat((256 << 10) + 1), 413, "PAYLOAD_TOO_LARGE"),
        ("#\n".repeat(10_001), 413, "PAYLOAD_TOO_LARGE"),
    ];
    for (crontab, status, code) in cases {
        put(&server, &crontab).await.expect_error(status, code);
    }
    let text = server
        .request(Method::PUT, CRONTAB)
        .as_root()
        .header("content-type", "text/plain")
        .body("# x");
    text.await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    get(&server, &format!("{ENTRIES}/{}", id(&managed)))
        .await
        .expect(200);
    let expired = put(&server, &format!("{metadata}* * * * * curl /x\n"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&expired["removed_expired"], &expired["crontab"]),
        (&json!(1), &json!(""))
    );
}

#[tokio::test]
async fn ten_thousand_lines_are_taken() {
    let server = Server::empty().start().await;
    let text = "0 0 29 2 * curl /x\n".repeat(10_000);
    put(&server, &text).await.expect(200);
    assert_eq!(
        get(&server, "/users/me/entries?limit=1")
            .await
            .expect(200)
            .json()["total"],
        10_000
    );
    put(&server, &text).await.expect(200);
    put(&server, "").await.expect(200);
}
