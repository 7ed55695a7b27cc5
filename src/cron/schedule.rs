//! Schedules: five fields as Vixie cron reads them, and seven macros, parsed
//! into bit sets. It must not know time zones or clocks; `calendar` does.
//!
//! Day of month and day of week are joined by OR when both are restricted, and
//! by AND when one of them starts with `*` (so `*/2` does not restrict, as in
//! Vixie cron). What other dialects add (seconds, `L`, `W`, `#`, `?`, `@reboot`)
//! is refused with its position instead of being misread.

mod describe;
mod field;

use std::fmt;

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use thiserror::Error;

pub use describe::describe;
use field::Field;

/// The longest expression, in bytes.
pub const SCHEDULE_BYTES_MAX: usize = 500;

/// No date is looked for further away than this: the leap day has gaps of eight
/// years, and on one day of the week of 40.
const YEARS_AHEAD_MAX: i32 = 50;

const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const FIELD_NAMES: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];

/// When something is due, in the local time of a place yet to be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    /// Bits 0 (Sunday) to 6.
    weekdays: Field,
}

/// Why an expression is no schedule, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason} (position {position} of `{text}`)")]
pub struct ScheduleError {
    pub text: String,
    /// The field's name, when the error lies in one.
    pub field: Option<&'static str>,
    /// Counted in characters from 1.
    pub position: usize,
    pub reason: String,
}

/// A field's text and where it starts, in bytes.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    at: usize,
}

impl Schedule {
    /// Reads an expression. White space around and between the fields does not matter.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let error = |field, at: usize, reason: String| ScheduleError {
            text: text.chars().take(SCHEDULE_BYTES_MAX).collect(),
            field,
            position: text[..at].chars().count() + 1,
            reason,
        };
        if text.len() > SCHEDULE_BYTES_MAX {
            let reason = format!("the expression has more than {SCHEDULE_BYTES_MAX} bytes");
            return Err(error(None, 0, reason));
        }
        if let Some(at) = text.find(|sign: char| sign.is_control() && sign != '\t') {
            return Err(error(None, at, "a control character".to_owned()));
        }
        let parts = parts(text);
        if let Some(part) = parts.first().filter(|part| part.text.starts_with('@')) {
            return Self::of_macro(*part, parts.get(1), text)
                .map_err(|(at, reason)| error(None, at, reason));
        }
        let parts: [Part; 5] = parts.try_into().map_err(|parts: Vec<Part>| {
            let (at, reason) = wrong_count(text, &parts);
            error(None, at, reason)
        })?;
        let mut fields = Vec::with_capacity(5);
        for (index, part) in parts.iter().enumerate() {
            let read = Field::parse(field::KINDS[index], part.text);
            fields.push(read.map_err(|(at, reason)| {
                let name = FIELD_NAMES[index];
                error(Some(name), part.at + at, format!("{name}: {reason}"))
            })?);
        }
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            unreachable!("five parts make five fields");
        };
        let schedule = Schedule {
            text: parts.map(|part| part.text).join(" "),
            minutes,
            hours,
            days,
            months,
            weekdays,
        };
        match schedule.has_days() {
            true => Ok(schedule),
            false => {
                let reason = "no month that it names has such a day".to_owned();
                Err(error(Some(FIELD_NAMES[2]), parts[2].at, reason))
            }
        }
    }

    fn of_macro(
        name: Part<'_>,
        next: Option<&Part<'_>>,
        _text: &str,
    ) -> Result<Schedule, (usize, String)> {
        if let Some(next) = next {
            return Err((next.at, "nothing may follow a macro".to_owned()));
        }
        let lower = name.text.to_ascii_lowercase();
        if lower == "@reboot" {
            let reason = "@reboot is no time; a schedule says when, not after what";
            return Err((name.at, reason.to_owned()));
        }
        let fields = MACROS.iter().find(|(known, _)| *known == lower);
        let (known, fields) = fields.ok_or_else(|| {
            let names: Vec<&str> = MACROS.iter().map(|(known, _)| *known).collect();
            (name.at, format!("there are only {}", names.join(", ")))
        })?;
        let schedule = Schedule::parse(fields).map_err(|error| (name.at, error.reason))?;
        Ok(Schedule {
            text: (*known).to_owned(),
            ..schedule
        })
    }

    /// The expression with single spaces.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has a fixed time of day. The others have `*` in front of
    /// their minute or hour and follow real time when the clocks change.
    pub fn is_fixed_time(&self) -> bool {
        !self.minutes.star && !self.hours.star
    }

    /// Whether the minute of this moment is due.
    pub fn matches(&self, local: NaiveDateTime) -> bool {
        self.minutes.has(local.minute())
            && self.hours.has(local.hour())
            && self.matches_date(local.date())
    }

    /// The first due minute that is not before `from`, if there is one within decades.
    pub fn next_local(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        let from = match from.second() == 0 && from.nanosecond() == 0 {
            true => from,
            false => from.with_second(0)?.with_nanosecond(0)? + chrono::TimeDelta::minutes(1),
        };
        let mut date = from.date();
        if self.matches_date(date)
            && let Some((hour, minute)) = self.time_from(from.hour(), from.minute())
        {
            return date.and_hms_opt(hour, minute, 0);
        }
        let last_year = date.year() + YEARS_AHEAD_MAX;
        date = date.succ_opt()?;
        while date.year() <= last_year {
            if !self.months.has(date.month()) {
                date = first_of_next_month(date)?;
            } else if self.matches_date(date) {
                let (hour, minute) = self.time_from(0, 0)?;
                return date.and_hms_opt(hour, minute, 0);
            } else {
                date = date.succ_opt()?;
            }
        }
        None
    }

    fn time_from(&self, hour: u32, minute: u32) -> Option<(u32, u32)> {
        if self.hours.has(hour)
            && let Some(minute) = self.minutes.next(minute)
        {
            return Some((hour, minute));
        }
        Some((self.hours.next(hour + 1)?, self.minutes.next(0)?))
    }

    fn matches_date(&self, date: NaiveDate) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().num_days_from_sunday());
        let fits = match self.days.star || self.weekdays.star {
            true => day && weekday,
            false => day || weekday,
        };
        fits && self.months.has(date.month())
    }

    /// Whether any date fits: there is no 30 February.
    fn has_days(&self) -> bool {
        if !self.days.star && !self.weekdays.star {
            return true;
        }
        (1..=12).any(|month| {
            let longest = match month {
                2 => 29,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            self.months.has(month) && (1..=longest).any(|day| self.days.has(day))
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn first_of_next_month(date: NaiveDate) -> Option<NaiveDate> {
    match date.month() {
        12 => NaiveDate::from_ymd_opt(date.year() + 1, 1, 1),
        month => NaiveDate::from_ymd_opt(date.year(), month + 1, 1),
    }
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let pieces = text.split([' ', '\t']);
    let offset = |piece: &str| piece.as_ptr() as usize - text.as_ptr() as usize;
    pieces
        .filter(|piece| !piece.is_empty())
        .map(|piece| Part {
            text: piece,
            at: offset(piece),
        })
        .collect()
}

fn wrong_count(text: &str, parts: &[Part<'_>]) -> (usize, String) {
    match parts.len() {
        0..=5 => {
            let reason = format!("five fields are needed, and these are {}", parts.len());
            (text.trim_end().len(), reason)
        }
        count @ (6 | 7) => {
            let reason = format!(
                "five fields are needed, and these are {count}: there are no seconds and no years"
            );
            (parts[5].at, reason)
        }
        count => (
            parts[5].at,
            format!("five fields are needed, and these are {count}"),
        ),
    }
}

#[cfg(test)]
mod tests;
