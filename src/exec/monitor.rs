//! What the server does and did: requests running now, counters since the
//! start, and how both are shown, as JSON (`report`) and to Prometheus
//! (`metrics`).
//!
//! Counting is on the way of every request: it takes no lock but that of one of
//! sixteen short lists, and allocates nothing. All of it is in memory and starts
//! at zero with the process. It must not know HTTP, nor decide anything.

pub mod active;
pub mod counters;
mod exposition;
mod histogram;
pub mod metrics;
pub mod process;
mod rate;
pub mod report;
pub mod scripts;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use self::active::{Active, ActiveGuard, ActiveRequests};
use self::counters::{Counters, Finished, Outcome};
use self::histogram::Histogram;
use self::rate::Rates;
use self::scripts::{RecentError, Scripts};
use super::log::line::{RequestInfo, Trigger};
use crate::model::script::ScriptPath;

/// The status that stands for an answer nobody waited for, as other servers log it.
pub const STATUS_CALLER_GONE: u16 = 499;

/// Counts what happens. One per server, shared.
#[derive(Debug)]
pub struct Monitor {
    since: DateTime<Utc>,
    /// The clock of the rates, which no change of the time of day disturbs.
    started: Instant,
    all: Counters,
    /// Requests that no route led to a script.
    unrouted: Counters,
    rates: Rates,
    scripts: Scripts,
    active: Arc<ActiveRequests>,
    schedule: Schedule,
    publishes: Publishes,
    limits_hit: Mutex<BTreeMap<&'static str, u64>>,
}

/// Requests that a schedule led to.
#[derive(Debug, Default)]
struct Schedule {
    fires: AtomicU64,
    errors: AtomicU64,
}

#[derive(Debug, Default)]
struct Publishes {
    ok: AtomicU64,
    failed: AtomicU64,
    durations: Histogram,
}

/// Numbers that other parts know and that are shown with these.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gauges {
    /// Scripts that are live.
    pub scripts: u64,
    /// Instances that worker scripts keep.
    pub vms: u64,
    /// Deployments with a `shared` object.
    pub shared_states: u64,
    pub instances_running: u64,
    pub instances_max: u64,
    pub dropped_log_lines: u64,
}

impl Monitor {
    pub fn new(now: DateTime<Utc>) -> Arc<Monitor> {
        Arc::new(Monitor {
            since: now,
            started: Instant::now(),
            all: Counters::default(),
            unrouted: Counters::default(),
            rates: Rates::default(),
            scripts: Scripts::default(),
            active: Arc::default(),
            schedule: Schedule::default(),
            publishes: Publishes::default(),
            limits_hit: Mutex::default(),
        })
    }

    /// Lists a request as running, until it is finished. One that is dropped
    /// before counts as cancelled by its caller.
    pub fn begin(
        self: &Arc<Self>,
        request: Arc<RequestInfo>,
        script: Option<ScriptPath>,
    ) -> RunningRequest {
        let active = Active {
            request: request.clone(),
            script: script.clone(),
        };
        RunningRequest {
            _guard: self.active.insert(active),
            monitor: Some(self.clone()),
            request,
            script,
        }
    }

    /// Counts a publish, from source text to the live table.
    pub fn publish(&self, duration: Duration, published: bool) {
        let count = match published {
            true => &self.publishes.ok,
            false => &self.publishes.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.publishes.durations.record(duration);
    }

    /// Forgets what is known of a script that was deleted or moved. The totals
    /// keep its requests.
    pub fn forget(&self, script: &ScriptPath) {
        self.scripts.remove(script);
    }

    fn record(
        &self,
        request: &RequestInfo,
        script: Option<&ScriptPath>,
        finished: &Finished,
        error: Option<&str>,
        now: DateTime<Utc>,
    ) {
        self.all.record(finished);
        self.rates.record(self.started.elapsed().as_secs());
        if let Outcome::Limit(limit) = finished.outcome {
            // A map of counters is whole whoever panicked.
            let limits = self.limits_hit.lock();
            let mut limits = limits.unwrap_or_else(PoisonError::into_inner);
            *limits.entry(limit.name()).or_default() += 1;
        }
        if request.trigger == Trigger::Schedule {
            self.schedule.fires.fetch_add(1, Ordering::Relaxed);
            let error = u64::from(finished.is_error());
            self.schedule.errors.fetch_add(error, Ordering::Relaxed);
        }
        let Some(script) = script else {
            return self.unrouted.record(finished);
        };
        let stats = self.scripts.get_or_add(script, now);
        stats.record(finished, now);
        if finished.is_error() {
            stats.record_error(RecentError {
                at: now,
                status: finished.status,
                message: error.unwrap_or_default().to_owned(),
                execution_id: request.request_id.clone(),
            });
        }
    }
}

/// A request that runs, listed among the active ones.
#[derive(Debug)]
pub struct RunningRequest {
    /// None once the request has been counted.
    monitor: Option<Arc<Monitor>>,
    request: Arc<RequestInfo>,
    script: Option<ScriptPath>,
    _guard: ActiveGuard,
}

impl RunningRequest {
    /// Counts the request as finished `now`. The error's message is kept among
    /// the script's last errors if the status is 500 or more.
    pub fn finish(mut self, finished: &Finished, error: Option<&str>, now: DateTime<Utc>) {
        if let Some(monitor) = self.monitor.take() {
            monitor.record(&self.request, self.script.as_ref(), finished, error, now);
        }
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        let Some(monitor) = self.monitor.take() else {
            return;
        };
        let now = Utc::now();
        let finished = Finished {
            status: STATUS_CALLER_GONE,
            outcome: Outcome::Cancelled,
            duration: (now - self.request.ts).to_std().unwrap_or_default(),
            fuel_used: 0,
            memory_peak_bytes: 0,
        };
        monitor.record(&self.request, self.script.as_ref(), &finished, None, now);
    }
}

#[cfg(test)]
mod tests {
    use super::counters::tests::finished;
    use super::*;
    use crate::exec::log::secrets::LoggedUrl;
    use crate::model::exec_id::ExecId;
    use crate::sandbox::failure::Limit;

    pub fn request(path: &str) -> RequestInfo {
        RequestInfo {
            ts: now(),
            request_id: "a-1".into(),
            client_ip: Some([10, 0, 0, 7].into()),
            method: http::Method::POST,
            host: Some("example.org".into()),
            path: LoggedUrl::new(path),
            trigger: Trigger::Http,
            depth: 0,
            token: None,
            user_agent: None,
            referer: None,
            exec_id: ExecId::default(),
        }
    }

    pub fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_000).unwrap()
    }

    pub fn script(name: &str) -> ScriptPath {
        ScriptPath::parse(&format!("1/{name}.ts")).unwrap()
    }

    /// Counts one request of a script.
    pub fn count(monitor: &Arc<Monitor>, name: Option<&str>, finished: &Finished, at: i64) {
        let request = Arc::new(request("/x?token=hush"));
        let running = monitor.begin(request, name.map(script));
        let now = now() + chrono::TimeDelta::seconds(at);
        running.finish(finished, Some("went wrong"), now);
    }

    #[test]
    fn a_finished_request_is_counted_once() {
        let monitor = Monitor::new(now());
        let running = monitor.begin(Arc::new(request("/x")), Some(script("a")));
        assert_eq!(monitor.active.count(), 1);
        assert_eq!(monitor.all.total(), 0);
        running.finish(&finished(200, Outcome::Ok), None, now());
        assert_eq!(monitor.active.count(), 0);
        assert_eq!(monitor.all.counts().collect::<Vec<_>>(), [(2, "ok", 1)]);
        let stats = monitor.scripts.get(&script("a")).unwrap();
        assert_eq!(stats.counters.total(), 1);
        assert_eq!(monitor.unrouted.total(), 0);
        let second = monitor.started.elapsed().as_secs();
        assert_eq!(monitor.rates.last(2, second + 1), 1);
    }

    #[test]
    fn a_dropped_request_was_cancelled() {
        let monitor = Monitor::new(now());
        drop(monitor.begin(Arc::new(request("/x")), Some(script("a"))));
        assert_eq!(monitor.active.count(), 0);
        let stats = monitor.scripts.get(&script("a")).unwrap();
        let counts: Vec<_> = stats.counters.counts().collect();
        assert_eq!(counts, [(4, "cancelled", 1)]);
        assert!(stats.recent_errors().is_empty());
    }

    #[test]
    fn errors_limits_schedules_and_missing_routes_have_their_counters() {
        let monitor = Monitor::new(now());
        let limit = Outcome::Limit(Limit::Fuel);
        count(&monitor, Some("a"), &finished(500, Outcome::Error), 1);
        count(&monitor, Some("a"), &finished(503, limit), 2);
        count(&monitor, None, &finished(404, Outcome::Refused), 3);
        let mut scheduled = request("/x");
        scheduled.trigger = Trigger::Schedule;
        let scheduled = Arc::new(scheduled);
        for status in [200, 500] {
            let running = monitor.begin(scheduled.clone(), Some(script("b")));
            running.finish(&finished(status, Outcome::Ok), None, now());
        }
        let errors = monitor.scripts.get(&script("a")).unwrap().recent_errors();
        let shown: Vec<_> = errors.iter().map(|e| (e.status, &e.message[..])).collect();
        assert_eq!(shown, [(503, "went wrong"), (500, "went wrong")]);
        assert_eq!(errors[0].execution_id, "a-1");
        assert_eq!(*monitor.limits_hit.lock().unwrap(), [("FUEL", 1)].into());
        assert_eq!(monitor.unrouted.total(), 1);
        assert_eq!(monitor.schedule.fires.load(Ordering::Relaxed), 2);
        assert_eq!(monitor.schedule.errors.load(Ordering::Relaxed), 1);
        monitor.forget(&script("a"));
        assert!(monitor.scripts.get(&script("a")).is_none());
        assert_eq!(monitor.all.total(), 5);
    }
}
