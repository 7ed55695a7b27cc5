//! That the clock sleeps, and what comes later than it was due: by jitter, and after
//! a wait.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::clock::{every, hello, seconds, with};
use super::time::{Clock, at};
use super::{ENTRIES, add, get, id, rows_until, send, short};
use crate::harness::{PATIENCE, Reply, Server, Setup};

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

/// Lets the run of a minute wait for the one before it, and gives the entry.
async fn one_waits(server: &Server, clock: &Clock, deadline_seconds: Option<u32>) -> Value {
    let mut entry = with("1,2 0 1 3 *", "overlap", "queue");
    entry["command"] = "curl /hang".into();
    entry["deadline_seconds"] = deadline_seconds.into();
    let entry = add(server, entry).await;
    for (time, outcome) in [
        ("2026-03-01 00:00:58", "running"),
        ("2026-03-01 00:01:58", "waiting"),
    ] {
        clock.set(time);
        let is_so = |rows: &[Value]| rows.first().is_some_and(|row| row["outcome"] == outcome);
        rows_until(server, &entry, is_so).await;
    }
    entry
}

/// Lets the first run end, and gives the rows once all have ended.
async fn rows_at_the_end(server: &Server, entry: &Value) -> Vec<Value> {
    server.get("/go").await.expect(200);
    rows_until(server, entry, |rows| {
        rows.iter().all(|row| row["ended_at"].is_string())
    })
    .await
}

fn held() -> Setup {
    let hang = "while (!(await kv.get('go'))) await new Promise((r) => setTimeout(r, 10));";
    Server::with_scripts(&[
        ("hang.ts", &format!("// @timeout 9m\n{hang} return 1")),
        ("go.ts", "await kv.set('go', 'y'); return 1"),
        ("now.ts", "return new Date().toISOString().slice(11, 19)"),
    ])
}

#[tokio::test]
async fn what_waited_for_longer_than_its_deadline_does_not_start() {
    let (setup, clock) = at!(held(), "2026-03-01 00:00:05");
    let server = setup.start().await;
    let entry = one_waits(&server, &clock, Some(30)).await;
    clock.set("2026-03-01 00:02:50");
    // The server looks at its clock's file once a second.
    let is_set = |reply: &Reply| reply.text().as_str() >= "00:02:50";
    server.until("/now", is_set).await;
    let rows = rows_at_the_end(&server, &entry).await;
    assert_eq!(
        short(&rows),
        [
            "03-01T00:01 schedule ok",
            "03-01T00:02 schedule skipped:missed"
        ]
    );
    assert!(rows[0]["started_at"].is_null(), "{rows:#?}");
    let error = rows[0]["error"].as_str().unwrap();
    assert!(error.contains("deadline_seconds"), "{error}");
}

#[tokio::test]
async fn what_waited_while_its_entry_was_disabled_does_not_start() {
    let (setup, clock) = at!(held(), "2026-03-01 00:00:05");
    let server = setup.start().await;
    let entry = one_waits(&server, &clock, None).await;
    let target = format!("{ENTRIES}/{}", id(&entry));
    let disabled = send(&server, Method::PATCH, &target, json!({ "enabled": false }));
    disabled.await.expect(200);
    let rows = rows_at_the_end(&server, &entry).await;
    assert_eq!(
        short(&rows),
        [
            "03-01T00:01 schedule ok",
            "03-01T00:02 schedule skipped:disabled"
        ]
    );
}
