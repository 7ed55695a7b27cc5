//! Wasmtime: the engine compiled once, handlers as components, one call to one
//! outcome, always under limits. It must not know routes, scripts or files; what
//! a call may reach is handed in as `Services`.

mod answer_body;
pub mod call;
mod compiled;
mod eviction;
pub mod failure;
pub mod handler;
pub mod host;
pub mod lane;
pub mod limits;
mod run;
pub mod services;
pub mod snapshot;
pub mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, Module, OptLevel, PoolingAllocationConfig,
};

use host::State;

/// The size of the sandbox.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Calls from outside at once; as many again may be calls that handlers make
    /// of their neighbours, so that the two never wait for each other.
    pub instances_max: u32,
    /// The largest memory any handler may ask for with `@memory`, in bytes.
    pub memory_bytes_max: usize,
    /// Where compiled code is kept; none keeps it in memory only.
    pub cache_dir: Option<PathBuf>,
    /// Size of that folder; what is used least goes when it is over.
    pub cache_bytes_max: u64,
}

/// The engine as core modules; see `compile::engine`.
pub struct EngineModules<'a> {
    pub shared: &'a [u8],
    pub base_image: &'a [u8],
    /// Names the engine in the cache.
    pub version: &'a str,
}

/// The sandbox does not start, or a component does not load.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox cannot start: {0:#}")]
    Start(wasmtime::Error),
    #[error("the component does not load: {0:#}")]
    Component(wasmtime::Error),
    #[error(
        "the compiled component cannot be written to {path}: {error}; free some disk space or change --data"
    )]
    Cache {
        path: PathBuf,
        error: std::io::Error,
    },
}

pub struct Sandbox {
    engine: Engine,
    /// The engine that every handler shares.
    shared: Module,
    base_image: Module,
    linker: Linker<State>,
    cache: compiled::Cache,
    pub instances_max: u32,
    from_outside: Arc<Semaphore>,
    from_inside: Arc<Semaphore>,
    /// As many worker scripts keep an instance; those beyond start anew each time.
    rooms: Arc<Semaphore>,
}

/// Native stack of a call. QuickJS stops at 640 KiB of its own stack; what
/// Cranelift makes of those frames is larger.
pub(crate) const WASM_STACK_BYTES_MAX: usize = 6 << 20;
const ASYNC_STACK_BYTES: usize = 7 << 20;

/// Address space of a slot: all that 32 bits reach, so that no access to memory needs a
/// check of its bounds. It is only reserved: what `memory_bytes_max` does not cover
/// faults.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;

/// Memory of a slot that stays resident between calls; the rest is given back.
const KEEP_RESIDENT_BYTES: usize = 4 << 20;

/// Slots that go on holding the image of a handler that is not running. A handler
/// that is called again soon finds its own; every slot holds about a megabyte.
const WARM_SLOTS_MAX: u32 = 32;

/// A handler is its image, a table of imports and the engine; publishing takes two
/// more modules.
const CORE_INSTANCES_PER_COMPONENT: u32 = 4;
/// One of each of those.
const TABLES_PER_COMPONENT: u32 = 3;

impl Sandbox {
    /// Compiles the engine (about a second, once per machine with a cache).
    pub fn new(config: &SandboxConfig, modules: &EngineModules<'_>) -> Result<Self, SandboxError> {
        let engine = Engine::new(&wasmtime_config(config)).map_err(SandboxError::Start)?;
        let cache = compiled::Cache::new(
            config.cache_dir.clone(),
            config.cache_bytes_max,
            modules.version,
        )?;
        let shared = cache.engine(&engine, modules.shared)?;
        let base_image = cache.base_image(&engine, modules.base_image)?;
        let linker = host::linker(&engine, &shared).map_err(SandboxError::Start)?;
        let permits = config.instances_max as usize;
        Ok(Self {
            engine,
            shared,
            base_image,
            linker,
            cache,
            instances_max: config.instances_max,
            from_outside: Arc::new(Semaphore::new(permits)),
            from_inside: Arc::new(Semaphore::new(permits)),
            rooms: Arc::new(Semaphore::new(permits)),
        })
    }

    /// How many calls run now.
    pub fn running(&self) -> usize {
        let permits = 2 * self.instances_max as usize;
        permits - self.from_outside.available_permits() - self.from_inside.available_permits()
    }
}

fn wasmtime_config(config: &SandboxConfig) -> Config {
    // Of calls from outside, from inside, and of those that are kept.
    let slots = 3 * config.instances_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(CORE_INSTANCES_PER_COMPONENT * slots)
        .total_memories(slots + PUBLISHERS_MAX)
        .total_tables(TABLES_PER_COMPONENT * (slots + PUBLISHERS_MAX))
        .max_tables_per_module(2)
        .total_stacks(slots)
        .max_memory_size(config.memory_bytes_max)
        .table_elements(20_000)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .max_unused_warm_slots(slots.min(WARM_SLOTS_MAX))
        .pagemap_scan(Enabled::Auto);
    let mut wasmtime = Config::new();
    wasmtime
        .consume_fuel(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .async_stack_size(ASYNC_STACK_BYTES)
        .wasm_backtrace_max_frames(None)
        .memory_init_cow(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    wasmtime
}

/// Scripts that are evaluated for publishing at once.
pub const PUBLISHERS_MAX: u32 = 8;
