//! Reads the values of directives. Every error says which values are possible.

pub mod http;

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::directives::{Concurrency, Timeout};
use crate::model::schedule::{self, Schedule};

/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;
/// Longest time a directive can say, in milliseconds: 24.8 days, as the timers
/// of JavaScript.
pub const MAX_DURATION_MS: u64 = 2_147_483_647;
/// The ways to say that there is no time limit.
pub const NO_TIMEOUT: [&str; 6] = ["0", "false", "-1", "unlimited", "none", "n/a"];

pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err("is neither `true` nor `false`".to_owned()),
    }
}

/// One of a few words.
pub fn choice<'a>(text: &'a str, values: &[&str]) -> Result<&'a str, String> {
    if values.contains(&text) {
        Ok(text)
    } else {
        Err(format!("is none of `{}`", values.join("`, `")))
    }
}

/// A boolean whose bare name means true.
pub fn flag(text: &str) -> Result<bool, String> {
    if text.is_empty() {
        Ok(true)
    } else {
        boolean(text)
    }
}

/// A time with a unit (`500ms`, `90s`, `5m`, `2h`, `1d`), or a whole number of
/// milliseconds, or one of [`NO_TIMEOUT`].
pub fn timeout(text: &str) -> Result<Timeout, String> {
    if NO_TIMEOUT.contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(Timeout::Unlimited);
    }
    let units = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("", 1),
    ];
    let milliseconds = with_unit(text, &units)
        .ok_or("is no time: write milliseconds, or a time such as `500ms`, `90s`, `5m`, `2h` or `1d`, or `none`")?;
    match milliseconds {
        0 => Ok(Timeout::Unlimited),
        1..=MAX_DURATION_MS => Ok(Timeout::After(Duration::from_millis(milliseconds))),
        _ => Err(format!("is longer than {MAX_DURATION_MS} milliseconds")),
    }
}

pub fn concurrency(text: &str) -> Result<Concurrency, String> {
    match text {
        "true" => Ok(Concurrency::Unlimited),
        "false" => Ok(Concurrency::AtMost(NonZeroU32::MIN)),
        _ => match text.parse() {
            Ok(most) => Ok(Concurrency::AtMost(most)),
            Err(_) => Err("is neither `true`, `false` nor a whole number from 1".to_owned()),
        },
    }
}

/// A whole number, digits only.
pub fn integer(text: &str, min: u64, max: u64) -> Result<u64, String> {
    digits(text)
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("is no whole number from {min} to {max}"))
}

pub fn number(text: &str, min: f64, max: f64) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("is no number from {min} to {max}"))
}

/// Bytes, with an optional unit of which each is 1024 of the one before.
pub fn size(text: &str) -> Result<u64, String> {
    const K: u64 = 1024;
    let units = [
        ("kib", K),
        ("mib", K * K),
        ("gib", K * K * K),
        ("kb", K),
        ("mb", K * K),
        ("gb", K * K * K),
        ("k", K),
        ("m", K * K),
        ("g", K * K * K),
        ("b", 1),
        ("", 1),
    ];
    let size = with_unit(text, &units).filter(|size| *size > 0);
    size.ok_or_else(|| "is no size: write bytes, or a size such as `512kb` or `128mb`".to_owned())
}

/// A count, with an optional unit of which each is 1000 of the one before.
pub fn amount(text: &str) -> Result<u64, String> {
    let units = [
        ("k", 1_000),
        ("m", 1_000_000),
        ("g", 1_000_000_000),
        ("", 1),
    ];
    let amount = with_unit(text, &units).filter(|amount| *amount > 0);
    amount.ok_or_else(|| {
        "is no amount: write a whole number from 1, such as `50M` or `1G`".to_owned()
    })
}

pub fn text(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("has no value".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Text without space in it.
pub fn word(text: &str) -> Result<String, String> {
    match text.split_whitespace().count() {
        0 => Err("has no value".to_owned()),
        1 => Ok(text.to_owned()),
        _ => Err("is more than one word".to_owned()),
    }
}

/// Texts between commas.
pub fn list(text: &str) -> Result<Vec<String>, String> {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let items: Vec<String> = items.map(str::to_owned).collect();
    if items.is_empty() {
        Err("has no value".to_owned())
    } else {
        Ok(items)
    }
}

/// Five fields of cron or a macro, as the part that schedules reads them.
pub fn schedule(text: &str) -> Result<String, String> {
    match Schedule::parse(text) {
        Ok(schedule) => Ok(schedule.text().to_owned()),
        Err(error) => Err(format!(
            "is no schedule: {} (position {}); write five fields such as `0 4 * * 0`, or one of {}",
            error.reason,
            error.position,
            schedule::macros().join(" ")
        )),
    }
}

/// Digits and one of the units, in any case; the first unit that fits counts.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let (count, factor) = units.iter().find_map(|(unit, factor)| {
        let count = text.strip_suffix(unit)?.trim_end();
        Some((digits(count)?, factor))
    })?;
    count.checked_mul(*factor)
}

fn digits(text: &str) -> Option<u64> {
    // `parse` alone would let a sign through.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let after = |ms: u64| Ok(Timeout::After(Duration::from_millis(ms)));
        let cases = [
            ("120000", after(120_000)),
            ("500ms", after(500)),
            ("90s", after(90_000)),
            ("5m", after(300_000)),
            ("2h", after(7_200_000)),
            ("1d", after(86_400_000)),
            ("1 D", after(86_400_000)),
            ("2147483647", after(2_147_483_647)),
        ];
        for (text, expected) in cases {
            assert_eq!(timeout(text), expected, "{text}");
        }
        for text in [
            "0",
            "false",
            "-1",
            "unlimited",
            "none",
            "n/a",
            "N/A",
            "0s",
            "000",
        ] {
            assert_eq!(timeout(text), Ok(Timeout::Unlimited), "{text}");
        }
        for text in [
            "",
            "s",
            "soon",
            "-2",
            "+5",
            "1.5s",
            "2147483648",
            "25d",
            "99999999999999999999",
            "9999999999999999999d",
        ] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_and_amounts() {
        let sizes = [
            ("1", 1),
            ("10b", 10),
            ("512kb", 524_288),
            ("1MB", 1_048_576),
            ("128 mib", 134_217_728),
            ("1g", 1 << 30),
        ];
        for (text, expected) in sizes {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        let amounts = [
            ("7", 7),
            ("10k", 10_000),
            ("50M", 50_000_000),
            ("1G", 1_000_000_000),
        ];
        for (text, expected) in amounts {
            assert_eq!(amount(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "0mb",
            "mb",
            "-1",
            "1.5mb",
            "1tb",
            "99999999999g",
            "18446744073709551616",
        ] {
            assert!(size(text).is_err(), "{text}");
            assert!(amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_rest() {
        let most = |most: u32| Ok(Concurrency::AtMost(NonZeroU32::new(most).unwrap()));
        assert_eq!(concurrency("true"), Ok(Concurrency::Unlimited));
        assert_eq!((concurrency("false"), concurrency("8")), (most(1), most(8)));
        assert!(
            ["0", "-1", "", "many"]
                .iter()
                .all(|text| concurrency(text).is_err())
        );
        assert_eq!(
            (flag(""), flag("off"), boolean("yes")),
            (Ok(true), Ok(false), Ok(true))
        );
        assert!(boolean("").is_err() && boolean("TRUE").is_err());
        assert_eq!((integer("0", 0, 9), integer("9", 0, 9)), (Ok(0), Ok(9)));
        assert!(
            ["10", "", "-1", "+1", "1.0"]
                .iter()
                .all(|text| integer(text, 0, 9).is_err())
        );
        assert_eq!(
            (number("0", 0.0, 2.0), number("0.7", 0.0, 2.0)),
            (Ok(0.0), Ok(0.7))
        );
        assert!(
            ["2.1", "-0.1", "NaN", "inf", ""]
                .iter()
                .all(|text| number(text, 0.0, 2.0).is_err())
        );
        assert_eq!(
            list("a, b,,c d"),
            Ok(vec!["a".into(), "b".into(), "c d".into()])
        );
        assert!(list(" , ").is_err());
        assert_eq!(word("a/b"), Ok("a/b".into()));
        assert!(word("a b").is_err() && word("").is_err() && text("").is_err());
        assert_eq!(schedule("0 4 * *  0"), Ok("0 4 * * 0".into()));
        assert_eq!(schedule("@weekly"), Ok("@weekly".into()));
        assert!(
            [
                "",
                "@reboot",
                "0 4 * *",
                "0 0 4 * * 0",
                "a; b c d e",
                "*/0 5 * * *"
            ]
            .iter()
            .all(|text| schedule(text).is_err())
        );
    }
}
