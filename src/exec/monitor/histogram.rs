//! How durations are spread, in fixed memory and without a lock.
//!
//! Each power of two of microseconds is cut into eight equal buckets, so that a
//! quantile is off by at most a sixteenth of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SUB_BITS: u32 = 3;
const SUB: u64 = 1 << SUB_BITS;
/// Durations from here on share the last bucket: 2^36 µs are 19 hours.
const EXPONENT_MAX: u32 = 36;
const BUCKETS: usize = ((EXPONENT_MAX - SUB_BITS + 1) as u64 * SUB) as usize;

/// Counts durations.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
    max_nanos: AtomicU64,
}

/// What a histogram held at some time.
#[derive(Debug, Clone)]
pub struct Spread {
    buckets: Vec<u64>,
    pub count: u64,
    pub sum: Duration,
    pub max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_nanos: AtomicU64::new(0),
            max_nanos: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
        // Reading is cheaper than writing, and the maximum seldom changes.
        if self.max_nanos.load(Ordering::Relaxed) < nanos {
            self.max_nanos.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub fn spread(&self) -> Spread {
        let buckets: Vec<u64> = self
            .buckets
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        Spread {
            count: buckets.iter().sum(),
            buckets,
            sum: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)),
            max: Duration::from_nanos(self.max_nanos.load(Ordering::Relaxed)),
        }
    }
}

impl Spread {
    /// None without durations.
    pub fn mean(&self) -> Option<Duration> {
        let nanos = self.sum.as_nanos().checked_div(self.count.into())?;
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }

    /// About the duration that this part of all durations does not exceed; `part`
    /// is from 0 to 1. None without durations.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let rank = ((self.count as f64 * part).ceil() as u64).clamp(1, self.count.max(1));
        let mut below = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                let (lower, upper) = bounds(at);
                let middle =
                    Duration::from_micros(lower) + Duration::from_micros(upper - lower) / 2;
                return Some(middle.min(self.max));
            }
        }
        None
    }

    /// How many durations are no longer than 2^`exponent` µs, exactly.
    pub fn at_most_2_to(&self, exponent: u32) -> u64 {
        let upper = 1 << exponent.min(EXPONENT_MAX);
        let within = (0..BUCKETS).take_while(|at| bounds(*at).1 <= upper);
        self.buckets[..within.count()].iter().sum()
    }
}

/// The bucket of a duration. A bucket holds what is longer than its lower bound
/// and no longer than its upper one, as the `le` of Prometheus wants it.
fn bucket(nanos: u64) -> usize {
    let micros = (nanos.saturating_sub(1) / 1000).min((1 << EXPONENT_MAX) - 1);
    if micros < SUB {
        return micros as usize;
    }
    let exponent = u64::BITS - 1 - micros.leading_zeros();
    let sub = (micros >> (exponent - SUB_BITS)) & (SUB - 1);
    (u64::from(exponent - SUB_BITS + 1) * SUB + sub) as usize
}

/// Lower and upper bound of a bucket, in microseconds.
fn bounds(bucket: usize) -> (u64, u64) {
    let (row, sub) = (bucket as u64 / SUB, bucket as u64 % SUB);
    if row == 0 {
        return (sub, sub + 1);
    }
    let width = 1 << (row - 1);
    let lower = (SUB + sub) * width;
    (lower, lower + width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_touch_and_cover_all_durations() {
        let mut end = 0;
        for at in 0..BUCKETS {
            let (lower, upper) = bounds(at);
            assert_eq!(lower, end, "bucket {at}");
            assert_eq!(bucket(lower * 1000 + 1), at);
            assert_eq!(bucket(upper * 1000), at);
            end = upper;
        }
        assert_eq!(end, 1 << EXPONENT_MAX);
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_empty_histogram_knows_nothing() {
        let spread = Histogram::default().spread();
        assert_eq!(spread.count, 0);
        assert_eq!((spread.mean(), spread.quantile(0.5)), (None, None));
        assert_eq!(spread.at_most_2_to(36), 0);
    }

    #[test]
    fn bounds_of_prometheus_are_exact() {
        let histogram = Histogram::default();
        for nanos in [1, 64_000, 64_001, 128_000, 128_001] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let spread = histogram.spread();
        let counts: Vec<_> = (5..9).map(|at| spread.at_most_2_to(at)).collect();
        assert_eq!(counts, [1, 2, 4, 5]);
    }

    #[test]
    fn one_duration_is_all_its_quantiles() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(1001));
        let spread = histogram.spread();
        assert_eq!(spread.mean(), Some(Duration::from_micros(1001)));
        for part in [0.0, 0.5, 1.0] {
            let about = spread.quantile(part).unwrap();
            assert!(about <= spread.max && about > Duration::from_micros(938));
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_near(
            mut micros in prop::collection::vec(1u64..100_000_000, 1..200),
            part in 0.0f64..=1.0,
        ) {
            let histogram = Histogram::default();
            for duration in &micros {
                histogram.record(Duration::from_micros(*duration));
            }
            micros.sort_unstable();
            let rank = ((micros.len() as f64 * part).ceil() as usize).max(1);
            let exact = micros[rank - 1] as f64;
            let about = histogram.spread().quantile(part).unwrap().as_secs_f64() * 1e6;
            prop_assert!((about - exact).abs() <= exact / 16.0 + 0.5, "{about} {exact}");
        }
    }
}
