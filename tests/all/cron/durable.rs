//! Killed at any point: no lost row, and no run twice.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::time::at;
use super::{ENTRIES, add, get, id, never, rows, rows_until};
use crate::harness::Server;

#[tokio::test]
async fn a_run_that_was_killed_says_so_and_is_not_run_again() {
    let hang =
        "await kv.increment('begun', 1); await new Promise((r) => setTimeout(r, 25000)); return 1";
    let count = "return Number((await kv.get('begun')) ?? 0)";
    let mut server = Server::with_scripts(&[("hang.ts", hang), ("count.ts", count)])
        .start()
        .await;
    let entry = add(&server, never("curl /hang")).await;
    let target = format!("{ENTRIES}/{}/run", id(&entry));
    server.post(&target, "").as_root().await.expect(202);
    server.until("/count", |reply| reply.text() == "1").await;
    assert_eq!(rows(&server, &entry).await[0]["outcome"], "running");
    server.restart().await;
    let rows = rows(&server, &entry).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["outcome"], "interrupted", "{rows:#?}");
    assert!(rows[0]["ended_at"].is_string() && rows[0]["started_at"].is_string());
    server.get("/count").await.expect_text(200, "1");
}

#[tokio::test]
async fn what_waited_when_the_server_died_is_made_up_for() {
    let hang = "// @timeout 9m\nif (await kv.get('free')) return 1;\n\
                await new Promise((r) => setTimeout(r, 500000)); return 1";
    let scripts = [
        ("hang.ts", hang),
        ("free.ts", "await kv.set('free', 'y'); return 1"),
    ];
    let (setup, clock) = at!(Server::with_scripts(&scripts), "2026-03-01 00:00:55 x20");
    let mut server = setup.start().await;
    let mut entry = never("curl /hang");
    entry["schedule"] = "* * * * *".into();
    entry["overlap"] = "queue".into();
    let entry = add(&server, entry).await;
    rows_until(&server, &entry, |rows| {
        rows.iter().any(|row| row["outcome"] == "waiting")
    })
    .await;
    server.get("/free").await.expect(200);
    server.kill();
    clock.set("2026-03-01 00:05:20");
    server.restart().await;
    let rows = rows_until(&server, &entry, |rows| {
        rows.iter().any(|row| row["outcome"] == "ok")
    })
    .await;
    let of = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!(of("interrupted"), 2, "{rows:#?}");
    assert_eq!(of("waiting") + of("running"), 0, "{rows:#?}");
}

#[tokio::test]
async fn killed_again_and_again_no_minute_is_without_its_row() {
    let scripts = [(
        "hello.ts",
        "await kv.increment(req.headers['x-cron-scheduled-at'], 1); return 1",
    )];
    let (setup, clock) = at!(Server::with_scripts(&scripts), "2026-03-01 00:00:30 x60");
    let mut server = setup.start().await;
    let entry = add(
        &server,
        json!({
            "schedule": "* * * * *", "command": "curl /hello", "misfire": "all", "overlap": "allow",
        }),
    )
    .await;
    for round in 1..=5u64 {
        // Around the full minute, a little earlier or later each time.
        tokio::time::sleep(Duration::from_millis(1400 + 37 * round)).await;
        server.kill();
        clock.set(&format!("2026-03-01 00:{:02}:57 x60", 5 * round));
        server.restart().await;
    }
    rows_until(&server, &entry, |rows| rows.len() >= 25).await;
    let rows = rows_until(&server, &entry, |rows| {
        rows.iter().all(|row| row["ended_at"].is_string())
    })
    .await;
    let mut by_minute: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in &rows {
        by_minute
            .entry(&row["scheduled_at"].as_str().unwrap()[11..16])
            .or_default()
            .push(row);
    }
    let minutes: Vec<String> = by_minute
        .keys()
        .map(|minute| (*minute).to_owned())
        .collect();
    let made_at = &entry["created_at"].as_str().unwrap()[14..16];
    let first = made_at.parse::<usize>().unwrap() + 1;
    let expected = (first..first + minutes.len()).map(|minute| format!("00:{minute:02}"));
    assert_eq!(minutes, expected.collect::<Vec<_>>());
    for (minute, rows) in by_minute {
        // Twice only if the first one had not begun when the server died.
        let begun = rows
            .iter()
            .filter(|row| row["started_at"].is_string())
            .count();
        assert!(begun <= 1, "{minute}: {rows:#?}");
    }
    get(&server, ENTRIES).await.expect(200);
}
