//! The answer of `monitor/active-requests`.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::exec::log::secrets::LoggedUrl;
use crate::exec::log::timestamp;
use crate::exec::monitor::Monitor;
use crate::exec::monitor::active::Active;
use crate::model::script::ScriptPath;

/// Running requests that a list holds at most.
pub const ACTIVE_LISTED_MAX: usize = 1000;

/// The answer of `monitor/active-requests`.
#[derive(Debug, Serialize)]
pub struct ActiveList {
    /// All that run.
    pub count: usize,
    /// The oldest 1000 of them, oldest first.
    pub active: Vec<ActiveEntry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveEntry {
    pub execution_id: String,
    pub script_path: Option<ScriptPath>,
    pub hostname: Option<String>,
    pub client_ip: Option<IpAddr>,
    pub method: String,
    /// Without secrets.
    pub url: LoggedUrl,
    #[serde(serialize_with = "timestamp::serialize")]
    pub started_at: DateTime<Utc>,
    pub duration: i64,
}

impl Monitor {
    pub fn active_list(&self, now: DateTime<Utc>) -> ActiveList {
        let mut active = self.active.all();
        let count = active.len();
        active.sort_by_key(|active| active.request.ts);
        active.truncate(ACTIVE_LISTED_MAX);
        let entry = |active: Active| ActiveEntry {
            execution_id: active.request.request_id.clone(),
            script_path: active.script,
            hostname: active.request.host.clone(),
            client_ip: active.request.client_ip,
            method: active.request.method.to_string(),
            url: active.request.path.clone(),
            started_at: active.request.ts,
            duration: (now - active.request.ts).num_milliseconds().max(0),
        };
        ActiveList {
            count,
            active: active.into_iter().map(entry).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::*;
    use crate::exec::monitor::tests::{now, request, script};

    fn shown(value: impl Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn running_requests_are_listed_oldest_first_and_without_secrets() {
        let monitor = Monitor::new(now());
        let mut old = request("/old?token=hush");
        old.ts = now() - TimeDelta::seconds(2);
        let _new = monitor.begin(Arc::new(request("/new")), None);
        let _old = monitor.begin(Arc::new(old), Some(script("a")));
        let list = shown(monitor.active_list(now() + TimeDelta::milliseconds(5)));
        let expected = json!({
            "executionId": "a-1",
            "scriptPath": "1/a.ts",
            "hostname": "example.org",
            "clientIp": "10.0.0.7",
            "method": "POST",
            "url": "/old?token=[REDACTED]",
            "startedAt": "2023-11-14T22:13:18.000Z",
            "duration": 2005,
        });
        assert_eq!(list["count"], 2);
        assert_eq!(list["active"][0], expected);
        assert_eq!(list["active"][1]["scriptPath"], Value::Null);
        assert_eq!(list["active"][1]["duration"], 5);
    }
}
