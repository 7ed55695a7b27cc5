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
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::error::ApiError;
use super::extract::{self, BODY_READ_TIMEOUT, Place};
use super::scope::Scope;
use super::{Api, EXEC_READ};
use crate::auth::{self, TokenInfo};
use crate::exec::Exec;
use crate::exec::edit::{self, Condition};
use crate::exec::history::{Author, Origin};
use crate::exec::precondition::{self, Precondition, PreconditionError};

/// The envelopes of answers and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Bare objects; operations choose a deployment.
    Exec,
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
    call: Arc<dyn Fn(Incoming) -> BoxFuture<'static, Result<Response, ApiError>> + Send + Sync>,
}

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

/// An answer as the document shows it.
#[derive(Debug, Clone)]
pub struct Described {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub schema: Value,
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

/// What an operation answers with.
pub trait Reply {
    fn described(components: &mut Vec<(String, Value)>) -> Described;
    fn into_reply(self) -> Response;
}

/// A JSON answer.
pub struct Answer<T> {
    pub status: StatusCode,
    pub body: T,
    /// In double quotes.
    pub etag: Option<String>,
}

impl<T> Answer<T> {
    pub fn ok(body: T) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            etag: None,
        }
    }

    #[must_use]
    pub fn with_etag(self, etag: Option<String>) -> Self {
        Self { etag, ..self }
    }
}

impl<T: Serialize + ToSchema> Reply for Answer<T> {
    fn described(components: &mut Vec<(String, Value)>) -> Described {
        describe::<T>(components, StatusCode::OK)
    }

    fn into_reply(self) -> Response {
        let mut response = (self.status, axum::Json(self.body)).into_response();
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// An answer that is no JSON of ours; [`Endpoint::media`] names its type.
impl Reply for Response {
    fn described(_: &mut Vec<(String, Value)>) -> Described {
        Described {
            status: StatusCode::OK,
            content_type: "application/json",
            schema: Value::default(),
        }
    }

    fn into_reply(self) -> Response {
        self
    }
}

/// A type as the document shows it; the types in it go to `components`.
pub fn describe<T: ToSchema>(
    components: &mut Vec<(String, Value)>,
    status: StatusCode,
) -> Described {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    let as_json = |schema| serde_json::to_value(schema).unwrap_or_default();
    components.extend(
        schemas
            .into_iter()
            .map(|(name, schema)| (name, as_json(schema))),
    );
    Described {
        status,
        content_type: "application/json",
        schema: extract::schema::<T>(),
    }
}

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
            mutates: method != Method::GET && permission != Some(EXEC_READ),
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
            call: Arc::new(move |incoming| {
                let function = function.clone();
                Box::pin(async move {
                    let call = read::<Q, B>(incoming, terms).await?;
                    Ok(function(call).await?.into_reply())
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

    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.answer.status = status;
        self
    }

    /// Answers a request, whatever happens.
    pub async fn answer(&self, incoming: Incoming) -> Response {
        let headers = incoming.request.headers();
        let token_in_url = auth::presented(headers, incoming.request.uri().query())
            .iter()
            .any(|one| one.from_url);
        let if_none_match = headers.get(header::IF_NONE_MATCH).cloned();
        let mut response = match (self.call)(incoming).await {
            Ok(response) if self.method == Method::GET => unless_unchanged(response, if_none_match),
            Ok(response) => response,
            Err(error) => self.terms.surface.error(error),
        };
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
}

impl Surface {
    pub fn error(self, error: ApiError) -> Response {
        match self {
            Self::Exec | Self::Open => error.into_response(),
            Self::ControlPlane => error.into_control_plane(),
        }
    }
}

/// Everything is read in this order, so that nobody without a token learns
/// anything and no body is read in vain.
async fn read<Q, B>(incoming: Incoming, terms: Terms) -> Result<Call<Q, B>, ApiError>
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
    let token = match terms.permission {
        Some(permission) => Some(admit(&api, &head, permission)?),
        None => None,
    };
    let mut query = extract::query(head.uri.query())?;
    query.remove(auth::TOKEN_PARAMETER);
    let mut fields = match terms.has_body {
        true => {
            extract::json_body(&head.headers, body, api.body_bytes_max, BODY_READ_TIMEOUT).await?
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
pub fn admit(api: &Api, head: &Parts, permission: &str) -> Result<TokenInfo, ApiError> {
    let now = Utc::now();
    let presented = auth::presented(&head.headers, head.uri.query());
    let mut valid = presented
        .iter()
        .filter_map(|one| api.tokens.authenticate(&one.token, now))
        .peekable();
    if valid.peek().is_none() {
        return Err(ApiError::unauthorized());
    }
    let allowed = valid.find(|token| token.permissions.allow(permission));
    allowed.ok_or_else(|| {
        let error = ApiError::new(
            StatusCode::FORBIDDEN,
            format!("The token lacks the permission {permission}"),
        );
        error.details(json!({ "permission": permission }))
    })
}

/// 304 for whoever has this very answer already (RFC 9110, section 13.1.2).
fn unless_unchanged(response: Response, if_none_match: Option<HeaderValue>) -> Response {
    let etag = response.headers().get(header::ETAG).cloned();
    let (Some(etag), Some(known)) = (etag, if_none_match) else {
        return response;
    };
    let hash = etag.to_str().unwrap_or_default().trim_matches('"');
    let precondition = Precondition {
        if_none_match: known.to_str().ok(),
        ..Precondition::default()
    };
    if precondition::check(precondition, Some(hash)) != Err(PreconditionError::Unchanged) {
        return response;
    }
    let mut unchanged = StatusCode::NOT_MODIFIED.into_response();
    unchanged.headers_mut().insert(header::ETAG, etag);
    unchanged
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
            author: Author {
                origin: Origin::Person,
                token: self.token.as_ref().map(|token| token.alias.clone()),
            },
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
