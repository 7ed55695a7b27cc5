//! The wall-clock times of five fields, by the crate `cron`. This is the only file
//! that knows it: what it reads differently from Vixie cron is translated here. It
//! must not judge expressions; `field` has done so, and knows positions.
//!
//! The crate wants seconds in front, counts the days of the week from 1, knows no
//! step above a field's maximum and no 7 for Sunday, so a field goes to it as the
//! list of its values. It joins day of month and day of week by AND: where Vixie
//! cron takes either, two of its schedules stand side by side. It is asked in UTC,
//! which has every minute of a wall clock once; what a zone makes of them is
//! `calendar`'s.

use ::cron::TimeUnitSpec;
use ::cron::error::Error;
use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike};

use super::field::Field;

/// The last year that the crate knows.
const LAST_YEAR: i32 = 2100;
/// The years from 2101 to 2195 have the days of the week and the leap days of those
/// that lie this much earlier.
const ECHO_YEARS: i32 = 96;

/// When the fields are due, in the local time of nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    first: ::cron::Schedule,
    /// By day of the week, where `first` is by day of the month and either will do.
    second: Option<::cron::Schedule>,
}

impl Times {
    /// From minute, hour, day of month, month and day of week.
    pub fn of(fields: &[Field; 5]) -> Result<Times, Error> {
        let [minutes, hours, days, months, weekdays] = fields;
        let schedule = |days: &str, weekdays: &str| {
            let (minutes, hours) = (list(*minutes, 60, 0), list(*hours, 24, 0));
            let months = list(*months, 12, 0);
            format!("0 {minutes} {hours} {days} {months} {weekdays}").parse()
        };
        let (by_day, by_weekday) = (list(*days, 31, 0), list(*weekdays, 7, 1));
        Ok(match days.star || weekdays.star {
            true => Times {
                first: schedule(&by_day, &by_weekday)?,
                second: None,
            },
            false => Times {
                first: schedule(&by_day, "*")?,
                second: Some(schedule("*", &by_weekday)?),
            },
        })
    }

    /// The first of them that is not before `from`.
    pub fn next(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        if let Some(found) = self.known(from) {
            return Some(found);
        }
        let unknown = NaiveDate::from_ymd_opt(LAST_YEAR + 1, 1, 1)?.and_hms_opt(0, 0, 0)?;
        let from = from.max(unknown);
        let echo = self.known(from.with_year(from.year() - ECHO_YEARS)?)?;
        let found = echo.with_year(echo.year() + ECHO_YEARS)?;
        // 2100 has no leap day, and 2196 has one.
        (echo.year() < LAST_YEAR).then_some(found)
    }

    /// As far as the crate's years go.
    fn known(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        // The crate looks for whole seconds behind a moment, not at it.
        let whole = from.with_nanosecond(0)?;
        let before = match whole == from {
            true => from - TimeDelta::seconds(1),
            false => whole,
        };
        let next = |times: &::cron::Schedule| times.after(&before.and_utc()).next();
        let (first, second) = (next(&self.first), self.second.as_ref().and_then(next));
        let earlier = first.into_iter().chain(second).min();
        earlier.map(|found| found.naive_utc())
    }

    /// Whether this minute is one of them.
    #[cfg(test)]
    pub fn include(&self, local: NaiveDateTime) -> bool {
        let mut both = std::iter::once(&self.first).chain(&self.second);
        both.any(|times| times.includes(local.and_utc()))
    }

    /// Whether a day of the month or a day of the week will do.
    pub fn is_either_day(&self) -> bool {
        self.second.is_some()
    }

    pub fn minutes(&self) -> Vec<u32> {
        self.first.minutes().iter().collect()
    }

    pub fn hours(&self) -> Vec<u32> {
        self.first.hours().iter().collect()
    }

    pub fn days(&self) -> Vec<u32> {
        self.first.days_of_month().iter().collect()
    }

    pub fn months(&self) -> Vec<u32> {
        self.first.months().iter().collect()
    }

    /// 0 is Sunday.
    pub fn weekdays(&self) -> Vec<u32> {
        let times = self.second.as_ref().unwrap_or(&self.first);
        times.days_of_week().iter().map(|day| day - 1).collect()
    }
}

/// A field as the crate reads it: `*` if it has all its values, else a list of them.
fn list(field: Field, all: usize, first: u32) -> String {
    let values: Vec<String> = field
        .values()
        .map(|value| (value + first).to_string())
        .collect();
    match values.len() == all {
        true => "*".to_owned(),
        false => values.join(","),
    }
}
