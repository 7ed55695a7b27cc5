//! Publishing: a script goes in as JSON, is compiled and evaluated, and the
//! outcome comes back as JSON; the memory is then the handler. Called by the
//! host while every import is a stub that traps, so nothing here does I/O.

use crate::{direct, native::hooks::hooks, runtime, scrub};
use rquickjs::{Array, Ctx, Function, Object, Result, prelude::Func};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

static PORTABLE: AtomicBool = AtomicBool::new(false);

/// Whether this image runs without a Footpath host: no context, log, kv or
/// shared state, only WASI.
pub fn portable() -> bool {
    PORTABLE.load(Ordering::Relaxed)
}

struct Cell(RefCell<Vec<u8>>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Cell {}
/// The input while it is written, then the answer while it is read.
static BUFFER: Cell = Cell(RefCell::new(Vec::new()));

/// Room for `length` bytes of input; the host writes them at the address.
#[unsafe(no_mangle)]
pub extern "C" fn engine_input(length: usize) -> *mut u8 {
    let mut buffer = BUFFER.0.borrow_mut();
    *buffer = vec![0; length];
    buffer.as_mut_ptr()
}

/// Loads the script that stands in the buffer as
/// `{ entry, shape, pattern, portable, deferred, globals, modules: [[name, code]] }`
/// and gives the answer's address and length in the upper and lower half:
/// `{ shape, evaluated }` or `{ error: { name, message, stack } }`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_load() -> u64 {
    let spec = String::from_utf8(take_input()).unwrap_or_default();
    let answer = runtime::with(|ctx| match start(ctx, &spec) {
        Ok(answer) => answer,
        Err(error) => panic!("load: {error}: {:?}", ctx.catch()),
    });
    runtime::run_jobs(runtime::ALL_JOBS);
    let text: String = runtime::with(|ctx| {
        answer
            .restore(ctx)
            .and_then(|answer| answer.call(()))
            .unwrap_or_else(|error| panic!("load: {error}: {:?}", ctx.catch()))
    });
    runtime::with(direct::prepare);
    runtime::collect_garbage();
    scrub::end();
    reserve_memory();
    output(text.into_bytes())
}

/// What the host wrote.
pub fn take_input() -> Vec<u8> {
    BUFFER.0.take()
}

/// Keeps an answer for the host to read.
pub fn output(answer: Vec<u8>) -> u64 {
    let mut buffer = BUFFER.0.borrow_mut();
    *buffer = answer;
    ((buffer.as_ptr() as u64) << 32) | buffer.len() as u64
}

/// Free memory that an image starts with, so that most requests need not grow it,
/// which takes a call of the host. Zeros take no room in images.
const RESERVED_BYTES: usize = 256 * 1024;

fn reserve_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(RESERVED_BYTES)));
}

/// Starts loading; the function that comes back gives the answer as JSON once
/// the jobs have run.
fn start(ctx: &Ctx<'_>, spec: &str) -> Result<rquickjs::Persistent<Function<'static>>> {
    let spec: Object = Object::from_value(ctx.json_parse(spec)?)?;
    PORTABLE.store(spec.get("portable")?, Ordering::Relaxed);
    spec.set("declare", Func::from(declare))?;
    let load = hooks().load.clone().restore(ctx)?;
    let answer: Function = load.call((spec,))?;
    Ok(rquickjs::Persistent::save(ctx, answer))
}

/// Compiles every module, so that importing one finds the others by name.
fn declare<'js>(ctx: Ctx<'js>, modules: Vec<Array<'js>>) -> Result<()> {
    for module in modules {
        runtime::provide([(module.get(0)?, module.get(1)?)]);
    }
    runtime::declare_provided(&ctx)
}
