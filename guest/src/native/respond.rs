//! The request that is being answered and the ways to answer it: at once
//! (`respond`), as a stream (`startResponse`), or with an error that the host
//! turns into its own answer (`fail`).

use super::{
    body::{InBody, OutBody},
    text::Text,
};
use crate::{
    bindings::{
        footpath::host::answer,
        wasi::http::types::{
            ErrorCode, Fields, IncomingRequest, Method, OutgoingResponse, ResponseOutparam, Scheme,
        },
    },
    call, load, runtime,
};
use rquickjs::{
    Array, Class, Ctx, Exception, FromJs, IntoJs, Null, Object, Result, String as JsString,
    TypedArray, Value, prelude::Func,
};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("method", Func::from(method))?;
    native.set("target", Func::from(target))?;
    native.set("origin", Func::from(origin))?;
    native.set("headers", Func::from(headers))?;
    native.set("header", Func::from(header))?;
    native.set("readRequestBody", Func::from(read_request_body))?;
    native.set("requestBody", Func::from(request_body))?;
    native.set("respond", Func::from(respond))?;
    native.set("startResponse", Func::from(start_response))?;
    native.set("hold", Func::from(hold))?;
    native.set("fail", Func::from(fail))?;
    native.set("finished", Func::from(finished))
}

/// Without a request, top-level code is being published: stopping there, as any
/// call of the host does, makes it run with each request instead.
fn incoming<R>(f: impl FnOnce(&IncomingRequest) -> R) -> R {
    call::with(|call| call.request.as_ref().map(f)).unwrap_or_else(|| std::process::abort())
}

/// Whether the method says that there is no body to read.
pub fn has_no_body() -> bool {
    incoming(|request| matches!(request.method(), Method::Get | Method::Head))
}

fn method() -> String {
    incoming(|request| method_name(&request.method()))
}

/// Path and query.
fn target() -> String {
    incoming(IncomingRequest::path_with_query).unwrap_or_else(|| "/".to_owned())
}

/// `http` or `https`, and the authority or null.
fn origin() -> Vec<Option<String>> {
    incoming(|request| {
        let scheme = if matches!(request.scheme(), Some(Scheme::Https)) { "https" } else { "http" };
        vec![Some(scheme.to_owned()), request.authority()]
    })
}

/// `[name, value, …]`, names in lower case.
fn headers(ctx: Ctx<'_>) -> Result<Array<'_>> {
    flat_headers(&ctx, &incoming(IncomingRequest::headers))
}

/// The first value of a header, or null.
fn header(ctx: Ctx<'_>, name: String) -> Result<Value<'_>> {
    let values = incoming(|request| request.headers().get(&name));
    match values.into_iter().next() {
        Some(value) => latin1(&ctx, &value).map(JsString::into_value),
        None => Null.into_js(&ctx),
    }
}

/// The whole body, blocking the instance until it is there; null when it was
/// taken before.
fn read_request_body<'js>(ctx: Ctx<'js>) -> Result<Value<'js>> {
    match incoming(|request| request.consume().ok()) {
        Some(body) => TypedArray::new(ctx.clone(), InBody::new(body).read_whole(&ctx)?).map(TypedArray::into_value),
        None => Null.into_js(&ctx),
    }
}

/// The body can be taken once; null afterwards.
fn request_body<'js>(ctx: Ctx<'js>) -> Result<Value<'js>> {
    let body = call::with(|call| call.request.as_ref().and_then(|request| request.consume().ok()));
    match body {
        Some(body) => Class::instance(ctx, InBody::new(body)).map(Class::into_value),
        None => Null.into_js(&ctx),
    }
}

/// Answers completely. The body is text (sent as UTF-8), bytes or null; its
/// length is announced.
fn respond<'js>(ctx: Ctx<'js>, status: u16, headers: Array<'js>, body: Value<'js>) -> Result<()> {
    let headers = header_list(headers)?;
    if body.is_string() {
        return respond_bytes(&ctx, status, headers, Text::from_js(&ctx, body)?.0.as_bytes());
    }
    match body.as_object().and_then(Object::as_typed_array::<u8>) {
        Some(bytes) => respond_bytes(&ctx, status, headers, bytes.as_bytes().unwrap_or_default()),
        None => respond_bytes(&ctx, status, headers, &[]),
    }
}

/// Answers with JSON text, and that is all there is to the call.
pub fn json<'js>(ctx: &Ctx<'js>, text: &JsString<'js>) -> Result<()> {
    let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    respond_bytes(ctx, 200, headers, Text::from_js(ctx, text.clone().into_value())?.0.as_bytes())?;
    finished();
    Ok(())
}

fn respond_bytes(ctx: &Ctx<'_>, status: u16, mut list: Vec<(String, Vec<u8>)>, bytes: &[u8]) -> Result<()> {
    if load::portable() {
        // RFC 9110 section 8.6: no length on 1xx, 204 and 304.
        if status >= 200 && status != 204 && status != 304 {
            list.push(("content-length".to_owned(), bytes.len().to_string().into_bytes()));
        }
        let body = open(ctx, status, &list)?;
        // A caller that went away is not the handler's failure.
        let _ = body.write_whole(bytes);
        return Ok(());
    }
    answer::respond(take_outparam(ctx)?, status, &list, bytes).map_err(|refused| {
        call::with(|call| call.response_out = Some(refused.outparam));
        Exception::throw_type(ctx, &refused.why)
    })
}

fn take_outparam(ctx: &Ctx<'_>) -> Result<ResponseOutparam> {
    call::with(|call| call.response_out.take())
        .ok_or_else(|| Exception::throw_message(ctx, "the request has been answered already"))
}

/// Sends status and headers; the body follows through the `OutBody`.
fn start_response<'js>(ctx: Ctx<'js>, status: u16, headers: Array<'js>) -> Result<Class<'js, OutBody>> {
    let body = open(&ctx, status, &header_list(headers)?)?;
    Class::instance(ctx, body)
}

fn open(ctx: &Ctx<'_>, status: u16, headers: &[(String, Vec<u8>)]) -> Result<OutBody> {
    let fields = Fields::from_list(headers)
        .map_err(|error| Exception::throw_type(ctx, &format!("the response headers: {error:?}")))?;
    let response = OutgoingResponse::new(fields);
    response
        .set_status_code(status)
        .map_err(|()| Exception::throw_range(ctx, &format!("{status} is not a status code")))?;
    let body = response
        .body()
        .map_err(|()| Exception::throw_message(ctx, "the response has a body already"))?;
    ResponseOutparam::set(take_outparam(ctx)?, Ok(response));
    Ok(OutBody::new(body))
}

/// No answer from the handler: the host gets `detail` (JSON) and answers itself.
/// False when an answer has begun already.
fn fail(detail: Text) -> bool {
    let Some(out) = call::with(|call| call.response_out.take()) else { return false };
    ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(detail.0))));
    true
}

/// Whether an answer must wait for jobs that are pending or rejections that nobody
/// has taken up yet; the driver then calls `release`.
fn hold(ctx: Ctx<'_>) -> bool {
    let unsettled = runtime::has_pending_jobs(&ctx) || call::with(|call| !call.rejections.is_empty());
    call::with(|call| call.held = unsettled);
    unsettled
}

fn finished() {
    call::with(|call| call.finished = true);
}

/// Header values are bytes; in JavaScript each byte is one character.
pub fn flat_headers<'js>(ctx: &Ctx<'js>, fields: &Fields) -> Result<Array<'js>> {
    let flat = Array::new(ctx.clone())?;
    for (index, (name, value)) in fields.entries().into_iter().enumerate() {
        flat.set(2 * index, name)?;
        flat.set(2 * index + 1, latin1(ctx, &value)?)?;
    }
    Ok(flat)
}

pub fn latin1<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<JsString<'js>> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => JsString::from_str(ctx.clone(), text),
        _ => {
            let text: String = bytes.iter().copied().map(char::from).collect();
            JsString::from_str(ctx.clone(), &text)
        }
    }
}

/// The inverse of `flat_headers`; JavaScript has checked the characters.
pub fn header_list(flat: Array<'_>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut list = Vec::with_capacity(flat.len() / 2 + 1);
    for index in 0..flat.len() / 2 {
        let (name, value): (String, String) = (flat.get(2 * index)?, flat.get(2 * index + 1)?);
        list.push((name, value.chars().map(|character| character as u8).collect()));
    }
    Ok(list)
}

pub fn method_name(method: &Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
    .to_owned()
}
