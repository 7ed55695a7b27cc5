//! Schedules against `systemd-analyze calendar`, where the two say the same: systemd
//! joins day of month and day of week by AND, as Vixie cron does when one of them
//! starts with `*`, knows numbers only for months and names only for days of the week.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::oracle::{COUNT, NEXT, expression, ours};
use crate::harness::skip;

/// Expressions are asked about together, from one time each so many.
const AT_ONCE: usize = 100;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The expression in systemd's words, where it has them.
fn calendar(expression: &str) -> Option<String> {
    let fields: Vec<&str> = expression.split(' ').collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return None;
    };
    if !day.starts_with('*') && !weekday.starts_with('*') {
        return None;
    }
    let (minute, hour) = (numbers(minute, 0, 59), numbers(hour, 0, 23));
    let (day, month) = (numbers(day, 1, 31), numbers(&without_names(month), 1, 12));
    let weekdays = weekdays(weekday);
    Some(format!("{weekdays}*-{month}-{day} {hour}:{minute}:00 UTC"))
}

/// Ranges have two dots, a step begins with the first value, and one that leads
/// nowhere is none.
fn numbers(field: &str, min: u32, max: u32) -> String {
    let number = |text: &str| -> u32 { text.parse().expect("a number") };
    let item = |item: &str| {
        let Some((range, step)) = item.split_once('/') else {
            return item.replace('-', "..");
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first), number(last)),
            None => (min, max),
        };
        match first + number(step) <= last {
            true => format!("{first}..{last}/{step}"),
            false => first.to_string(),
        }
    };
    field.split(',').map(item).collect::<Vec<_>>().join(",")
}

fn without_names(field: &str) -> String {
    let mut field = field.to_ascii_lowercase();
    for (index, name) in MONTHS.iter().enumerate() {
        field = field.replace(name, &(index + 1).to_string());
    }
    field
}

/// Each day by its name; nothing where all will do.
fn weekdays(field: &str) -> String {
    let value = |text: &str| {
        let by_name = |name: &&str| name.eq_ignore_ascii_case(text);
        let named = WEEKDAYS.iter().position(by_name);
        named.unwrap_or_else(|| text.parse().expect("a number or a name"))
    };
    let mut chosen = [false; 7];
    for item in field.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (value(first), value(last)),
            None if range == "*" => (0, 6),
            None => (value(range), value(range)),
        };
        let days = (first..=last).step_by(step.parse().expect("a step"));
        days.for_each(|day| chosen[day % 7] = true);
    }
    let names = (0..7).filter(|day| chosen[*day]).map(|day| WEEKDAYS[day]);
    let names: Vec<&str> = names.collect();
    match names.len() {
        7 => String::new(),
        _ => format!("{} ", names.join(",")),
    }
}

/// The next times of each, in seconds since 1970.
fn ask(questions: &[String], after: i64) -> Vec<String> {
    let base = chrono::DateTime::from_timestamp(after, 0).expect("a time");
    let output = Command::new("systemd-analyze")
        .args(["calendar", "--iterations", &NEXT.to_string()])
        .arg(format!(
            "--base-time={}",
            base.format("%Y-%m-%d %H:%M:%S UTC")
        ))
        .args(questions)
        .envs(BTreeMap::from([("TZ", "UTC"), ("LC_ALL", "C")]))
        .output()
        .expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers = text.split("\n\n").map(|about| {
        let mut times = String::new();
        let is_time = |line: &&str| {
            let line = line.trim_start();
            line.starts_with("Next elapse: ") || line.starts_with("Iter")
        };
        for line in about.lines().filter(is_time) {
            let (_, time) = line.split_once(": ").expect("a time behind it");
            let time = time
                .trim()
                .split_once(' ')
                .map_or("never", |(_, time)| time);
            if let Ok(time) = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S UTC") {
                let _ = write!(times, "{} ", time.and_utc().timestamp());
            }
        }
        times.trim_end().to_owned()
    });
    answers.collect()
}

#[test]
fn ten_thousand_schedules_are_what_systemd_says() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        skip!("systemd-analyze is not there (Debian package systemd)");
    }
    let mut random = StdRng::seed_from_u64(20_260_301);
    let mut differences = Vec::new();
    for _ in 0..COUNT / AT_ONCE {
        // 2015 to 2030.
        let after = random.random_range(1_420_000_000..1_890_000_000);
        let (mut expressions, mut questions) = (Vec::new(), Vec::new());
        while questions.len() < AT_ONCE {
            let expression = expression(&mut random);
            if let Some(question) = calendar(&expression) {
                questions.push(question);
                expressions.push(expression);
            }
        }
        let answers = ask(&questions, after);
        assert_eq!(answers.len(), AT_ONCE);
        for ((expression, question), theirs) in expressions.iter().zip(&questions).zip(answers) {
            let ours = ours(expression, "UTC", after);
            // An impossible date is refused, and systemd says `never`.
            let ours = if ours == "refused" { "" } else { &ours };
            if ours != theirs {
                differences.push(format!(
                    "{expression} ({question}) after {after}: {ours}, they say {theirs}"
                ));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences from systemd, such as\n{}",
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
}
