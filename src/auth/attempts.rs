//! Failed attempts per client address: who guesses is kept waiting, whatever
//! comes next. In memory only, and of bounded size. It must not know tokens.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// Length of the window in which attempts are counted, in seconds.
pub const WINDOW_SECONDS: i64 = 60;
/// How many addresses are remembered; the oldest window goes first.
const ADDRESSES_MAX: usize = 10_000;

/// Counts by address.
#[derive(Debug)]
pub struct FailedAttempts {
    /// How many may fail in one window.
    max: u64,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: DateTime<Utc>,
    failed: u64,
}

impl FailedAttempts {
    pub fn new(max: u64) -> FailedAttempts {
        FailedAttempts {
            max,
            windows: Mutex::default(),
        }
    }

    /// Whether this address may try; else the seconds until it may.
    pub fn check(&self, client: IpAddr, now: DateTime<Utc>) -> Result<(), u32> {
        let windows = self.lock();
        let Some(window) = windows.get(&group(client)) else {
            return Ok(());
        };
        let left = WINDOW_SECONDS - (now - window.began).num_seconds();
        if left <= 0 || window.failed < self.max {
            return Ok(());
        }
        Err(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// Another attempt failed.
    pub fn failed(&self, client: IpAddr, now: DateTime<Utc>) {
        let mut windows = self.lock();
        let client = group(client);
        if !windows.contains_key(&client) && windows.len() >= ADDRESSES_MAX {
            windows.retain(|_, window| (now - window.began).num_seconds() < WINDOW_SECONDS);
            let oldest = windows.iter().min_by_key(|(_, window)| window.began);
            if let Some(oldest) = oldest.map(|(address, _)| *address)
                && windows.len() >= ADDRESSES_MAX
            {
                windows.remove(&oldest);
            }
        }
        let fresh = Window {
            began: now,
            failed: 0,
        };
        let window = windows.entry(client).or_insert(fresh);
        if (now - window.began).num_seconds() >= WINDOW_SECONDS {
            *window = fresh;
        }
        window.failed += 1;
    }

    /// Counts stay right when a thread panicked while it held them.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One customer has a whole /64 of IPv6.
fn group(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_waits_for_the_end_of_its_window_and_others_do_not() {
        let attempts = FailedAttempts::new(3);
        for second in 0..3 {
            assert_eq!(attempts.check(ip("192.0.2.1"), at(second)), Ok(()));
            attempts.failed(ip("192.0.2.1"), at(second));
        }
        assert_eq!(attempts.check(ip("192.0.2.1"), at(10)), Err(50));
        assert_eq!(attempts.check(ip("::ffff:192.0.2.1"), at(10)), Err(50));
        assert_eq!(attempts.check(ip("192.0.2.2"), at(10)), Ok(()));
        assert_eq!(attempts.check(ip("192.0.2.1"), at(60)), Ok(()));
        attempts.failed(ip("192.0.2.1"), at(61));
        assert_eq!(attempts.check(ip("192.0.2.1"), at(61)), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let attempts = FailedAttempts::new(1);
        attempts.failed(ip("2001:db8::1"), at(0));
        assert!(attempts.check(ip("2001:db8::ffff"), at(1)).is_err());
        assert!(attempts.check(ip("2001:db8:0:1::1"), at(1)).is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let attempts = FailedAttempts::new(1);
        for number in 0..ADDRESSES_MAX as u32 + 10 {
            attempts.failed(IpAddr::V4(number.into()), at(0));
        }
        assert_eq!(attempts.lock().len(), ADDRESSES_MAX);
    }
}
