//! The request that is being answered and the ways to answer it: at once
//! (`respond`), as a stream (`startResponse`), or with an error that the host
//! turns into its own answer (`fail`).

use super::body::{InBody, OutBody};
use crate::{
    bindings::wasi::http::types::{
        ErrorCode, Fields, Method, OutgoingResponse, ResponseOutparam, Scheme,
    },
    call,
};
use rquickjs::{
    Array, Class, Ctx, Exception, IntoJs, Null, Object, Result, String as JsString,
    Value, prelude::Func,
};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("request", Func::from(request))?;
    native.set("requestBody", Func::from(request_body))?;
    native.set("respond", Func::from(respond))?;
    native.set("startResponse", Func::from(start_response))?;
    native.set("fail", Func::from(fail))?;
    native.set("finished", Func::from(finished))
}

/// `{ method, scheme, authority, url, headers: [name, value, …] }`.
fn request<'js>(ctx: Ctx<'js>) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    let headers = call::with(|call| -> Result<_> {
        let Some(request) = &call.request else {
            return Err(Exception::throw_message(&ctx, "no request is being answered"));
        };
        object.set("method", method_name(&request.method()))?;
        object.set("scheme", if matches!(request.scheme(), Some(Scheme::Https)) { "https" } else { "http" })?;
        object.set("authority", request.authority())?;
        object.set("url", request.path_with_query())?;
        Ok(request.headers())
    })?;
    object.set("headers", flat_headers(&ctx, &headers)?)?;
    Ok(object)
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
    if let Some(text) = body.as_string() {
        return respond_bytes(&ctx, status, headers, text.to_string()?.as_bytes());
    }
    match body.as_object().and_then(Object::as_typed_array::<u8>) {
        Some(bytes) => respond_bytes(&ctx, status, headers, bytes.as_bytes().unwrap_or_default()),
        None => respond_bytes(&ctx, status, headers, &[]),
    }
}

fn respond_bytes<'js>(ctx: &Ctx<'js>, status: u16, headers: Array<'js>, bytes: &[u8]) -> Result<()> {
    let mut list = header_list(headers)?;
    // RFC 9110 section 8.6: no length on 1xx, 204 and 304.
    if status >= 200 && status != 204 && status != 304 {
        list.push(("content-length".to_owned(), bytes.len().to_string().into_bytes()));
    }
    let body = open(ctx, status, &list)?;
    // A caller that went away is not the handler's failure.
    let _ = body.write_whole(bytes);
    Ok(())
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
    let out = call::with(|call| call.response_out.take())
        .ok_or_else(|| Exception::throw_message(ctx, "the request has been answered already"))?;
    ResponseOutparam::set(out, Ok(response));
    Ok(OutBody::new(body))
}

/// No answer from the handler: the host gets `detail` (JSON) and answers itself.
/// False when an answer has begun already.
fn fail(detail: String) -> bool {
    let Some(out) = call::with(|call| call.response_out.take()) else { return false };
    ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(detail))));
    true
}

fn finished() {
    call::with(|call| call.finished = true);
}

/// Header values are bytes; in JavaScript each byte is one character.
pub fn flat_headers<'js>(ctx: &Ctx<'js>, fields: &Fields) -> Result<Array<'js>> {
    let flat = Array::new(ctx.clone())?;
    for (index, (name, value)) in fields.entries().into_iter().enumerate() {
        flat.set(2 * index, name)?;
        let value: String = value.into_iter().map(char::from).collect();
        flat.set(2 * index + 1, JsString::from_str(ctx.clone(), &value)?)?;
    }
    Ok(flat)
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
