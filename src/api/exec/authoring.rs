//! Routes that calls have made: the trail, drafts that wait for approval, paths
//! that are left alone for a while, what was used up, `adopt` and `pin`.

use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::scripts::WriteAnswer;
use super::view::iso;
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::extract::{Place, required};
use crate::api::reply::Answer;
use crate::exec::directives::redact::redact;
use crate::exec::drafts::Draft;
use crate::exec::edit::Write;
use crate::exec::history::{Origin, Version};
use crate::exec::routes::mount::mount;
use crate::model::generation::Authorship;
use crate::model::script::ScriptPath;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

#[derive(Debug, Deserialize, ToSchema)]
pub struct TrailQuery {
    /// 1 to 1000; 100 by default.
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

pub fn trail_shape() -> Value {
    json!({ "count": "integer", "total": "integer", "routes": [{
        "pattern": "string", "method": "string", "path": "string", "script": "string", "version": "integer",
        "live": "boolean", "origin": "string", "pinned": "boolean", "createdAt": "string",
        "client": "string", "token": "string", "executionId": "string", "by": "string", "model": "string",
        "tokens": "integer", "costMicros": "integer", "calls": "integer", "lastStatus": "integer", "lastCallAt": "string",
    }] })
}

/// The newest first.
pub async fn trail(call: Call<TrailQuery>) -> Result<Response, ApiError> {
    let limit = call.query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is 1 to {LIMIT_MAX}")));
    }
    let mut authored = call.exec().history.authored(&call.scope.exec_id)?;
    authored.sort_by_key(|(_, version)| std::cmp::Reverse(version.created_at));
    let total = authored.len();
    let mut routes = Vec::new();
    for (path, version) in authored.into_iter().take(limit) {
        routes.push(trail_entry(&call, &path, &version)?);
    }
    let body = json!({ "count": routes.len(), "total": total, "routes": routes });
    Ok(axum::Json(body).into_response())
}

fn trail_entry(
    call: &Call<TrailQuery>,
    path: &ScriptPath,
    version: &Version,
) -> Result<Value, ApiError> {
    let exec = call.exec();
    let deployment = exec.live.get(path.exec_id());
    let script = deployment.and_then(|one| one.scripts.get(path.relative()).cloned());
    let number = script
        .as_ref()
        .and_then(|script| Some(script.program.as_ref()?.manifest.number));
    let seen = exec.traffic.of(path);
    let calls: u64 = seen.values().map(|seen| seen.calls).sum();
    let last = seen.values().max_by_key(|seen| seen.last_at);
    let authorship = version.author.authorship.as_deref();
    let pattern = mount(path.relative()).map(|mount| mount.pattern.to_string());
    let model = authorship.and_then(|one| one.generations.last());
    Ok(json!({
        "pattern": pattern.ok(),
        "method": authorship.map(|one| &one.method),
        "path": authorship.map(|one| &one.path),
        "script": path.as_str(),
        "version": version.number,
        "live": number == Some(version.number),
        "origin": script.map(|script| script.origin.name()),
        "pinned": exec.history.is_pinned(path)?,
        "createdAt": iso(version.created_at),
        "client": authorship.and_then(|one| one.client_ip),
        "token": authorship.and_then(|one| one.token.as_ref()),
        "executionId": authorship.map(|one| &one.execution_id),
        "by": authorship.map(|one| &one.by),
        "model": model.map(|one| &one.model),
        "tokens": authorship.map(Authorship::tokens),
        "costMicros": authorship.map(Authorship::cost_micros),
        "calls": calls,
        "lastStatus": last.map(|seen| seen.last_status),
        "lastCallAt": last.map(|seen| iso(seen.last_at)),
    }))
}

fn draft_view(draft: &Draft, with_text: bool) -> Value {
    let mut view = json!({
        "id": draft.id,
        "path": draft.path.as_str(),
        "route": mount(draft.path.relative()).map(|mount| mount.pattern.to_string()).ok(),
        "createdAt": iso(draft.created_at),
        "authorship": draft.authorship,
    });
    if with_text {
        view["content"] = json!(redact(&draft.text));
    }
    view
}

pub fn drafts_shape() -> Value {
    json!({ "count": "integer", "drafts": [draft_shape(false)] })
}

pub fn draft_shape(with_text: bool) -> Value {
    let mut shape = json!({ "id": "string", "path": "string", "route": "string", "createdAt": "string", "authorship": "object" });
    if with_text {
        shape["content"] = json!("string");
    }
    shape
}

pub async fn drafts(call: Call<Nothing>) -> Result<Response, ApiError> {
    let drafts = call.exec().drafts.all()?;
    let own = drafts
        .iter()
        .filter(|one| one.path.exec_id() == &call.scope.exec_id);
    let drafts: Vec<Value> = own.map(|draft| draft_view(draft, false)).collect();
    Ok(axum::Json(json!({ "count": drafts.len(), "drafts": drafts })).into_response())
}

fn draft_of<Q, B>(call: &Call<Q, B>) -> Result<Draft, ApiError> {
    let draft = call.exec().drafts.get(call.parameter("id"))?;
    let own = draft.filter(|one| one.path.exec_id() == &call.scope.exec_id);
    own.ok_or_else(|| ApiError::not_found("Draft not found"))
}

pub async fn draft(call: Call<Nothing>) -> Result<Response, ApiError> {
    Ok(axum::Json(draft_view(&draft_of(&call)?, true)).into_response())
}

pub async fn approve(call: Call<Nothing, Nothing>) -> Result<Answer<WriteAnswer>, ApiError> {
    let draft = draft_of(&call)?;
    if call.scope.dry_run {
        return Err(ApiError::bad_request(
            "read the draft to see what approving it would publish",
        ));
    }
    let path = draft.path.clone();
    let written = call.exec().approve(draft).await?;
    let answer = WriteAnswer::new(
        call.exec(),
        path.relative().to_owned(),
        &path,
        &written,
        true,
    );
    Ok(Answer::ok(answer))
}

pub fn rejected_shape() -> Value {
    json!({ "rejected": "boolean", "id": "string", "dry_run": "boolean" })
}

pub async fn reject(call: Call<Nothing, Nothing>) -> Result<Response, ApiError> {
    let draft = draft_of(&call)?;
    let rejected = !call.scope.dry_run && call.exec().drafts.remove(&draft).await?;
    if let Some(from) = draft.authorship.as_ref().filter(|_| rejected) {
        // Who does not want a route does not want to read it again and again either.
        let author = &call.api.dispatcher.author;
        let called = (from.method.as_str(), from.path.as_str());
        author
            .not_made(draft.path.exec_id(), called, "DRAFT_REJECTED")
            .await?;
    }
    let body = json!({ "rejected": rejected, "id": draft.id, "dry_run": call.scope.dry_run });
    Ok(axum::Json(body).into_response())
}

pub fn failures_shape() -> Value {
    json!({ "count": "integer", "failures": [{
        "execId": "string", "method": "string", "path": "string", "failures": "integer", "code": "string",
        "lastAt": "string", "until": "string",
    }] })
}

/// Paths of the deployment whose making failed.
pub async fn failures(call: Call<Nothing>) -> Result<Response, ApiError> {
    let all = call.api.dispatcher.author.backoff.all();
    let own = all
        .into_iter()
        .filter(|(_, one)| one.exec_id == call.scope.exec_id.as_str());
    let failures: Vec<_> = own.map(|(_, one)| one).collect();
    Ok(axum::Json(json!({ "count": failures.len(), "failures": failures })).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ClearQuery {
    /// One path; all of the deployment by default.
    pub path: Option<String>,
    /// One method of it; all by default.
    pub method: Option<String>,
}

pub fn cleared_shape() -> Value {
    json!({ "cleared": "integer", "dry_run": "boolean" })
}

pub async fn clear_failures(call: Call<ClearQuery>) -> Result<Response, ApiError> {
    let backoff = &call.api.dispatcher.author.backoff;
    let ClearQuery { path, method } = &call.query;
    let mut cleared = 0;
    for (key, one) in backoff.all() {
        let chosen = one.exec_id == call.scope.exec_id.as_str()
            && path.as_ref().is_none_or(|path| *path == one.path)
            && method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(&one.method));
        if chosen && (call.scope.dry_run || backoff.forget(&key).await?) {
            cleared += 1;
        }
    }
    let body = json!({ "cleared": cleared, "dry_run": call.scope.dry_run });
    Ok(axum::Json(body).into_response())
}

pub fn budget_shape() -> Value {
    json!({
        "configured": "boolean", "making": "integer",
        "callsThisMinute": { "used": "integer", "max": "integer" },
        "routesThisHour": { "used": "integer", "max": "integer" },
        "routesToday": { "used": "integer", "max": "integer" },
        "tokensToday": { "used": "integer", "max": "integer" },
        "costMicrosToday": { "used": "integer", "max": "integer" },
    })
}

/// What models have used in the present windows, and the caps.
pub async fn budget(call: Call<Nothing>) -> Result<Response, ApiError> {
    let author = &call.api.dispatcher.author;
    let (used, caps) = author.budget.now(Utc::now());
    let of = |used: u64, max: u64| json!({ "used": used, "max": max });
    let body = json!({
        "configured": author.client.is_some(),
        "making": author.flights.count(),
        "callsThisMinute": of(used.calls, caps.calls_per_minute),
        "routesThisHour": of(used.routes_of_hour, caps.routes_per_hour),
        "routesToday": of(used.routes_of_day, caps.routes_per_day),
        "tokensToday": of(used.tokens, caps.tokens_per_day),
        "costMicrosToday": of(used.cost_micros, caps.cost_per_day_micros),
    });
    Ok(axum::Json(body).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct AdoptRequest {
    pub path: String,
}

/// The text as it is becomes a person's, with a person's authority.
pub async fn adopt(call: Call<Nothing, AdoptRequest>) -> Result<Answer<WriteAnswer>, ApiError> {
    if call.body.path.is_empty() {
        return Err(required("path", Place::Body));
    }
    let path = call.scope.script(&call.body.path)?;
    let exec = call.exec();
    let content = exec.folder().read(&path)?;
    let origin = exec
        .history
        .origin(&path, &crate::exec::script::hash(content.as_bytes()));
    if origin == Origin::Person {
        let error = "The script is a person's already";
        return Err(ApiError::new(StatusCode::CONFLICT, error));
    }
    let write = Write {
        path: path.clone(),
        content,
        create_folders: true,
        terms: call.terms(true, false),
    };
    let written = exec.write(write).await?;
    let mut answer = WriteAnswer::new(exec, call.body.path.clone(), &path, &written, true);
    answer.dry_run = call.scope.dry_run;
    Ok(Answer::ok(answer))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct PinRequest {
    pub path: String,
    /// False takes the pin away.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub pinned: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PinAnswer {
    pub path: String,
    pub pinned: bool,
    #[serde(rename = "dry_run")]
    pub dry_run: bool,
}

/// Nothing that a script writes replaces or deletes a pinned script.
pub async fn pin(call: Call<Nothing, PinRequest>) -> Result<Answer<PinAnswer>, ApiError> {
    let PinRequest { path, pinned } = &call.body;
    if path.is_empty() {
        return Err(required("path", Place::Body));
    }
    let resolved = call.scope.script(path)?;
    let exec = call.exec();
    if *pinned && !exec.folder().exists(&resolved) {
        return Err(ApiError::not_found("Script not found"));
    }
    if !call.scope.dry_run {
        exec.history.pin(&resolved, *pinned).await?;
    }
    Ok(Answer::ok(PinAnswer {
        path: resolved.to_string(),
        pinned: *pinned,
        dry_run: call.scope.dry_run,
    }))
}
