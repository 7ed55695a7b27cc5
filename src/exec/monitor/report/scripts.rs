//! The answers of `monitor/scripts` and `monitor/script-performance`.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::milliseconds;
use crate::exec::log::timestamp;
use crate::exec::monitor::Monitor;
use crate::exec::monitor::counters::Counters;
use crate::exec::monitor::scripts::ScriptStats;
use crate::model::exec_id::{ExecId, SUBDOMAIN};
use crate::model::script::ScriptPath;

/// Scripts that a list holds when the request does not say, and at most.
pub const SCRIPTS_LIMIT_DEFAULT: usize = 100;
pub const SCRIPTS_LIMIT_MAX: usize = 500;

/// The order of `monitor/scripts`, largest or newest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum SortBy {
    #[default]
    #[serde(rename = "lastActivity")]
    LastActivity,
    #[serde(rename = "requests")]
    Requests,
    #[serde(rename = "errors")]
    Errors,
    #[serde(rename = "p95")]
    P95,
    /// There are no WebSockets yet: as `lastActivity`.
    #[serde(rename = "ws_active")]
    WsActive,
}

/// The answer of `monitor/scripts`.
#[derive(Debug, Serialize)]
pub struct ScriptList {
    pub count: usize,
    /// All scripts that were called.
    pub total: usize,
    pub scripts: Vec<ScriptEntry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptEntry {
    pub script_path: ScriptPath,
    /// Always `default`: the only subdomain there is.
    pub hostname: &'static str,
    pub exec_id: ExecId,
    pub active_http: usize,
    pub http: Http,
    /// The newest first.
    pub recent_errors: Vec<ErrorEntry>,
    #[serde(serialize_with = "timestamp::serialize")]
    pub first_seen_at: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::serialize")]
    pub last_activity_at: DateTime<Utc>,
}

/// The requests of a script since the start.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    pub total: u64,
    pub success: u64,
    pub errors: u64,
    pub mean_duration_ms: f64,
    /// Quantiles are right to a sixteenth of themselves.
    pub p50_duration_ms: f64,
    pub p95_duration_ms: f64,
    pub max_duration_ms: f64,
    pub fuel_used: u64,
    pub memory_peak_bytes: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorEntry {
    #[serde(serialize_with = "timestamp::serialize")]
    pub timestamp: DateTime<Utc>,
    pub status_code: u16,
    pub message: String,
    pub execution_id: String,
}

/// The answer of `monitor/script-performance`.
#[derive(Debug, Serialize)]
pub struct ScriptPerformance {
    /// `{}` for a script that was not called.
    pub metrics: ScriptMetrics,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptMetrics {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptEntry>,
    /// `lifetime`: since the start of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<&'static str>,
}

impl Monitor {
    /// The first scripts in this order; `limit` is cut to 1 to 500.
    pub fn script_list(&self, limit: Option<usize>, sort: SortBy) -> ScriptList {
        let limit = limit.unwrap_or(SCRIPTS_LIMIT_DEFAULT);
        let mut scripts = self.scripts.all();
        // By path first, so that equals have an order that stays.
        scripts.sort_by(|a, b| a.path.cmp(&b.path));
        scripts.sort_by_cached_key(|stats| {
            let counters = &stats.counters;
            let key = match sort {
                SortBy::LastActivity | SortBy::WsActive => stats.last_activity().timestamp_millis(),
                SortBy::Requests => signed(counters.total()),
                SortBy::Errors => signed(counters.errors()),
                SortBy::P95 => counters
                    .durations
                    .spread()
                    .quantile(0.95)
                    .map_or(0, |quantile| signed(quantile.as_micros() as u64)),
            };
            Reverse(key)
        });
        let total = scripts.len();
        scripts.truncate(limit.clamp(1, SCRIPTS_LIMIT_MAX));
        let active = self.active.all();
        let active_of = |path: &ScriptPath| {
            let same = active
                .iter()
                .filter(|one| one.script.as_ref() == Some(path));
            same.count()
        };
        let entry = |stats: &ScriptStats| ScriptEntry::of(stats, active_of(&stats.path));
        ScriptList {
            count: scripts.len(),
            total,
            scripts: scripts.iter().map(|stats| entry(stats)).collect(),
        }
    }

    pub fn script_performance(&self, script: Option<&ScriptPath>) -> ScriptPerformance {
        let stats = script.and_then(|script| self.scripts.get(script));
        let Some(stats) = stats else {
            let metrics = ScriptMetrics::default();
            return ScriptPerformance { metrics };
        };
        let active = self.active.all();
        let own = active.iter().filter(|one| one.script.as_ref() == script);
        let metrics = ScriptMetrics {
            script: Some(ScriptEntry::of(&stats, own.count())),
            period: Some("lifetime"),
        };
        ScriptPerformance { metrics }
    }
}

impl ScriptEntry {
    fn of(stats: &ScriptStats, active_http: usize) -> ScriptEntry {
        let errors = stats.recent_errors().into_iter();
        ScriptEntry {
            script_path: stats.path.clone(),
            hostname: SUBDOMAIN,
            exec_id: stats.path.exec_id().clone(),
            active_http,
            http: Http::of(&stats.counters),
            recent_errors: errors
                .map(|error| ErrorEntry {
                    timestamp: error.at,
                    status_code: error.status,
                    message: error.message,
                    execution_id: error.execution_id,
                })
                .collect(),
            first_seen_at: stats.first_seen,
            last_activity_at: stats.last_activity(),
        }
    }
}

impl Http {
    fn of(counters: &Counters) -> Http {
        let spread = counters.durations.spread();
        let (total, errors) = (counters.total(), counters.errors());
        let quantile = |part| milliseconds(spread.quantile(part).unwrap_or_default());
        Http {
            total,
            success: total.saturating_sub(errors),
            errors,
            mean_duration_ms: milliseconds(spread.mean().unwrap_or_default()),
            p50_duration_ms: quantile(0.5),
            p95_duration_ms: quantile(0.95),
            max_duration_ms: milliseconds(spread.max),
            fuel_used: counters.fuel_used(),
            memory_peak_bytes: counters.memory_peak_bytes(),
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::exec::monitor::counters::tests::finished;
    use crate::exec::monitor::counters::{Finished, Outcome};
    use crate::exec::monitor::tests::{count, now, request, script};

    fn shown(value: impl Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn a_script_has_the_contract_shape() {
        let monitor = Monitor::new(now());
        count(&monitor, Some("a"), &finished(200, Outcome::Ok), 1);
        count(&monitor, Some("a"), &finished(500, Outcome::Error), 2);
        let _running = monitor.begin(Arc::new(request("/x")), Some(script("a")));
        let script_entry = json!({
            "scriptPath": "1/a.ts",
            "hostname": "default",
            "execId": "1",
            "activeHttp": 1,
            "http": {
                "total": 2, "success": 1, "errors": 1,
                "meanDurationMs": 2.0, "p50DurationMs": 1.984, "p95DurationMs": 1.984,
                "maxDurationMs": 2.0, "fuelUsed": 20, "memoryPeakBytes": 500,
            },
            "recentErrors": [{
                "timestamp": "2023-11-14T22:13:22.000Z",
                "statusCode": 500,
                "message": "went wrong",
                "executionId": "a-1",
            }],
            "firstSeenAt": "2023-11-14T22:13:21.000Z",
            "lastActivityAt": "2023-11-14T22:13:22.000Z",
        });
        let list = shown(monitor.script_list(None, SortBy::default()));
        let expected = json!({"count": 1, "total": 1, "scripts": [script_entry.clone()]});
        assert_eq!(list, expected);
        let mut metrics = script_entry;
        metrics["period"] = "lifetime".into();
        let performance = shown(monitor.script_performance(Some(&script("a"))));
        assert_eq!(performance, json!({ "metrics": metrics }));
        let none = json!({"metrics": {}});
        assert_eq!(shown(monitor.script_performance(None)), none);
        let unknown = monitor.script_performance(Some(&script("b")));
        assert_eq!(shown(unknown), none);
    }

    #[test]
    fn scripts_are_listed_in_the_order_asked_for() {
        let monitor = Monitor::new(now());
        let slow = Finished {
            duration: Duration::from_secs(1),
            ..finished(200, Outcome::Ok)
        };
        for _ in 0..3 {
            count(&monitor, Some("busy"), &finished(200, Outcome::Ok), 1);
        }
        count(&monitor, Some("slow"), &slow, 2);
        count(&monitor, Some("failing"), &finished(500, Outcome::Ok), 3);
        count(&monitor, Some("last"), &finished(200, Outcome::Ok), 4);
        let first = |sort: &str, limit| {
            let sort = serde_json::from_value(sort.into()).unwrap();
            let list = monitor.script_list(limit, sort);
            assert_eq!(list.total, 4);
            let names = list
                .scripts
                .iter()
                .map(|entry| entry.script_path.relative());
            names.collect::<Vec<_>>().join(" ")
        };
        let cases = [
            ("lastActivity", "last.ts failing.ts slow.ts busy.ts"),
            ("ws_active", "last.ts failing.ts slow.ts busy.ts"),
            ("requests", "busy.ts failing.ts last.ts slow.ts"),
            ("errors", "failing.ts busy.ts last.ts slow.ts"),
            ("p95", "slow.ts busy.ts failing.ts last.ts"),
        ];
        for (sort, expected) in cases {
            assert_eq!(first(sort, None), expected, "{sort}");
        }
        assert_eq!(first("p95", Some(1)), "slow.ts");
        assert_eq!(first("p95", Some(0)), "slow.ts");
        assert!(serde_json::from_value::<SortBy>("size".into()).is_err());
    }
}
