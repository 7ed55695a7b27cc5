//! Calls that scripts make to their own server: to other routes, and in their own
//! name to the certificates of the proxy. Nothing else of the management API can
//! be reached this way, and no token is handed on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use chrono::Utc;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::PROXY_CERT;
use super::dispatch::Dispatcher;
use super::error::ApiError;
use crate::auth::{self, Bounds, Permissions, TokenInfo};
use crate::exec::services::{Caller, Neighbours};
use crate::model::exec_id::ExecId;
use crate::sandbox::services::{CallContext, Later, OutboundResult, WasiBody, WasiError};

/// What a person's script may call in its own name.
const CERTIFICATES: &str = "/api/v1/proxy/cert/";

/// The server, seen from a script.
pub struct Inside {
    pub router: Router,
    pub dispatcher: Arc<Dispatcher>,
}

/// In whose name a request of the inside comes. No request from outside has one.
#[derive(Clone)]
pub struct InsideName(TokenInfo);

impl InsideName {
    /// What stands in the place of a token, if it may do this.
    pub fn allowed(request: &Request<Body>, permission: &str) -> Option<TokenInfo> {
        let Self(name) = request.extensions().get()?;
        Some(name.clone()).filter(|name| name.permissions.allow(permission))
    }
}

impl Neighbours for Inside {
    fn call(
        self: Arc<Self>,
        exec_id: ExecId,
        from: CallContext,
        caller: Caller,
        request: Request<WasiBody>,
    ) -> Later<'static, OutboundResult> {
        let request = request.map(Body::new);
        Box::pin(async move {
            let response = match request.uri().path().starts_with(CERTIFICATES) {
                true => self.certificates(from, &caller, request).await,
                false => {
                    let dispatcher = &self.dispatcher;
                    let request = dispatcher.below_mount(&exec_id, &caller, request);
                    dispatcher.dispatch_inside(exec_id, from, request).await
                }
            };
            Ok(response.map(|body| {
                body.map_err(|error| WasiError::InternalError(Some(error.to_string())))
                    .boxed_unsync()
            }))
        })
    }
}

impl Inside {
    async fn certificates(
        &self,
        from: CallContext,
        caller: &Caller,
        mut request: Request<Body>,
    ) -> axum::response::Response {
        if !caller.is_persons {
            let error = "Only a script that a person wrote may change certificates";
            return ApiError::new(StatusCode::FORBIDDEN, error).into_response();
        }
        if ![Method::GET, Method::PATCH].contains(request.method()) {
            let error = "A script may read certificates and PATCH new ones; to delete or roll back needs a token";
            return ApiError::new(StatusCode::FORBIDDEN, error).into_response();
        }
        if let Some(dry_run) = &from.dry_run
            && request.method() != Method::GET
        {
            dry_run.note(&format!(
                "would {} {}",
                request.method(),
                request.uri().path()
            ));
            request = as_dry_run(request);
        }
        let name = InsideName(name_of(caller, &from));
        // What came as a token is nobody's here.
        request.headers_mut().remove(http::header::AUTHORIZATION);
        request.headers_mut().remove(auth::TOKEN_HEADER);
        let client = from.client_ip.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let client: SocketAddr = (IpAddr::to_canonical(&client), 0).into();
        request.extensions_mut().insert(ConnectInfo(client));
        request.extensions_mut().insert(name);
        let answered = self.router.clone().oneshot(request).await;
        answered.unwrap_or_else(|never| match never {})
    }
}

/// The script and the call, in the place of a token: both logs name them.
fn name_of(caller: &Caller, from: &CallContext) -> TokenInfo {
    let now = Utc::now();
    TokenInfo {
        id: from.execution_id.clone(),
        alias: format!("script {} ({})", caller.script, from.execution_id),
        permissions: Permissions::of_inside(PROXY_CERT),
        bounds: Bounds::default(),
        // It has no permission for anything of cron's.
        user: String::new(),
        created_at: now,
        expires_at: None,
        enabled: true,
        last_used_at: None,
        previous_expires_at: None,
    }
}

fn as_dry_run(mut request: Request<Body>) -> Request<Body> {
    let path = request.uri().path();
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}&dry_run=true"),
        None => format!("{path}?dry_run=true"),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = target.parse().ok();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}
