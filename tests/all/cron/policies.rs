//! What happens when a run is due while another one is under way.

use http::Method;
use serde_json::{Value, json};

use super::time::at;
use super::{ENTRIES, add, id, never, rows, rows_until, send};
use crate::harness::Server;

/// Ends once somebody lets it go.
const HELD: &str =
    "while (!(await kv.get('go'))) await new Promise((r) => setTimeout(r, 10)); return 1";
const LET_GO: &str = "await kv.set('go', 'y'); return 1";

async fn server() -> Server {
    Server::with_scripts(&[("held.ts", HELD), ("go.ts", LET_GO)])
        .set("cron.concurrent_runs_max", 3)
        .set("cron.waiting_runs_max", 1)
        .start()
        .await
}

async fn entry(server: &Server, overlap: &str) -> Value {
    let mut entry = never("curl /held");
    entry["overlap"] = overlap.into();
    add(server, entry).await
}

/// Asks for a run and does not wait.
async fn ask(server: &Server, entry: &Value) -> Value {
    let target = format!("{ENTRIES}/{}/run", id(entry));
    let reply = server.post(&target, "").as_root().await;
    assert!([200, 202].contains(&reply.status.as_u16()), "{reply:?}");
    reply.json()
}

fn outcomes(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .rev()
        .map(|row| row["outcome"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn forbid_leaves_out_what_overlaps() {
    let server = server().await;
    let entry = entry(&server, "forbid").await;
    assert_eq!(ask(&server, &entry).await["outcome"], "running");
    assert_eq!(ask(&server, &entry).await["outcome"], "skipped:overlap");
    server.get("/go").await.expect(200);
    let rows = rows_until(&server, &entry, |rows| {
        rows.iter().all(|row| row["outcome"] != "running")
    })
    .await;
    assert_eq!(outcomes(&rows), ["ok", "skipped:overlap"]);
}

#[tokio::test]
async fn allow_runs_both_and_the_limit_of_all_holds() {
    let server = server().await;
    let entry = entry(&server, "allow").await;
    let expected = [
        "running",
        "running",
        "running",
        "waiting",
        "skipped:capacity",
    ];
    for expected in expected {
        assert_eq!(ask(&server, &entry).await["outcome"], expected);
    }
    server.get("/go").await.expect(200);
    let rows = rows_until(&server, &entry, |rows| {
        rows.iter()
            .all(|row| !["running", "waiting"].contains(&row["outcome"].as_str().unwrap()))
    })
    .await;
    assert_eq!(
        outcomes(&rows),
        ["ok", "ok", "ok", "ok", "skipped:capacity"]
    );
}

#[tokio::test]
async fn queue_lets_one_wait() {
    let server = server().await;
    let entry = entry(&server, "queue").await;
    for expected in ["running", "waiting", "skipped:overlap"] {
        assert_eq!(ask(&server, &entry).await["outcome"], expected);
    }
    server.get("/go").await.expect(200);
    let rows = rows_until(&server, &entry, |rows| rows[1]["outcome"] == "ok").await;
    assert_eq!(outcomes(&rows), ["ok", "ok", "skipped:overlap"]);
    assert!(
        rows[1]["started_at"].as_str() >= rows[2]["ended_at"].as_str(),
        "{rows:#?}"
    );
}

#[tokio::test]
async fn replace_ends_the_run_under_way() {
    let server = server().await;
    let entry = entry(&server, "replace").await;
    for _ in 0..2 {
        assert_eq!(ask(&server, &entry).await["outcome"], "running");
    }
    let rows = rows_until(&server, &entry, |rows| rows[1]["outcome"] != "running").await;
    assert_eq!(outcomes(&rows), ["error", "running"]);
    assert!(
        rows[1]["error"].as_str().unwrap().contains("later run"),
        "{rows:#?}"
    );
    server.get("/go").await.expect(200);
    rows_until(&server, &entry, |rows| rows[0]["outcome"] == "ok").await;
}

#[tokio::test]
async fn a_hanging_command_ends_at_its_timeout() {
    let server = server().await;
    let mut hanging = never("curl /held");
    hanging["timeout_seconds"] = 1.into();
    let hanging = add(&server, hanging).await;
    ask(&server, &hanging).await;
    let rows = rows_until(&server, &hanging, |rows| rows[0]["outcome"] != "running").await;
    assert_eq!(outcomes(&rows), ["timeout"]);
    assert!(
        rows[0]["error"]
            .as_str()
            .unwrap()
            .contains("longer than 1 s")
    );
    // Its instance is free again.
    let free = send(
        &server,
        Method::GET,
        "/api/v1/exec/monitor/active-requests",
        json!({}),
    )
    .await;
    assert_eq!(free.expect(200).json()["count"], 0);
}

#[tokio::test]
async fn a_deleted_entry_takes_what_waits_along() {
    let server = server().await;
    let entry = entry(&server, "queue").await;
    ask(&server, &entry).await;
    ask(&server, &entry).await;
    let target = format!("{ENTRIES}/{}", id(&entry));
    send(&server, Method::DELETE, &target, json!({}))
        .await
        .expect(200);
    assert_eq!(
        outcomes(&rows(&server, &entry).await),
        ["running", "expired"]
    );
    server.get("/go").await.expect(200);
    rows_until(&server, &entry, |rows| rows[1]["outcome"] == "ok").await;
}

#[tokio::test]
async fn a_deleted_entry_takes_along_what_waits_for_a_turn() {
    let server = server().await;
    let busy = entry(&server, "allow").await;
    for _ in 0..3 {
        assert_eq!(ask(&server, &busy).await["outcome"], "running");
    }
    let entry = entry(&server, "forbid").await;
    assert_eq!(ask(&server, &entry).await["outcome"], "waiting");
    let target = format!("{ENTRIES}/{}", id(&entry));
    send(&server, Method::DELETE, &target, json!({}))
        .await
        .expect(200);
    server.get("/go").await.expect(200);
    let rows = rows_until(&server, &entry, |rows| rows[0]["outcome"] != "waiting").await;
    assert_eq!(outcomes(&rows), ["expired"]);
    assert!(rows[0]["started_at"].is_null(), "{rows:#?}");
}

#[tokio::test]
async fn a_deleted_entry_is_not_tried_again() {
    let fail = "await kv.increment('n', 1); res.status(503); return 1";
    let count = "return Number((await kv.get('n')) ?? 0)";
    let setup = Server::with_scripts(&[("fail.ts", fail), ("count.ts", count)]);
    let (setup, clock) = at!(setup, "2026-03-01 00:00:05");
    let server = setup.start().await;
    let mut entry = never("curl /fail");
    entry["retries"] = 1.into();
    entry["retry_backoff_seconds"] = 600.into();
    let entry = add(&server, entry).await;
    assert_eq!(ask(&server, &entry).await["outcome"], "running");
    server.until("/count", |reply| reply.text() == "1").await;
    let target = format!("{ENTRIES}/{}", id(&entry));
    send(&server, Method::DELETE, &target, json!({}))
        .await
        .expect(200);
    clock.set("2026-03-01 00:20:00");
    let rows = rows_until(&server, &entry, |rows| rows[0]["outcome"] != "running").await;
    assert_eq!(outcomes(&rows), ["error"]);
    assert_eq!(rows[0]["attempt"], 1);
}

#[tokio::test]
async fn a_number_out_of_range_is_refused_by_its_name() {
    let server = Server::empty().start().await;
    let entry = add(&server, never("curl /x")).await;
    let target = format!("{ENTRIES}/{}", id(&entry));
    for (field, value) in [
        ("retries", json!(-1)),
        ("timeout_seconds", json!(1_u64 << 32)),
        ("jitter_seconds", json!(1.5)),
        ("deadline_seconds", json!(-1)),
    ] {
        let change = json!({ field: value });
        let reply = send(&server, Method::PATCH, &target, change).await;
        let refused = reply.expect_error(400, "INVALID_POLICY").json();
        let message = refused["message"].as_str().unwrap();
        assert!(message.starts_with(field), "{message}");
    }
}
