//! Calls that reach a catch-all script with `@ai true`: they may make their own
//! route, one at a time for each path. What is admitted, and who waits, `author`
//! decides; this file takes its verdicts to the dispatcher and the outcome back.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use serde_json::json;

use super::admission::Credentials;
use super::{Answered, Dispatcher, Origin, Target};
use crate::api::access::Entry;
use crate::api::error::ApiError;
use crate::author::budget::Room;
use crate::author::flights::Lead;
use crate::author::{self, Miss};
use crate::exec::notes::{BodyCopy, Noted, Notes, Trigger};
use crate::exec::routes::pattern::RouteType;
use crate::exec::script::Script;
use crate::model::exec_id::ExecId;
use crate::sandbox::services::Making;

/// A call that makes its route, or found it made.
pub struct Authoring {
    lead: Lead,
    /// Among the new routes of the hour and the day, once it has begun.
    room: Option<Room>,
    pub making: Making,
}

/// Whether a call of this script makes a route.
pub fn makes_routes(kind: RouteType, script: &Script) -> bool {
    script.directives.ai.enabled
        && matches!(kind, RouteType::CatchAll | RouteType::OptionalCatchAll)
}

/// What is taken down of a call: of one that may ask models its request.
pub fn notes_of(request: &Request<Body>, script: &Script, credentials: &Credentials) -> Notes {
    if !script.directives.ai.enabled {
        return Notes::default();
    }
    let target = request.uri().path_and_query();
    Notes::of_request(Trigger {
        method: request.method().clone(),
        target: target.map_or("/", |one| one.as_str()).to_owned(),
        headers: request.headers().clone(),
        body: BodyCopy::default(),
        body_bytes: request.body().size_hint().exact(),
        token: credentials.known.first().map(|token| token.alias.clone()),
    })
}

impl Dispatcher {
    /// Runs a script that may make the route, and takes note of what came of it.
    /// When code of a model did not work it may run once more, and the model mend it.
    pub(super) async fn make(
        &self,
        target: Target<'_>,
        request: Request<Body>,
        origin: Origin,
        entry: &mut Entry,
        (authoring, notes): (Authoring, Notes),
    ) -> Result<Answered, ApiError> {
        let (method, path) = (request.method().clone(), target.path.clone());
        let exec_id = target.script.path.exec_id().clone();
        let miss = miss(&exec_id, &method, &path, &origin);
        let maker = Origin {
            making: authoring.making.clone(),
            ..origin.clone()
        };
        let copies = || (target.clone(), maker.clone(), notes.clone());
        let (first, maker_of, noting) = copies();
        let mut result = self.run(first, request, maker_of, entry, noting).await;
        for _ in 0..self.author.terms.repairs {
            let failed = failed(&result, &notes.now()).is_some();
            let again = again(&notes).filter(|_| failed && notes.mend());
            let Some(request) = again.filter(|_| self.author.check(&miss).is_ok()) else {
                break;
            };
            let (next, maker_of, noting) = copies();
            result = self.run(next, request, maker_of, entry, noting).await;
        }
        self.authored(authoring, &miss, &notes, result).await
    }

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
        let own = std::iter::once(author::turn_key(exec_id, path));
        Ok(Authoring {
            lead,
            room: None,
            making: origin.making.iter().cloned().chain(own).collect(),
        })
    }

    /// After a wait: what forbids a call now may have come up meanwhile.
    pub fn begun(
        &self,
        authoring: Authoring,
        exec_id: &ExecId,
        method: &Method,
        path: &str,
        origin: &Origin,
    ) -> Result<Authoring, ApiError> {
        let room = self.author.begin(&miss(exec_id, method, path, origin))?;
        Ok(Authoring {
            room: Some(room),
            ..authoring
        })
    }

    /// The answer to a call whose route is written and waits for approval.
    pub fn draft_of(&self, exec_id: &ExecId, path: &str) -> Option<Response> {
        let id = self.exec.drafts.waiting(exec_id, path)?;
        Some(drafted(&id))
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
            self.author.made(miss, noted.written.len()).await
        } else {
            match failed(&result, &noted) {
                Some(code) => {
                    let called = (miss.method.as_str(), miss.path);
                    self.author.not_made(miss.exec_id, called, &code).await
                }
                None => Ok(()),
            }
        };
        if let Err(error) = kept {
            tracing::warn!(%error, path = miss.path, "the outcome of making a route is not stored");
        }
        // What was made is booked by now.
        drop(authoring.room);
        if noted.written.is_empty() {
            drop(authoring.lead);
        } else {
            authoring.lead.done();
        }
        match noted.drafts.first() {
            Some(draft) if result.is_ok() => Ok((drafted(draft), None)),
            _ => result,
        }
    }
}

/// The request once more, if all of it was read.
fn again(notes: &Notes) -> Option<Request<Body>> {
    let trigger = notes.now().trigger.filter(|one| one.is_whole())?;
    let mut request = Request::builder()
        .method(&trigger.method)
        .uri(&trigger.target)
        .body(Body::from(trigger.body.bytes()))
        .ok()?;
    request.headers_mut().clone_from(&trigger.headers);
    Some(request)
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
/// is reached, or a missing configuration, says nothing about the path; nor does a
/// script that refuses a call before it has asked a model.
fn failed(result: &Result<Answered, ApiError>, noted: &Noted) -> Option<String> {
    if !noted.drafts.is_empty() {
        return None;
    }
    let has_asked = !noted.generations.is_empty();
    match result {
        Ok((response, _)) => {
            let status = response.status();
            let is_failure = status.is_server_error() || status.is_client_error() && has_asked;
            is_failure.then(|| format!("ERROR_{}", status.as_u16()))
        }
        Err(error) if error.code.starts_with("AI_LIMIT_") => None,
        Err(error) if error.code == "AI_NOT_CONFIGURED" => None,
        // Whoever is to blame: the next call would cost as much, and come to nothing.
        Err(error) if error.status.is_server_error() || has_asked => Some(error.code.clone()),
        Err(_) => None,
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
