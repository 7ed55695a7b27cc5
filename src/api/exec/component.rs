//! `scripts/component`: the WebAssembly that a script became.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::endpoint::Call;
use crate::api::error::ApiError;
use crate::exec::publish::Form;

#[derive(Debug, Deserialize, ToSchema)]
pub struct ComponentQuery {
    pub path: String,
    /// `shared` (what runs here; the default) or `portable` (self-contained, for any wasi:http host).
    pub form: Option<String>,
}

pub async fn read(call: Call<ComponentQuery>) -> Result<Response, ApiError> {
    let form = match call.query.form.as_deref() {
        None | Some("" | "shared") => Form::Shared,
        Some("portable") => Form::Portable,
        Some(_) => return Err(ApiError::bad_request("form must be shared or portable")),
    };
    let path = call.scope.script(&call.query.path)?;
    let exec = call.exec();
    let missing = || ApiError::not_found("Script not found");
    let deployment = exec.live.get(path.exec_id()).ok_or_else(missing)?;
    let script = deployment
        .scripts
        .get(path.relative())
        .ok_or_else(missing)?;
    let script = exec.ready(script).await;
    let Some(program) = script.program.clone() else {
        return Err(match &script.problem {
            Some(problem) => ApiError::of_problem(problem, true),
            None => ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The file is no script: it has no component",
            ),
        });
    };
    if program.manifest.library {
        let error = "The file only exports for imports: it has no handler, and so no component";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error));
    }
    let name = match form {
        Form::Shared => "shared",
        Form::Portable => "portable",
    };
    let etag = format!("\"{}-{name}\"", program.manifest.version);
    let source = exec.source_of(&script)?;
    let publisher = exec.publisher.clone();
    let make = {
        let script = Arc::clone(&script);
        move || {
            publisher.component(
                &script.path,
                &source,
                &script.directives,
                script.origin,
                form,
            )
        }
    };
    let stopping = |_| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
    let component = tokio::task::spawn_blocking(make).await.map_err(stopping)?;
    let component = component.map_err(|problem| ApiError::of_problem(&problem, true))?;
    let headers = [
        (header::CONTENT_TYPE, "application/wasm".to_owned()),
        (header::ETAG, etag),
    ];
    Ok((headers, Body::from(component)).into_response())
}
