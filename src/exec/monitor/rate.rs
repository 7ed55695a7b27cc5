//! How many requests came in the last minutes: one counter a second, in a ring.

use std::sync::atomic::{AtomicU64, Ordering};

/// A power of two above the 900 seconds of the longest window.
const SECONDS: usize = 1024;

/// Counts events by the second.
#[derive(Debug)]
pub struct Rates {
    /// In the upper half the second that is counted, in the lower half how many.
    ring: Box<[AtomicU64]>,
}

impl Default for Rates {
    fn default() -> Self {
        Rates {
            ring: (0..SECONDS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Rates {
    /// Counts one event in this second since the start.
    pub fn record(&self, second: u64) {
        let slot = &self.ring[second as usize % SECONDS];
        let stamp = second << 32;
        let mut seen = slot.load(Ordering::Relaxed);
        while seen & !u64::from(u32::MAX) != stamp {
            // The first event of this second takes the slot over. A later second
            // in it means that this event is old; then it is not worth counting.
            if seen > stamp {
                return;
            }
            match slot.compare_exchange_weak(seen, stamp + 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        slot.fetch_add(1, Ordering::Relaxed);
    }

    /// Events of the last so many whole seconds, this one not included.
    pub fn last(&self, seconds: u64, now: u64) -> u64 {
        let count = |second: u64| {
            let value = self.ring[second as usize % SECONDS].load(Ordering::Relaxed);
            match value >> 32 == second {
                true => value & u64::from(u32::MAX),
                false => 0,
            }
        };
        (now.saturating_sub(seconds.min(SECONDS as u64 - 1))..now)
            .map(count)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_hold_whole_seconds() {
        let rates = Rates::default();
        for second in [0, 0, 1, 3, 3, 3] {
            rates.record(second);
        }
        let cases = [
            (1, 0, 0),
            (1, 1, 2),
            (2, 2, 3),
            (1, 4, 3),
            (60, 4, 6),
            (3, 4, 4),
        ];
        for (seconds, now, expected) in cases {
            assert_eq!(rates.last(seconds, now), expected, "{seconds} {now}");
        }
    }

    #[test]
    fn an_event_of_long_ago_is_not_counted() {
        let rates = Rates::default();
        rates.record(5 + SECONDS as u64);
        rates.record(5);
        assert_eq!(rates.last(1, 6 + SECONDS as u64), 1);
        assert_eq!(rates.last(1, 6), 0);
    }

    proptest! {
        #[test]
        fn windows_are_right_for_years(
            mut seconds in prop::collection::vec(0u64..5000, 0..300),
            window in 1u64..900,
        ) {
            let rates = Rates::default();
            seconds.sort_unstable();
            let now = seconds.last().map_or(0, |last| last + 1);
            for second in &seconds {
                rates.record(*second);
            }
            let expected = seconds.iter().filter(|s| **s + window >= now).count();
            prop_assert_eq!(rates.last(window, now), expected as u64);
        }
    }
}
