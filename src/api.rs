//! The HTTP surfaces (axum), one file each. It turns requests into calls of the
//! parts and their results into answers; it must not hold rules of its own.
//!
//! `routes` lists all operations of the management API; whatever is none of them
//! goes to `dispatch`, which finds the script that answers.

pub mod auth;
pub mod dispatch;
pub mod endpoint;
pub mod error;
pub mod exec;
pub mod extract;
pub mod health;
pub mod listener;
pub mod openapi;
pub mod routes;
pub mod scope;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::MethodRouter;
use chrono::{DateTime, Utc};
use http::{HeaderValue, Method, StatusCode, header};
use uuid::Uuid;

use crate::auth::Tokens;
use dispatch::{Dispatcher, Origin};
use endpoint::{Endpoint, Incoming, Surface, admit};
use error::ApiError;

/// Permissions that the operations ask for.
pub const EXEC_READ: &str = "exec:read";
pub const EXEC_WRITE: &str = "exec:write";
pub const AUTH: &str = "auth";

/// Everything that a surface may ask.
#[derive(Clone)]
pub struct Api {
    pub dispatcher: Arc<Dispatcher>,
    pub tokens: Arc<Tokens>,
    pub started: DateTime<Utc>,
    /// Of one request to the management API.
    pub body_bytes_max: u64,
}

/// All routes: the management surfaces, and scripts for everything else.
pub fn router(api: Api) -> Router {
    let endpoints = routes::all();
    let mut router = Router::new();
    let mut paths: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.path).collect();
    paths.dedup();
    for path in paths {
        let at_path: Vec<Endpoint> = endpoints
            .iter()
            .filter(|endpoint| endpoint.path == path)
            .cloned()
            .collect();
        router = router.route(path, methods(at_path));
    }
    for prefix in routes::RESERVED {
        router = router.route(prefix, axum::routing::any(unknown));
        router = router.route(&format!("{prefix}/{{*rest}}"), axum::routing::any(unknown));
    }
    router.fallback(script).with_state(api)
}

/// The operations at one path. Methods are told apart here and not by axum, which
/// would name them to those without a token too.
fn methods(endpoints: Vec<Endpoint>) -> MethodRouter<Api> {
    let endpoints = Arc::new(endpoints);
    let handler = move |State(api): State<Api>,
                        ConnectInfo(client): ConnectInfo<SocketAddr>,
                        parameters: RawPathParams,
                        request: Request| {
        let endpoints = endpoints.clone();
        let parameters = parameters
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        async move {
            let method = if request.method() == Method::HEAD {
                &Method::GET
            } else {
                request.method()
            };
            match endpoints.iter().find(|endpoint| endpoint.method == method) {
                Some(endpoint) => {
                    endpoint
                        .answer(Incoming {
                            api,
                            client,
                            parameters,
                            request,
                        })
                        .await
                }
                None => not_allowed(&api, request, &endpoints),
            }
        }
    };
    axum::routing::any(handler)
}

fn not_allowed(api: &Api, request: Request, endpoints: &[Endpoint]) -> Response {
    let surface = endpoints
        .first()
        .map_or(Surface::Exec, |endpoint| endpoint.terms.surface);
    if surface != Surface::Open && !is_known(api, request) {
        return surface.error(ApiError::unauthorized());
    }
    let allowed: Vec<&str> = endpoints
        .iter()
        .map(|endpoint| endpoint.method.as_str())
        .collect();
    let allowed = allowed.join(", ");
    let error = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("Only {allowed} can be used here"),
    );
    let mut response = surface.error(error);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// A path of the management API at which there is nothing; only whoever has a
/// token learns that.
async fn unknown(State(api): State<Api>, request: Request) -> Response {
    let is_exec = request.uri().path().starts_with("/api/v1/exec");
    let surface = if is_exec {
        Surface::Exec
    } else {
        Surface::ControlPlane
    };
    match is_known(&api, request) {
        true => surface.error(ApiError::not_found(
            "There is no such operation; /openapi.json lists all",
        )),
        false => surface.error(ApiError::unauthorized()),
    }
}

/// Whether a request came with any valid token.
fn is_known(api: &Api, request: Request) -> bool {
    let (head, _) = request.into_parts();
    // Without a needed permission, every valid token will do.
    !matches!(admit(api, &head, ""), Err(error) if error.status == StatusCode::UNAUTHORIZED)
}

/// Any method, any path: a script answers.
async fn script(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let origin = Origin {
        client_ip: Some(client.ip()),
        https: false,
        depth: 0,
        exec_id: None,
        execution_id: Uuid::new_v4().to_string(),
    };
    api.dispatcher.dispatch(request, origin).await
}
