//! Schedules: five fields as Vixie cron reads them, and seven macros. `field` is the
//! judge of what may be written and where an error lies, `times` has the crate `cron`
//! find the times. This must not know time zones or clocks; `cron/calendar.rs` does.
//!
//! Day of month and day of week are joined by OR when both are restricted, and
//! by AND when one of them starts with `*` (so `*/2` does not restrict, as in
//! Vixie cron). What other dialects add (seconds, `L`, `W`, `#`, `?`, `@reboot`)
//! is refused with its position instead of being misread.

mod describe;
mod field;
mod times;

use std::fmt;

use chrono::{DateTime, NaiveDateTime};
use thiserror::Error;

pub use describe::describe;
use field::Field;
use times::Times;

/// The longest expression, in bytes.
pub const SCHEDULE_BYTES_MAX: usize = 500;

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
    times: Times,
    is_fixed_time: bool,
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
            return Self::of_macro(*part, parts.get(1))
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
        let Ok(fields) = <[Field; 5]>::try_from(fields) else {
            unreachable!("five parts make five fields");
        };
        let times = Times::of(&fields).map_err(|why| error(None, 0, why.to_string()))?;
        // There is no 30 February.
        if times.next(DateTime::UNIX_EPOCH.naive_utc()).is_none() {
            let reason = "no month that it names has such a day".to_owned();
            return Err(error(Some(FIELD_NAMES[2]), parts[2].at, reason));
        }
        let [minutes, hours, ..] = fields;
        Ok(Schedule {
            text: parts.map(|part| part.text).join(" "),
            times,
            is_fixed_time: !minutes.star && !hours.star,
        })
    }

    fn of_macro(name: Part<'_>, next: Option<&Part<'_>>) -> Result<Schedule, (usize, String)> {
        let lower = name.text.to_ascii_lowercase();
        if lower == "@reboot" {
            let reason = "@reboot is no time; a schedule says when, not after what";
            return Err((name.at, reason.to_owned()));
        }
        let fields = MACROS.iter().find(|(known, _)| *known == lower);
        let (known, fields) =
            fields.ok_or_else(|| (name.at, format!("there are only {}", macros().join(", "))))?;
        if let Some(next) = next {
            return Err((next.at, "nothing may follow a macro".to_owned()));
        }
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
        self.is_fixed_time
    }

    /// Whether the minute of this moment is due.
    #[cfg(test)]
    pub fn matches(&self, local: NaiveDateTime) -> bool {
        self.times.include(local)
    }

    /// The first due minute that is not before `from`, if there is one within decades.
    pub fn next_local(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        self.times.next(from)
    }
}

/// The schedules that have names.
pub fn macros() -> [&'static str; 7] {
    MACROS.map(|(name, _)| name)
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
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
