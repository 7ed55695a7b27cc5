//! A handler's call of a route of its own deployment, which never leaves the server.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;

use super::{Dispatcher, Origin};
use crate::exec::services::Neighbours;
use crate::model::exec_id::ExecId;
use crate::sandbox::services::{CallContext, Later, OutboundResult, WasiBody, WasiError};

impl Neighbours for Dispatcher {
    fn call(
        self: Arc<Self>,
        exec_id: ExecId,
        from: CallContext,
        request: Request<WasiBody>,
    ) -> Later<'static, OutboundResult> {
        Box::pin(async move {
            let origin = Origin {
                client_ip: from.client_ip,
                https: false,
                depth: from.depth + 1,
                exec_id: Some(exec_id),
                execution_id: uuid::Uuid::new_v4().to_string(),
                making: from.making.clone(),
                scheduled: None,
            };
            let response = self.dispatch(request.map(Body::new), origin).await;
            Ok(response.map(|body| {
                body.map_err(|error| WasiError::InternalError(Some(error.to_string())))
                    .boxed_unsync()
            }))
        })
    }
}
