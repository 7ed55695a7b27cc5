//! Killed at any point: no lost row, and no run twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::time::at;
use super::{ENTRIES, add, get, id, never, rows, rows_until, send};
use crate::harness::{PATIENCE, Server};

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

/// Waits until a program has written its process id, and gives it.
async fn pid_in(file: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(Instant::now() < deadline, "{} is not there", file.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process that has ended may be there still, until somebody asks how it ended.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.is_empty() && !state.starts_with('Z')
}

#[tokio::test]
async fn a_program_ends_with_the_server_that_was_killed() {
    let mut server = Server::empty().set("cron.shell", true).start().await;
    let line = "sleep 300 & echo $! > child; echo $$ > leader; wait";
    let entry = add(&server, never(line)).await;
    let target = format!("{ENTRIES}/{}/run", id(&entry));
    server.post(&target, "").as_root().await.expect(202);
    let folder = server.data().join("cron");
    let leader = pid_in(&folder.join("leader")).await;
    let child = pid_in(&folder.join("child")).await;
    assert!(is_alive(&leader) && is_alive(&child));
    server.kill();
    let deadline = Instant::now() + PATIENCE;
    while is_alive(&leader) || is_alive(&child) {
        assert!(Instant::now() < deadline, "{leader} or {child} lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.restart().await;
    assert_eq!(rows(&server, &entry).await[0]["outcome"], "interrupted");
}

/// Whoever wins, the change or the end: what the answer said is so, and stays so.
#[tokio::test]
async fn a_change_at_the_very_end_of_an_entry_happens_or_does_not() {
    let mut server = Server::empty().start().await;
    let ends = chrono::Utc::now() + chrono::TimeDelta::milliseconds(2500);
    let mut targets = Vec::new();
    for _ in 0..60 {
        let mut entry = never("curl /x");
        entry["expires_at"] = ends.to_rfc3339().into();
        let made = server.post(ENTRIES, "").as_root().json(&entry).await;
        // A slow machine gets fewer of them.
        if made.status == 201 {
            targets.push(format!("{ENTRIES}/{}", id(&made.json())));
        }
    }
    assert!(!targets.is_empty());
    let before = ends - chrono::TimeDelta::milliseconds(60) - chrono::Utc::now();
    tokio::time::sleep(before.to_std().unwrap_or_default()).await;
    let change = json!({ "clear_expiration": true, "name": "kept" });
    let mut kept = Vec::new();
    // A few at a time, so that some come before the end and some after it.
    for some in targets.chunks(4) {
        let sent = some.iter().map(|target| {
            let change = change.clone();
            send(&server, Method::PATCH, target, change)
        });
        for (target, reply) in some.iter().zip(futures_util::future::join_all(sent).await) {
            match reply.status.as_u16() {
                200 => kept.push(target),
                _ => drop(reply.expect_error(404, "ENTRY_NOT_FOUND")),
            }
        }
    }
    eprintln!("{} of {} changes were in time", kept.len(), targets.len());
    for _ in 0..2 {
        for target in &targets {
            let reply = get(&server, target).await;
            match kept.contains(&target) {
                true => assert_eq!(reply.expect(200).json()["name"], "kept"),
                false => drop(reply.expect_error(404, "ENTRY_NOT_FOUND")),
            }
        }
        let total = get(&server, ENTRIES).await.json()["total"].clone();
        assert_eq!(total, kept.len());
        server.restart().await;
    }
}
