//! Counters of requests by what became of them: status class and outcome.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use crate::sandbox::failure::{Failure, Limit};

/// What became of a request, as metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The handler answered, whatever its status says.
    Ok,
    /// The handler threw, or gave no answer.
    Error,
    /// The handler hit a limit.
    Limit(Limit),
    /// No handler ran: no route, no valid token, disabled, bad request.
    Refused,
    /// The caller went away first.
    Cancelled,
}

impl Outcome {
    pub const NAMES: [&'static str; 5] = ["ok", "error", "limit", "refused", "cancelled"];

    /// The outcome of a call of the sandbox.
    pub fn of(failure: Option<&Failure>) -> Outcome {
        match failure {
            None => Outcome::Ok,
            Some(Failure::Limit { limit, .. }) => Outcome::Limit(*limit),
            Some(_) => Outcome::Error,
        }
    }

    fn index(self) -> usize {
        match self {
            Outcome::Ok => 0,
            Outcome::Error => 1,
            Outcome::Limit(_) => 2,
            Outcome::Refused => 3,
            Outcome::Cancelled => 4,
        }
    }
}

/// A request that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    pub status: u16,
    pub outcome: Outcome,
    pub duration: Duration,
    /// Units of fuel.
    pub fuel_used: u64,
    pub memory_peak_bytes: u64,
}

impl Finished {
    /// Whether the server or the script failed, and not the caller.
    pub fn is_error(&self) -> bool {
        self.status >= 500
    }
}

const CLASSES: usize = 5;

/// Counts requests, of one script or of all.
#[derive(Debug, Default)]
pub struct Counters {
    by_class_and_outcome: [[AtomicU64; Outcome::NAMES.len()]; CLASSES],
    pub durations: Histogram,
    fuel_used: AtomicU64,
    memory_peak_bytes: AtomicU64,
}

impl Counters {
    pub fn record(&self, finished: &Finished) {
        let class = usize::from(finished.status / 100).clamp(1, CLASSES) - 1;
        let count = &self.by_class_and_outcome[class][finished.outcome.index()];
        count.fetch_add(1, Ordering::Relaxed);
        self.durations.record(finished.duration);
        self.fuel_used
            .fetch_add(finished.fuel_used, Ordering::Relaxed);
        let peak = &self.memory_peak_bytes;
        if peak.load(Ordering::Relaxed) < finished.memory_peak_bytes {
            peak.fetch_max(finished.memory_peak_bytes, Ordering::Relaxed);
        }
    }

    /// Status class (1 to 5), outcome and how many; only those that happened.
    pub fn counts(&self) -> impl Iterator<Item = (usize, &'static str, u64)> {
        let rows = self.by_class_and_outcome.iter().enumerate();
        rows.flat_map(|(class, outcomes)| {
            let outcomes = outcomes.iter().zip(Outcome::NAMES);
            outcomes.map(move |(count, name)| (class + 1, name, count.load(Ordering::Relaxed)))
        })
        .filter(|(_, _, count)| *count > 0)
    }

    pub fn total(&self) -> u64 {
        self.counts().map(|(_, _, count)| count).sum()
    }

    /// Those with a status of 500 or more.
    pub fn errors(&self) -> u64 {
        let errors = self.counts().filter(|(class, _, _)| *class == CLASSES);
        errors.map(|(_, _, count)| count).sum()
    }

    pub fn fuel_used(&self) -> u64 {
        self.fuel_used.load(Ordering::Relaxed)
    }

    /// The most that one request took.
    pub fn memory_peak_bytes(&self) -> u64 {
        self.memory_peak_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn finished(status: u16, outcome: Outcome) -> Finished {
        Finished {
            status,
            outcome,
            duration: Duration::from_millis(2),
            fuel_used: 10,
            memory_peak_bytes: u64::from(status),
        }
    }

    #[test]
    fn requests_are_counted_by_class_and_outcome() {
        let counters = Counters::default();
        assert_eq!(counters.counts().count(), 0);
        for (status, outcome) in [
            (200, Outcome::Ok),
            (204, Outcome::Ok),
            (404, Outcome::Ok),
            (404, Outcome::Refused),
            (499, Outcome::Cancelled),
            (500, Outcome::Ok),
            (500, Outcome::Error),
            (504, Outcome::Limit(Limit::Timeout)),
            // Statuses that no standard knows count as their neighbours.
            (999, Outcome::Ok),
            (0, Outcome::Ok),
        ] {
            counters.record(&finished(status, outcome));
        }
        let expected = [
            (1, "ok", 1),
            (2, "ok", 2),
            (4, "ok", 1),
            (4, "refused", 1),
            (4, "cancelled", 1),
            (5, "ok", 2),
            (5, "error", 1),
            (5, "limit", 1),
        ];
        assert_eq!(counters.counts().collect::<Vec<_>>(), expected);
        assert_eq!((counters.total(), counters.errors()), (10, 4));
        assert_eq!(counters.fuel_used(), 100);
        assert_eq!(counters.memory_peak_bytes(), 999);
        assert_eq!(counters.durations.spread().count, 10);
    }

    #[test]
    fn failures_of_the_sandbox_have_outcomes() {
        let limit = Limit::Fuel;
        let (used, max) = (1, 1);
        let cases = [
            (None, Outcome::Ok),
            (
                Some(Failure::Limit { limit, used, max }),
                Outcome::Limit(limit),
            ),
            (Some(Failure::NeverSettles), Outcome::Error),
            (Some(Failure::Trapped(String::new())), Outcome::Error),
        ];
        for (failure, expected) in cases {
            assert_eq!(Outcome::of(failure.as_ref()), expected);
        }
    }
}
