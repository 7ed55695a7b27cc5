//! What happens to the occurrences of an entry that have come due. Pure: the
//! time is an argument, and so is what has been accounted for.

use chrono::{DateTime, TimeDelta, Utc};

use super::calendar::{self, CORRECTION};
use super::entry::{Entry, Misfire};
use super::run::{Outcome, Trigger};

/// Up to this late an occurrence is on time; later it was missed.
pub const ON_TIME: TimeDelta = TimeDelta::seconds(60);

/// What to do about an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Run(Trigger),
    Skip(Outcome),
}

/// How far the starts of an entry are moved from when it is due.
pub fn jitter(entry: &Entry) -> TimeDelta {
    let spread = u64::from(entry.record.policy.jitter_seconds);
    if spread == 0 {
        return TimeDelta::zero();
    }
    // FNV-1a: the same on every machine and in every version.
    let hash = entry
        .record
        .id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    TimeDelta::milliseconds((hash % (spread * 1000)) as i64)
}

/// When there is something to do for an entry next: an occurrence, or its end.
pub fn next_wake(entry: &Entry, accounted: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let due = entry.next_after(accounted).map(|due| due + jitter(entry));
    match (due, entry.record.expires_at) {
        (Some(due), Some(expires)) => Some(due.min(expires)),
        (due, expires) => due.or(expires),
    }
}

/// The occurrences in `(accounted, now]`, oldest first, and what becomes of each.
/// Of more than `rows_max` only the last are told; the others' rows would not be kept.
pub fn verdicts(
    entry: &Entry,
    accounted: DateTime<Utc>,
    now: DateTime<Utc>,
    rows_max: usize,
) -> Vec<(DateTime<Utc>, Verdict)> {
    let jitter = jitter(entry);
    // An expired entry has no occurrences after its end.
    let expired = entry.is_expired(now);
    let until = entry
        .record
        .expires_at
        .filter(|_| expired)
        .unwrap_or(now - jitter);
    let dues = calendar::last_between(&entry.schedule, entry.zone, accounted, until, rows_max);
    if expired {
        return all(dues, Verdict::Skip(Outcome::Expired));
    }
    if !entry.record.enabled {
        return all(dues, Verdict::Skip(Outcome::SkippedDisabled));
    }
    let policy = &entry.record.policy;
    let lateness = |due: DateTime<Utc>| now - (due + jitter);
    let on_time = dues.partition_point(|due| lateness(*due) > ON_TIME);
    // Someone who comes on time makes up for the others.
    let made_up_for = match policy.misfire {
        Misfire::Skip => 0,
        Misfire::Once if on_time < dues.len() => 0,
        Misfire::Once => 1,
        Misfire::All => policy.misfire_runs_max as usize,
    };
    let first_made_up = on_time.saturating_sub(made_up_for);
    let verdict = |(at, due): (usize, DateTime<Utc>)| {
        let verdict = match at {
            _ if is_too_late(entry, due, now) => Verdict::Skip(Outcome::SkippedMissed),
            _ if at >= on_time => Verdict::Run(Trigger::Schedule),
            _ if at >= first_made_up => Verdict::Run(Trigger::CatchUp),
            _ => Verdict::Skip(Outcome::SkippedMissed),
        };
        (due, verdict)
    };
    dues.into_iter().enumerate().map(verdict).collect()
}

/// Whether the entry's deadline for what was due then has passed.
pub fn is_too_late(entry: &Entry, due: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let deadline = entry.record.policy.deadline_seconds.map(i64::from);
    let lateness = now - (due + jitter(entry));
    deadline.is_some_and(|deadline| lateness > TimeDelta::seconds(deadline))
}

fn all(dues: Vec<DateTime<Utc>>, verdict: Verdict) -> Vec<(DateTime<Utc>, Verdict)> {
    dues.into_iter().map(|due| (due, verdict)).collect()
}

/// What a step of the system's clock makes of what is accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebase {
    /// Nothing changes: fixed times that were skipped are missed, and those that
    /// come again are not due again.
    Keep,
    /// The new time counts from now on.
    To(DateTime<Utc>),
    /// The new time counts from now on, and what was skipped gets its rows.
    SkipTo(DateTime<Utc>),
}

/// cronie's rule for a clock that was set: up to three hours as when the clocks
/// change, beyond that a correction.
pub fn rebase(
    entry: &Entry,
    accounted: DateTime<Utc>,
    step: TimeDelta,
    now: DateTime<Utc>,
) -> Rebase {
    let is_correction = step.abs() > CORRECTION;
    let follows_real_time = !entry.schedule.is_fixed_time();
    match (step > TimeDelta::zero(), is_correction || follows_real_time) {
        (true, true) if is_correction => Rebase::SkipTo(now),
        (true, true) => Rebase::To(accounted.max(now)),
        (false, true) => Rebase::To(accounted.min(now)),
        (_, false) => Rebase::Keep,
    }
}

#[cfg(test)]
mod tests;
