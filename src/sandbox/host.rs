//! The host side of the handler's imports: the state of one call, and one file
//! per WIT interface of ours. WASI's own interfaces come from their crates.

mod acme;
mod ai;
mod answer;
mod charge;
mod context;
mod files;
mod isolate;
mod kv;
mod log;
mod outgoing;
mod shared_state;

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Module};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtx, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings as wasi;
use wasmtime_wasi::random::{WasiRandom, WasiRandomCtx};
use wasmtime_wasi_http::p2::bindings::http as wasi_http;
use wasmtime_wasi_http::p2::body::{HostOutgoingBody, StreamContext};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtx, WasiHttpCtxView};

use super::limits::{CallLimits, FIELDS_BYTES_MAX, MemoryWatch};
use super::services::{CallContext, Services};
use outgoing::Outgoing;

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "footpath:host/host",
        imports: {
            "footpath:host/kv": async | trappable,
            "footpath:host/acme": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "footpath:host/ai.generation": super::ai::Generation,
        },
    });
}

/// The name of the engine among a component's imports (`compile::link`).
const ENGINE_IMPORT: &str = "footpath-engine";

/// The state of one call; in worker mode it is set anew for each.
pub struct State {
    pub table: ResourceTable,
    pub memory: MemoryWatch,
    pub call: Arc<CallContext>,
    pub services: Arc<dyn Services>,
    pub limits: CallLimits,
    /// When the call's time is over.
    pub deadline: Instant,
    outgoing: Outgoing,
    http: WasiHttpCtx,
    clocks: WasiClocksCtx,
    /// Made on first use: most calls draw no random numbers.
    random: Option<WasiRandomCtx>,
}

impl State {
    pub fn new(call: CallContext, services: Arc<dyn Services>, limits: &CallLimits) -> Self {
        let call = Arc::new(call);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_BYTES_MAX);
        Self {
            table: ResourceTable::new(),
            memory: MemoryWatch::new(limits.memory_bytes),
            limits: limits.clone(),
            deadline: Instant::now() + limits.timeout,
            outgoing: Outgoing::new(call.clone(), services.clone(), limits),
            call,
            services,
            http,
            clocks: WasiClocksCtx::default(),
            random: None,
        }
    }

    /// The next call of a kept instance. The table stays: the instance still holds
    /// handles of the last call, and drops them as it starts on the next.
    pub fn begin(&mut self, call: CallContext, services: Arc<dyn Services>, limits: &CallLimits) {
        let table = std::mem::take(&mut self.table);
        let (memory_peak_bytes, used_bytes) = (self.memory.peak_bytes, self.memory.used_bytes);
        *self = Self::new(call, services, limits);
        self.table = table;
        self.memory.peak_bytes = memory_peak_bytes;
        self.memory.used_bytes = used_bytes;
    }

    /// Tells the readers of bodies that are not finished that nothing more comes. Left
    /// alone, such a body would look whole.
    fn break_off(&mut self) {
        for resource in self.table.iter_mut() {
            if let Some(body) = resource.downcast_mut::<HostOutgoingBody>() {
                let (nothing, _) = HostOutgoingBody::new(StreamContext::Response, None, 1, 1);
                std::mem::replace(body, nothing).abort();
            }
        }
    }

    pub fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outgoing,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }

    fn clocks(&mut self) -> WasiClocksCtxView<'_> {
        WasiClocksCtxView {
            ctx: &mut self.clocks,
            table: &mut self.table,
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.break_off();
    }
}

/// Everything a handler can import.
pub fn linker(engine: &Engine, shared: &Module) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::<State>::new(engine);
    let l = &mut linker;
    wasi::io::error::add_to_linker::<_, HasTable>(l, |state| &mut state.table)?;
    wasi::io::poll::add_to_linker::<_, HasTable>(l, |state| &mut state.table)?;
    wasi::io::streams::add_to_linker::<_, HasTable>(l, |state| &mut state.table)?;
    wasi::clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    wasi::clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks)?;
    wasi::random::random::add_to_linker::<_, WasiRandom>(l, |state| {
        state.random.get_or_insert_with(WasiRandomCtx::default)
    })?;
    let options = wasi_http::types::LinkOptions::default();
    wasi_http::types::add_to_linker::<_, WasiHttp>(l, &options, State::http)?;
    wasi_http::outgoing_handler::add_to_linker::<_, WasiHttp>(l, State::http)?;
    bindings::footpath::host::context::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    bindings::footpath::host::answer::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    bindings::footpath::host::log::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    bindings::footpath::host::kv::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    bindings::footpath::host::shared_state::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    bindings::footpath::host::acme::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    bindings::footpath::host::ai::add_to_linker::<_, HasSelf<State>>(l, |state| state)?;
    files::add_to_linker(l)?;
    isolate::add_to_linker(l)?;
    linker.root().module(ENGINE_IMPORT, shared)?;
    Ok(linker)
}

struct HasTable;

impl wasmtime::component::HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}
