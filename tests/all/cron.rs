//! Cron from outside: entries, occurrences and their rows. Whole days pass by
//! `faketime`, which moves the clocks of the real binary.

#[path = "cron/access.rs"]
mod access;
#[path = "cron/cli.rs"]
mod cli;
#[path = "cron/clock.rs"]
mod clock;
#[path = "cron/contract.rs"]
mod contract;
#[path = "cron/crontab.rs"]
mod crontab;
#[path = "cron/durable.rs"]
mod durable;
#[path = "cron/oracle.rs"]
mod oracle;
#[path = "cron/policies.rs"]
mod policies;
#[path = "cron/runs.rs"]
mod runs;
#[path = "cron/scripts.rs"]
mod scripts;
#[path = "cron/set_clock.rs"]
mod set_clock;
#[path = "cron/sleep.rs"]
mod sleep;
#[path = "cron/steps.rs"]
mod steps;
#[path = "cron/systemd.rs"]
mod systemd;
#[path = "cron/time.rs"]
mod time;

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Reply, Server};

const ENTRIES: &str = "/users/me/entries";

/// Makes an entry of the root token's user and gives it.
async fn add(server: &Server, entry: Value) -> Value {
    let made = server.post(ENTRIES, "").as_root().json(&entry).await;
    made.expect(201).json()
}

/// An entry that never comes due while a test runs.
fn never(command: &str) -> Value {
    json!({ "schedule": "0 0 29 2 *", "command": command })
}

fn id(entry: &Value) -> &str {
    entry["id"].as_str().expect("an entry has an id")
}

async fn get(server: &Server, target: &str) -> Reply {
    server.get(target).as_root().await
}

async fn send(server: &Server, method: Method, target: &str, body: Value) -> Reply {
    server.request(method, target).as_root().json(&body).await
}

/// Runs an entry, waits for its end and gives the row.
async fn run(server: &Server, entry: &Value) -> Value {
    let target = format!("{ENTRIES}/{}/run?wait=true", id(entry));
    let reply = server.post(&target, "").as_root().await;
    reply.expect(200).json()
}

/// The rows of an entry, newest first.
async fn rows(server: &Server, entry: &Value) -> Vec<Value> {
    let target = format!("{ENTRIES}/{}/runs?limit=200", id(entry));
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Where a server's clock runs fast, so do its deadlines for slow clients.
        match server.get(&target).as_root().send().await {
            Ok(reply) => {
                let answer = reply.expect(200).json();
                return answer["runs"].as_array().expect("a list").clone();
            }
            Err(problem) => assert!(Instant::now() < deadline, "{problem}"),
        }
    }
}

/// Waits until the rows of an entry are as they should be.
async fn rows_until(
    server: &Server,
    entry: &Value,
    wanted: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rows = rows(server, entry).await;
        if wanted(&rows) {
            return rows;
        }
        assert!(Instant::now() < deadline, "the rows are still {rows:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// In short: when it was due, why it ran and what became of it; oldest first.
fn short(rows: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        let due = text(&row["scheduled_at"]);
        format!(
            "{} {} {}",
            &due[5..16],
            text(&row["trigger"]),
            text(&row["outcome"])
        )
    };
    rows.iter().rev().map(row).collect()
}
