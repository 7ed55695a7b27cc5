//! Calls that never leave the server: those of a handler to a route of its own
//! deployment, and those of the server itself.

use axum::body::Body;
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{Request, Uri};

use super::authoring::makes_routes;
use super::{Dispatcher, Origin, Scheduled};
use crate::exec::routes::mount::mount;
use crate::exec::routes::pattern::RouteType;
use crate::exec::services::Caller;
use crate::model::exec_id::ExecId;
use crate::sandbox::services::{CallContext, Making};

impl Dispatcher {
    /// A script that makes routes may name them as it sees them, below its own place:
    /// for `api/[...slug].ts`, `fetch("/x")` is `/api/x` where there is such a route.
    pub fn below_mount(
        &self,
        exec_id: &ExecId,
        caller: &Caller,
        mut request: Request<Body>,
    ) -> Request<Body> {
        let target = self.target_below(exec_id, caller, request.uri());
        let mut parts = request.uri().clone().into_parts();
        if let Some(target) = target {
            parts.path_and_query = Some(target);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
        request
    }

    fn target_below(&self, exec_id: &ExecId, caller: &Caller, uri: &Uri) -> Option<PathAndQuery> {
        let deployment = self.exec.live.get(exec_id)?;
        let script = deployment.scripts.get(caller.script.relative())?;
        let own = mount(caller.script.relative()).ok()?.pattern;
        let (place, path) = (own.static_start()?, uri.path());
        let is_named_whole = path.starts_with(&format!("{place}/"));
        if !caller.is_persons || !makes_routes(own.route_type(), script) || is_named_whole {
            return None;
        }
        let full = format!("{place}{path}");
        let found = deployment.routes.lookup(&full).ok()??;
        let kind = found.route.pattern.route_type();
        if matches!(kind, RouteType::CatchAll | RouteType::OptionalCatchAll) {
            return None;
        }
        match uri.query() {
            Some(query) => format!("{full}?{query}").parse().ok(),
            None => full.parse().ok(),
        }
    }

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
