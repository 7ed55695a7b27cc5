//! One operation of the management API: where it answers, who may ask, what goes
//! in and out, and the function behind it. The router and the OpenAPI document
//! are both made from this, and the types in and out are those of the function,
//! so that what is served and what is described are one thing.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::access::Entry;
use super::dispatch::DRY_RUN;
use super::error::ApiError;
use super::extract::{self, Place};
use super::inside::InsideName;
use super::lasting::while_valid;
use super::reply::{Described, Reply, describe, shape_schema, unless_unchanged};
use super::scope::Scope;
use super::{Api, EXEC_READ, LOGS, PROXY_ALIAS, PROXY_CERT};
use crate::auth::{self, TokenInfo};
use crate::exec::Exec;
use crate::exec::edit::{self, Condition};
use crate::exec::history::Author;

/// The envelopes of answers and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Bare objects; operations choose a deployment.
    Exec,
    /// Bare objects; errors are `{ code, message, details }`.
    Cron,
    /// `{ statusCode, message, data }`.
    ControlPlane,
    /// Bare objects, for everybody.
    Open,
}

/// One operation.
#[derive(Clone)]
pub struct Endpoint {
    pub method: Method,
    /// With parameters as `{id}`.
    pub path: &'static str,
    pub terms: Terms,
    pub summary: &'static str,
    pub query: Value,
    pub body: Option<Value>,
    pub answer: Described,
    pub components: Vec<(String, Value)>,
    call: Arc<Function>,
}

type Function = dyn Fn(Incoming, Option<TokenInfo>) -> BoxFuture<'static, Result<Response, ApiError>>
    + Send
    + Sync;

/// What holds for an operation besides its own fields.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub surface: Surface,
    /// What a token must be allowed; none for everybody.
    pub permission: Option<&'static str>,
    pub has_body: bool,
    /// It changes something, and so knows `dry_run`.
    pub mutates: bool,
}

/// A request with the values of its path's parameters.
pub struct Incoming {
    pub api: Api,
    pub client: SocketAddr,
    pub parameters: Vec<(String, String)>,
    pub request: Request,
}

/// What an operation is asked.
pub struct Call<Q, B = Nothing> {
    pub api: Api,
    pub query: Q,
    pub body: B,
    pub scope: Scope,
    pub parameters: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub client: SocketAddr,
    /// None where everybody may ask.
    pub token: Option<TokenInfo>,
}

/// No fields at all.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Nothing {}

impl Endpoint {
    pub fn new<Q, B, R, F, W>(
        surface: Surface,
        method: Method,
        path: &'static str,
        permission: Option<&'static str>,
        function: F,
    ) -> Self
    where
        Q: DeserializeOwned + ToSchema + Send + 'static,
        B: DeserializeOwned + ToSchema + Send + 'static,
        R: Reply,
        F: Fn(Call<Q, B>) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = Result<R, ApiError>> + Send + 'static,
    {
        let mut components = Vec::new();
        let answer = R::described(&mut components);
        describe::<Q>(&mut components, StatusCode::OK);
        let body = describe::<B>(&mut components, StatusCode::OK);
        let terms = Terms {
            surface,
            permission,
            has_body: [Method::POST, Method::PUT, Method::PATCH].contains(&method),
            mutates: method != Method::GET && ![Some(EXEC_READ), Some(LOGS)].contains(&permission),
        };
        Self {
            method,
            path,
            terms,
            summary: "",
            query: extract::schema::<Q>(),
            body: terms.has_body.then_some(body.schema),
            answer,
            components,
            call: Arc::new(move |incoming, token| {
                let function = function.clone();
                Box::pin(async move {
                    let call = read::<Q, B>(incoming, token, terms).await?;
                    let dry_run = call.scope.dry_run;
                    let mut response = function(call).await?.into_reply();
                    if dry_run {
                        let yes = HeaderValue::from_static("true");
                        response.headers_mut().insert(DRY_RUN, yes);
                    }
                    Ok(response)
                })
            }),
        }
    }

    #[must_use]
    pub fn about(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Answers with a content type other than JSON.
    #[must_use]
    pub fn media(mut self, content_type: &'static str) -> Self {
        self.answer.content_type = content_type;
        self
    }

    /// Answers with an object of this shape, which the document cannot read off a
    /// type of ours: `{ "count": "integer", "logs": [{ "name": "string" }] }`.
    #[must_use]
    pub fn shape(mut self, shape: &Value) -> Self {
        self.answer.schema = shape_schema(shape);
        self
    }

    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.answer.status = status;
        self
    }

    /// Answers a request, whatever happens.
    pub async fn answer(&self, incoming: Incoming, entry: &mut Entry) -> Response {
        let headers = incoming.request.headers();
        let token_in_url = auth::presented(headers, incoming.request.uri().query())
            .iter()
            .any(|one| one.from_url);
        let presented = auth::presented(headers, incoming.request.uri().query());
        let (tokens, client) = (incoming.api.tokens.clone(), incoming.client.ip());
        let if_none_match = headers.get(header::IF_NONE_MATCH).cloned();
        let mut response = match self.called(incoming, entry).await {
            Ok(response) if self.method == Method::GET => unless_unchanged(response, if_none_match),
            Ok(response) => response,
            Err(error) => self.terms.surface.error(error, entry),
        };
        if self.terms.permission.is_some() {
            response = while_valid(response, tokens, presented, Some(client));
        }
        if token_in_url {
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(
                header::REFERRER_POLICY,
                HeaderValue::from_static("no-referrer"),
            );
        }
        response
    }

    /// Nobody without a token learns anything, and no body is read in vain.
    async fn called(&self, incoming: Incoming, entry: &mut Entry) -> Result<Response, ApiError> {
        let token = match self.terms.permission {
            Some(permission) => {
                let Incoming {
                    api,
                    request,
                    client,
                    ..
                } = &incoming;
                match InsideName::allowed(request, permission) {
                    Some(name) => Some(name),
                    None => Some(admit(api, request, *client, permission)?),
                }
            }
            None => None,
        };
        if let Some(token) = &token {
            entry.authenticated(&token.alias);
        }
        (self.call)(incoming, token).await
    }
}

impl Surface {
    pub fn error(self, error: ApiError, entry: &mut Entry) -> Response {
        entry.failed(&error);
        match self {
            Self::Exec | Self::Open => error.into_response(),
            Self::Cron => error.into_cron(),
            Self::ControlPlane => error.into_control_plane(),
        }
    }
}

async fn read<Q, B>(
    incoming: Incoming,
    token: Option<TokenInfo>,
    terms: Terms,
) -> Result<Call<Q, B>, ApiError>
where
    Q: DeserializeOwned + ToSchema,
    B: DeserializeOwned + ToSchema,
{
    let Incoming {
        api,
        client,
        parameters,
        request,
    } = incoming;
    let (head, body) = request.into_parts();
    if terms.surface == Surface::Cron && terms.has_body {
        extract::refuse_text(&head.headers)?;
    }
    let mut query = extract::query(head.uri.query())?;
    query.remove(auth::TOKEN_PARAMETER);
    let mut fields = match terms.has_body {
        true => {
            extract::json_body(
                &head.headers,
                body,
                api.body_bytes_max,
                api.body_read_timeout,
            )
            .await?
        }
        false => Map::new(),
    };
    let scope = Scope::take(
        &mut query,
        &mut fields,
        &head,
        &api.dispatcher.exec.live,
        terms,
    )?;
    in_bounds(token.as_ref(), &scope, terms)?;
    Ok(Call {
        query: extract::fields(query, Place::Query)?,
        body: extract::fields(fields, Place::Body)?,
        api,
        scope,
        parameters,
        headers: head.headers,
        client,
        token,
    })
}

/// The token that a request came with, if it may do this.
pub fn admit(
    api: &Api,
    request: &Request,
    client: SocketAddr,
    permission: &str,
) -> Result<TokenInfo, ApiError> {
    let presented = auth::presented(request.headers(), request.uri().query());
    let known = api
        .tokens
        .identify(&presented, Some(client.ip()), Utc::now())?;
    let allowed = known
        .into_iter()
        .find(|token| token.permissions.allow(permission));
    allowed.ok_or_else(|| ApiError::lacks(permission))
}

/// Whether the token counts for the deployment that the operation is about.
fn in_bounds(token: Option<&TokenInfo>, scope: &Scope, terms: Terms) -> Result<(), ApiError> {
    let Some(token) = token.filter(|token| !token.bounds.deployments.is_empty()) else {
        return Ok(());
    };
    // Aliases and certificates belong to no deployment, and a log has the lines of all.
    // What a token may do with other tokens is bounded by its own grant, and with cron
    // by its users.
    let of_all = [LOGS, PROXY_ALIAS, PROXY_CERT];
    if terms
        .permission
        .is_some_and(|permission| of_all.contains(&permission))
    {
        let error = "The token counts for some deployments only, and this concerns all";
        let details = json!({ "deployments": token.bounds.deployments });
        return Err(ApiError::new(StatusCode::FORBIDDEN, error).details(details));
    }
    let exec_id = scope.exec_id.as_str();
    if terms.surface == Surface::Exec && !token.bounds.allow_deployment(exec_id) {
        let error = format!("The token does not count for the deployment {exec_id}");
        return Err(
            ApiError::new(StatusCode::FORBIDDEN, error).details(json!({ "deployment": exec_id }))
        );
    }
    Ok(())
}

impl<Q, B> Call<Q, B> {
    pub fn exec(&self) -> &Arc<Exec> {
        &self.api.dispatcher.exec
    }

    /// The value of a parameter of the path.
    pub fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The caller's terms for a change.
    pub fn terms(&self, validate: bool, if_not_exists: bool) -> edit::Terms {
        let joined = |name| {
            let values = self
                .headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap_or("not ASCII"));
            let values: Vec<&str> = values.collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        edit::Terms {
            author: Author::person(self.token.as_ref().map(|token| token.alias.clone())),
            condition: Condition {
                if_match: joined(header::IF_MATCH),
                if_none_match: joined(header::IF_NONE_MATCH),
                if_not_exists,
            },
            dry_run: self.scope.dry_run,
            validate,
        }
    }
}
