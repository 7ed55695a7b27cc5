//! What is added to a script's answer, or said in its place.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::exec::Exec;
use crate::exec::cors::{self, CorsHeaders, Preflight};
use crate::exec::script::Script;
use crate::model::directives::Directives;
use crate::sandbox::call::Report;
use crate::sandbox::failure::Failure;
use crate::sandbox::services::CallContext;

/// Logs what went wrong, and gives the stack in terms of the sources.
pub fn note(
    exec: &Arc<Exec>,
    script: &Arc<Script>,
    context: &CallContext,
    report: &Report,
) -> Option<String> {
    let failure = report.failure.as_ref()?;
    let stack = match (failure, &script.program) {
        (Failure::Threw(thrown), Some(program)) => {
            let maps = exec.maps_of(&script.path, program);
            Some(maps.map_stack(&thrown.stack))
        }
        _ => None,
    };
    let shown = stack.as_deref().unwrap_or_default();
    tracing::warn!(script = %script.path, execution_id = context.execution_id, "{failure}\n{shown}");
    exec.outside
        .log_failure(script, context, &failure.to_string(), stack.clone());
    stack
}

pub fn answer_preflight(directives: &Directives, preflight: Preflight<'_>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    add(
        &cors::for_preflight(&directives.cors, preflight),
        response.headers_mut(),
    );
    response
}

pub fn add(cors: &CorsHeaders, headers: &mut HeaderMap) {
    for (name, value) in &cors.set {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    for value in cors.vary {
        if let Ok(value) = HeaderValue::try_from(*value) {
            headers.append(header::VARY, value);
        }
    }
}
