//! What becomes of occurrences.

use super::*;
use crate::cron::entry::{Terms, Wanted};

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("2026-06-{text}Z"))
        .unwrap()
        .to_utc()
}

fn entry(schedule: &str, change: impl FnOnce(&mut Wanted)) -> Entry {
    let terms = Terms {
        timezone: chrono_tz::Tz::UTC,
        timeout_seconds: 60,
        shell: false,
    };
    let mut wanted = Wanted {
        schedule: Some(schedule.to_owned()),
        command: Some("curl /x".to_owned()),
        ..Wanted::default()
    };
    change(&mut wanted);
    Entry::create("a", wanted, &terms, at("01T00:00:00")).unwrap()
}

/// In short: the time of day and the verdict.
fn told(entry: &Entry, accounted: &str, now: &str) -> Vec<String> {
    let short = |(due, verdict): &(DateTime<Utc>, Verdict)| {
        let verdict = match verdict {
            Verdict::Run(Trigger::Schedule) => "run",
            Verdict::Run(Trigger::CatchUp) => "catch up",
            Verdict::Run(Trigger::Manual) => unreachable!(),
            Verdict::Skip(outcome) => outcome.name(),
        };
        format!("{} {verdict}", due.format("%H:%M"))
    };
    verdicts(entry, at(accounted), at(now), 5)
        .iter()
        .map(short)
        .collect()
}

#[test]
fn what_is_on_time_runs() {
    let hourly = entry("0 * * * *", |_| {});
    assert_eq!(told(&hourly, "01T00:00:00", "01T00:59:59"), [""; 0]);
    assert_eq!(told(&hourly, "01T00:00:00", "01T01:00:00"), ["01:00 run"]);
    assert_eq!(told(&hourly, "01T00:00:00", "01T01:01:00"), ["01:00 run"]);
    assert_eq!(told(&hourly, "01T01:00:00", "01T01:00:00"), [""; 0]);
}

#[test]
fn what_was_missed_goes_by_the_misfire_policy() {
    let night = ("01T00:00:00", "01T03:10:00");
    let with = |misfire| {
        entry("0 * * * *", |wanted| {
            wanted.misfire = Some(misfire);
            wanted.misfire_runs_max = Some(2);
        })
    };
    assert_eq!(
        told(&with(Misfire::Once), night.0, night.1),
        [
            "01:00 skipped:missed",
            "02:00 skipped:missed",
            "03:00 catch up"
        ]
    );
    assert_eq!(
        told(&with(Misfire::Skip), night.0, night.1),
        [
            "01:00 skipped:missed",
            "02:00 skipped:missed",
            "03:00 skipped:missed"
        ]
    );
    assert_eq!(
        told(&with(Misfire::All), night.0, night.1),
        ["01:00 skipped:missed", "02:00 catch up", "03:00 catch up"]
    );
    // One that is on time makes up for the others.
    assert_eq!(
        told(&with(Misfire::Once), night.0, "01T03:00:05"),
        ["01:00 skipped:missed", "02:00 skipped:missed", "03:00 run"]
    );
}

#[test]
fn a_long_absence_leaves_as_many_rows_as_are_kept() {
    let minutely = entry("* * * * *", |_| {});
    let verdicts = verdicts(&minutely, at("01T00:00:00"), at("30T00:00:30"), 5);
    assert_eq!(verdicts.len(), 5);
    assert_eq!(
        verdicts[4],
        (at("30T00:00:00"), Verdict::Run(Trigger::Schedule))
    );
}

#[test]
fn past_its_deadline_nothing_starts() {
    let entry = entry("0 * * * *", |wanted| {
        wanted.deadline_seconds = Some(Some(600))
    });
    assert_eq!(
        told(&entry, "01T00:00:00", "01T01:10:00"),
        ["01:00 catch up"]
    );
    assert_eq!(
        told(&entry, "01T00:00:00", "01T01:10:01"),
        ["01:00 skipped:missed"]
    );
}

#[test]
fn disabled_and_expired_entries_leave_rows_too() {
    let disabled = entry("0 * * * *", |wanted| wanted.enabled = Some(false));
    assert_eq!(
        told(&disabled, "01T00:00:00", "01T01:00:00"),
        ["01:00 skipped:disabled"]
    );
    let end = Some(Some("2026-06-01T02:00:00Z".to_owned()));
    let expires = entry("0 * * * *", |wanted| wanted.expires_at = end);
    assert_eq!(told(&expires, "01T00:00:00", "01T01:00:00"), ["01:00 run"]);
    // At the very minute it has expired, and after it there is nothing.
    assert_eq!(
        told(&expires, "01T01:00:00", "01T02:00:00"),
        ["02:00 expired"]
    );
    assert_eq!(
        told(&expires, "01T00:00:00", "01T09:00:00"),
        ["01:00 expired", "02:00 expired"]
    );
    assert_eq!(
        next_wake(&expires, at("01T01:30:00")),
        Some(at("01T02:00:00"))
    );
    assert_eq!(
        next_wake(&expires, at("01T05:00:00")),
        Some(at("01T02:00:00"))
    );
}

#[test]
fn jitter_moves_the_start_and_not_the_time() {
    let entry = entry("0 * * * *", |wanted| wanted.jitter_seconds = Some(600));
    let moved = jitter(&entry);
    assert!(moved >= TimeDelta::zero() && moved < TimeDelta::seconds(600));
    assert_eq!(
        next_wake(&entry, at("01T00:00:00")),
        Some(at("01T01:00:00") + moved)
    );
    let now = at("01T01:00:00") + moved;
    let due = |now| verdicts(&entry, at("01T00:00:00"), now, 5);
    assert_eq!(
        due(now),
        [(at("01T01:00:00"), Verdict::Run(Trigger::Schedule))]
    );
    assert_eq!(due(now - TimeDelta::milliseconds(1)), []);
}

#[test]
fn a_clock_that_was_set() {
    let (fixed, wild) = (entry("30 2 * * *", |_| {}), entry("*/10 * * * *", |_| {}));
    let accounted = at("01T02:00:00");
    let after = |entry, hours: f64| {
        let step = TimeDelta::seconds((hours * 3600.0) as i64);
        let now = accounted + step;
        (rebase(entry, accounted, step, now), now)
    };
    for hours in [1.0, 3.0] {
        assert_eq!(after(&fixed, hours).0, Rebase::Keep);
        let (rebased, now) = after(&wild, hours);
        assert_eq!(rebased, Rebase::To(now));
    }
    for hours in [-1.0, -3.0] {
        assert_eq!(after(&fixed, hours).0, Rebase::Keep);
        let (rebased, now) = after(&wild, hours);
        assert_eq!(rebased, Rebase::To(now));
    }
    for entry in [&fixed, &wild] {
        let (rebased, now) = after(entry, 4.0);
        assert_eq!(rebased, Rebase::SkipTo(now));
        let (rebased, now) = after(entry, -4.0);
        assert_eq!(rebased, Rebase::To(now));
    }
}
