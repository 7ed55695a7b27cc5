//! The promise that matters most: a killed process loses no acknowledged write.
//!
//! The test starts itself again as a child that writes and prints a line per
//! acknowledged write, kills it with SIGKILL at some moment, and compares.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::{Kind, Record, Store, kv::Kv};

const CHILD_FOLDER: &str = "STORE_KILL_TEST_FOLDER";
const CHILD_START: &str = "STORE_KILL_TEST_START";
const TEST_NAME: &str = "store::kill::a_killed_process_loses_no_acknowledged_write";
const ROUNDS: u64 = 5;
/// Every so many values one is large, so that it is chunked. Not more: a chunked
/// write makes sled write out what came before it, and hides a missing flush.
const LARGE_EVERY: u64 = 100;
const WRITERS: u64 = 8;

#[test]
fn a_killed_process_loses_no_acknowledged_write() {
    if let Ok(folder) = std::env::var(CHILD_FOLDER) {
        let start = std::env::var(CHILD_START).unwrap().parse().unwrap();
        write_until_killed(Path::new(&folder), start);
    }
    let dir = tempfile::tempdir().unwrap();
    // For every writer the number of its last acknowledged write.
    let mut acknowledged = vec![0; WRITERS as usize];
    let mut increments = 0;
    for round in 0..ROUNDS {
        let start = acknowledged.iter().max().unwrap() + 1;
        let before = acknowledged.clone();
        for line in run_and_kill(dir.path(), start) {
            let (writer, number) = line.split_once(' ').unwrap();
            acknowledged[writer.parse::<usize>().unwrap()] = number.parse::<u64>().unwrap();
            increments += 1;
        }
        assert_ne!(acknowledged, before, "round {round} wrote nothing");
        check(dir.path(), &acknowledged, increments);
    }
}

/// The lines that the child completed before it was killed.
fn run_and_kill(dir: &Path, start: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST_NAME, "--nocapture", "--test-threads=1"])
        .env(CHILD_FOLDER, dir)
        .env(CHILD_START, start.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first lines come from the test harness.
    while lines.next().unwrap().unwrap() != "started" {}
    std::thread::sleep(Duration::from_millis(rand::random_range(50..400)));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut written: Vec<String> = lines.map(Result::unwrap).collect();
    // The last line may be cut off in the middle; every whole one ends with ".".
    written.retain_mut(|line| line.pop() == Some('.'));
    written
}

fn write_until_killed(dir: &Path, start: u64) -> ! {
    let store = Store::open(dir).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    // The harness has begun a line with the name of the test.
    say("\nstarted\n");
    runtime.block_on(async {
        let writers = (0..WRITERS).map(|writer| write(store.clone(), writer, start));
        futures_util::future::join_all(writers).await;
    });
    unreachable!("writers never end")
}

async fn write(store: Store, writer: u64, start: u64) {
    let kv = Kv::new(store.clone(), "1").unwrap();
    for number in start.. {
        store
            .put(&key(writer, number), value(writer, number))
            .await
            .unwrap();
        kv.increment("count", 1).await.unwrap();
        if number > start {
            store.delete(&key(writer, number - 1)).await.unwrap();
        }
        say(&format!("{writer} {number}.\n"));
    }
}

/// One system call a line, past the test harness' capture.
fn say(line: &str) {
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn key(writer: u64, number: u64) -> String {
    format!("w/{writer}/{number:010}")
}

fn value(writer: u64, number: u64) -> Record {
    let bytes = if (writer + number).is_multiple_of(LARGE_EVERY) {
        20_000
    } else {
        100
    };
    Record {
        kind: Kind {
            number: 1,
            version: 1,
        },
        payload: number.to_string().into_bytes().repeat(bytes / 5),
    }
}

/// Each writer's last acknowledged value is there, or, if the child was killed
/// in the middle of the next step, the one after it.
fn check(dir: &Path, acknowledged: &[u64], increments: i64) {
    let store = Store::open(dir).unwrap();
    for (writer, number) in (0..).zip(acknowledged.iter().copied()) {
        let current = store.get(&key(writer, number)).unwrap();
        let next = store.get(&key(writer, number + 1)).unwrap();
        match (number, &current, &next) {
            (0, _, _) => {}
            (_, Some(current), _) => assert_eq!(*current, value(writer, number)),
            (_, None, Some(next)) => assert_eq!(*next, value(writer, number + 1)),
            (_, None, None) => panic!("writer {writer} lost its acknowledged write {number}"),
        }
    }
    let count = Kv::new(store, "1").unwrap().get("count").unwrap().unwrap();
    let count: i64 = String::from_utf8(count).unwrap().parse().unwrap();
    assert!(
        count >= increments,
        "{increments} increments were acknowledged, {count} are left"
    );
}
