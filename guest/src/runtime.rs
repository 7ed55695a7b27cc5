//! The one QuickJS runtime of this instance: made when the engine is built,
//! found again in the memory image ever after. It must not do I/O: at build and
//! publish time every import is a stub that traps.

use crate::native;
use javy::{Config, Runtime};
use rquickjs::{
    Ctx, Module, Object, Result,
    loader::{ImportAttributes, Loader, Resolver},
    module::Declared,
};
use std::cell::OnceCell;

/// QuickJS raises a RangeError when this much of the shadow stack is in use. The
/// stack itself is 1 MiB (`-zstack-size`), so native code below a JavaScript
/// frame keeps a margin.
const JS_STACK_BYTES_MAX: usize = 640 * 1024;

/// A request that allocates less than this never pays for a cycle collection,
/// which would touch, and so copy, every page of the image.
const GC_THRESHOLD_BYTES: usize = 12 * 1024 * 1024;

struct Cell(OnceCell<Runtime>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Cell {}
static RUNTIME: Cell = Cell(OnceCell::new());

/// The JavaScript half of the engine: module name and source, in no order.
const PRELUDE: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/prelude.rs"));

/// The module of the prelude that starts everything.
const MAIN: &str = "footpath:main.js";

/// Called once, when the engine is built.
#[unsafe(no_mangle)]
pub extern "C" fn engine_init() {
    let mut config = Config::default();
    config
        .gc_threshold(GC_THRESHOLD_BYTES)
        .max_stack_size(JS_STACK_BYTES_MAX);
    let runtime = Runtime::new(config).expect("the build sees this fail");
    runtime.context().runtime().set_loader(Names, NoMoreModules);
    native::rejections::track(&runtime);
    runtime.context().with(|ctx| {
        evaluate_prelude(&ctx).unwrap_or_else(|error| {
            panic!("the prelude does not evaluate: {error}: {:?}", ctx.catch())
        });
    });
    drain_jobs(&runtime);
    if RUNTIME.0.set(runtime).is_err() {
        panic!("engine_init is called once");
    }
}

/// Runs `f` inside the context. The stack limit is measured from here, since the
/// image may have been taken at another depth.
pub fn with<R>(f: impl FnOnce(&Ctx<'_>) -> R) -> R {
    let runtime = runtime();
    runtime.context().with(|ctx| {
        // SAFETY: the runtime outlives the call.
        unsafe { rquickjs::qjs::JS_UpdateStackTop(rquickjs::qjs::JS_GetRuntime(ctx.as_raw().as_ptr())) };
        f(&ctx)
    })
}

/// Runs QuickJS jobs (promise reactions) until none is left.
pub fn run_jobs() {
    drain_jobs(runtime());
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

fn evaluate_prelude(ctx: &Ctx<'_>) -> Result<()> {
    let natives = native::object(ctx)?;
    ctx.globals().set("__native", natives)?;
    for (name, source) in PRELUDE {
        Module::declare(ctx.clone(), *name, *source)?;
    }
    let main: Object = Module::import(ctx, MAIN)?.finish()?;
    native::hooks::install(ctx, &main)?;
    ctx.globals().remove("__native")
}

/// Every module is declared before it is imported, under the very name that
/// imports use, so resolving is the identity.
struct Names;

impl Resolver for Names {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        _: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        Ok(name.to_owned())
    }
}

struct NoMoreModules;

impl Loader for NoMoreModules {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let message = format!("cannot import {name:?}: only what was published with this script can be imported");
        Err(rquickjs::Exception::throw_type(ctx, &message))
    }
}
