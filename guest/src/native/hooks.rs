//! The functions of the JavaScript half that the driver calls, kept by name.

use rquickjs::{Ctx, Function, Object, Persistent, Result};
use std::cell::OnceCell;

pub struct Hooks {
    /// `load(specJson)`: see `load.rs`.
    pub load: Persistent<Function<'static>>,
    /// `direct()`: `[handler, raw body, arguments]` for `direct.rs`, or null.
    pub direct: Persistent<Function<'static>>,
    /// `next()`: another call begins in this instance.
    pub next: Persistent<Function<'static>>,
    /// `answer()`: answers the call in progress.
    pub answer: Persistent<Function<'static>>,
    /// `returned(result)`: the handler has returned, to `direct.rs`.
    pub returned: Persistent<Function<'static>>,
    /// `fail(error)`: the handler has thrown, to `direct.rs`.
    pub fail: Persistent<Function<'static>>,
    /// `release()`: sends what `native.hold` held back.
    pub release: Persistent<Function<'static>>,
    /// `unhandled(reason, promise)`: an unhandled rejection, or without a promise
    /// an exception of a timer.
    pub unhandled: Persistent<Function<'static>>,
    /// `stuck()`: nothing is left that could settle the handler's promise.
    pub stuck: Persistent<Function<'static>>,
}

struct Cell(OnceCell<Hooks>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Cell {}
static HOOKS: Cell = Cell(OnceCell::new());

/// Reads the exports of the prelude's main module; once, at build time.
pub fn install<'js>(ctx: &Ctx<'js>, main: &Object<'js>) -> Result<()> {
    let get = |name: &str| -> Result<_> { Ok(Persistent::save(ctx, main.get::<_, Function>(name)?)) };
    let hooks = Hooks {
        load: get("load")?,
        direct: get("direct")?,
        next: get("next")?,
        answer: get("answer")?,
        returned: get("returned")?,
        fail: get("fail")?,
        release: get("release")?,
        unhandled: get("unhandled")?,
        stuck: get("stuck")?,
    };
    if HOOKS.0.set(hooks).is_err() {
        panic!("the hooks are installed once");
    }
    Ok(())
}

pub fn hooks() -> &'static Hooks {
    HOOKS.0.get().expect("engine_init installed them")
}
