//! What comes before any route: the answers to certificate authorities, the way
//! to HTTPS, aliases. Everything else goes to the router.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as _;
use tower::ServiceExt;

use super::access::{AskedBy, host};
use super::dispatch::EXECUTION_ID;
use super::error::ApiError;
use super::{routes, script};
use crate::auth;
use crate::proxy::challenges::{HTTP_PREFIX, HttpChallenges};
use crate::proxy::forward::is_extended_connect;
use crate::proxy::log::{Kind, Line, Pending};
use crate::proxy::tls::TlsInfo;

mod failure;
mod gate;
mod lookup;
mod secrets;

pub use gate::Gate;
use gate::Visitor;

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
    pub gate: Gate,
    /// Plain HTTP is sent to HTTPS at this port.
    pub redirect_port: Option<u16>,
    /// 0: browsers are told nothing.
    pub hsts_seconds: u64,
}

/// Clones share everything.
#[derive(Clone)]
pub struct Front {
    router: Router,
    /// Where the router has more than its fallback.
    surfaces: Arc<BTreeSet<&'static str>>,
    challenges: HttpChallenges,
    gate: Gate,
    redirect_port: Option<u16>,
    hsts: Option<HeaderValue>,
}

impl Front {
    pub fn new(router: Router, parts: FrontParts) -> Self {
        let FrontParts {
            challenges,
            gate,
            redirect_port,
            hsts_seconds,
        } = parts;
        let hsts = (hsts_seconds > 0).then(|| format!("max-age={hsts_seconds}"));
        Self {
            router,
            surfaces: Arc::new(routes::first_segments()),
            challenges,
            gate,
            redirect_port,
            hsts: hsts.and_then(|text| text.try_into().ok()),
        }
    }

    /// A connection has begun.
    pub fn connected(&self, peer: &Peer) {
        if let Some(tls) = peer.tls.as_ref().filter(|tls| tls.is_first) {
            self.gate.log.write(first_handshake(tls, peer));
        }
    }

    /// Answers a request, whatever happens.
    pub async fn answer(&self, request: Request<Body>, peer: Peer) -> Response {
        let client = self
            .gate
            .forwarder
            .client(peer.client.ip(), request.headers());
        let pending = self.gate.log.begin(line(&request, &peer, client));
        let is_https = peer.tls.is_some() || self.gate.is_told_https(&request, &peer);
        let mut response = self.routed(request, peer, client, is_https, pending).await;
        if let Some(hsts) = self.hsts.as_ref().filter(|_| is_https) {
            let headers = response.headers_mut();
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        response
    }

    /// Answers in the place of what is no request.
    pub fn refuse(&self, error: ApiError, peer: &Peer) -> Response {
        let mut pending = self.gate.log.begin(Line {
            message: Some(error.error.clone()),
            ..unread(peer)
        });
        let mut response = noted(error.into_response(), &mut pending);
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        response
    }

    async fn routed(
        &self,
        mut request: Request<Body>,
        peer: Peer,
        client: IpAddr,
        is_https: bool,
        mut pending: Pending,
    ) -> Response {
        if let Some(answer) = self.challenge(&request) {
            return noted(answer, &mut pending);
        }
        if !names_one_host(&request) {
            let error = ApiError::bad_request("Host and :authority name two hosts");
            return noted(error.into_response(), &mut pending);
        }
        // Authorities ask without TLS, also those whose client is behind an alias.
        let is_challenge = request.uri().path().starts_with(HTTP_PREFIX);
        if let Some(port) = self.redirect_port.filter(|_| !is_https && !is_challenge) {
            let mut answer = redirect(&request, port);
            if !auth::presented(&http::HeaderMap::new(), request.uri().query()).is_empty() {
                // The way to HTTPS has the token of the URL in it.
                let policy = HeaderValue::from_static("no-referrer");
                answer.headers_mut().insert(header::REFERRER_POLICY, policy);
            }
            return noted(answer, &mut pending);
        }
        if request.method() == Method::CONNECT && !is_extended_connect(&request) {
            let error = ApiError::new(StatusCode::NOT_IMPLEMENTED, "There are no tunnels here");
            return noted(error.into_response(), &mut pending);
        }
        let found = match self.gate.lookup(&request) {
            Ok(found) => found,
            Err(error) => return noted(error.into_response(), &mut pending),
        };
        // Scripts have no tunnels, and a 200 of theirs would say that there is one.
        let leads_out = found.as_ref().is_some_and(|alias| alias.leads_out());
        if is_extended_connect(&request) && !leads_out {
            let error = ApiError::new(
                StatusCode::NOT_IMPLEMENTED,
                "Nobody speaks this protocol here",
            );
            return noted(error.into_response(), &mut pending);
        }
        if let Some(alias) = found {
            let visitor = Visitor {
                peer: peer.client.ip(),
                client,
                is_https,
            };
            return self.gate.pass(request, &alias, visitor, pending).await;
        }
        if !self
            .surfaces
            .contains(routes::first_segment(request.uri().path()))
        {
            let dispatcher = &self.gate.dispatcher;
            // HTTP/1.0 does without a host, and a script's URL does not.
            if host(&request).is_empty() && !request.headers().contains_key(header::HOST) {
                let nobody = HeaderValue::from_static("localhost");
                request.headers_mut().insert(header::HOST, nobody);
            }
            // Its future is large, and would make that of every passed request so.
            let answer = Box::pin(script(dispatcher, client, is_https, request)).await;
            return noted(answer, &mut pending);
        }
        let address = SocketAddr::new(client, peer.client.port());
        request.extensions_mut().insert(ConnectInfo(address));
        request.extensions_mut().insert(Scheme { is_https });
        let answered = Box::pin(self.router.clone().oneshot(request)).await;
        noted(
            answered.unwrap_or_else(|never| match never {}),
            &mut pending,
        )
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

/// How a request came, for those behind the router.
#[derive(Debug, Clone, Copy)]
struct Scheme {
    is_https: bool,
}

/// Whether a request came over TLS.
pub fn is_https(request: &Request<Body>) -> bool {
    let scheme = request.extensions().get::<Scheme>();
    scheme.is_some_and(|scheme| scheme.is_https)
}

/// Puts an answer of this server's own into the log.
pub(super) fn noted(response: Response, pending: &mut Pending) -> Response {
    pending.answered(response.status());
    let id = response.headers().get(EXECUTION_ID);
    if let Some(id) = id.and_then(|id| id.to_str().ok()) {
        pending.line.trace_id = id.to_owned();
    }
    let asked_by = response.extensions().get::<AskedBy>();
    pending.line.token = asked_by.map(|AskedBy(name)| name.clone());
    // What streams is counted by the log of scripts.
    let length = response.body().size_hint().exact();
    pending.line.bytes_out = length.unwrap_or_default();
    response
}

fn line(request: &Request<Body>, peer: &Peer, client: IpAddr) -> Line {
    let uri = request.uri();
    let url = match uri.query() {
        Some(query) => format!("{}?{}", uri.path(), auth::without_tokens(query)),
        None => uri.path().to_owned(),
    };
    Line {
        method: Some(request.method().clone()),
        host: host(request).to_owned(),
        url,
        client_ip: Some(client),
        ..unread(peer)
    }
}

/// What is known before a request is.
fn unread(peer: &Peer) -> Line {
    let tls = peer.tls.as_deref();
    Line {
        kind: Kind::Response,
        client_ip: Some(peer.client.ip()),
        tls: tls.map(|tls| tls.version),
        fingerprint: tls.map(|tls| tls.fingerprint.clone()),
        message: None,
        ..Line::event(Utc::now(), String::new())
    }
}

fn first_handshake(tls: &TlsInfo, peer: &Peer) -> Line {
    let bundle = &tls.served.info;
    let message = format!(
        "the first handshake with generation {} of {}, serial {}",
        bundle.generation, bundle.domain, bundle.serial
    );
    Line {
        host: bundle.domain.clone(),
        client_ip: Some(peer.client.ip()),
        tls: Some(tls.version),
        fingerprint: Some(tls.fingerprint.clone()),
        ..Line::event(Utc::now(), message)
    }
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
    let name = without_port(host(request));
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

/// A host without its port. An IPv6 address has colons of its own, inside of brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
