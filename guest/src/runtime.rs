//! The one QuickJS runtime of this instance: made when the engine is built,
//! found again in the memory image ever after. It must not do I/O: at build and
//! publish time every import is a stub that traps.

use crate::{
    load, native,
    prelude::{self, Names},
    stack,
};
use javy::{Config, Runtime};
use rquickjs::{
    Ctx, Module, Result,
    loader::{ImportAttributes, Loader},
    module::Declared,
    qjs,
};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

/// A cycle collection touches, and so copies, every page of the image: a request
/// with fewer allocations alive than this never pays for one.
const GC_THRESHOLD_ALLOCATIONS: usize = 128 * 1024;

/// QuickJS counts bytes, but on WASI it does not know how large a block is: each
/// counts as its overhead alone.
const COUNTED_BYTES: usize = 8;

struct Cell(OnceCell<Runtime>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Cell {}
static RUNTIME: Cell = Cell(OnceCell::new());

/// Compiles the JavaScript half, whose sources are the input; the host gives the
/// answer to the `engine_init` of a fresh instance as its input. Address and length as in `engine_load`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_compile() -> u64 {
    load::output(prelude::compile(&load::take_input()))
}

/// Called once, when the engine is built; the input is what `engine_compile` gave.
#[unsafe(no_mangle)]
pub extern "C" fn engine_init() {
    let mut config = Config::default();
    config.gc_threshold(GC_THRESHOLD_ALLOCATIONS * COUNTED_BYTES);
    let runtime = Runtime::new(config).expect("the build sees this fail");
    native::rejections::track(&runtime);
    // SAFETY: the context belongs to the runtime, which is alive.
    stack::limit(runtime.context().with(|ctx| unsafe { rquickjs::qjs::JS_GetRuntime(ctx.as_raw().as_ptr()) }));
    let (inner, context) = (runtime.context().runtime(), runtime.context());
    prelude::evaluate(inner, context, load::take_input()).unwrap_or_else(|error| {
        let thrown = context.with(|ctx| format!("{:?}", ctx.catch()));
        panic!("the prelude does not evaluate: {error}: {thrown}")
    });
    inner.set_loader(Names, Provided);
    drain_jobs(&runtime);
    if RUNTIME.0.set(runtime).is_err() {
        panic!("engine_init is called once");
    }
}

/// Runs `f` inside the context.
pub fn with<R>(f: impl FnOnce(&Ctx<'_>) -> R) -> R {
    runtime().context().with(|ctx| f(&ctx))
}

/// More than any fuel is enough for.
pub const ALL_JOBS: u32 = u32::MAX;

/// Runs QuickJS jobs (promise reactions), so many at most. True when none is left.
pub fn run_jobs(jobs_max: u32) -> bool {
    let quickjs = runtime().context().runtime();
    for _ in 0..jobs_max {
        // A job that throws is a rejection somewhere, and those are tracked.
        if let Ok(false) = quickjs.execute_pending_job() {
            return true;
        }
    }
    !quickjs.is_job_pending()
}

/// Whether QuickJS has jobs to run; inside the context, where `Runtime` is locked.
pub fn has_pending_jobs(ctx: &Ctx<'_>) -> bool {
    // SAFETY: the context is alive, and asking changes nothing.
    unsafe { qjs::JS_IsJobPending(qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) }
}

/// Frees cycles that nothing reaches, which the image would carry otherwise.
pub fn collect_garbage() {
    runtime().context().runtime().run_gc();
}

fn runtime() -> &'static Runtime {
    RUNTIME.0.get().expect("engine_init has run: the image holds the runtime")
}

fn drain_jobs(runtime: &Runtime) {
    // A job that throws is a rejection somewhere, and those are tracked.
    while runtime.has_pending_jobs() {
        let _ = runtime.resolve_pending_jobs();
    }
}

/// Sources that imports may find, by name. Declaring a module declares what it
/// imports, in any order and around cycles; what is declared is gone from here.
struct Sources(RefCell<BTreeMap<String, String>>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Sources {}
static SOURCES: Sources = Sources(RefCell::new(BTreeMap::new()));

/// Gives sources to import.
pub fn provide(modules: impl IntoIterator<Item = (String, String)>) {
    SOURCES.0.borrow_mut().extend(modules);
}

/// Compiles every source that nothing has imported yet.
pub fn declare_provided(ctx: &Ctx<'_>) -> Result<()> {
    loop {
        let next = SOURCES.0.borrow_mut().pop_first();
        let Some((name, source)) = next else { return Ok(()) };
        Module::declare(ctx.clone(), name, source)?;
    }
}

struct Provided;

impl Loader for Provided {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if prelude::owns(name) {
            return prelude::load(ctx, name);
        }
        let source = SOURCES.0.borrow_mut().remove(name);
        match source {
            Some(source) => Module::declare(ctx.clone(), name, source),
            None => {
                let message =
                    format!("cannot import {name:?}: only what was published with this script can be imported");
                Err(rquickjs::Exception::throw_type(ctx, &message))
            }
        }
    }
}
