//! `footpath:host/answer`: a whole response in one call. What `wasi:http` would
//! refuse is refused here too.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full};
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::types::HostResponseOutparam;
use wasmtime_wasi_http::{FieldMap, FieldMapError, WasiHttpHooks};

use super::{State, bindings::footpath::host::answer};
use crate::sandbox::limits::FIELDS_BYTES_MAX;

impl answer::Host for State {
    fn respond(
        &mut self,
        outparam: Resource<HostResponseOutparam>,
        status: u16,
        headers: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
    ) -> wasmtime::Result<Result<(), answer::Refused>> {
        let (status, fields) = match head(status, headers, body.len(), &mut self.outgoing) {
            Ok(head) => head,
            Err(NoHead::Malformed(why)) => return Ok(Err(answer::Refused { outparam, why })),
            Err(NoHead::TooLarge(error)) => return Err(wasmtime::Error::new(error)),
        };
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
        let mut response = http::Response::new(body.boxed_unsync());
        *response.status_mut() = status;
        *response.headers_mut() = fields.into();
        (self.table.delete(outparam)?.send)(Ok(response));
        Ok(Ok(()))
    }
}

enum NoHead {
    Malformed(String),
    /// Ends the call, as it does in `wasi:http`.
    TooLarge(FieldMapError),
}

impl From<FieldMapError> for NoHead {
    fn from(error: FieldMapError) -> Self {
        match error {
            FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig => Self::TooLarge(error),
            FieldMapError::Immutable
            | FieldMapError::InvalidHeaderName
            | FieldMapError::InvalidHeaderValue
            | FieldMapError::Forbidden => Self::Malformed(format!("the response headers: {error}")),
        }
    }
}

fn head(
    code: u16,
    headers: Vec<(String, Vec<u8>)>,
    body_bytes: usize,
    hooks: &mut dyn WasiHttpHooks,
) -> Result<(StatusCode, FieldMap), NoHead> {
    let status = StatusCode::from_u16(code).ok();
    let status = status
        .filter(|_| (200..=599).contains(&code))
        .ok_or_else(|| NoHead::Malformed(format!("{code} is not a status that ends a request")))?;
    let mut fields = FieldMap::new_mutable(FIELDS_BYTES_MAX);
    for (name, value) in headers {
        fields.append(hooks, name, value)?;
    }
    // RFC 9110 section 8.6.
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        fields.append_raw(header::CONTENT_LENGTH, HeaderValue::from(body_bytes))?;
    }
    Ok((status, fields))
}
