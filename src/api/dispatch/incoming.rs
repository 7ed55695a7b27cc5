//! What is read off a request before a script sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::api::access::text;
use crate::api::error::ApiError;
use crate::auth;
use crate::exec::cors::Preflight;
use crate::exec::routes::parameters::Parameter as RouteParameter;
use crate::sandbox::failure::{Failure, Limit};
use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::dry_run::DryRun;
use crate::sandbox::services::{Parameter, WasiError};

pub type LimitedRequest = Request<http_body_util::combinators::UnsyncBoxBody<Bytes, WasiError>>;

/// Gets what goes by of a body.
pub type Tap = Box<dyn Fn(&Bytes) + Send>;

/// A body over the limit fails to read, and the flag says why.
pub fn limit_body(
    request: Request<Body>,
    bytes_max: u64,
    taps: Vec<Tap>,
) -> Result<(LimitedRequest, Arc<AtomicBool>), ApiError> {
    let announced = request.body().size_hint().lower();
    if announced > bytes_max {
        return Err(too_large(announced, bytes_max));
    }
    let over = Arc::new(AtomicBool::new(false));
    let flag = over.clone();
    let request = request.map(|body| {
        let body = Limited::new(body, usize::try_from(bytes_max).unwrap_or(usize::MAX));
        let body = body.map_err(move |error| {
            if error.is::<http_body_util::LengthLimitError>() {
                flag.store(true, Ordering::Relaxed);
                return WasiError::HttpRequestBodySize(Some(bytes_max));
            }
            WasiError::InternalError(Some(error.to_string()))
        });
        if taps.is_empty() {
            return body.boxed_unsync();
        }
        let tapped = body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                taps.iter().for_each(|tap| tap(data));
            }
            frame
        });
        tapped.boxed_unsync()
    });
    Ok((request, over))
}

pub fn too_large(used: u64, max: u64) -> ApiError {
    ApiError::of_failure(
        &Failure::Limit {
            limit: Limit::RequestBody,
            used,
            max,
        },
        None,
    )
}

/// A token in the URL has let the request in; the script and its logs need not see it.
pub fn without_token(mut request: Request<Body>) -> Request<Body> {
    let Some(query) = request.uri().query() else {
        return request;
    };
    let query = auth::strip_tokens(query);
    let target = match query.is_empty() {
        true => request.uri().path().to_owned(),
        false => format!("{}?{query}", request.uri().path()),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = target.parse().ok();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// `?dry_run=true`: certificates shall not change, whatever the script does.
pub fn asks_for_dry_run(request: &Request<Body>) -> Option<DryRun> {
    let query = request.uri().query()?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let asked =
        pairs.any(|(name, value)| name == "dry_run" && ["", "1", "true"].contains(&value.as_ref()));
    asked.then(DryRun::default)
}

pub fn parameter((name, value): (String, RouteParameter)) -> (String, Parameter) {
    let value = match value {
        RouteParameter::One(text) => Parameter::One(text),
        RouteParameter::Many(texts) => Parameter::Many(texts),
    };
    (name, value)
}

pub fn preflight(request: &Request<Body>) -> Option<Preflight<'_>> {
    let headers = request.headers();
    Preflight::of(
        request.method().as_str(),
        text(headers, header::ORIGIN),
        text(headers, header::ACCESS_CONTROL_REQUEST_METHOD),
        text(headers, header::ACCESS_CONTROL_REQUEST_HEADERS),
    )
}

/// `@concurrent`: a call waits for its turn as long as it may run.
pub async fn take_turn(
    turns: Option<&Arc<Semaphore>>,
    limits: &CallLimits,
) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
    let Some(turns) = turns else { return Ok(None) };
    match timeout(limits.timeout, turns.clone().acquire_owned()).await {
        Ok(turn) => Ok(turn.ok()),
        Err(_) => {
            let max = turns.available_permits() as u64;
            Err(ApiError::of_failure(
                &Failure::Limit {
                    limit: Limit::Instances,
                    used: max,
                    max,
                },
                None,
            ))
        }
    }
}
