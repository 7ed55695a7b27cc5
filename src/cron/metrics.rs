//! What is counted, and how it is shown to Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::run::Outcome;

/// Upper bounds of the skew's buckets, in milliseconds.
const SKEW_BOUNDS_MS: [u64; 9] = [5, 10, 50, 100, 500, 1_000, 5_000, 60_000, 3_600_000];

#[derive(Debug, Default)]
pub struct Metrics {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    skew_buckets: [AtomicU64; SKEW_BOUNDS_MS.len()],
    skew_count: AtomicU64,
    skew_sum_ms: AtomicU64,
    lost: AtomicU64,
    wakeups: AtomicU64,
}

/// Numbers that the table knows.
#[derive(Debug, Clone, Copy)]
pub struct Gauges {
    pub entries: usize,
    pub running: usize,
    pub waiting: usize,
}

impl Metrics {
    /// A row got its outcome.
    pub fn ended(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A scheduled run started this long after it was due.
    pub fn started(&self, skew: Duration) {
        let skew_ms = u64::try_from(skew.as_millis()).unwrap_or(u64::MAX);
        for (bound, bucket) in SKEW_BOUNDS_MS.iter().zip(&self.skew_buckets) {
            if skew_ms <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.skew_count.fetch_add(1, Ordering::Relaxed);
        self.skew_sum_ms.fetch_add(skew_ms, Ordering::Relaxed);
    }

    /// Occurrences were due that will never have a row.
    pub fn lost(&self, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The clock looked what is due.
    pub fn woke(&self) {
        self.wakeups.fetch_add(1, Ordering::Relaxed);
    }

    /// The text format of Prometheus, version 0.0.4.
    pub fn exposition(&self, gauges: Gauges) -> String {
        let mut text = String::new();
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{arguments}");
        };
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, String)]| {
            line(format_args!("# HELP {name} {help}"));
            line(format_args!("# TYPE {name} {kind}"));
            for (labels, value) in samples {
                line(format_args!("{name}{labels} {value}"));
            }
        };
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let single = |value: u64| vec![(String::new(), value.to_string())];
        let ended = Outcome::ALL.iter().filter(|outcome| !outcome.is_open());
        let outcomes: Vec<_> = ended
            .map(|outcome| {
                let count = load(&self.outcomes[*outcome as usize]);
                (
                    format!("{{outcome=\"{}\"}}", outcome.name()),
                    count.to_string(),
                )
            })
            .collect();
        family(
            "footpath_cron_occurrences_total",
            "counter",
            "Occurrences by what became of them.",
            &outcomes,
        );
        family(
            "footpath_cron_entries",
            "gauge",
            "Entries.",
            &single(gauges.entries as u64),
        );
        family(
            "footpath_cron_running",
            "gauge",
            "Runs under way.",
            &single(gauges.running as u64),
        );
        family(
            "footpath_cron_waiting",
            "gauge",
            "Runs that wait.",
            &single(gauges.waiting as u64),
        );
        family(
            "footpath_cron_lost_slots_total",
            "counter",
            "Occurrences that were due and have no row; must be 0.",
            &single(load(&self.lost)),
        );
        family(
            "footpath_cron_wakeups_total",
            "counter",
            "How often the clock woke: something was due, an entry changed, or a minute passed.",
            &single(load(&self.wakeups)),
        );
        let name = "footpath_cron_start_skew_seconds";
        line(format_args!(
            "# HELP {name} How long after they were due runs started."
        ));
        line(format_args!("# TYPE {name} histogram"));
        for (bound, bucket) in SKEW_BOUNDS_MS.iter().zip(&self.skew_buckets) {
            let bound = *bound as f64 / 1000.0;
            line(format_args!(
                "{name}_bucket{{le=\"{bound}\"}} {}",
                load(bucket)
            ));
        }
        line(format_args!(
            "{name}_bucket{{le=\"+Inf\"}} {}",
            load(&self.skew_count)
        ));
        line(format_args!(
            "{name}_sum {}",
            load(&self.skew_sum_ms) as f64 / 1000.0
        ));
        line(format_args!("{name}_count {}", load(&self.skew_count)));
        text
    }
}
