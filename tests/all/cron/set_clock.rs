//! A system clock that is set while the server runs.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::clock::{every, hello, with};
use super::oracle::PYTHON;
use super::time::at;
use super::{ENTRIES, add, get, id, rows, rows_until, short};
use crate::harness::skip;

const TELL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/all/cron/clock_was_set.py"
);
/// Without being told, the server looks at the clock once in a minute.
const SOON: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_clock_that_is_set_makes_no_burst_and_no_silence() {
    let (setup, clock) = at!(hello(), "2026-03-01 10:00:30");
    // The time of day is set; time itself goes on.
    let server = setup
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", 1)
        .start()
        .await;
    let wild = add(&server, every("*/10 * * * *")).await;
    let fixed = add(&server, every("30 10,11 * * *")).await;
    let set = async |time: &str| {
        clock.set(time);
        tokio::time::sleep(Duration::from_millis(2500)).await;
        get(&server, ENTRIES).await.expect(200);
    };
    // An hour and a half ahead: what follows real time goes on from there, and
    // what was skipped at its fixed time runs once.
    set("2026-03-01 11:35:00").await;
    let rows_of_fixed = rows_until(&server, &fixed, |rows| {
        rows.first().is_some_and(|row| row["ended_at"].is_string())
    })
    .await;
    assert_eq!(
        short(&rows_of_fixed),
        [
            "03-01T10:30 schedule skipped:missed",
            "03-01T11:30 catch-up ok",
        ]
    );
    assert_eq!(short(&rows(&server, &wild).await), [""; 0]);
    // Back again: real time goes on, and 11:30 is not run twice.
    set("2026-03-01 11:29:50").await;
    rows_until(&server, &wild, |rows| {
        rows.first().is_some_and(|row| row["outcome"] == "ok")
    })
    .await;
    assert_eq!(
        short(&rows(&server, &wild).await),
        ["03-01T11:30 schedule ok"]
    );
    assert_eq!(rows(&server, &fixed).await.len(), 2);
    // Ten hours ahead is a correction: nothing is made up for, and nothing is silent.
    set("2026-03-01 21:29:50").await;
    rows_until(&server, &wild, |rows| {
        rows[0]["scheduled_at"].as_str().unwrap().contains("T21:30")
    })
    .await;
    let late: Vec<Value> = rows(&server, &wild)
        .await
        .into_iter()
        .filter(|row| row["trigger"] == "catch-up")
        .collect();
    assert!(late.is_empty(), "{late:#?}");
    server.logs("clock was set").await;
}

#[tokio::test]
async fn beyond_three_hours_a_clock_that_is_set_is_corrected() {
    let (setup, clock) = at!(hello(), "2026-03-01 10:00:30");
    let server = setup
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", 1)
        .start()
        .await;
    let fixed = add(&server, every("30 12 * * *")).await;
    let disabled = add(&server, with("30 12 * * *", "enabled", false)).await;
    let set = async |time: &str| {
        clock.set(time);
        tokio::time::sleep(Duration::from_millis(2500)).await;
        get(&server, ENTRIES).await.expect(200);
    };
    // Forward: what was left out is not made up for, and says why.
    set("2026-03-01 20:00:00").await;
    let left_out = rows_until(&server, &fixed, |rows| !rows.is_empty()).await;
    assert_eq!(short(&left_out), ["03-01T12:30 schedule skipped:missed"]);
    assert_eq!(left_out[0]["error"], "the system's clock was corrected");
    let rows_of_disabled = rows_until(&server, &disabled, |rows| !rows.is_empty()).await;
    assert_eq!(rows_of_disabled.len(), 1);
    // Back: the time that comes again counts again.
    set("2026-03-01 12:29:50").await;
    let next = get(&server, &format!("{ENTRIES}/{}", id(&fixed))).await;
    assert_eq!(next.json()["next_run"], "2026-03-01T12:30:00+00:00");
    let again = rows_until(&server, &fixed, |rows| {
        rows.iter().any(|row| row["outcome"] == "ok")
    })
    .await;
    let mut again = short(&again);
    again.sort();
    assert_eq!(
        again,
        [
            "03-01T12:30 schedule ok",
            "03-01T12:30 schedule skipped:missed",
        ]
    );
}

#[tokio::test]
async fn the_server_is_told_that_the_clock_was_set() {
    if !std::path::Path::new(PYTHON).exists() {
        skip!("Python is not there (make peers)");
    }
    let (setup, clock) = at!(hello(), "2026-03-01 10:00:30");
    let server = setup
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", 1)
        .start()
        .await;
    let fixed = add(&server, every("30 11 * * *")).await;
    let added = Instant::now();
    clock.set("2026-03-01 11:35:00");
    // The library looks at its file once in a second.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let pid = server.pid().to_string();
    let told = Command::new(PYTHON).args([TELL, &pid]).output().unwrap();
    if !told.status.success() {
        // No failure even where nothing may be skipped: some containers forbid it.
        let why = String::from_utf8_lossy(&told.stderr).trim().to_owned();
        let _ = writeln!(
            std::io::stdout(),
            "SKIPPED set_clock: the kernel cannot be made to tell: {why}"
        );
        return;
    }
    assert_eq!(String::from_utf8_lossy(&told.stdout), "told\n");
    // Nobody asks the API for anything that would look at the clock.
    while !server.log().contains("clock was set") {
        assert!(added.elapsed() < SOON, "it is not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows = rows_until(&server, &fixed, |rows| {
        rows.first().is_some_and(|row| row["outcome"] == "ok")
    })
    .await;
    assert_eq!(short(&rows), ["03-01T11:30 catch-up ok"]);
}
