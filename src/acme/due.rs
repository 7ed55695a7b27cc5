//! When a certificate is to be renewed, and why then. Pure: it asks nobody what
//! time it is, and the "random" second follows from the certificate, so that a
//! restart does not change it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The window that the authority suggests (RFC 9773, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

/// Why a certificate is renewed when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There is none.
    Missing,
    /// The authority suggested it.
    RenewalInfo,
    /// A third of the lifetime is left, or half of a short one.
    Lifetime,
    /// Somebody asked for it.
    Forced,
}

/// The time of the next renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub at: DateTime<Utc>,
    pub why: Why,
}

/// What is known of a certificate's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life<'a> {
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub window: Option<Window>,
    /// Hexadecimal digits that differ between certificates.
    pub fingerprint: &'a str,
}

/// Certificates that live shorter are renewed when half is left.
const SHORT_LIFE: TimeDelta = TimeDelta::days(10);
/// The part of the lifetime over which renewals are spread.
const SPREAD_DIVISOR: i32 = 50;

/// When this certificate is to be renewed. A window that makes no sense, or
/// begins after the certificate has ended, counts as none.
pub fn plan(life: &Life<'_>) -> Plan {
    let usable = |window: &Window| window.start < window.end && window.start < life.not_after;
    if let Some(window) = life.window.filter(usable) {
        let end = window.end.min(life.not_after);
        return Plan {
            at: window.start + part(end - window.start, life.fingerprint),
            why: Why::RenewalInfo,
        };
    }
    let lifetime = life.not_after - life.not_before;
    let left = match lifetime < SHORT_LIFE {
        true => lifetime / 2,
        false => lifetime / 3,
    };
    let spread = part(lifetime / SPREAD_DIVISOR, life.fingerprint);
    Plan {
        at: life.not_after - left + spread,
        why: Why::Lifetime,
    }
}

/// A part of `whole` that looks random and is always the same for a certificate.
fn part(whole: TimeDelta, fingerprint: &str) -> TimeDelta {
    let digits = fingerprint.get(..8).unwrap_or_default();
    let seed = u32::from_str_radix(digits, 16).unwrap_or(u32::MAX / 2);
    let fraction = f64::from(seed) / f64::from(u32::MAX);
    TimeDelta::milliseconds((whole.num_milliseconds() as f64 * fraction) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn life<'a>(from: &str, to: &str, fingerprint: &'a str) -> Life<'a> {
        Life {
            not_before: at(from),
            not_after: at(to),
            window: None,
            fingerprint,
        }
    }

    #[test]
    fn a_third_is_left_or_half_of_a_short_life() {
        let cases = [
            (
                "2026-01-01T00:00:00Z",
                "2026-04-01T00:00:00Z",
                "2026-03-02T00:00:00Z",
            ),
            (
                "2026-01-01T00:00:00Z",
                "2026-01-07T00:00:00Z",
                "2026-01-04T00:00:00Z",
            ),
            (
                "2026-01-01T00:00:00Z",
                "2026-01-01T00:10:00Z",
                "2026-01-01T00:05:00Z",
            ),
        ];
        for (from, to, expected) in cases {
            let earliest = plan(&life(from, to, "00000000"));
            assert_eq!(
                earliest,
                Plan {
                    at: at(expected),
                    why: Why::Lifetime
                }
            );
            let latest = plan(&life(from, to, "ffffffff"));
            let spread = (at(to) - at(from)) / 50;
            assert_eq!(latest.at, at(expected) + spread);
            assert!(latest.at < at(to));
        }
    }

    #[test]
    fn the_authoritys_window_wins_while_it_makes_sense() {
        let window = |start: &str, end: &str| {
            Some(Window {
                start: at(start),
                end: at(end),
            })
        };
        let mut life = life("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", "80000000");
        life.window = window("2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z");
        let planned = plan(&life);
        assert_eq!(planned.why, Why::RenewalInfo);
        let middle = (planned.at - at("2026-02-02T00:00:00Z"))
            .num_seconds()
            .abs();
        assert!(middle < 2, "{planned:?}");
        // Revoked: the window has passed, so it is due at once.
        life.window = window("2025-12-01T00:00:00Z", "2025-12-02T00:00:00Z");
        assert!(plan(&life).at < life.not_before);
        // A window that reaches beyond the end is cut there.
        life.window = window("2026-03-31T00:00:00Z", "2027-01-01T00:00:00Z");
        assert!(plan(&life).at < life.not_after);
        for senseless in [
            window("2026-02-03T00:00:00Z", "2026-02-01T00:00:00Z"),
            window("2026-04-02T00:00:00Z", "2026-04-03T00:00:00Z"),
        ] {
            life.window = senseless;
            assert_eq!(plan(&life).why, Why::Lifetime);
        }
    }
}
