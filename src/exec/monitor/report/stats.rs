//! The answer of `monitor/stats`.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::milliseconds;
use crate::exec::log::line::Trigger;
use crate::exec::monitor::process::Process;
use crate::exec::monitor::{Gauges, Monitor};

/// Over how many seconds `perSecond` is the mean.
const PER_SECOND_WINDOW: u64 = 10;

/// The answer of `monitor/stats`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Seconds.
    pub uptime: f64,
    pub memory: Memory,
    pub cache: Cache,
    pub requests: Requests,
    pub websocket: WebSocket,
    pub cron: Cron,
    /// Scripts whose numbers were forgotten because there were too many.
    pub dropped_scripts: u64,
    /// When counting began, in milliseconds since 1970.
    pub since_ms: i64,
}

/// In bytes; 0 where the system does not say.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// Resident, as `rss`: there is no heap of its own kind.
    pub used: u64,
    /// What the process may use: the machine's memory, or its container's.
    pub total: u64,
    /// `used` of `total`, 0 to 100.
    pub percentage: f64,
    pub rss: u64,
    /// Always 0.
    pub external: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cache {
    pub scripts: u64,
    pub vms: u64,
    pub shared_states: u64,
}

/// Since the start. Errors are answers with a status of 500 or more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    pub total: u64,
    pub success: u64,
    pub errors: u64,
    pub active_http: usize,
    /// Mean of the last ten seconds.
    pub per_second: f64,
    /// How many ended in the last minute.
    pub per1m: u64,
    pub per5m: u64,
    pub per15m: u64,
}

/// WebSockets are not served yet: all zero.
#[derive(Debug, Default, Serialize)]
pub struct WebSocket {
    pub opened: u64,
    pub closed: u64,
    pub active: u64,
}

/// Requests that a schedule led to.
#[derive(Debug, Serialize)]
pub struct Cron {
    pub fires: u64,
    pub errors: u64,
    pub active: usize,
}

impl Monitor {
    pub fn stats(&self, gauges: &Gauges, process: &Process, now: DateTime<Utc>) -> Stats {
        let second = self.started.elapsed().as_secs();
        let (total, errors) = (self.all.total(), self.all.errors());
        let active = self.active.all();
        let scheduled = active
            .iter()
            .filter(|active| active.request.trigger == Trigger::Schedule);
        Stats {
            uptime: milliseconds((now - self.since).to_std().unwrap_or_default()) / 1000.0,
            memory: Memory::of(process),
            cache: Cache {
                scripts: gauges.scripts,
                vms: gauges.vms,
                shared_states: gauges.shared_states,
            },
            requests: Requests {
                total,
                success: total.saturating_sub(errors),
                errors,
                active_http: active.len(),
                per_second: self.rates.last(PER_SECOND_WINDOW, second) as f64
                    / PER_SECOND_WINDOW.min(second.max(1)) as f64,
                per1m: self.rates.last(60, second),
                per5m: self.rates.last(5 * 60, second),
                per15m: self.rates.last(15 * 60, second),
            },
            websocket: WebSocket::default(),
            cron: Cron {
                fires: self.schedule.fires.load(Ordering::Relaxed),
                errors: self.schedule.errors.load(Ordering::Relaxed),
                active: scheduled.count(),
            },
            dropped_scripts: self.scripts.dropped(),
            since_ms: self.since.timestamp_millis(),
        }
    }
}

impl Memory {
    fn of(process: &Process) -> Memory {
        let used = process.resident_bytes.unwrap_or(0);
        let total = process.memory_limit_bytes.unwrap_or(0);
        let part = if total == 0 {
            0.0
        } else {
            used as f64 / total as f64
        };
        Memory {
            used,
            total,
            percentage: (part * 10_000.0).round() / 100.0,
            rss: used,
            external: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::*;
    use crate::exec::monitor::counters::Outcome;
    use crate::exec::monitor::counters::tests::finished;
    use crate::exec::monitor::tests::{count, now, request, script};

    fn shown(value: impl Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn stats_have_the_contract_shape() {
        let monitor = Monitor::new(now());
        count(&monitor, Some("a"), &finished(200, Outcome::Ok), 0);
        count(&monitor, Some("a"), &finished(500, Outcome::Error), 0);
        count(&monitor, None, &finished(404, Outcome::Refused), 0);
        let mut scheduled = request("/x");
        scheduled.trigger = Trigger::Schedule;
        let _running = monitor.begin(Arc::new(scheduled), Some(script("a")));
        let gauges = Gauges {
            scripts: 7,
            vms: 2,
            shared_states: 1,
            ..Gauges::default()
        };
        let process = Process {
            resident_bytes: Some(300),
            memory_limit_bytes: Some(900),
            ..Process::default()
        };
        let later = now() + TimeDelta::milliseconds(1500);
        let mut stats = shown(monitor.stats(&gauges, &process, later));
        // The rates depend on when the test runs; they have tests of their own.
        let requests = stats["requests"].as_object_mut().unwrap();
        for rate in ["perSecond", "per1m", "per5m", "per15m"] {
            assert!(requests.remove(rate).unwrap().is_number(), "{rate}");
        }
        let expected = json!({
            "uptime": 1.5,
            "memory": {"used": 300, "total": 900, "percentage": 33.33, "rss": 300, "external": 0},
            "cache": {"scripts": 7, "vms": 2, "sharedStates": 1},
            "requests": {"total": 3, "success": 2, "errors": 1, "activeHttp": 1},
            "websocket": {"opened": 0, "closed": 0, "active": 0},
            "cron": {"fires": 0, "errors": 0, "active": 1},
            "droppedScripts": 0,
            "sinceMs": 1_700_000_000_000i64,
        });
        assert_eq!(stats, expected);
        let unknown = shown(monitor.stats(&gauges, &Process::default(), later));
        assert_eq!(unknown["memory"]["percentage"], 0.0);
    }
}
