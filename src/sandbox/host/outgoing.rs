//! The hook of `wasi:http/outgoing-handler`: counts a call's outgoing requests,
//! lets so many run at once, and hands them to the deployment's services.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::{CallContext, OutboundError, Services};

pub struct Outgoing {
    call: Arc<CallContext>,
    services: Arc<dyn Services>,
    calls_max: u32,
    at_once: Arc<Semaphore>,
}

impl Outgoing {
    pub fn new(call: Arc<CallContext>, services: Arc<dyn Services>, limits: &CallLimits) -> Self {
        Self {
            call,
            services,
            calls_max: limits.outbound_calls,
            at_once: Arc::new(Semaphore::new(limits.outbound_calls_at_once as usize)),
        }
    }
}

type Sent = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let calls = &self.call.spent.outbound_calls;
        if calls.fetch_add(1, Ordering::Relaxed) >= self.calls_max {
            let message = format!(
                "a call may make {} requests; raise limits.outbound_calls",
                self.calls_max
            );
            let error = OutboundError {
                code: "LIMIT_OUTBOUND_CALLS",
                message,
            };
            return Box::new(async move { Err(internal(&error)) });
        }
        let sent = self.services.send(&self.call, request);
        let at_once = self.at_once.clone();
        Box::new(async move {
            // Held until the head has come, and no longer: a handler may wait for
            // all heads before it reads the first body.
            let permit = at_once.acquire().await;
            let response = sent.await.map_err(|error| internal(&error))?;
            drop(permit);
            let io: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((response, io))
        })
    }
}

fn internal(error: &OutboundError) -> Error {
    Error::InternalError(Some(error.to_string()))
}
