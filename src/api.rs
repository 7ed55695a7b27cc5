//! The HTTP surfaces (axum), one file each, and the one list of all routes. It
//! turns requests into calls of the parts and their results into answers; it
//! must not hold rules of its own.

pub mod dispatch;
pub mod error;
pub mod listener;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use uuid::Uuid;

use dispatch::{Dispatcher, Origin};

/// Everything that a surface may ask.
#[derive(Clone)]
pub struct Api {
    pub dispatcher: Arc<Dispatcher>,
}

/// All routes: the management surfaces, and scripts for everything else.
pub fn router(api: Api) -> Router {
    Router::new().fallback(script).with_state(api)
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
