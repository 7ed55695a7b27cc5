//! The metrics, for Prometheus to fetch: which there are and what they mean.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::counters::Counters;
use super::exposition::Exposition;
use super::process::Process;
use super::scripts::ScriptStats;
use super::{Gauges, Monitor};

/// The `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Monitor {
    /// All metrics as text. The label `script` is empty for requests that no
    /// route led to a script.
    pub fn metrics(&self, gauges: &Gauges, process: &Process) -> String {
        let mut text = Exposition::default();
        text.family("footpath_build_info", "gauge", "The version that runs.");
        text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        self.requests(&mut text);
        self.scripts_of(&mut text);
        self.publishes(&mut text);
        add_gauges(&mut text, gauges);
        add_process(&mut text, process);
        text.single(
            "process_start_time_seconds",
            "gauge",
            "Start of counting, seconds since 1970.",
            self.since.timestamp_millis() as f64 / 1000.0,
        );
        text.into_text()
    }

    fn requests(&self, text: &mut Exposition) {
        text.single(
            "footpath_requests_active",
            "gauge",
            "Requests that are running.",
            self.active.count(),
        );
        text.family(
            "footpath_request_duration_seconds",
            "histogram",
            "From a request's arrival to the end of its answer.",
        );
        text.histogram(&self.all.durations.spread());
        text.family(
            "footpath_limits_hit_total",
            "counter",
            "Requests that ended at a limit.",
        );
        let limits = self.limits_hit.lock();
        for (limit, count) in limits.unwrap_or_else(PoisonError::into_inner).iter() {
            text.sample(&[("limit", limit)], count);
        }
    }

    fn scripts_of(&self, text: &mut Exposition) {
        let mut scripts = self.scripts.all();
        scripts.sort_by(|a, b| a.path.cmp(&b.path));
        text.family(
            "footpath_requests_total",
            "counter",
            "Requests by script, status class and outcome (ok, error, limit, refused, cancelled).",
        );
        let add = |text: &mut Exposition, script: &str, counters: &Counters| {
            for (class, outcome, count) in counters.counts() {
                let status = format!("{class}xx");
                let labels = [
                    ("script", script),
                    ("status", &status),
                    ("outcome", outcome),
                ];
                text.sample(&labels, count);
            }
        };
        add(text, "", &self.unrouted);
        for stats in &scripts {
            add(text, stats.path.as_str(), &stats.counters);
        }
        text.family(
            "footpath_script_duration_seconds",
            "summary",
            "From a request's arrival to the end of its answer, since the start.",
        );
        for stats in &scripts {
            let spread = stats.counters.durations.spread();
            text.summary(("script", stats.path.as_str()), &spread);
        }
        let by_script = |text: &mut Exposition, value: fn(&ScriptStats) -> u64| {
            for stats in &scripts {
                text.sample(&[("script", stats.path.as_str())], value(stats));
            }
        };
        text.family("footpath_fuel_used_total", "counter", "Fuel that was used.");
        by_script(text, |stats| stats.counters.fuel_used());
        text.family(
            "footpath_memory_peak_bytes",
            "gauge",
            "The most memory that one request took.",
        );
        by_script(text, |stats| stats.counters.memory_peak_bytes());
    }

    fn publishes(&self, text: &mut Exposition) {
        text.family(
            "footpath_publishes_total",
            "counter",
            "Published scripts, and those that failed.",
        );
        let publishes = &self.publishes;
        for (outcome, count) in [("ok", &publishes.ok), ("error", &publishes.failed)] {
            text.sample(&[("outcome", outcome)], count.load(Ordering::Relaxed));
        }
        text.family(
            "footpath_publish_duration_seconds",
            "histogram",
            "From source text to the live table.",
        );
        text.histogram(&publishes.durations.spread());
    }
}

fn add_gauges(text: &mut Exposition, gauges: &Gauges) {
    let all = [
        ("footpath_scripts", "Scripts that are live.", gauges.scripts),
        (
            "footpath_instances_running",
            "Handlers that are running.",
            gauges.instances_running,
        ),
        (
            "footpath_instances_max",
            "Handlers that may run at once.",
            gauges.instances_max,
        ),
    ];
    for (name, help, value) in all {
        text.single(name, "gauge", help, value);
    }
    text.single(
        "footpath_log_lines_dropped_total",
        "counter",
        "Log lines lost to a full queue or disk.",
        gauges.dropped_log_lines,
    );
}

/// The names that Prometheus's own client libraries use.
fn add_process(text: &mut Exposition, process: &Process) {
    text.known(
        "process_cpu_seconds_total",
        "counter",
        "User and system time, in seconds.",
        process.cpu.map(|cpu| cpu.as_secs_f64()),
    );
    let gauges = [
        (
            "process_resident_memory_bytes",
            "Memory that is resident.",
            process.resident_bytes,
        ),
        (
            "process_virtual_memory_bytes",
            "Memory that is mapped.",
            process.virtual_bytes,
        ),
        ("process_threads", "Threads.", process.threads),
        (
            "process_open_fds",
            "Open file descriptors.",
            process.open_fds,
        ),
        (
            "process_max_fds",
            "File descriptors that may be open.",
            process.max_fds,
        ),
    ];
    for (name, help, value) in gauges {
        text.known(name, "gauge", help, value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::super::counters::Outcome;
    use super::super::counters::tests::finished;
    use super::super::tests::{count, now};
    use super::*;
    use crate::sandbox::failure::Limit;

    fn text() -> String {
        let monitor = Monitor::new(now());
        count(&monitor, Some("b"), &finished(200, Outcome::Ok), 0);
        count(&monitor, Some("b"), &finished(200, Outcome::Ok), 0);
        let limit = Outcome::Limit(Limit::Memory);
        count(&monitor, Some("a\"x"), &finished(503, limit), 0);
        count(&monitor, None, &finished(404, Outcome::Refused), 0);
        monitor.publish(Duration::from_millis(15), true);
        monitor.publish(Duration::from_millis(15), false);
        let gauges = Gauges {
            scripts: 3,
            dropped_log_lines: 4,
            ..Gauges::default()
        };
        let process = Process {
            resident_bytes: Some(7),
            cpu: Some(Duration::from_millis(1500)),
            ..Process::default()
        };
        monitor.metrics(&gauges, &process)
    }

    #[test]
    fn what_happened_is_in_the_text() {
        let text = text();
        for line in [
            "footpath_requests_total{script=\"\",status=\"4xx\",outcome=\"refused\"} 1",
            "footpath_requests_total{script=\"1/a\\\"x.ts\",status=\"5xx\",outcome=\"limit\"} 1",
            "footpath_requests_total{script=\"1/b.ts\",status=\"2xx\",outcome=\"ok\"} 2",
            "footpath_request_duration_seconds_bucket{le=\"0.001024\"} 0",
            "footpath_request_duration_seconds_bucket{le=\"0.002048\"} 4",
            "footpath_request_duration_seconds_count 4",
            "footpath_script_duration_seconds_count{script=\"1/b.ts\"} 2",
            "footpath_script_duration_seconds_sum{script=\"1/b.ts\"} 0.004",
            "footpath_fuel_used_total{script=\"1/b.ts\"} 20",
            "footpath_memory_peak_bytes{script=\"1/b.ts\"} 200",
            "footpath_limits_hit_total{limit=\"MEMORY\"} 1",
            "footpath_publishes_total{outcome=\"ok\"} 1",
            "footpath_publishes_total{outcome=\"error\"} 1",
            "footpath_publish_duration_seconds_count 2",
            "footpath_requests_active 0",
            "footpath_scripts 3",
            "footpath_log_lines_dropped_total 4",
            "process_resident_memory_bytes 7",
            "process_cpu_seconds_total 1.5",
            "process_start_time_seconds 1700000000",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains("process_open_fds"), "unknown is not zero");
    }

    #[test]
    fn every_sample_stands_once_and_under_its_family() {
        let text = text();
        let (mut family, mut families, mut samples) = ("", HashSet::new(), HashSet::new());
        for line in text.lines() {
            if let Some(header) = line.strip_prefix("# TYPE ") {
                family = header.split(' ').next().unwrap();
                assert!(families.insert(family), "{family} twice");
            } else if !line.starts_with('#') {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert!(sample.starts_with(family), "{sample} under {family}");
                assert!(samples.insert(sample), "{sample} twice");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(text.ends_with('\n'));
    }
}
