//! Who may call a script, and pages, which are not run.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode, header};

use super::Dispatcher;
use crate::api::error::ApiError;
use crate::auth;
use crate::exec::live::Deployment;
use crate::exec::routes::mount::MountKind;
use crate::exec::script::Script;
use crate::model::directives::Access;

impl Dispatcher {
    /// `@token` of the script; a Markdown file is behind that of the script beside it.
    pub(super) fn admit(
        &self,
        deployment: &Deployment,
        script: &Script,
        kind: MountKind,
        request: &Request<Body>,
    ) -> Result<(), ApiError> {
        let guard = |script: &Script| match &script.directives.access {
            Access::Everybody => Ok(()),
            Access::Token(tokens) => {
                let presented = auth::presented(request.headers(), request.uri().query());
                let accepted: Vec<String> = tokens
                    .iter()
                    .map(|token| token.expose().to_owned())
                    .collect();
                if presented
                    .iter()
                    .any(|one| auth::matches_any(&accepted, &one.token))
                {
                    Ok(())
                } else {
                    Err(ApiError::unauthorized())
                }
            }
        };
        if kind == MountKind::Script {
            return guard(script);
        }
        let siblings = crate::exec::routes::mount::sibling_scripts(script.path.relative());
        siblings
            .iter()
            .flatten()
            .filter_map(|path| deployment.scripts.get(path))
            .try_for_each(|one| guard(one))
    }

    pub(super) fn markdown(&self, script: &Script, method: &Method) -> Result<Response, ApiError> {
        if ![Method::GET, Method::HEAD].contains(method) {
            return Err(ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "A Markdown file can only be read",
            ));
        }
        let text = self.exec.folder().read(&script.path)?;
        Ok((
            [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")],
            text,
        )
            .into_response())
    }
}
