//! `native.fetch`: one outgoing request and its answer. The rules of fetch
//! (redirects, bodies, abort) are JavaScript's; where it may go is the host's.

use super::{
    body::{InBody, OutBody, wait},
    respond::{flat_headers, header_list},
};
use crate::call;
use crate::bindings::wasi::http::{
    outgoing_handler,
    types::{ErrorCode, Fields, FutureIncomingResponse, Method, OutgoingRequest, Scheme},
};
use rquickjs::{
    Array, Class, Ctx, Exception, IntoJs, JsLifetime, Null, Object, Promise, Result, Value,
    class::{Trace, Tracer},
    prelude::Func,
};

/// The host answers for this name itself, with the routes of the deployment.
const OWN_AUTHORITY: &str = "self.footpath.internal";

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("fetch", Func::from(fetch))
}

#[rquickjs::class]
pub struct Exchange {
    owner: u64,
    future: Option<FutureIncomingResponse>,
    body: Option<OutBody>,
}

// SAFETY: no field refers to a JavaScript value.
unsafe impl<'js> JsLifetime<'js> for Exchange {
    type Changed<'to> = Exchange;
}
impl<'js> Trace<'js> for Exchange {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

/// An absent authority means a route of our own deployment.
fn fetch<'js>(
    ctx: Ctx<'js>,
    method: String,
    scheme: String,
    authority: Option<String>,
    path: String,
    headers: Array<'js>,
    has_body: bool,
) -> Result<Exchange> {
    let fields = Fields::from_list(&header_list(headers)?)
        .map_err(|error| Exception::throw_type(&ctx, &format!("the request headers: {error:?}")))?;
    let request = OutgoingRequest::new(fields);
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let invalid = |what: &str| Exception::throw_type(&ctx, &format!("fetch: {what} is not valid"));
    request.set_method(&method_of(&method)).map_err(|()| invalid("the method"))?;
    request.set_scheme(Some(&scheme)).map_err(|()| invalid("the scheme"))?;
    let authority = authority.as_deref().unwrap_or(OWN_AUTHORITY);
    request.set_authority(Some(authority)).map_err(|()| invalid("the host"))?;
    request.set_path_with_query(Some(&path)).map_err(|()| invalid("the path"))?;
    let body = request.body().map_err(|()| invalid("the body"))?;
    let future = outgoing_handler::handle(request, None).map_err(|error| throw(&ctx, &error))?;
    let mut body = OutBody::new(body);
    if !has_body {
        body.finish();
    }
    Ok(Exchange { owner: call::new_owner(), future: Some(future), body: has_body.then_some(body) })
}

#[rquickjs::methods]
impl Exchange {
    /// The request's body to write, once; null when there is none.
    #[qjs(rename = "takeBody")]
    pub fn take_body<'js>(&mut self, ctx: Ctx<'js>) -> Result<Value<'js>> {
        match self.body.take() {
            Some(body) => Class::instance(ctx, body).map(Class::into_value),
            None => Null.into_js(&ctx),
        }
    }

    /// Resolves when `result` has an answer or an error.
    pub fn wait<'js>(&self, ctx: Ctx<'js>) -> Result<Promise<'js>> {
        wait(&ctx, self.owner, self.future.as_ref().map(FutureIncomingResponse::subscribe))
    }

    /// `{ status, headers, body }`, or null when it is not there yet.
    pub fn result<'js>(&mut self, ctx: Ctx<'js>) -> Result<Value<'js>> {
        let Some(answer) = self.future.as_ref().and_then(FutureIncomingResponse::get) else {
            return Null.into_js(&ctx);
        };
        // The outer error says that the answer was taken before; it is taken once.
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(throw(&ctx, &error)),
            Err(()) => return Null.into_js(&ctx),
        };
        let object = Object::new(ctx.clone())?;
        object.set("status", response.status())?;
        object.set("headers", flat_headers(&ctx, &response.headers())?)?;
        let body = response
            .consume()
            .map_err(|()| Exception::throw_message(&ctx, "the answer has no body"))?;
        object.set("body", Class::instance(ctx, InBody::new(body))?)?;
        Ok(object.into_value())
    }

    /// Drops the request; the host closes the connection.
    pub fn abort(&mut self) {
        call::forget_waiting(self.owner);
        self.future = None;
        self.body = None;
    }
}

/// The message is what the host says, else the name of the wasi:http error code.
fn throw(ctx: &Ctx<'_>, error: &ErrorCode) -> rquickjs::Error {
    let message = match error {
        ErrorCode::InternalError(Some(detail)) => detail.clone(),
        other => format!("{other:?}"),
    };
    Exception::throw_message(ctx, &message)
}

fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}
