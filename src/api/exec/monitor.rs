//! `monitor/*` and `/metrics`: what the server does and did.

use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::exec::monitor::Gauges;
use crate::exec::monitor::process::Process;
use crate::exec::monitor::report::scripts::SortBy;

/// The content type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn stats_shape() -> Value {
    json!({
        "uptime": "number",
        "memory": {
            "used": "integer", "total": "integer", "percentage": "number", "rss": "integer", "external": "integer",
        },
        "cache": { "scripts": "integer", "vms": "integer", "sharedStates": "integer" },
        "requests": {
            "total": "integer", "success": "integer", "errors": "integer", "activeHttp": "integer",
            "perSecond": "number", "per1m": "integer", "per5m": "integer", "per15m": "integer",
        },
        "websocket": { "opened": "integer", "closed": "integer", "active": "integer" },
        "cron": { "fires": "integer", "errors": "integer", "active": "integer" },
        "droppedScripts": "integer", "sinceMs": "integer",
    })
}

pub async fn stats(call: Call<Nothing>) -> Result<Response, ApiError> {
    let stats =
        call.api
            .dispatcher
            .access
            .monitor
            .stats(&gauges(&call.api), &Process::now(), Utc::now());
    Ok(axum::Json(stats).into_response())
}

pub fn active_shape() -> Value {
    json!({
        "count": "integer",
        "active": [{
            "executionId": "string", "scriptPath": "string?", "hostname": "string?", "clientIp": "string?",
            "method": "string", "url": "string", "startedAt": "string", "duration": "integer",
        }],
    })
}

pub async fn active(call: Call<Nothing>) -> Result<Response, ApiError> {
    Ok(axum::Json(call.api.dispatcher.access.monitor.active_list(Utc::now())).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ScriptsQuery {
    /// 1 to 500; 100 by default.
    #[schema(minimum = 1, maximum = 500)]
    pub limit: Option<usize>,
    /// `lastActivity` (the default), `requests`, `errors` or `p95`.
    pub sort: Option<String>,
}

fn script_shape() -> Value {
    json!({
        "scriptPath": "string", "hostname": "string", "execId": "string", "activeHttp": "integer",
        "http": {
            "total": "integer", "success": "integer", "errors": "integer", "meanDurationMs": "number",
            "p50DurationMs": "number", "p95DurationMs": "number", "maxDurationMs": "number",
            "fuelUsed": "integer", "memoryPeakBytes": "integer",
        },
        "recentErrors": [{
            "timestamp": "string", "statusCode": "integer", "message": "string", "executionId": "string",
        }],
        "firstSeenAt": "string", "lastActivityAt": "string",
    })
}

pub fn scripts_shape() -> Value {
    json!({ "count": "integer", "total": "integer", "scripts": [script_shape()] })
}

pub async fn scripts(call: Call<ScriptsQuery>) -> Result<Response, ApiError> {
    let sort = match &call.query.sort {
        None => SortBy::default(),
        Some(name) => serde_json::from_value(name.as_str().into()).map_err(|_| {
            ApiError::bad_request(
                "sort must be one of lastActivity, requests, errors, p95, ws_active",
            )
        })?,
    };
    let list = call
        .api
        .dispatcher
        .access
        .monitor
        .script_list(call.query.limit, sort);
    Ok(axum::Json(list).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerformanceRequest {
    /// Relative to the deployment.
    pub script_path: String,
}

pub fn performance_shape() -> Value {
    json!({ "metrics": "object" })
}

pub async fn performance(call: Call<Nothing, PerformanceRequest>) -> Result<Response, ApiError> {
    let path = call.scope.script(&call.body.script_path)?;
    let performance = call
        .api
        .dispatcher
        .access
        .monitor
        .script_performance(Some(&path));
    Ok(axum::Json(performance).into_response())
}

pub async fn metrics(call: Call<Nothing>) -> Result<Response, ApiError> {
    let mut text = call
        .api
        .dispatcher
        .access
        .monitor
        .metrics(&gauges(&call.api), &Process::now());
    text.push_str(&call.api.acme.metrics());
    text.push_str(&call.api.cron.exposition());
    Ok(([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response())
}

/// Numbers that the parts know.
fn gauges(api: &Api) -> Gauges {
    let dispatcher = &api.dispatcher;
    let deployments = dispatcher.exec.live.all();
    let scripts = || {
        deployments
            .values()
            .flat_map(|deployment| deployment.scripts.values())
    };
    let kept = scripts()
        .filter_map(|script| script.program.as_ref())
        .filter(|program| program.worker.is_kept());
    let shared = deployments
        .values()
        .filter(|deployment| !deployment.state.shared.is_empty());
    Gauges {
        scripts: scripts().count() as u64,
        vms: kept.count() as u64,
        shared_states: shared.count() as u64,
        instances_running: dispatcher.sandbox.running() as u64,
        instances_max: u64::from(dispatcher.sandbox.instances_max),
        dropped_log_lines: dispatcher.access.log.dropped_lines(),
    }
}
