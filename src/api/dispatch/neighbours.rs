//! Calls that never leave the server: those of a handler to a route of its own
//! deployment, and those of the server itself.

use axum::body::Body;
use axum::response::Response;
use http::Request;

use super::{Dispatcher, Origin, Scheduled};
use crate::model::exec_id::ExecId;
use crate::sandbox::services::{CallContext, Making};

impl Dispatcher {
    /// Answers a call that a script makes to a route of its own deployment.
    pub async fn dispatch_inside(
        &self,
        exec_id: ExecId,
        from: CallContext,
        request: Request<Body>,
    ) -> Response {
        let origin = Origin {
            client_ip: from.client_ip,
            https: false,
            depth: from.depth + 1,
            exec_id: Some(exec_id),
            execution_id: uuid::Uuid::new_v4().to_string(),
            making: from.making,
            scheduled: Scheduled::through(from.cron_run),
            dry_run: from.dry_run,
            is_own: false,
        };
        self.dispatch(request, origin).await
    }

    /// Answers a request that the server itself makes to one of its routes.
    pub async fn dispatch_own(&self, exec_id: ExecId, request: Request<String>) -> Response {
        let origin = Origin {
            client_ip: None,
            https: false,
            depth: 1,
            exec_id: Some(exec_id),
            execution_id: uuid::Uuid::new_v4().to_string(),
            making: Making::default(),
            scheduled: None,
            dry_run: None,
            is_own: true,
        };
        self.dispatch(request.map(Body::from), origin).await
    }
}
