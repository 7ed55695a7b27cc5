//! From a schedule in a time zone to moments. Pure: `after` is an argument.
//!
//! When the clocks change, the rule is cronie's. A job at a fixed time whose
//! time is skipped runs once at the moment of the change; one whose time is
//! repeated runs in the first pass only. A job with `*` in its minute or hour
//! follows real time: nothing in the hour that does not exist, and both passes
//! of the one that exists twice. A change of more than three hours (Apia left
//! out a day in 2011) is a correction: what it skips does not run, and what it
//! repeats runs again.

use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::model::schedule::Schedule;

/// A change of the clocks by more than this is a correction.
pub const CORRECTION: TimeDelta = TimeDelta::hours(3);

/// Offsets are looked at this far apart; since 1970 no zone has changed twice within
/// it (Recife in 2000 came close, with a week).
const STRIDE: TimeDelta = TimeDelta::days(6);

/// No occurrence is looked for further ahead.
const AHEAD_MAX: TimeDelta = TimeDelta::days(366 * 50);

/// A change of the offset from UTC.
#[derive(Debug, Clone, Copy)]
struct Change {
    at: DateTime<Utc>,
    before: TimeDelta,
}

/// The first moment after `after` at which the schedule is due in the zone.
pub fn next_after(schedule: &Schedule, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut from = after + TimeDelta::nanoseconds(1);
    let limit = after.checked_add_signed(AHEAD_MAX)?;
    // What a change skipped just before `from` is due at the change itself.
    let mut change = None;
    while from <= limit {
        let offset = offset(zone, from);
        if let Some(change) = change.take()
            && is_made_up_for(schedule, change, offset)
        {
            return Some(change.at);
        }
        let mut local = (from + offset).naive_utc();
        let mut found = schedule.next_local(local)?.and_utc() - offset;
        if schedule.is_fixed_time()
            && let Some(end) = end_of_second_pass(zone, from, offset, found)
        {
            local = (end + offset).naive_utc();
            found = schedule.next_local(local)?.and_utc() - offset;
        }
        match next_change(zone, from, found) {
            None => return Some(found),
            Some(next) => {
                from = next.at;
                change = Some(next);
            }
        }
    }
    None
}

/// The last `count` moments in `(after, until]`, in order.
pub fn last_between(
    schedule: &Schedule,
    zone: Tz,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    count: usize,
) -> Vec<DateTime<Utc>> {
    let mut span = TimeDelta::hours(1);
    loop {
        let whole = until - after <= span;
        let mut at = if whole { after } else { until - span };
        let mut found = std::collections::VecDeque::new();
        while let Some(next) = next_after(schedule, zone, at).filter(|next| *next <= until) {
            found.push_back(next);
            if found.len() > count {
                found.pop_front();
            }
            at = next;
        }
        if whole || found.len() == count {
            return found.into();
        }
        span = span * 4;
    }
}

fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    let seconds = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    TimeDelta::seconds(i64::from(seconds.local_minus_utc()))
}

/// Whether the change skipped a fixed time that is therefore due at the change.
fn is_made_up_for(schedule: &Schedule, change: Change, offset: TimeDelta) -> bool {
    let gap = offset - change.before;
    if !schedule.is_fixed_time() || gap <= TimeDelta::zero() || gap > CORRECTION {
        return false;
    }
    let (first, end) = (change.at + change.before, change.at + offset);
    let skipped = schedule.next_local(first.naive_utc());
    skipped.is_some_and(|local| local.and_utc() < end)
}

/// If `found` lies in the second pass of a repeated time, the moment that ends it.
fn end_of_second_pass(
    zone: Tz,
    from: DateTime<Utc>,
    current: TimeDelta,
    found: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    // Only a change before `from` or at it can have begun this offset.
    let change = next_change(zone, from - CORRECTION - TimeDelta::seconds(1), from)?;
    let repeated = change.before - current;
    if repeated <= TimeDelta::zero() || repeated > CORRECTION {
        return None;
    }
    let end = change.at + repeated;
    (offset(zone, change.at) == current && found < end).then_some(end)
}

/// The first change of the offset in `(from, until]`.
fn next_change(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<Change> {
    let before = offset(zone, from);
    let mut low = from;
    while low < until {
        let mut high = until.min(low + STRIDE);
        if offset(zone, high) == before {
            low = high;
            continue;
        }
        while high - low > TimeDelta::seconds(1) {
            let middle = low + (high - low) / 2;
            match offset(zone, middle) == before {
                true => low = middle,
                false => high = middle,
            }
        }
        // Changes happen at whole seconds.
        let at = DateTime::from_timestamp(high.timestamp(), 0)?;
        let at = match offset(zone, at) == before {
            true => at + TimeDelta::seconds(1),
            false => at,
        };
        return Some(Change { at, before });
    }
    None
}

#[cfg(test)]
mod tests;
