//! Runs the engine as a core module for which there is no host, and takes its
//! memory: once with `engine_init` when the engine is built, and with
//! `engine_load` for each script that is published. No I/O can happen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wasmtime::{
    AsContextMut, Caller, Engine, Extern, Instance, Linker, Memory, Module, Store, Trap,
};

use super::failure::ScriptError;
use super::limits::MemoryWatch;
use super::{Sandbox, SandboxError};

/// A script for the engine.
#[derive(Debug, Clone, Serialize)]
pub struct LoadSpec {
    /// The name of the module that holds the handler.
    pub entry: String,
    /// `body`, `commonjs`, `node`, `web` or `evaluate`.
    pub shape: &'static str,
    /// The route's pattern, from which the portable form reads parameters.
    pub pattern: String,
    /// Names of the capabilities' globals that the script has.
    pub globals: Vec<&'static str>,
    /// Which of `req`, `res` and `metadata` the handler could look at.
    pub exchange: Vec<&'static str>,
    /// For the portable form: no Footpath host will be there.
    pub portable: bool,
    /// Compile only, and evaluate at the start of each request.
    pub deferred: bool,
    /// `@rawBody`: the handler reads the request's body itself.
    #[serde(rename = "rawBody")]
    pub raw_body: bool,
    /// Refuse to make code from text: `eval` and its kin throw.
    pub strict: bool,
    /// For code in an isolate: what was passed to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolate: Option<Passed>,
    /// Module name and JavaScript.
    pub modules: Vec<(String, String)>,
}

/// What code in an isolate has besides the engine's own globals.
#[derive(Debug, Clone, Serialize)]
pub struct Passed {
    /// `req`, `res`, `fetch`, `console`.
    pub passed: Vec<String>,
    /// Names with values in the engine's own JSON form.
    pub data: Vec<(String, String)>,
}

/// A loaded script.
#[derive(Debug)]
pub struct Snapshot {
    /// The whole linear memory.
    pub memory: Vec<u8>,
    /// How the handler is called: `node` or `web`.
    pub shape: String,
    /// False when its top level waits for I/O and so runs with each request.
    pub evaluated: bool,
}

/// The script does not load.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{}: {}", .0.name, .0.message)]
    Threw(ScriptError),
    #[error(
        "the script's top level used up the fuel for publishing ({0}); do less there, or do it in the handler"
    )]
    Fuel(u64),
    #[error(
        "the script's top level needs more than {0} bytes of memory; do less there, or raise @memory"
    )]
    Memory(usize),
    #[error("the script's top level nests too deeply")]
    Stack,
    #[error("the engine stopped: {0}")]
    Trapped(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Failed { error: ScriptError },
    Loaded { shape: String, evaluated: bool },
}

/// What evaluating a top level may cost: two seconds of CPU.
const LOAD_FUEL: u64 = 2 * super::limits::FUEL_PER_SECOND;

impl Sandbox {
    /// Loads a script and takes its memory, and what that uses off the fuel. Blocks for
    /// about 2 ms, at most for as long as `LOAD_FUEL` lasts; call it off the async
    /// threads.
    pub fn snapshot(
        &self,
        spec: &LoadSpec,
        memory_bytes_max: usize,
        fuel: &mut u64,
    ) -> Result<Snapshot, SnapshotError> {
        match self.load(spec, memory_bytes_max, fuel) {
            // Top-level code asked the host for something, and there is no host yet.
            Err(SnapshotError::Trapped(_)) if !spec.deferred => self.load(
                &LoadSpec {
                    deferred: true,
                    ..spec.clone()
                },
                memory_bytes_max,
                fuel,
            ),
            other => other,
        }
    }

    fn load(
        &self,
        spec: &LoadSpec,
        memory_bytes_max: usize,
        fuel: &mut u64,
    ) -> Result<Snapshot, SnapshotError> {
        let mut store = Store::new(&self.engine, MemoryWatch::new(memory_bytes_max));
        store.limiter(|watch| watch);
        let most = LOAD_FUEL.min(*fuel);
        let result = store
            .set_fuel(most)
            .and_then(|()| self.run_load(&mut store, spec));
        *fuel -= most.saturating_sub(store.get_fuel().unwrap_or(0));
        let answer = result.map_err(|error| match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => SnapshotError::Fuel(most),
            Some(Trap::StackOverflow) => SnapshotError::Stack,
            _ if store.data().refused => SnapshotError::Memory(memory_bytes_max),
            _ => SnapshotError::Trapped(format!("{error:#}")),
        })?;
        match answer {
            (Answer::Failed { .. }, _) if store.data().refused => {
                Err(SnapshotError::Memory(memory_bytes_max))
            }
            (Answer::Failed { error }, _) => Err(SnapshotError::Threw(error)),
            (Answer::Loaded { shape, evaluated }, memory) => Ok(Snapshot {
                memory,
                shape,
                evaluated,
            }),
        }
    }

    fn run_load(
        &self,
        mut store: &mut Store<MemoryWatch>,
        spec: &LoadSpec,
    ) -> wasmtime::Result<(Answer, Vec<u8>)> {
        let image = Instance::new(&mut store, &self.base_image, &[])?;
        let memory = image
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::format_err!("the image exports no memory"))?;
        let around = self.shared.imports().map(|import| {
            image
                .get_export(&mut store, import.name())
                .ok_or_else(|| wasmtime::format_err!("the image has no {:?}", import.name()))
        });
        let around = around.collect::<wasmtime::Result<Vec<_>>>()?;
        let instance = Instance::new(&mut store, &self.shared, &around)?;
        let mut life = Life {
            store,
            instance,
            memory,
        };
        life.input(&serde_json::to_vec(spec)?)?;
        let answer = life.output("engine_load")?;
        Ok((
            serde_json::from_slice(&answer)?,
            life.memory.data(&life.store).to_vec(),
        ))
    }
}

/// Runs a linked engine's constructors and `engine_init`, and gives its memory and
/// the bytecode of its JavaScript half: the step of `make guest` between the
/// linker and `compile::engine::pack`.
pub fn initialise(linked: &[u8], sources: &[u8]) -> Result<(Vec<u8>, Vec<u8>), SandboxError> {
    run_initialise(linked, sources).map_err(SandboxError::Start)
}

fn run_initialise(linked: &[u8], sources: &[u8]) -> wasmtime::Result<(Vec<u8>, Vec<u8>)> {
    let engine = Engine::default();
    let module = Module::new(&engine, linked)?;
    let mut linker = Linker::new(&engine);
    define_build_imports(&mut linker, &module)?;
    // One instance compiles the JavaScript half and another one, whose memory
    // stays clean of sources and compiler, loads what the first made.
    let mut compiler = Life::begin(&linker, &module)?;
    compiler.input(sources)?;
    let bytecode = compiler.output("engine_compile")?;
    let mut life = Life::begin(&linker, &module)?;
    let before = life.globals(&module);
    life.input(&bytecode)?;
    life.instance
        .get_typed_func::<(), ()>(&mut life.store, "engine_init")?
        .call(&mut life.store, ())?;
    // The image holds memory only: a global that differs would be lost.
    let after = life.globals(&module);
    if before != after {
        wasmtime::bail!("engine_init changed a global: {before:?} became {after:?}");
    }
    Ok((life.memory.data(&life.store).to_vec(), bytecode))
}

/// An instance of the engine that talks through its own memory.
struct Life<S> {
    store: S,
    instance: Instance,
    memory: Memory,
}

impl Life<Store<()>> {
    fn begin(linker: &Linker<()>, module: &Module) -> wasmtime::Result<Self> {
        let mut store = Store::new(linker.engine(), ());
        let instance = linker.instantiate(&mut store, module)?;
        // A linked engine has constructors only when some library needs them.
        if let Ok(constructors) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            constructors.call(&mut store, ())?;
        }
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::format_err!("the engine exports no memory"))?;
        Ok(Self {
            store,
            instance,
            memory,
        })
    }

    /// The exported globals with their values.
    fn globals(&mut self, module: &Module) -> BTreeMap<String, String> {
        module
            .exports()
            .filter_map(|export| {
                let global = self.instance.get_global(&mut self.store, export.name())?;
                Some((
                    export.name().to_owned(),
                    format!("{:?}", global.get(&mut self.store)),
                ))
            })
            .collect()
    }
}

impl<S: AsContextMut> Life<S> {
    /// Writes what the engine reads next.
    fn input(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        let input = self
            .instance
            .get_typed_func::<u32, u32>(&mut self.store, "engine_input")?;
        let address = input.call(&mut self.store, bytes.len() as u32)?;
        Ok(self
            .memory
            .write(&mut self.store, address as usize, bytes)?)
    }

    /// Calls an export that answers with an address and a length, in the upper
    /// and the lower half.
    fn output(&mut self, export: &str) -> wasmtime::Result<Vec<u8>> {
        let export = self
            .instance
            .get_typed_func::<(), u64>(&mut self.store, export)?;
        let answer = export.call(&mut self.store, ())?;
        let (address, length) = ((answer >> 32) as usize, (answer & 0xffff_ffff) as usize);
        self.memory
            .data(&self.store)
            .get(address..address + length)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| wasmtime::format_err!("the engine answers outside of its memory"))
    }
}

/// Seeds and clocks read as zero: the image must come out the same each time,
/// and each call seeds and reads what it needs afresh. The rest traps.
fn define_build_imports(linker: &mut Linker<()>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports() {
        match (import.module().split('@').next(), import.name()) {
            (Some("wasi:clocks/monotonic-clock"), "now") => {
                linker.func_wrap(import.module(), import.name(), || 0u64)?;
            }
            (Some("wasi:clocks/wall-clock"), "now") | (_, "insecure-seed") => {
                linker.func_wrap(import.module(), import.name(), zeros)?;
            }
            (Some("footpath:host/log"), "write") => {
                linker.func_wrap(import.module(), import.name(), print)?;
            }
            _ => {}
        }
    }
    linker.define_unknown_imports_as_traps(module)
}

/// A host function that answers with 16 bytes of zeros at an address.
fn zeros(mut caller: Caller<'_, ()>, at: u32) -> wasmtime::Result<()> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.ok_or_else(|| wasmtime::format_err!("the engine exports no memory"))?;
    Ok(memory.write(caller.as_context_mut(), at as usize, &[0; 16])?)
}

/// A panic while the engine is built tells here what is wrong.
fn print(mut caller: Caller<'_, ()>, _level: u32, at: u32, length: u32) {
    if let Some(memory) = caller.get_export("memory").and_then(Extern::into_memory) {
        let (start, end) = (at as usize, at as usize + length as usize);
        let message = memory.data(&caller).get(start..end).unwrap_or_default();
        eprintln!("{}", String::from_utf8_lossy(message));
    }
}
