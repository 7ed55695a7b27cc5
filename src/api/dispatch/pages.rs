//! Pages, which are read and not run. Who may read them, `admission` decides.

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

use super::Dispatcher;
use crate::api::error::ApiError;
use crate::exec::script::Script;

impl Dispatcher {
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
