//! The calendar, by golden tables and by a wall clock that is watched.

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// The moments in a span, in local time with offset.
fn between(expression: &str, zone: &str, after: &str, until: &str) -> Vec<String> {
    let (schedule, zone): (Schedule, Tz) =
        (Schedule::parse(expression).unwrap(), zone.parse().unwrap());
    let found = last_between(&schedule, zone, utc(after), utc(until), 1000);
    let shown = |at: &DateTime<Utc>| at.with_timezone(&zone).format("%d %H:%M%:z").to_string();
    found.iter().map(shown).collect()
}

/// Zone, span, and for each expression what is due in it.
type Golden<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a [&'a str])]);

#[test]
fn changes_of_the_clocks() {
    let tables: &[Golden] = &[
        // 02:00 to 03:00 does not exist.
        (
            "America/New_York",
            "2026-03-08T05:30:00Z",
            "2026-03-08T08:30:00Z",
            &[
                ("30 2 * * *", &["08 03:00-04:00"]),
                ("0,30 2 * * *", &["08 03:00-04:00"]),
                ("0 2-4 * * *", &["08 03:00-04:00", "08 04:00-04:00"]),
                (
                    "0 * * * *",
                    &["08 01:00-05:00", "08 03:00-04:00", "08 04:00-04:00"],
                ),
                ("*/30 2 * * *", &[]),
                ("59 1 * * *", &["08 01:59-05:00"]),
            ],
        ),
        // 01:00 to 02:00 exists twice.
        (
            "America/New_York",
            "2026-11-01T04:30:00Z",
            "2026-11-01T07:30:00Z",
            &[
                ("30 1 * * *", &["01 01:30-04:00"]),
                ("0 1,2 * * *", &["01 01:00-04:00", "01 02:00-05:00"]),
                (
                    "0 * * * *",
                    &["01 01:00-04:00", "01 01:00-05:00", "01 02:00-05:00"],
                ),
                (
                    "*/30 1 * * *",
                    &[
                        "01 01:00-04:00",
                        "01 01:30-04:00",
                        "01 01:00-05:00",
                        "01 01:30-05:00",
                    ],
                ),
            ],
        ),
        (
            "Europe/London",
            "2026-03-29T00:00:00Z",
            "2026-03-29T02:00:00Z",
            &[
                ("30 1 * * *", &["29 02:00+01:00"]),
                ("30 * * * *", &["29 00:30+00:00", "29 02:30+01:00"]),
            ],
        ),
        (
            "Europe/London",
            "2026-10-24T23:30:00Z",
            "2026-10-25T02:00:00Z",
            &[
                ("30 1 * * *", &["25 01:30+01:00"]),
                ("30 1 25 10 *", &["25 01:30+01:00"]),
                ("30 * * * *", &["25 01:30+01:00", "25 01:30+00:00"]),
            ],
        ),
        // Half an hour only.
        (
            "Australia/Lord_Howe",
            "2026-10-03T15:00:00Z",
            "2026-10-03T17:00:00Z",
            &[
                ("15 2 * * *", &["04 02:30+11:00"]),
                ("45 2 * * *", &["04 02:45+11:00"]),
                ("15 * * * *", &["04 03:15+11:00"]),
            ],
        ),
        (
            "Australia/Lord_Howe",
            "2026-04-04T14:00:00Z",
            "2026-04-04T16:00:00Z",
            &[
                ("45 1 * * *", &["05 01:45+11:00"]),
                ("15 1 * * *", &["05 01:15+11:00"]),
                ("45 * * * *", &["05 01:45+11:00", "05 01:45+10:30"]),
            ],
        ),
        // At midnight: the day begins at 01:00.
        (
            "Africa/Cairo",
            "2026-04-23T20:30:00Z",
            "2026-04-23T23:30:00Z",
            &[
                ("0 0 * * *", &["24 01:00+03:00"]),
                ("@daily", &["24 01:00+03:00"]),
                ("30 0 24 * *", &["24 01:00+03:00"]),
                (
                    "0 * * * *",
                    &["23 23:00+02:00", "24 01:00+03:00", "24 02:00+03:00"],
                ),
            ],
        ),
        (
            "Africa/Cairo",
            "2026-10-29T19:30:00Z",
            "2026-10-29T22:30:00Z",
            &[
                ("30 23 * * *", &["29 23:30+03:00"]),
                ("0 0 * * *", &["30 00:00+02:00"]),
                (
                    "30 * * * *",
                    &["29 23:30+03:00", "29 23:30+02:00", "30 00:30+02:00"],
                ),
            ],
        ),
        (
            "America/Sao_Paulo",
            "2018-11-04T02:00:00Z",
            "2018-11-04T05:00:00Z",
            &[
                ("0 0 * * *", &["04 01:00-02:00"]),
                ("0 0 4 11 *", &["04 01:00-02:00"]),
                (
                    "0 * * * *",
                    &["04 01:00-02:00", "04 02:00-02:00", "04 03:00-02:00"],
                ),
            ],
        ),
        (
            "America/Sao_Paulo",
            "2019-02-17T00:30:00Z",
            "2019-02-17T03:30:00Z",
            &[
                ("0 23 * * *", &["16 23:00-02:00"]),
                ("0 0 * * *", &["17 00:00-03:00"]),
                (
                    "0 * * * *",
                    &["16 23:00-02:00", "16 23:00-03:00", "17 00:00-03:00"],
                ),
            ],
        ),
        // No such thing.
        (
            "Asia/Kathmandu",
            "2026-03-28T17:00:00Z",
            "2026-03-28T20:00:00Z",
            &[
                ("0 0 * * *", &["29 00:00+05:45"]),
                (
                    "0 * * * *",
                    &["28 23:00+05:45", "29 00:00+05:45", "29 01:00+05:45"],
                ),
            ],
        ),
        (
            "UTC",
            "2026-03-29T00:00:00Z",
            "2026-03-29T03:00:00Z",
            &[
                ("30 1 * * *", &["29 01:30+00:00"]),
                (
                    "0 * * * *",
                    &["29 01:00+00:00", "29 02:00+00:00", "29 03:00+00:00"],
                ),
            ],
        ),
        // 30 December 2011 does not exist: a correction, not a change of the clocks.
        (
            "Pacific/Apia",
            "2011-12-30T08:30:00Z",
            "2011-12-30T11:30:00Z",
            &[
                ("0 12 30 12 *", &[]),
                ("0 0 * * *", &["31 00:00+14:00"]),
                (
                    "0 * * * *",
                    &["29 23:00-10:00", "31 00:00+14:00", "31 01:00+14:00"],
                ),
            ],
        ),
    ];
    for (zone, after, until, expressions) in tables {
        for (expression, expected) in *expressions {
            let found = between(expression, zone, after, until);
            assert_eq!(found, *expected, "{expression} in {zone} after {after}");
        }
    }
}

#[test]
fn far_away_is_found_and_never_is_not() {
    let next = |expression: &str, after: &str| {
        let schedule = Schedule::parse(expression).unwrap();
        next_after(&schedule, Tz::Europe__Berlin, utc(after)).unwrap()
    };
    assert_eq!(
        next("0 0 29 2 *", "2096-03-01T00:00:00Z"),
        utc("2104-02-28T23:00:00Z")
    );
    assert_eq!(
        next("0 12 29 2 */7", "2005-01-01T00:00:00Z"),
        utc("2032-02-29T11:00:00Z")
    );
}

#[test]
fn only_the_last_of_many_are_listed() {
    let schedule = Schedule::parse("* * * * *").unwrap();
    let (after, until) = (utc("2025-01-01T00:00:00Z"), utc("2026-01-01T00:00:30Z"));
    let found = last_between(&schedule, Tz::UTC, after, until, 3);
    let expected = [
        "2025-12-31T23:58:00Z",
        "2025-12-31T23:59:00Z",
        "2026-01-01T00:00:00Z",
    ];
    assert_eq!(found, expected.map(utc));
    assert!(last_between(&schedule, Tz::UTC, until, until, 3).is_empty());
}

/// What the rule says, minute by minute, by a wall clock that somebody watches.
fn by_the_minute(
    schedule: &Schedule,
    zone: Tz,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Vec<DateTime<Utc>> {
    let local = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    let minute = TimeDelta::minutes(1);
    let mut found = Vec::new();
    // The furthest that the wall clock has shown.
    let mut furthest = local(after - TimeDelta::hours(6));
    let mut at = after - TimeDelta::hours(6) + minute;
    while at <= until {
        let wall = local(at);
        let due = if schedule.is_fixed_time() {
            let mut missed = furthest + minute;
            let mut due = false;
            while missed <= wall {
                due |= schedule.matches(missed);
                missed += minute;
            }
            due
        } else {
            schedule.matches(wall)
        };
        furthest = furthest.max(wall);
        if due && at > after {
            found.push(at);
        }
        at += minute;
    }
    found
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn it_is_what_a_watched_wall_clock_shows(
        minute in proptest::sample::select(vec!["*", "*/20", "0", "30", "15,45", "0-59/7"]),
        hour in proptest::sample::select(vec!["*", "*/2", "0", "1", "2", "3", "0-3", "23", "1,2"]),
        day in proptest::sample::select(vec!["*", "1", "25-31", "*/2"]),
        weekday in proptest::sample::select(vec!["*", "0", "6", "1-5"]),
        zone in proptest::sample::select(vec![
            "America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Cairo",
            "America/Sao_Paulo", "Africa/Casablanca", "Asia/Beirut", "America/Havana",
        ]),
        day_of_span in 0i64..12_000,
        near_change: bool,
    ) {
        let schedule = Schedule::parse(&format!("{minute} {hour} {day} * {weekday}")).unwrap();
        let zone: Tz = zone.parse().unwrap();
        let start = utc("1996-01-01T00:00:00Z") + TimeDelta::days(day_of_span);
        let change = next_change(zone, start, start + TimeDelta::days(400)).filter(|_| near_change);
        let after = change.map_or(start, |change| change.at - TimeDelta::hours(5));
        let until = after + TimeDelta::hours(10);
        proptest::prop_assert_eq!(
            last_between(&schedule, zone, after, until, 2000),
            by_the_minute(&schedule, zone, after, until)
        );
    }
}
