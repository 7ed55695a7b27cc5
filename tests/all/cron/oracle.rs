//! Schedules against readers of crontabs that nobody here wrote.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::DateTime;
use footpath::cron::calendar;
use footpath::model::schedule::Schedule;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::harness::skip;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/cron/oracle.py");
pub const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.peers/python/bin/python");

/// Not Lord Howe: cronsim loses half an hour when its clocks change by that. The
/// golden tables of `calendar` have it.
const ZONES: [&str; 8] = [
    "UTC",
    "America/New_York",
    "Europe/London",
    "America/Havana",
    "Africa/Cairo",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Europe/Berlin",
];
pub const COUNT: usize = 10_000;
pub const NEXT: usize = 4;

fn field(random: &mut StdRng, min: u32, max: u32, names: &[&str]) -> String {
    let value = |random: &mut StdRng| random.random_range(min..=max);
    let item = |random: &mut StdRng| match random.random_range(0..6) {
        0 if !names.is_empty() => names.choose(random).unwrap().to_string(),
        1 | 2 => {
            // Both oracles have a reading of their own for `5-5`: all values, or `5/…`.
            let a = random.random_range(min..max);
            let b = random.random_range(a + 1..=max);
            let step = match random.random_range(0..3) {
                0 => format!("/{}", random.random_range(1..=max.max(2))),
                _ => String::new(),
            };
            format!("{a}-{b}{step}")
        }
        _ => value(random).to_string(),
    };
    match random.random_range(0..10) {
        0..4 => "*".to_owned(),
        4 => format!("*/{}", random.random_range(1..=max.max(2))),
        5..8 => item(random),
        _ => {
            let items: Vec<String> = (0..random.random_range(2..4))
                .map(|_| item(random))
                .collect();
            items.join(",")
        }
    }
}

pub fn expression(random: &mut StdRng) -> String {
    let months = ["jan", "Feb", "MAR", "apr", "dec"];
    let weekdays = ["sun", "Mon", "TUE", "sat"];
    [
        field(random, 0, 59, &[]),
        field(random, 0, 23, &[]),
        field(random, 1, 31, &[]),
        field(random, 1, 12, &months),
        field(random, 0, 7, &weekdays),
    ]
    .join(" ")
}

/// What the oracle says of each question.
fn ask(oracle: &str, questions: &str) -> Vec<String> {
    let mut child = Command::new(PYTHON)
        .args([PROGRAM, oracle, &NEXT.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let questions = questions.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = child.wait_with_output().expect("Python ends");
    writer
        .join()
        .expect("no panic")
        .expect("all questions are read");
    assert!(output.status.success(), "the oracle fails");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

pub fn ours(expression: &str, zone: &str, after: i64) -> String {
    let Ok(schedule) = Schedule::parse(expression) else {
        return "refused".to_owned();
    };
    let zone = zone.parse().expect("a zone");
    let mut at = DateTime::from_timestamp(after, 0).expect("a time");
    let mut answer = String::new();
    for _ in 0..NEXT {
        match calendar::next_after(&schedule, zone, at) {
            Some(next) => {
                let _ = write!(answer, "{} ", next.timestamp());
                at = next;
            }
            None => break,
        }
    }
    answer.trim_end().to_owned()
}

fn compare(oracle: &str, zones: &[&str], comparable: impl Fn(&str) -> bool) {
    let mut random = StdRng::seed_from_u64(20_260_301);
    let mut cases = Vec::new();
    let mut questions = String::new();
    while cases.len() < COUNT {
        let expression = expression(&mut random);
        if !comparable(&expression) {
            continue;
        }
        let zone = *zones.choose(&mut random).unwrap();
        // 2015 to 2030.
        let after = random.random_range(1_420_000_000..1_890_000_000);
        let _ = writeln!(questions, "{expression}\t{zone}\t{after}");
        cases.push((expression, zone, after));
    }
    let answers = ask(oracle, &questions);
    assert_eq!(answers.len(), COUNT);
    let differences: Vec<String> = cases
        .iter()
        .zip(&answers)
        .filter_map(|((expression, zone, after), theirs)| {
            let ours = ours(expression, zone, *after);
            (ours != *theirs)
                .then(|| format!("{expression} in {zone} after {after}: {ours}, they say {theirs}"))
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences from {oracle}, such as\n{}",
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
}

#[test]
fn ten_thousand_schedules_are_what_cronsim_says() {
    if !Path::new(PYTHON).exists() {
        skip!("Python with cronsim is not there (make peers)");
    }
    compare("cronsim", &ZONES, |_| true);
}

/// croniter differs on purpose in one thing: it takes `*/2` as a day for a
/// restriction, and Vixie cron does not. It has rules of its own for changes of the
/// clocks, so it is asked in UTC.
#[test]
fn ten_thousand_schedules_are_what_croniter_says() {
    if !Path::new(PYTHON).exists() {
        skip!("Python with croniter is not there (make peers)");
    }
    let comparable = |expression: &str| {
        let fields: Vec<&str> = expression.split(' ').collect();
        [fields[2], fields[4]]
            .iter()
            .all(|field| *field == "*" || !field.starts_with('*'))
    };
    compare("croniter", &["UTC"], comparable);
}
