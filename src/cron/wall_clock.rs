//! The system's wall clock: how far it was set between two looks, and a wait until
//! somebody sets it. What follows from that it must not decide; `verdict` does.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Wall clock and monotonic clock may drift apart by this between two looks.
const DRIFT_MAX: TimeDelta = TimeDelta::seconds(5);
/// Two clocks that are read further apart are read again, as often as this: a thread may
/// lose its core between the readings, and what it misses would look like a step.
const APART_MAX: Duration = Duration::from_millis(100);
const READINGS_MAX: u32 = 10;

/// Both clocks of the system, to find out when one of them was set.
#[derive(Debug)]
pub struct Clocks {
    wall: DateTime<Utc>,
    monotonic: Instant,
    uptime: Option<TimeDelta>,
}

impl Clocks {
    pub fn now() -> Clocks {
        let read = || {
            let monotonic = Instant::now();
            let wall = Utc::now();
            (monotonic.elapsed(), wall, monotonic)
        };
        let mut nearest = read();
        for _ in 1..READINGS_MAX {
            if nearest.0 <= APART_MAX {
                break;
            }
            nearest = std::cmp::min_by_key(nearest, read(), |(apart, ..)| *apart);
        }
        let (_, wall, monotonic) = nearest;
        Clocks {
            wall,
            monotonic,
            uptime: uptime(),
        }
    }

    /// The time now, and how far the wall clock was set since the last look, if it was.
    /// The time that the machine was asleep, which only its uptime knows of, has really
    /// passed.
    pub fn look(&mut self) -> (DateTime<Utc>, Option<TimeDelta>) {
        let before = std::mem::replace(self, Clocks::now());
        let passed = self.monotonic - before.monotonic;
        let passed = TimeDelta::from_std(passed).unwrap_or(TimeDelta::MAX);
        let up = self.uptime.zip(before.uptime);
        let step = step(
            self.wall - before.wall,
            passed,
            up.map(|(now, then)| now - then),
        );
        (self.wall, step)
    }
}

/// By how much the wall clock moved more than time did.
fn step(wall: TimeDelta, monotonic: TimeDelta, up: Option<TimeDelta>) -> Option<TimeDelta> {
    let step = wall - monotonic;
    if step.abs() <= DRIFT_MAX {
        return None;
    }
    let asleep = up.map_or(TimeDelta::zero(), |up| up - monotonic);
    let step = match asleep > DRIFT_MAX {
        true => step - asleep,
        false => step,
    };
    (step.abs() > DRIFT_MAX).then_some(step)
}

/// Time since the machine started, sleep included.
fn uptime() -> Option<TimeDelta> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(TimeDelta::milliseconds((seconds * 1000.0) as i64))
}

/// Waits until the wall clock is set, where the kernel can tell.
#[derive(Debug)]
pub struct Setting {
    #[cfg(target_os = "linux")]
    timer: Option<linux::Timer>,
}

impl Setting {
    #[cfg(target_os = "linux")]
    pub fn watch() -> Setting {
        let timer = linux::Timer::new();
        if let Err(error) = &timer {
            tracing::warn!(%error, "a change of the system's clock is noticed late");
        }
        Setting { timer: timer.ok() }
    }

    #[cfg(not(target_os = "linux"))]
    pub fn watch() -> Setting {
        Setting {}
    }

    /// Returns when the clock has been set, or the machine has slept; never where
    /// the kernel does not tell.
    #[cfg(target_os = "linux")]
    pub async fn changed(&self) {
        if let Some(timer) = &self.timer {
            match timer.cancelled().await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "the system's clock is not watched"),
            }
        }
        std::future::pending().await
    }

    #[cfg(not(target_os = "linux"))]
    pub async fn changed(&self) {
        std::future::pending().await
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! Linux cancels a timer on the wall clock when that clock jumps, if asked to
    //! (timerfd_create(2), `TFD_TIMER_CANCEL_ON_SET`).

    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// The year 2200, in seconds since 1970: the timer is there to be cancelled.
    const NEVER: i64 = 7_258_118_400;

    #[derive(Debug)]
    pub struct Timer {
        descriptor: AsyncFd<OwnedFd>,
    }

    impl Timer {
        pub fn new() -> io::Result<Timer> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let descriptor = timerfd_create(TimerfdClockId::Realtime, flags)?;
            arm(&descriptor)?;
            // SAFETY: an `OwnedFd` is open until it is dropped, and always the same.
            let registered =
                unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
            Ok(Timer {
                descriptor: registered?,
            })
        }

        pub async fn cancelled(&self) -> io::Result<()> {
            let read = |descriptor: &OwnedFd| {
                let mut expirations = [0_u8; 8];
                match rustix::io::read(descriptor, &mut expirations) {
                    Ok(_) | Err(Errno::CANCELED) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            };
            self.descriptor.async_io(Interest::READABLE, read).await?;
            arm(self.descriptor.get_ref())
        }
    }

    fn arm(descriptor: &OwnedFd) -> io::Result<()> {
        let at = |tv_sec| Timespec { tv_sec, tv_nsec: 0 };
        let never = Itimerspec {
            it_interval: at(0),
            it_value: at(NEVER),
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        match timerfd_settime(descriptor, flags, &never) {
            // Set between the wait and this; the timer is armed all the same.
            Ok(_) | Err(Errno::CANCELED) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_what_the_wall_clock_moved_more_than_time() {
        let seconds = TimeDelta::seconds;
        // Wall clock, monotonic clock, uptime, and the step.
        let cases = [
            (60, 60, Some(60), None),
            (64, 60, Some(60), None),
            (3660, 60, Some(60), Some(3600)),
            (-3540, 60, Some(60), Some(-3600)),
            (3660, 60, None, Some(3600)),
            // Asleep for an hour, and asleep for an hour while it was set back by two.
            (3660, 60, Some(3660), None),
            (-3540, 60, Some(3660), Some(-7200)),
        ];
        for (wall, monotonic, up, expected) in cases {
            let found = step(seconds(wall), seconds(monotonic), up.map(seconds));
            assert_eq!(found, expected.map(seconds), "{wall} {monotonic} {up:?}");
        }
    }
}
