//! Expressions, good and bad.

use super::*;

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
}

fn next(expression: &str, from: &str) -> String {
    let schedule = Schedule::parse(expression).unwrap();
    schedule
        .next_local(local(from))
        .unwrap()
        .format("%Y-%m-%d %H:%M")
        .to_string()
}

#[test]
fn the_next_minute_that_is_due() {
    let cases = [
        ("* * * * *", "2026-01-01 00:00:00", "2026-01-01 00:00"),
        ("* * * * *", "2026-01-01 00:00:01", "2026-01-01 00:01"),
        ("0 4 * * 0", "2026-01-01 00:00:00", "2026-01-04 04:00"),
        ("0 4 * * 7", "2026-01-01 00:00:00", "2026-01-04 04:00"),
        ("0 4 * * sun", "2026-01-01 00:00:00", "2026-01-04 04:00"),
        ("@weekly", "2026-01-01 00:00:00", "2026-01-04 00:00"),
        ("@YEARLY", "2026-01-01 00:00:01", "2027-01-01 00:00"),
        // Both restricted: either.
        ("0 0 13 * fri", "2026-02-01 00:00:00", "2026-02-06 00:00"),
        ("0 0 13 * 5", "2026-02-10 00:00:00", "2026-02-13 00:00"),
        // One starts with a star: both.
        ("0 0 */2 * mon", "2026-01-01 00:00:00", "2026-01-05 00:00"),
        ("0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00"),
        // 2100 is no leap year.
        ("0 0 29 2 *", "2096-03-01 00:00:00", "2104-02-29 00:00"),
        ("0 0 29 2 */7", "2005-01-01 00:00:00", "2032-02-29 00:00"),
        (
            "30,0-10/5 22-23 31 * *",
            "2026-04-01 00:00:00",
            "2026-05-31 22:00",
        ),
        ("  5\t4  * * *  ", "2026-01-01 00:00:00", "2026-01-01 04:05"),
        // Beyond the years that the crate knows.
        ("* * * * *", "2100-12-31 23:59:01", "2101-01-01 00:00"),
        ("0 0 * * sat", "2100-12-27 00:00:00", "2101-01-01 00:00"),
        ("0 0 29 2 sun", "2104-02-01 00:00:00", "2104-02-03 00:00"),
        ("0 0 29 2 */7", "2090-01-01 00:00:00", "2128-02-29 00:00"),
        // Steps above a field's maximum, as Vixie cron takes them.
        (
            "*/99 0 1-31/40 * */9",
            "2026-03-02 00:00:00",
            "2026-11-01 00:00",
        ),
        ("59 23 31 dec *", "2026-12-31 23:59:01", "2027-12-31 23:59"),
    ];
    for (expression, from, expected) in cases {
        assert_eq!(
            next(expression, from),
            expected,
            "{expression} after {from}"
        );
    }
}

#[test]
fn what_is_no_schedule_says_why_and_where() {
    let cases = [
        ("", 1, "these are 0"),
        ("* * * *", 8, "these are 4"),
        ("0 0 4 * * 0", 11, "no seconds"),
        ("60 * * * *", 1, "minute: `60` is not 0 to 59"),
        ("0 4 * 13 0", 7, "month: `13` is not 1 to 12 or jan to dec"),
        ("0 4 0 * *", 5, "day of month: `0`"),
        ("0 4 * * 8", 9, "day of week: `8` is not 0 to 7"),
        ("0 4 ? * 1", 5, "Quartz"),
        ("0 4 L * *", 5, "Quartz"),
        ("0 4 * * 5#2", 10, "Quartz"),
        ("0 4 1W * *", 6, "Quartz"),
        ("H 4 * * *", 1, "Jenkins"),
        ("@reboot", 1, "@reboot"),
        ("@fortnightly", 1, "there are only"),
        ("@daily curl", 8, "nothing may follow"),
        ("5/15 * * * *", 2, "a step needs"),
        ("*/0 * * * *", 3, "at least 1"),
        ("*/x * * * *", 3, "at least 1"),
        ("1,,2 * * * *", 3, "missing"),
        ("5- * * * *", 3, "missing"),
        ("@every 5m", 1, "there are only @hourly"),
        ("10-5 * * * *", 1, "ends before"),
        ("0 0 * * fri-sun", 9, "ends before"),
        ("-1 * * * *", 1, "`-1` is not 0 to 59"),
        ("+1 * * * *", 1, "is not 0 to 59"),
        ("0 0 30 2 *", 5, "no month"),
        ("0 0 31 2,4,6,9,11 *", 5, "no month"),
        ("0 0 30 2 */2", 5, "no month"),
        ("0 4 * * 0\n", 10, "control"),
        ("0 4 * * ０", 9, "is not 0 to 7"),
    ];
    for (expression, position, reason) in cases {
        let error = Schedule::parse(expression).unwrap_err();
        assert_eq!(error.position, position, "{expression}: {error}");
        assert!(error.reason.contains(reason), "{expression}: {error}");
    }
    assert!(Schedule::parse(&"1,".repeat(400)).is_err());
}

#[test]
fn a_leap_day_or_a_weekday_is_possible() {
    assert_eq!(
        next("0 0 30 2 1", "2026-01-01 00:00:00"),
        "2026-02-02 00:00"
    );
}

#[test]
fn in_words() {
    let cases = [
        ("0 2 * * *", "At 02:00 every day"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("* * * * *", "Every minute"),
        ("@hourly", "Every hour"),
        ("0 9 * * 1-5", "At 09:00 on Mon–Fri"),
        ("@weekly", "At 00:00 on Sunday"),
        ("0 4 1 * *", "At 04:00 on day 1 of the month"),
        ("0 0 13 * 5", "At 00:00 on day 13 of the month or on Friday"),
        ("0 0 1 1 *", "At 00:00 on day 1 of the month in January"),
        ("0 0 1-31 * mon", "At 00:00 every day"),
        ("0 0 1,15 * 0-7", "At 00:00 every day"),
        (
            "0 0 1,15 * */2",
            "At 00:00 on days 1 and 15 of the month if it is also on Sun, Tue, Thu and Sat",
        ),
        ("7 * * * *", "At minute 7 of every hour"),
        ("0 8,20 * * *", "At 08:00 and 20:00 every day"),
        (
            "*/10 9-17 * * 1-5",
            "Every 10 minutes in the hours 09–17 on Mon–Fri",
        ),
    ];
    for (expression, expected) in cases {
        assert_eq!(describe(&Schedule::parse(expression).unwrap()), expected);
    }
}

#[test]
fn the_fixed_ones_have_no_star_in_minute_and_hour() {
    for (expression, fixed) in [
        ("0 4 * * *", true),
        ("0-59/5 4 * * *", true),
        ("@daily", true),
        ("*/5 4 * * *", false),
        ("0 * * * *", false),
        ("@hourly", false),
    ] {
        assert_eq!(Schedule::parse(expression).unwrap().is_fixed_time(), fixed);
    }
}
