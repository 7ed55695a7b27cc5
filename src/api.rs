//! The HTTP surfaces (axum), one file each. It turns requests into calls of the
//! parts and their results into answers; it must not hold rules of its own.
//!
//! `routes` lists all operations of the management API; whatever is none of them
//! goes to `dispatch`, which finds the script that answers.

pub mod access;
pub mod auth;
pub mod cron;
pub mod dispatch;
pub mod endpoint;
pub mod error;
pub mod exchange;
pub mod exec;
pub mod extract;
pub mod front;
pub mod health;
pub mod inside;
pub mod lasting;
pub mod listener;
pub mod openapi;
pub mod proxy;
pub mod reply;
pub mod routes;
pub mod scope;
pub mod watched;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use chrono::{DateTime, Utc};
use http::{HeaderValue, Method, StatusCode, header};
use uuid::Uuid;

use crate::acme::Acme;
use crate::auth::Tokens;
use crate::cron::Cron;
use crate::exec::log::line::Trigger;
use crate::exec::log::reader::LogReader;
use crate::exec::routes::host::deployment_for_host;
use crate::proxy::aliases::Aliases;
use crate::proxy::bundle::Bundles;
use crate::proxy::log::AccessLog;
use crate::sandbox::services::Making;
use crate::shutdown::Shutdown;
use access::{Arrival, Entry};
use dispatch::{Dispatcher, EXECUTION_ID, Origin};
use endpoint::{Endpoint, Incoming, Surface};
use error::ApiError;
use watched::watch;

/// Permissions that the operations ask for.
pub const EXEC_READ: &str = "exec:read";
pub const EXEC_WRITE: &str = "exec:write";
pub const AUTH: &str = "auth";
pub const LOGS: &str = "logs";
pub const PROXY_CERT: &str = "proxy:cert";
pub const PROXY_ALIAS: &str = "proxy:alias";
pub const CRON: &str = "cron";

/// The one path of ours that scripts may take over: many have such a route.
const SCHEDULER_HEALTH: &str = "/health";

/// Everything that a surface may ask.
#[derive(Clone)]
pub struct Api {
    pub dispatcher: Arc<Dispatcher>,
    pub tokens: Arc<Tokens>,
    pub logs: Arc<LogReader>,
    pub bundles: Bundles,
    pub acme: Acme,
    pub aliases: Aliases,
    /// Of the listeners.
    pub access_log: AccessLog,
    /// Short names of aliases are below this domain.
    pub proxy_domain: String,
    pub cron: Arc<Cron>,
    /// Ends what would otherwise never end.
    pub stop: Shutdown,
    pub started: DateTime<Utc>,
    /// Of one request to the management API.
    pub body_bytes_max: u64,
    /// A client has this long to send a whole body to the management API.
    pub body_read_timeout: Duration,
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
        router = router.route(path, operations(at_path));
    }
    for prefix in routes::RESERVED {
        for path in [prefix.to_owned(), format!("{prefix}/")] {
            if !endpoints.iter().any(|endpoint| endpoint.path == path) {
                router = router.route(&path, any(unknown));
            }
        }
        router = router.route(&format!("{prefix}/{{*rest}}"), any(unknown));
    }
    router.fallback(fallback).with_state(api)
}

/// The operations at one path. Methods are told apart here and not by axum, which
/// would name them to those without a token too.
fn operations(endpoints: Vec<Endpoint>) -> MethodRouter<Api> {
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
            if request.uri().path() == SCHEDULER_HEALTH && has_own_route(&api, &request) {
                return fallback(State(api), ConnectInfo(client), request).await;
            }
            logged(
                &api.clone(),
                client,
                request,
                async move |request, entry| {
                    let method = if request.method() == Method::HEAD {
                        &Method::GET
                    } else {
                        request.method()
                    };
                    match endpoints.iter().find(|endpoint| endpoint.method == method) {
                        Some(endpoint) => {
                            endpoint
                                .answer(
                                    Incoming {
                                        api,
                                        client,
                                        parameters,
                                        request,
                                    },
                                    entry,
                                )
                                .await
                        }
                        None => not_allowed(&api, client, &request, &endpoints, entry),
                    }
                },
            )
            .await
        }
    };
    any(handler)
}

/// Whether a script is called like the path. A catch-all is not.
fn has_own_route(api: &Api, request: &Request) -> bool {
    let live = &api.dispatcher.exec.live;
    let exec_id = deployment_for_host(access::host(request), |name| live.exists(name));
    let deployment = live.get(&exec_id);
    deployment.is_some_and(|deployment| {
        let found = deployment.routes.lookup(request.uri().path());
        matches!(found, Ok(Some(found)) if found.parameters.0.is_empty())
    })
}

/// Answers a request to the management API, and logs it.
async fn logged(
    api: &Api,
    client: SocketAddr,
    request: Request,
    answer: impl AsyncFnOnce(Request, &mut Entry) -> Response,
) -> Response {
    let request_id = Uuid::new_v4().to_string();
    let live = &api.dispatcher.exec.live;
    let arrival = Arrival {
        request_id: request_id.clone(),
        client_ip: Some(client.ip()),
        trigger: Trigger::Http,
        depth: 0,
        exec_id: deployment_for_host(access::host(&request), |name| live.exists(name)),
    };
    let mut entry = api.dispatcher.access.management(&request, arrival);
    let is_head = request.method() == Method::HEAD;
    let mut response = answer(request, &mut entry).await;
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(EXECUTION_ID, value);
    }
    watch(response, entry, None, is_head)
}

fn not_allowed(
    api: &Api,
    client: SocketAddr,
    request: &Request,
    endpoints: &[Endpoint],
    entry: &mut Entry,
) -> Response {
    let surface = endpoints
        .first()
        .map_or(Surface::Exec, |endpoint| endpoint.terms.surface);
    let known = known(api, client, request, entry);
    if let Err(denied) = known
        && surface != Surface::Open
    {
        return surface.error(denied, entry);
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
    let mut response = surface.error(error, entry);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// A path of the management API at which there is nothing; only whoever has a
/// token learns that.
async fn unknown(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let path = request.uri().path();
    let surface = match () {
        () if path.starts_with("/api/v1/exec") => Surface::Exec,
        () if path.starts_with("/api/v1/cron") => Surface::Cron,
        () => Surface::ControlPlane,
    };
    logged(&api, client, request, async |request, entry| {
        let error = match known(&api, client, &request, entry) {
            Ok(()) => ApiError::not_found("There is no such operation; /openapi.json lists all"),
            Err(denied) => denied,
        };
        surface.error(error, entry)
    })
    .await
}

/// Whether a request came with any valid token.
fn known(
    api: &Api,
    client: SocketAddr,
    request: &Request,
    entry: &mut Entry,
) -> Result<(), ApiError> {
    let presented = crate::auth::presented(request.headers(), request.uri().query());
    let known = api
        .tokens
        .identify(&presented, Some(client.ip()), Utc::now())?;
    if let Some(token) = known.first() {
        entry.authenticated(&token.alias);
    }
    Ok(())
}

/// What the router finds when no surface has the path.
async fn fallback(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let https = front::is_https(&request);
    script(&api.dispatcher, client.ip(), https, request).await
}

/// Any method, any path: a script answers.
async fn script(
    dispatcher: &Dispatcher,
    client: IpAddr,
    https: bool,
    request: Request,
) -> Response {
    let origin = Origin {
        client_ip: Some(client),
        https,
        depth: 0,
        exec_id: None,
        execution_id: Uuid::new_v4().to_string(),
        dry_run: None,
        is_own: false,
        making: Making::default(),
        scheduled: None,
    };
    dispatcher.dispatch(request, origin).await
}
