//! What comes before any route: the answers to certificate authorities, the way
//! to HTTPS, aliases. Everything else goes to the router.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, Request, StatusCode, header};
use tower::ServiceExt;

use super::access::host;
use super::error::ApiError;
use crate::proxy::challenges::{HTTP_PREFIX, HttpChallenges};
use crate::proxy::tls::TlsInfo;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub client: SocketAddr,
    /// None over plain HTTP.
    pub tls: Option<Arc<TlsInfo>>,
}

/// What the front needs besides the router.
#[derive(Clone)]
pub struct FrontParts {
    pub challenges: HttpChallenges,
    /// Plain HTTP is sent to HTTPS at this port.
    pub redirect_port: Option<u16>,
    /// 0: browsers are told nothing.
    pub hsts_seconds: u64,
}

/// Clones share everything.
#[derive(Clone)]
pub struct Front {
    router: Router,
    challenges: HttpChallenges,
    redirect_port: Option<u16>,
    hsts: Option<HeaderValue>,
}

impl Front {
    pub fn new(router: Router, parts: FrontParts) -> Self {
        let FrontParts {
            challenges,
            redirect_port,
            hsts_seconds,
        } = parts;
        let hsts = (hsts_seconds > 0).then(|| format!("max-age={hsts_seconds}"));
        Self {
            router,
            challenges,
            redirect_port,
            hsts: hsts.and_then(|text| text.try_into().ok()),
        }
    }

    /// Answers a request, whatever happens.
    pub async fn answer(&self, mut request: Request<Body>, peer: Peer) -> Response {
        if let Some(answer) = self.challenge(&request) {
            return answer;
        }
        if !names_one_host(&request) {
            return ApiError::bad_request("Host and :authority name two hosts").into_response();
        }
        let is_tls = peer.tls.is_some();
        if let Some(port) = self.redirect_port.filter(|_| !is_tls) {
            return redirect(&request, port);
        }
        request.extensions_mut().insert(ConnectInfo(peer.client));
        request.extensions_mut().insert(peer);
        let answered = self.router.clone().oneshot(request).await;
        let mut response = answered.unwrap_or_else(|never| match never {});
        if let Some(hsts) = self.hsts.as_ref().filter(|_| is_tls) {
            let headers = response.headers_mut();
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        response
    }

    /// http-01 (RFC 8555, section 8.3). A token that nobody waits for may be a
    /// file of somebody's, so that is not answered here.
    fn challenge(&self, request: &Request<Body>) -> Option<Response> {
        let token = request.uri().path().strip_prefix(HTTP_PREFIX)?;
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        let text = self.challenges.get(token).filter(|_| is_read)?;
        let content_type = (header::CONTENT_TYPE, "application/octet-stream");
        Some(([content_type], text).into_response())
    }
}

/// Whether a request came over TLS.
pub fn is_https(request: &Request<Body>) -> bool {
    let peer = request.extensions().get::<Peer>();
    peer.is_some_and(|peer| peer.tls.is_some())
}

/// Whoever reads the one sees another site than who reads the other. In HTTP/1 the
/// listener sees to it.
fn names_one_host(request: &Request<Body>) -> bool {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (authority, hosts.next(), hosts.next()) {
        (_, _, Some(_)) => false,
        (Some(authority), Some(host), None) => {
            host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())
        }
        (_, _, None) => true,
    }
}

fn redirect(request: &Request<Body>, port: u16) -> Response {
    let host = host(request);
    // An IPv6 address has colons of its own, inside of brackets.
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if name.is_empty() {
        return ApiError::bad_request("Plain HTTP is redirected, and Host says not where")
            .into_response();
    }
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let location = match port {
        443 => format!("https://{name}{path}"),
        port => format!("https://{name}:{port}{path}"),
    };
    match HeaderValue::try_from(location) {
        Ok(location) => (
            StatusCode::PERMANENT_REDIRECT,
            [(header::LOCATION, location)],
        )
            .into_response(),
        Err(_) => ApiError::bad_request("Host is no host").into_response(),
    }
}
