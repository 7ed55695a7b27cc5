//! Who may call a script. A management token lets in where it has `exec:run`, a
//! script's own `@token` at that script. It must not decide what happens next.

use axum::body::Body;
use chrono::Utc;
use http::{HeaderMap, HeaderValue, Request, header};

use super::incoming::without_token;
use super::{Dispatcher, Origin};
use crate::api::error::ApiError;
use crate::auth::{self, Denied, Presented, SECRET_PREFIX, TOKEN_HEADER, TokenInfo};
use crate::exec::live::Deployment;
use crate::exec::routes::mount::{MountKind, sibling_scripts};
use crate::exec::script::Script;
use crate::model::directives::Access;
use crate::model::exec_id::ExecId;

/// Permission to call scripts that not everybody may call.
const EXEC_RUN: &str = "exec:run";

/// What a request brought along to be let in.
pub struct Credentials {
    presented: Vec<Presented>,
    /// Valid management tokens among them.
    pub known: Vec<TokenInfo>,
}

impl Credentials {
    /// Of the server itself.
    pub fn none() -> Self {
        Self {
            presented: Vec::new(),
            known: Vec::new(),
        }
    }

    /// What was presented, if there is a management token among it: a stream must
    /// not outlive that.
    pub fn of_ours(self) -> Option<Vec<Presented>> {
        (!self.known.is_empty()).then_some(self.presented)
    }

    /// An answer to a URL with a token must not tell others that URL.
    pub fn in_url(headers: &HeaderMap, query: Option<&str>) -> bool {
        query.is_some()
            && auth::presented(headers, query)
                .iter()
                .any(|one| one.from_url)
    }
}

impl Dispatcher {
    /// Reads the credentials of a request. A secret of ours that is not valid is
    /// refused even where everybody may call: whoever rotates a token must see
    /// that the old URL is dead. Other texts may be a script's own business.
    pub(super) fn credentials(
        &self,
        request: &Request<Body>,
        origin: &Origin,
    ) -> Result<Credentials, ApiError> {
        let (client, now) = (origin.client_ip, Utc::now());
        let presented = auth::presented(request.headers(), request.uri().query());
        let known = self.tokens.recognise(&presented, client, now);
        let is_ours = |one: &Presented| one.token.starts_with(SECRET_PREFIX);
        if known.is_empty() && presented.iter().any(is_ours) {
            self.tokens.identify(&presented, client, now)?;
        }
        Ok(Credentials { presented, known })
    }

    /// Lets a request through to a script, or not. A Markdown file is behind the
    /// tokens of the scripts beside it.
    pub(super) fn admit(
        &self,
        deployment: &Deployment,
        exec_id: &ExecId,
        script: &Script,
        kind: MountKind,
        credentials: &Credentials,
        origin: &Origin,
    ) -> Result<(), ApiError> {
        let may_run = credentials.known.iter().any(|token| {
            token.permissions.allow(EXEC_RUN) && token.bounds.allow_deployment(exec_id.as_str())
        });
        // A neighbour was let in where the first call arrived.
        if may_run
            || origin.is_own
            || origin.depth > 0 && script.directives.access == Access::Everybody
        {
            return Ok(());
        }
        if kind == MountKind::Script {
            return self.guard(script, credentials, origin);
        }
        if self.token_required {
            self.guard(script, credentials, origin)?;
        }
        let siblings = sibling_scripts(script.path.relative());
        siblings
            .iter()
            .flatten()
            .filter_map(|path| deployment.scripts.get(path))
            .try_for_each(|one| self.guard(one, credentials, origin))
    }

    fn guard(
        &self,
        script: &Script,
        credentials: &Credentials,
        origin: &Origin,
    ) -> Result<(), ApiError> {
        let accepted: Vec<String> = match &script.directives.access {
            Access::Everybody if !self.token_required => return Ok(()),
            Access::Everybody => Vec::new(),
            Access::Token(tokens) => tokens
                .iter()
                .map(|token| token.expose().to_owned())
                .collect(),
        };
        let (client, now) = (origin.client_ip, Utc::now());
        let presented = &credentials.presented;
        if presented.is_empty() {
            return Err(ApiError::unauthorized());
        }
        self.tokens.may_try(client, now)?;
        if presented
            .iter()
            .any(|one| auth::matches_any(&accepted, &one.token))
        {
            return Ok(());
        }
        if credentials.known.is_empty() {
            self.tokens.guessed(client, now);
            return Err(ApiError::unauthorized());
        }
        Err(ApiError::lacks(EXEC_RUN))
    }
}

/// The request as a script may see it: without what let it in, and without any
/// management token, whose authority no script inherits.
pub fn stripped(
    mut request: Request<Body>,
    script: &Script,
    credentials: &Credentials,
) -> Request<Body> {
    let is_known = !credentials.known.is_empty();
    if is_known {
        let headers = request.headers_mut();
        headers.remove(header::AUTHORIZATION);
        headers.remove(TOKEN_HEADER);
    }
    match is_known || script.directives.access != Access::Everybody {
        true => without_token(request),
        false => request,
    }
}

pub fn no_referrer(headers: &mut HeaderMap) {
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing | Denied::Unknown => Self::unauthorized(),
            Denied::Guessing {
                retry_after_seconds,
            } => Self {
                retry_after_seconds: Some(retry_after_seconds),
                ..Self::new(
                    http::StatusCode::TOO_MANY_REQUESTS,
                    "Too many failed attempts from this address",
                )
                .code("TOO_MANY_ATTEMPTS")
            },
        }
    }
}
