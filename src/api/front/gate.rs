//! A request to an alias: whether it may pass, and to whom it goes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use uuid::Uuid;

use super::super::access::host;
use super::super::dispatch::{Dispatcher, Origin};
use super::super::error::ApiError;
use super::super::lasting::while_so;
use super::secrets::{self, Papers};
use super::{Peer, noted};
use crate::auth::{self, Tokens};
use crate::proxy::alias::{Alias, Target};
use crate::proxy::aliases::Aliases;
use crate::proxy::forward::{Destination, Forwarder, Sender, StillOpen};
use crate::proxy::log::{AccessLog, Pending};
use crate::proxy::permission::{Admission, TokenPlace};
use crate::sandbox::services::Making;

/// Clones share everything.
#[derive(Clone)]
pub struct Gate {
    pub aliases: Aliases,
    pub forwarder: Forwarder,
    pub log: AccessLog,
    pub dispatcher: Arc<Dispatcher>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Visitor {
    pub peer: IpAddr,
    pub client: IpAddr,
    pub is_https: bool,
}

impl Gate {
    /// Whether a trusted proxy says that its client came over TLS.
    pub fn is_told_https(&self, request: &Request<Body>, peer: &Peer) -> bool {
        let proto = request.headers().get("x-forwarded-proto");
        proto.is_some_and(|proto| proto == "https") && self.forwarder.is_trusted(peer.client.ip())
    }

    /// Answers a request to an alias.
    pub async fn pass(
        &self,
        request: Request<Body>,
        alias: &Alias,
        visitor: Visitor,
        mut pending: Pending,
    ) -> Response {
        pending.line.alias = Some(alias.id.clone());
        let above = self.aliases.documents().above(alias);
        let papers = Papers {
            above: &above,
            alias,
        };
        let tokens = &self.dispatcher.tokens;
        let (query, had_secret) = public_query(request.uri().query(), papers, tokens);
        let shown = query.as_deref().map(auth::without_tokens);
        pending.line.url = with_query(request.uri().path(), shown.as_deref());
        let mut response = match self.admitted(&request, papers, visitor, &mut pending) {
            Err(refused) => {
                pending.line.message = Some("refused".to_owned());
                noted(refused, &mut pending)
            }
            Ok(path) => {
                let aliases = &self.aliases;
                let still_open = secrets::still_open(aliases, &request, papers, visitor.client);
                let request = without_secret_headers(request, papers);
                let path_and_query = with_query(&path, query.as_deref());
                pending.line.upstream = Some(alias.target_name());
                let to = (&alias.target, still_open.clone());
                let sending = self.send(request, to, path_and_query, visitor, pending);
                while_so(sending.await, move || still_open())
            }
        };
        if had_secret {
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            let policy = HeaderValue::from_static("no-referrer");
            headers.insert(header::REFERRER_POLICY, policy);
        }
        response
    }

    /// The path at the target, if the request may pass. Who guesses has to wait, here
    /// as anywhere.
    fn admitted(
        &self,
        request: &Request<Body>,
        papers: Papers<'_>,
        visitor: Visitor,
        pending: &mut Pending,
    ) -> Result<String, Response> {
        let (tokens, client) = (&self.dispatcher.tokens, Some(visitor.client));
        let presents_any = secrets::presents_any(request, papers.secrets());
        if presents_any {
            let may_try = tokens.may_try(client, Utc::now());
            may_try.map_err(|denied| ApiError::from(denied).into_response())?;
        }
        let admitted = admit(request, papers, visitor, pending);
        let is_refused = |response: &Response| response.status() == StatusCode::UNAUTHORIZED;
        if presents_any && admitted.as_ref().is_err_and(is_refused) {
            tokens.guessed(client, Utc::now());
        }
        admitted
    }

    async fn send(
        &self,
        request: Request<Body>,
        (target, still_open): (&Target, StillOpen),
        path_and_query: String,
        visitor: Visitor,
        mut pending: Pending,
    ) -> Response {
        match target {
            Target::Scripts { exec_id } => {
                let origin = Origin {
                    client_ip: Some(visitor.client),
                    https: visitor.is_https,
                    depth: 0,
                    exec_id: Some(exec_id.clone()),
                    execution_id: Uuid::new_v4().to_string(),
                    dry_run: None,
                    is_own: false,
                    making: Making::default(),
                    scheduled: None,
                };
                let request = with_target(request, &path_and_query);
                // Its future is large, and would make that of every passed request so.
                let response = Box::pin(self.dispatcher.dispatch(request, origin)).await;
                noted(response, &mut pending)
            }
            Target::Upstream { url, preserve_host } => {
                let to = Destination {
                    url: url.clone(),
                    preserve_host: *preserve_host,
                    path_and_query,
                    still_open,
                };
                let request = secrets::without_ours(request, &self.dispatcher.tokens);
                self.forward(request, &to, visitor, pending).await
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Body>,
        to: &Destination,
        visitor: Visitor,
        pending: Pending,
    ) -> Response {
        let host = host(&request).to_owned();
        let sender = Sender {
            peer: visitor.peer,
            client: visitor.client,
            is_trusted: self.forwarder.is_trusted(visitor.peer),
            is_tls: visitor.is_https,
            host: &host,
        };
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        match self.forwarder.forward(request, to, &sender, pending).await {
            Ok(response) => response.map(Body::new),
            Err((error, mut pending)) => {
                tracing::warn!(upstream = to.url, %error, "a request was not passed on");
                pending.line.message = Some(error.to_string());
                noted(ApiError::from(error).into_response(), &mut pending)
            }
        }
    }
}

/// The path at the target, if the request may pass.
fn admit(
    request: &Request<Body>,
    papers: Papers<'_>,
    visitor: Visitor,
    pending: &mut Pending,
) -> Result<String, Response> {
    let refuse = |error: ApiError| Err(error.into_response());
    let (alias, now) = (papers.alias, Utc::now());
    if !alias.is_on(now) {
        return refuse(ApiError::not_found("There is nothing here").code("ALIAS_OFF"));
    }
    let (uri, headers) = (request.uri(), request.headers());
    for permissions in papers.all() {
        match permissions.admit(headers, uri.query(), visitor.client, alias.program(), now) {
            Admission::Admitted { group } => {
                pending.line.group = group.or(pending.line.group.take())
            }
            Admission::Unknown { basic } => return Err(unknown(basic)),
            Admission::Forbidden => {
                return refuse(ApiError::new(StatusCode::FORBIDDEN, "This is not for you"));
            }
        }
    }
    // An upstream that resolves `..` would leave what the alias is for.
    if climbs(uri.path()) {
        return refuse(ApiError::bad_request("The path climbs with `..`"));
    }
    match alias.path_at_target(uri.path()) {
        Some(path) => Ok(path),
        None => {
            let error = ApiError::not_found("This alias has one path only");
            refuse(error.code("ALIAS_PATH_PINNED"))
        }
    }
}

/// Somebody who shows nothing that a group knows; `basic`: a password would do.
fn unknown(basic: bool) -> Response {
    let mut response = ApiError::unauthorized().into_response();
    if basic {
        let challenge = HeaderValue::from_static("Basic realm=\"footpath\"");
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn climbs(path: &str) -> bool {
    let is_dots = |part: &str| {
        let plain = percent_encoding::percent_decode_str(part).decode_utf8_lossy();
        plain.split(['/', '\\']).any(|part| part == "..")
    };
    path.split('/').any(is_dots)
}

/// The query without the secrets of groups, and whether there were any.
fn public_query(
    query: Option<&str>,
    papers: Papers<'_>,
    tokens: &Tokens,
) -> (Option<String>, bool) {
    let Some(query) = query else {
        return (None, false);
    };
    let is_secret = |pair: &&str| {
        let mut parsed = url::form_urlencoded::parse(pair.as_bytes());
        let name = parsed.next().map(|(name, _)| name);
        let mut secrets = papers.secrets();
        name.is_some_and(|name| {
            secrets.any(|(place, secret)| place == TokenPlace::Param && secret == name)
        })
    };
    // Scripts are behind the dispatcher, which takes a management token out itself.
    let leads_out = papers.alias.leads_out();
    let is_hidden = |pair: &&str| is_secret(pair) || leads_out && secrets::is_ours(pair, tokens);
    let (secret, public): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_hidden);
    let left = match public.is_empty() {
        true => None,
        false => Some(public.join("&")),
    };
    (left, !secret.is_empty())
}

/// What a group's members show us is not for whoever is behind us.
fn without_secret_headers(mut request: Request<Body>, papers: Papers<'_>) -> Request<Body> {
    for (place, name) in papers.secrets() {
        match place {
            TokenPlace::Header => {
                request.headers_mut().remove(name);
            }
            TokenPlace::Cookie => secrets::remove_cookie(request.headers_mut(), name),
            // Out of the URL by now.
            TokenPlace::Param => {}
        }
    }
    request
}

fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

fn with_target(mut request: Request<Body>, path_and_query: &str) -> Request<Body> {
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = path_and_query.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::climbs;

    #[test]
    fn paths_that_climb_are_seen_however_they_are_written() {
        for path in [
            "/..",
            "/a/../b",
            "/a/%2e%2E/b",
            "/a/..%2fb",
            "/a\\..\\b",
            "/%2e.",
        ] {
            assert!(climbs(path), "{path}");
        }
        for path in ["/", "/a..b/c", "/.../a", "/.well-known/x", "/a/./b"] {
            assert!(!climbs(path), "{path}");
        }
    }
}
