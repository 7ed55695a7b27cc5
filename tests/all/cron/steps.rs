//! Killed at each step of an occurrence; a disk that is full when something is due;
//! and a year that passed while nothing ran.

use http::Method;
use serde_json::{Value, json};

use super::time::{Clock, at};
use super::{ENTRIES, add, get, id, never, rows, rows_until, send, short};
use crate::disk::{SmallDisk, told};
use crate::harness::{Reply, Server};

/// Just before the minute; servers start well before, since that may take a while.
const BEFORE: &str = "2026-03-01 00:00:58";
const MINUTE: &str = "2026-03-01T00:01:00Z";

/// Every call of a script is counted under the time that it was due.
fn counted(rest: &str) -> String {
    format!("await kv.increment(req.headers['x-cron-scheduled-at'], 1); {rest}")
}

const HANG: &str = "await new Promise((r) => setTimeout(r, 500000)); return 1";
const COUNT: &str = "return Number((await kv.get(metadata.query.at)) ?? 0)";

fn scripts() -> Vec<(&'static str, String)> {
    vec![
        ("hello.ts", counted("return 1")),
        ("hang.ts", format!("// @timeout 9m\n{}", counted(HANG))),
        ("fail.ts", counted("throw new Error('no')")),
        ("count.ts", COUNT.to_owned()),
    ]
}

async fn calls_at(server: &Server, minute: &str) -> String {
    let target = format!("/count?at={}", minute.replace(':', "%3A"));
    server.get(&target).await.expect(200).text()
}

fn every_minute(command: &str) -> Value {
    json!({ "schedule": "* * * * *", "command": command })
}

/// Waits for a state of the entry's rows, kills the server in it, and starts it
/// again twenty seconds after the full minute. Gives how often the script of the
/// occurrence was called in all, and its rows.
async fn killed_when(
    server: &mut Server,
    clock: &Clock,
    entry: &Value,
    state: impl Fn(&[Value]) -> bool,
    end: impl Fn(&[Value]) -> bool,
) -> (String, Vec<String>) {
    rows_until(server, entry, state).await;
    server.kill();
    clock.set("2026-03-01 00:01:20");
    server.restart().await;
    let rows = rows_until(server, entry, |rows| {
        rows.iter().all(|row| row["ended_at"].is_string()) && end(rows)
    })
    .await;
    (calls_at(server, MINUTE).await, short(&rows))
}

fn has(rows: &[Value], outcome: &str) -> bool {
    rows.iter().any(|row| row["outcome"] == outcome)
}

async fn one_minute_before(turns: u32) -> Option<(Server, Clock)> {
    let scripts = scripts();
    let scripts: Vec<(&str, &str)> = scripts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let setup = Server::with_scripts(&scripts).set("cron.concurrent_runs_max", turns);
    let library = super::time::library()?;
    let (setup, clock) = super::time::starting_at(setup, library, "2026-03-01 00:00:05");
    Some((setup.start().await, clock))
}

/// The same with a loud skip.
macro_rules! server {
    ($turns:expr) => {
        match one_minute_before($turns).await {
            Some(server) => server,
            None => $crate::harness::skip!("faketime is not there (Debian package faketime)"),
        }
    };
}

#[tokio::test]
async fn killed_before_it_was_due_it_runs_after_the_start() {
    let (mut server, clock) = server!(8);
    let entry = add(&server, every_minute("curl /hello")).await;
    let (calls, rows) = killed_when(&mut server, &clock, &entry, <[Value]>::is_empty, |rows| {
        has(rows, "ok")
    })
    .await;
    assert_eq!(rows, ["03-01T00:01 schedule ok"]);
    assert_eq!(calls, "1");
}

#[tokio::test]
async fn killed_after_its_claim_and_before_it_began_it_is_made_up_for() {
    let (mut server, clock) = server!(1);
    // Takes the only turn.
    let other = add(&server, never("curl /hang")).await;
    let target = format!("{ENTRIES}/{}/run", id(&other));
    server.post(&target, "").as_root().await.expect(202);
    let entry = add(&server, every_minute("curl /hello")).await;
    clock.set(BEFORE);
    let is_waiting = |rows: &[Value]| has(rows, "waiting");
    let (calls, mut rows) = killed_when(&mut server, &clock, &entry, is_waiting, |rows| {
        has(rows, "ok")
    })
    .await;
    rows.sort();
    assert_eq!(
        rows,
        [
            "03-01T00:01 schedule interrupted",
            "03-01T00:01 schedule ok",
        ]
    );
    assert_eq!(calls, "1");
}

#[tokio::test]
async fn killed_while_it_ran_it_is_not_run_again() {
    let (mut server, clock) = server!(8);
    let entry = add(&server, every_minute("curl /hang")).await;
    clock.set(BEFORE);
    rows_until(&server, &entry, |rows| has(rows, "running")).await;
    a_kill_interrupts_it(&mut server, &clock, &entry).await;
}

#[tokio::test]
async fn killed_between_two_attempts_it_is_interrupted() {
    let (mut server, clock) = server!(8);
    let mut entry = every_minute("curl /fail");
    entry["retries"] = 1.into();
    entry["retry_backoff_seconds"] = 300.into();
    let entry = add(&server, entry).await;
    clock.set(BEFORE);
    rows_until(&server, &entry, |rows| has(rows, "running")).await;
    a_kill_interrupts_it(&mut server, &clock, &entry).await;
}

#[tokio::test]
async fn killed_after_its_end_it_stays_as_it_was() {
    let (mut server, clock) = server!(8);
    let entry = add(&server, every_minute("curl /hello")).await;
    clock.set(BEFORE);
    let is_done = |rows: &[Value]| has(rows, "ok");
    let (calls, rows) = killed_when(&mut server, &clock, &entry, is_done, is_done).await;
    assert_eq!(rows, ["03-01T00:01 schedule ok"]);
    assert_eq!(calls, "1");
}

#[tokio::test]
async fn what_the_store_refused_to_claim_is_claimed_when_there_is_room() {
    let script = counted("return 1");
    let setup = Server::with_scripts(&[("hello.ts", script.as_str()), ("count.ts", COUNT)]);
    let disk = match SmallDisk::mount(setup.data(), 48) {
        Ok(disk) => disk,
        Err(why) => return told(&why),
    };
    let (setup, clock) = at!(setup, "2026-03-01 00:00:05");
    let server = setup.start().await;
    let entry = add(&server, every_minute("curl /hello")).await;
    let mut ends = every_minute("curl /hello");
    ends["expires_at"] = MINUTE.into();
    let ends = add(&server, ends).await;
    // Scripts are published behind the start, and that needs room.
    server.get("/hello").await;
    assert_eq!(calls_at(&server, MINUTE).await, "0");
    let filler = disk.0.join("filler");
    let _ = std::fs::write(&filler, vec![0; 64 << 20]);
    clock.set(BEFORE);
    let is_refused = |_: &Reply| server.log().contains("cannot be claimed");
    server.until("/count?at=x", is_refused).await;
    // Nothing runs that has no row.
    assert_eq!(calls_at(&server, MINUTE).await, "0");
    assert_eq!(rows(&server, &entry).await, Vec::<Value>::new());
    // What is there can be read; what has expired is not there, and nothing changes.
    let list = get(&server, ENTRIES).await.expect(200).json();
    assert_eq!(
        (&list["total"], &list["entries"][0]["id"]),
        (&json!(1), &entry["id"])
    );
    let target = format!("{ENTRIES}/{}", id(&entry));
    let change = json!({ "enabled": false });
    send(&server, Method::PATCH, &target, change)
        .await
        .expect(503);
    assert_eq!(
        get(&server, &target).await.expect(200).json()["enabled"],
        true
    );
    std::fs::remove_file(filler).expect("it was written");
    let rows = rows_until(&server, &entry, |rows| has(rows, "ok")).await;
    let of_minute = |rows: &[Value]| {
        let rows = short(rows).into_iter();
        rows.filter(|row| row.starts_with("03-01T00:01"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of_minute(&rows).len(), 1, "{rows:#?}");
    assert_eq!(calls_at(&server, MINUTE).await, "1");
    let rows = rows_until(&server, &ends, |rows| !rows.is_empty()).await;
    assert_eq!(short(&rows), ["03-01T00:01 schedule expired"]);
    // What has its row in the end was not lost.
    let metrics = get(&server, "/metrics").await.expect(200).text();
    let lost = "footpath_cron_lost_slots_total 0\n";
    assert!(metrics.contains(lost), "{metrics}");
    get(&server, &format!("{ENTRIES}/{}", id(&ends)))
        .await
        .expect_error(404, "ENTRY_NOT_FOUND");
    drop(server);
}

#[tokio::test]
async fn a_year_of_minutes_with_a_hanging_command_is_no_burst() {
    let hang = format!(
        "// @timeout 9m\n{}",
        counted("await kv.increment('all', 1);")
    );
    let hang = format!("{hang}\nawait new Promise((r) => setTimeout(r, 3600000)); return 1");
    let setup = Server::with_scripts(&[("hang.ts", hang.as_str()), ("count.ts", COUNT)]);
    let setup = setup.set("cron.runs_per_entry_max", 40);
    let (setup, clock) = at!(setup, "2026-03-01 00:00:10");
    let mut server = setup.start().await;
    let mut entry = every_minute("curl /hang");
    entry["timeout_seconds"] = 500.into();
    let entry = add(&server, entry).await;
    server.kill();
    clock.set("2027-03-01 00:00:20 x60");
    server.restart().await;
    let of = |rows: &[Value], outcomes: &[&str]| {
        let is = |row: &&Value| outcomes.contains(&row["outcome"].as_str().unwrap());
        rows.iter().filter(is).count()
    };
    // Half a million minutes later no more rows are there than are kept, and the
    // command runs once at a time, minute after minute.
    let rows = rows_until(&server, &entry, |rows| of(rows, &["skipped:overlap"]) >= 5).await;
    assert!(of(&rows, &["skipped:missed"]) > 0, "{:?}", short(&rows));
    assert!(rows.len() <= 2 * 40, "{}", rows.len());
    assert!(
        of(&rows, &["running", "waiting"]) <= 1,
        "{:?}",
        short(&rows)
    );
    let calls: usize = calls_at(&server, "all").await.parse().unwrap();
    let ended = of(&rows, &["timeout", "error"]);
    assert!(
        (1..=ended + 2).contains(&calls),
        "{calls}: {:?}",
        short(&rows)
    );
}

/// Kills the server when the handler of the running occurrence has begun, too: it is
/// not run again.
async fn a_kill_interrupts_it(server: &mut Server, clock: &Clock, entry: &Value) {
    let target = format!("/count?at={}", MINUTE.replace(':', "%3A"));
    server.until(&target, |reply| reply.text() == "1").await;
    let is_running = |rows: &[Value]| has(rows, "running");
    let (calls, rows) = killed_when(server, clock, entry, is_running, |rows| {
        has(rows, "interrupted")
    })
    .await;
    assert_eq!(rows, ["03-01T00:01 schedule interrupted"]);
    assert_eq!(calls, "1");
}
