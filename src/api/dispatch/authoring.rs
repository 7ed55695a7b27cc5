//! Calls that reach a catch-all script with `@ai true`: they may make their own
//! route, one at a time for each path. What is admitted, and who waits, `author`
//! decides; this file takes its verdicts to the dispatcher and the outcome back.

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::json;

use super::{Answered, Dispatcher, Origin};
use crate::api::error::ApiError;
use crate::author::flights::Lead;
use crate::author::{self, Miss};
use crate::exec::notes::{Noted, Notes};
use crate::exec::routes::pattern::RouteType;
use crate::exec::script::Script;
use crate::model::exec_id::ExecId;
use crate::sandbox::services::Making;

/// A call that makes its route, or found it made.
pub struct Authoring {
    lead: Lead,
    pub making: Making,
}

/// Whether a call of this script makes a route.
pub fn makes_routes(kind: RouteType, script: &Script) -> bool {
    script.directives.ai.enabled
        && matches!(kind, RouteType::CatchAll | RouteType::OptionalCatchAll)
}

impl Dispatcher {
    /// The turn of a call that may make its route. It may have waited: look again.
    pub async fn authoring(
        &self,
        exec_id: &ExecId,
        method: &Method,
        path: &str,
        origin: &Origin,
    ) -> Result<Authoring, ApiError> {
        let miss = miss(exec_id, method, path, origin);
        self.author.check(&miss)?;
        let lead = self.author.turn(&miss).await?;
        let own = std::iter::once(author::key(exec_id, method, path));
        Ok(Authoring {
            lead,
            making: origin.making.iter().cloned().chain(own).collect(),
        })
    }

    /// After a wait: what forbids a call now may have come up meanwhile.
    pub fn still_admitted(
        &self,
        exec_id: &ExecId,
        method: &Method,
        path: &str,
        origin: &Origin,
    ) -> Result<(), ApiError> {
        Ok(self.author.check(&miss(exec_id, method, path, origin))?)
    }

    /// What came of a call that could make its route.
    pub async fn authored(
        &self,
        authoring: Authoring,
        miss: &Miss<'_>,
        notes: &Notes,
        result: Result<Answered, ApiError>,
    ) -> Result<Answered, ApiError> {
        let noted = notes.now();
        let kept = if !noted.written.is_empty() {
            self.author.made(miss).await
        } else {
            match failed(&result, &noted) {
                Some(code) => self.author.not_made(miss, &code).await,
                None => Ok(()),
            }
        };
        if let Err(error) = kept {
            tracing::warn!(%error, path = miss.path, "the outcome of making a route is not stored");
        }
        if noted.written.is_empty() {
            drop(authoring);
        } else {
            authoring.lead.done();
        }
        match noted.drafts.first() {
            Some(draft) if result.is_ok() => Ok((drafted(draft), None)),
            _ => result,
        }
    }
}

pub fn miss<'a>(
    exec_id: &'a ExecId,
    method: &'a Method,
    path: &'a str,
    origin: &'a Origin,
) -> Miss<'a> {
    Miss {
        exec_id,
        method,
        path,
        client_ip: origin.client_ip,
        making: &origin.making,
    }
}

/// The code of a failure that is the path's own, or its provider's. A cap that
/// is reached, or a missing configuration, says nothing about the path.
fn failed(result: &Result<Answered, ApiError>, noted: &Noted) -> Option<String> {
    if !noted.drafts.is_empty() {
        return None;
    }
    match result {
        Ok((response, _)) if response.status().is_server_error() => {
            Some(format!("ERROR_{}", response.status().as_u16()))
        }
        Ok(_) => None,
        Err(error) if !error.status.is_server_error() => None,
        Err(error) if error.code.starts_with("AI_LIMIT_") => None,
        Err(error) if error.code == "AI_NOT_CONFIGURED" => None,
        Err(error) => Some(error.code.clone()),
    }
}

/// The script is written and waits for somebody to approve it.
fn drafted(id: &str) -> Response {
    let body = json!({
        "status": "draft",
        "draft": id,
        "message": "The route is written and waits for approval",
        "approve": format!("/api/v1/exec/drafts/{id}/approve"),
    });
    (StatusCode::ACCEPTED, axum::Json(body)).into_response()
}
