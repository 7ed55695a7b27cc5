//! One store and what has happened in it: its instance, a call of that, and what the
//! call used or hit. It must not choose who waits for whom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use wasmtime::component::{Resource, ResourceTableError};
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi_http::FieldMapError;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};

use super::WASM_STACK_BYTES_MAX;
use super::call::{Report, Told, Usage};
use super::failure::{Failure, Limit};
use super::handler::Handler;
use super::host::State;
use super::limits::{CallLimits, FIELDS_BYTES_MAX, FUEL_PER_TURN, HANDLES_MAX, HOSTCALL_BYTES_MAX};
use super::services::{CallContext, Services};

/// One store, its instance once there is one, and its limits.
pub struct Run {
    store: Store<State>,
    proxy: Option<Proxy>,
    limits: CallLimits,
    started: Instant,
    /// Of one that is kept between calls.
    room: Option<OwnedSemaphorePermit>,
}

type Handles = (
    Resource<HostIncomingRequest>,
    Resource<HostResponseOutparam>,
);

impl Run {
    pub fn new(engine: &Engine, state: State, limits: CallLimits) -> Self {
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
        Self {
            store,
            proxy: None,
            limits,
            started: Instant::now(),
            room: None,
        }
    }

    /// The instance, to be used again; none when as many are kept as there is room for.
    pub fn keep(mut self, rooms: &Arc<Semaphore>) -> Option<Self> {
        if self.room.is_none() {
            self.room = Some(rooms.clone().try_acquire_owned().ok()?);
        }
        Some(self)
    }

    /// The same instance, for another call.
    pub fn again(
        mut self,
        context: CallContext,
        services: Arc<dyn Services>,
        limits: &CallLimits,
    ) -> Self {
        self.store.data_mut().begin(context, services, limits);
        self.limits = limits.clone();
        self
    }

    pub async fn call<B>(
        &mut self,
        handler: &Handler,
        request: http::Request<B>,
        https: bool,
        sender: oneshot::Sender<Told>,
    ) -> Report
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        self.started = Instant::now();
        let result = match self.prepare(request, https, sender) {
            Ok(handles) => self.finish(handler, handles).await,
            Err(error) => Err(error),
        };
        self.report(result)
    }

    fn prepare<B>(
        &mut self,
        request: http::Request<B>,
        https: bool,
        sender: oneshot::Sender<Told>,
    ) -> wasmtime::Result<Handles>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<wasmtime_wasi_http::Error>,
    {
        self.store.set_fuel(self.limits.fuel)?;
        self.store.fuel_async_yield_interval(Some(FUEL_PER_TURN))?;
        let state = self.store.data_mut();
        state.table.set_max_capacity(HANDLES_MAX);
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let request = state.http().new_incoming_request(scheme, request)?;
        let outparam = state.http().new_response_outparam(sender)?;
        Ok((request, outparam))
    }

    /// Runs the handler to its end, or to the end of its time.
    async fn finish(
        &mut self,
        handler: &Handler,
        (request, outparam): Handles,
    ) -> wasmtime::Result<()> {
        let Self {
            store,
            proxy,
            limits,
            ..
        } = self;
        let call = async move {
            if proxy.is_none() {
                *proxy = Some(handler.pre.instantiate_async(&mut *store).await?);
            }
            let Some(proxy) = proxy else { return Ok(()) };
            proxy
                .wasi_http_incoming_handler()
                .call_handle(&mut *store, request, outparam)
                .await
        };
        match timeout(limits.timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(wasmtime::Error::new(TimedOut)),
        }
    }

    fn report(&self, result: wasmtime::Result<()>) -> Report {
        let left = self.store.get_fuel().unwrap_or(0);
        let usage = Usage {
            fuel: self.limits.fuel.saturating_sub(left),
            memory_peak_bytes: self.store.data().memory.peak_bytes,
            duration: self.started.elapsed(),
        };
        Report {
            usage,
            failure: self.failure(result.err(), &usage),
        }
    }

    fn failure(&self, error: Option<wasmtime::Error>, usage: &Usage) -> Option<Failure> {
        let limit = |limit, used, max| Some(Failure::Limit { limit, used, max });
        let memory = &self.store.data().memory;
        let refused_memory = || {
            limit(
                Limit::Memory,
                memory.limit_bytes as u64,
                memory.limit_bytes as u64,
            )
        };
        let Some(error) = error else {
            return if memory.refused {
                refused_memory()
            } else {
                None
            };
        };
        if error.is::<TimedOut>() {
            return limit(
                Limit::Timeout,
                millis(usage.duration),
                millis(self.limits.timeout),
            );
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => limit(Limit::Fuel, usage.fuel, self.limits.fuel),
            Some(Trap::StackOverflow) => {
                let max = WASM_STACK_BYTES_MAX as u64;
                limit(Limit::Stack, max, max)
            }
            _ if memory.refused => refused_memory(),
            _ if error.is::<FieldMapError>() => {
                let max = FIELDS_BYTES_MAX as u64;
                limit(Limit::Headers, max, max)
            }
            _ if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) => {
                let max = HANDLES_MAX as u64;
                limit(Limit::Handles, max, max)
            }
            _ => match format!("{error:#}") {
                text if text.contains(HOSTCALL_EXHAUSTED) => {
                    let max = HOSTCALL_BYTES_MAX as u64;
                    limit(Limit::HostCall, max, max)
                }
                text => Some(Failure::Trapped(text)),
            },
        }
    }
}

/// What Wasmtime says when a call into the host hands over too much; the error has
/// no type of its own.
const HOSTCALL_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, thiserror::Error)]
#[error("the time is over")]
struct TimedOut;
