//! That the clock sleeps, and what comes later than it was due: by jitter, and after
//! a wait.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::clock::{every, hello, seconds, with};
use super::time::at;
use super::{ENTRIES, add, get, rows_until, short};
use crate::harness::{PATIENCE, Server};

/// Counted, not timed: a slow machine wakes less often, never more.
#[tokio::test]
async fn the_clock_sleeps_while_nothing_is_due() {
    let (setup, _) = at!(hello(), "2026-03-01 00:00:05 x600");
    let server = setup.start().await;
    let entries = 20;
    let first = add(&server, every("0 0 29 2 *")).await;
    for _ in 1..entries {
        add(&server, every("0 0 29 2 *")).await;
    }
    let wakeups = async || {
        let metrics = get(&server, "/metrics").await.expect(200).text();
        let mut lines = metrics.lines();
        let count = lines.find_map(|line| line.strip_prefix("footpath_cron_wakeups_total "));
        count.expect("it is counted").parse::<i64>().unwrap()
    };
    let now = async || {
        let made = add(&server, every("0 0 29 2 *")).await;
        seconds(&made["created_at"])
    };
    let deadline = Instant::now() + PATIENCE;
    // Half an hour of the server's time.
    while now().await - seconds(&first["created_at"]) < 1800 {
        assert!(Instant::now() < deadline, "time stands still");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let woken = wakeups().await;
    let total = get(&server, ENTRIES).await.json()["total"]
        .as_i64()
        .unwrap();
    let minutes = (now().await - seconds(&first["created_at"])) / 60;
    // Each minute once, and once for each entry that was made.
    assert!(woken >= 1, "nobody counts");
    assert!(
        woken <= minutes + total + 5,
        "{woken} in {minutes} minutes with {total} entries"
    );
}

#[tokio::test]
async fn jitter_spreads_the_starts_and_not_the_times() {
    let (setup, clock) = at!(hello(), "2026-03-01 00:00:05");
    let server = setup.start().await;
    let mut entries = Vec::new();
    for _ in 0..12 {
        entries.push(add(&server, with("1 0 1 3 *", "jitter_seconds", 40)).await);
    }
    clock.set("2026-03-01 00:00:58 x5");
    let mut starts = BTreeSet::new();
    for entry in &entries {
        let rows = rows_until(&server, entry, |rows| {
            rows.first().is_some_and(|row| row["ended_at"].is_string())
        })
        .await;
        assert_eq!(rows.len(), 1, "{rows:#?}");
        assert_eq!(rows[0]["scheduled_at"], "2026-03-01T00:01:00.000Z");
        let started = seconds(&rows[0]["started_at"]);
        assert!(started >= seconds(&rows[0]["scheduled_at"]), "{rows:#?}");
        starts.insert(started);
    }
    // By the entries' random names: that all twelve fall on one of forty seconds is
    // as likely as one in forty to the eleventh.
    assert!(starts.len() > 1, "{starts:?}");
}

#[tokio::test]
async fn what_waited_for_longer_than_its_deadline_does_not_start() {
    let hang = "// @timeout 9m\nwhile (!(await kv.get('go'))) await new Promise((r) => setTimeout(r, 10)); return 1";
    let scripts = [
        ("hang.ts", hang),
        ("go.ts", "await kv.set('go', 'y'); return 1"),
        ("now.ts", "return new Date().toISOString().slice(11, 19)"),
    ];
    let (setup, clock) = at!(Server::with_scripts(&scripts), "2026-03-01 00:00:05");
    let server = setup.start().await;
    let mut entry = with("1,2 0 1 3 *", "overlap", "queue");
    entry["command"] = "curl /hang".into();
    entry["deadline_seconds"] = 30.into();
    let entry = add(&server, entry).await;
    let is = |rows: &[Value], outcome| rows.first().is_some_and(|row| row["outcome"] == outcome);
    clock.set("2026-03-01 00:00:58");
    rows_until(&server, &entry, |rows| is(rows, "running")).await;
    clock.set("2026-03-01 00:01:58");
    rows_until(&server, &entry, |rows| is(rows, "waiting")).await;
    clock.set("2026-03-01 00:02:50");
    // Its clock is read once a second.
    server
        .until("/now", |reply| reply.text() >= "00:02:50".to_owned())
        .await;
    server.get("/go").await.expect(200);
    let rows = rows_until(&server, &entry, |rows| {
        rows.iter().all(|row| row["ended_at"].is_string())
    })
    .await;
    assert_eq!(
        short(&rows),
        [
            "03-01T00:01 schedule ok",
            "03-01T00:02 schedule skipped:missed"
        ]
    );
    assert!(rows[0]["started_at"].is_null(), "{rows:#?}");
    assert!(
        rows[0]["error"]
            .as_str()
            .unwrap()
            .contains("deadline_seconds")
    );
}
