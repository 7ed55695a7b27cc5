//! The answers of `monitor/*` as JSON, with the names that the API has.
//! Durations are in milliseconds unless a name says otherwise.

pub mod active;
pub mod scripts;
pub mod stats;

use std::time::Duration;

/// To three digits.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
