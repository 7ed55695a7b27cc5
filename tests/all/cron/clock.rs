//! What comes due, at other times than now.

use http::Method;
use serde_json::{Value, json};

use super::time::at;
use super::{ENTRIES, add, get, id, rows, rows_until, send, short};
use crate::harness::{Server, Setup};

pub fn hello() -> Setup {
    Server::with_script("hello.ts", "return 'hello'")
}

pub fn every(schedule: &str) -> Value {
    json!({ "schedule": schedule, "command": "curl /hello" })
}

pub fn with(schedule: &str, field: &str, value: impl Into<Value>) -> Value {
    let mut entry = every(schedule);
    entry[field] = value.into();
    entry
}

#[tokio::test]
async fn what_is_due_runs_and_leaves_a_row() {
    let (setup, clock) = at!(hello(), "2026-03-01 00:00:05");
    let server = setup.start().await;
    let entry = add(&server, every("* * * * *")).await;
    let disabled = add(&server, with("* * * * *", "enabled", false)).await;
    clock.set("2026-03-01 00:00:58");
    let rows = rows_until(&server, &entry, |rows| {
        rows.first().is_some_and(|row| row["outcome"] == "ok")
    })
    .await;
    assert_eq!(short(&rows), ["03-01T00:01 schedule ok"]);
    assert_eq!(rows[0]["late"], false);
    let rows = rows_until(&server, &disabled, |rows| !rows.is_empty()).await;
    assert_eq!(short(&rows), ["03-01T00:01 schedule skipped:disabled"]);
    let metrics = get(&server, "/metrics").await.expect(200).text();
    for line in [
        "footpath_cron_occurrences_total{outcome=\"ok\"} 1\n",
        "footpath_cron_occurrences_total{outcome=\"skipped:disabled\"} 1\n",
        "footpath_cron_entries 2\n",
        "footpath_cron_lost_slots_total 0\n",
        "footpath_cron_start_skew_seconds_count 1\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn a_run_by_hand_consumes_no_occurrence() {
    let (setup, clock) = at!(hello(), "2026-03-01 00:00:05");
    let server = setup.start().await;
    let entry = add(&server, every("* * * * *")).await;
    let target = format!("{ENTRIES}/{}/run", id(&entry));
    let by_hand = server.post(&format!("{target}?wait=true"), "").as_root();
    assert_eq!(by_hand.await.expect(200).json()["trigger"], "manual");
    let dry = server.post(&format!("{target}?dry_run=true"), "").as_root();
    dry.await.expect(200);
    clock.set("2026-03-01 00:00:58");
    let rows = rows_until(&server, &entry, |rows| {
        rows.len() >= 2 && rows.iter().all(|row| row["ended_at"].is_string())
    })
    .await;
    assert_eq!(
        short(&rows),
        ["03-01T00:00 manual ok", "03-01T00:01 schedule ok"]
    );
}

#[tokio::test]
async fn a_missed_night_goes_by_the_policy() {
    let (setup, clock) = at!(hello(), "2026-03-01 22:30:00");
    let mut server = setup.start().await;
    let once = add(&server, every("0 23,1,3 * * *")).await;
    let skip = add(&server, with("0 23,1,3 * * *", "misfire", "skip")).await;
    let mut all = with("0 23,1,3 * * *", "misfire", "all");
    all["misfire_runs_max"] = 2.into();
    let all = add(&server, all).await;
    let deadline = add(&server, with("0 3 * * *", "deadline_seconds", 600)).await;
    let disabled = add(&server, with("0 3 * * *", "enabled", false)).await;
    let mut expires = with("0 23,1,3 * * *", "expires_at", "2026-03-02T01:00:00Z");
    expires["name"] = "expires".into();
    let expires = add(&server, expires).await;
    server.kill();
    clock.set("2026-03-02 06:10:00");
    server.restart().await;
    let done =
        |rows: &[Value]| rows.iter().all(|row| row["ended_at"].is_string()) && !rows.is_empty();
    let expected: [(&Value, &[&str]); 6] = [
        (
            &once,
            &[
                "03-01T23:00 schedule skipped:missed",
                "03-02T01:00 schedule skipped:missed",
                "03-02T03:00 catch-up ok",
            ],
        ),
        (
            &skip,
            &[
                "03-01T23:00 schedule skipped:missed",
                "03-02T01:00 schedule skipped:missed",
                "03-02T03:00 schedule skipped:missed",
            ],
        ),
        (
            &all,
            &[
                "03-01T23:00 schedule skipped:missed",
                "03-02T01:00 catch-up ok",
                "03-02T03:00 catch-up ok",
            ],
        ),
        (&deadline, &["03-02T03:00 schedule skipped:missed"]),
        (&disabled, &["03-02T03:00 schedule skipped:disabled"]),
        (
            &expires,
            &[
                "03-01T23:00 schedule expired",
                "03-02T01:00 schedule expired",
            ],
        ),
    ];
    for (entry, expected) in expected {
        let rows = rows_until(&server, entry, done).await;
        assert_eq!(short(&rows), expected, "{entry:#}");
        for row in rows.iter().filter(|row| row["trigger"] == "catch-up") {
            assert_eq!(row["late"], true);
        }
    }
    get(&server, &format!("{ENTRIES}/{}", id(&expires)))
        .await
        .expect_error(404, "ENTRY_NOT_FOUND");
}

#[tokio::test]
async fn an_entry_expires_at_the_very_minute() {
    let (setup, clock) = at!(hello(), "2026-03-01 00:00:05");
    let server = setup.start().await;
    let entry = add(
        &server,
        with("* * * * *", "expires_at", "2026-03-01T00:01:00Z"),
    )
    .await;
    assert_eq!(entry["next_runs"], json!([]));
    clock.set("2026-03-01 00:00:58");
    let rows = rows_until(&server, &entry, |rows| !rows.is_empty()).await;
    assert_eq!(short(&rows), ["03-01T00:01 schedule expired"]);
    get(&server, &format!("{ENTRIES}/{}", id(&entry)))
        .await
        .expect_error(404, "ENTRY_NOT_FOUND");
    assert_eq!(get(&server, ENTRIES).await.json()["total"], 0);
}

#[tokio::test]
async fn a_change_of_an_entry_wakes_the_clock() {
    let (setup, clock) = at!(hello(), "2026-03-01 00:00:05");
    let server = setup.start().await;
    let entry = add(&server, every("0 0 29 2 *")).await;
    let target = format!("{ENTRIES}/{}", id(&entry));
    send(
        &server,
        Method::PATCH,
        &target,
        json!({ "schedule": "1 0 * * *" }),
    )
    .await
    .expect(200);
    clock.set("2026-03-01 00:00:58");
    let rows = rows_until(&server, &entry, |rows| !rows.is_empty()).await;
    assert!(
        rows[0]["scheduled_at"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-01T00:01:00")
    );
}

#[tokio::test]
async fn the_leap_day_comes() {
    let (setup, clock) = at!(hello(), "2028-02-28 23:59:05");
    let server = setup.start().await;
    let entry = add(&server, every("0 0 29 2 *")).await;
    clock.set("2028-02-28 23:59:58");
    let rows = rows_until(&server, &entry, |rows| {
        rows.first().is_some_and(|row| row["outcome"] == "ok")
    })
    .await;
    assert_eq!(short(&rows), ["02-29T00:00 schedule ok"]);
    let next = get(&server, &format!("{ENTRIES}/{}", id(&entry)))
        .await
        .json()["next_run"]
        .clone();
    assert_eq!(next, "2032-02-29T00:00:00+00:00");
}

#[tokio::test]
async fn a_skipped_hour_and_a_repeated_one() {
    for ((start, faster), expected) in [
        // At 07:00 UTC the clocks of New York go from 02:00 to 03:00.
        (
            ("2026-03-08 06:40:00", "2026-03-08 06:50:00 x600"),
            &[
                ("30 2 * * *", &["03-08T07:00"][..]),
                ("30 * * * *", &["03-08T07:30", "03-08T08:30"]),
            ][..],
        ),
        // At 06:00 UTC they go from 02:00 back to 01:00.
        (
            ("2026-11-01 05:10:00", "2026-11-01 05:20:00 x600"),
            &[
                ("30 1 * * *", &["11-01T05:30"]),
                ("30 * * * *", &["11-01T05:30", "11-01T06:30", "11-01T07:30"]),
            ],
        ),
    ] {
        let (setup, clock) = at!(hello(), start);
        let server = setup.start().await;
        let last = expected[1].1.last().unwrap();
        let mut entries = Vec::new();
        for (schedule, times) in expected {
            let entry = add(&server, with(schedule, "timezone", "America/New_York")).await;
            entries.push((entry, times));
        }
        clock.set(faster);
        let (wild, _) = &entries[1];
        rows_until(&server, wild, |rows| {
            rows.first()
                .is_some_and(|row| row["scheduled_at"].as_str().unwrap()[5..16] == **last)
        })
        .await;
        for (entry, times) in &entries {
            let rows = rows(&server, entry).await;
            let dues: Vec<&str> = rows
                .iter()
                .rev()
                .map(|row| &row["scheduled_at"].as_str().unwrap()[5..16])
                .collect();
            assert_eq!(dues, **times, "{entry:#}");
        }
    }
}

#[tokio::test]
async fn in_a_week_every_occurrence_has_one_row() {
    let (setup, _) = at!(hello(), "2026-03-01 00:00:30 x20000");
    let server = setup.start().await;
    let mut hourly = with("0 * * * *", "misfire", "all");
    hourly["overlap"] = "allow".into();
    let hourly = add(&server, hourly).await;
    let daily = add(&server, every("30 4 * * *")).await;
    let weekly = add(&server, every("0 12 * * 6")).await;
    rows_until(&server, &weekly, |rows| {
        rows.first().is_some_and(|row| row["ended_at"].is_string())
    })
    .await;
    let noon = chrono::DateTime::parse_from_rfc3339("2026-03-07T12:00:00Z");
    let noon = noon.unwrap().timestamp();
    for (entry, step_hours) in [(&hourly, 1), (&daily, 24)] {
        let step = step_hours * 3600;
        let before_noon = |row: &&Value| seconds(&row["scheduled_at"]) < noon;
        let rows = rows_until(&server, entry, |rows| {
            let mut known = rows.iter().filter(before_noon);
            known.all(|row| row["ended_at"].is_string())
        })
        .await;
        let rows: Vec<&Value> = rows.iter().rev().filter(before_noon).collect();
        let times: Vec<i64> = rows
            .iter()
            .map(|row| seconds(&row["scheduled_at"]))
            .collect();
        // From the making, whenever a busy machine came to it, until the week is over.
        assert!(
            times[0] - seconds(&entry["created_at"]) <= step,
            "{times:?}"
        );
        assert!(noon - times[times.len() - 1] <= step, "{times:?}");
        assert!(
            times.windows(2).all(|two| two[1] - two[0] == step),
            "{times:?}"
        );
        for row in &rows {
            let outcome = row["outcome"].as_str().unwrap();
            // At this pace a handler's 30 seconds are a millisecond and a half.
            let fine = [
                "ok",
                "skipped:missed",
                "skipped:overlap",
                "timeout",
                "error",
            ];
            assert!(fine.contains(&outcome), "{row:#}");
        }
    }
}

pub fn seconds(time: &Value) -> i64 {
    let time = chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap());
    time.unwrap().timestamp()
}
