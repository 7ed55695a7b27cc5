//! What the JavaScript half asks of the engine itself: modules that are evaluated
//! when they are first needed, and the state of promises.

use crate::prelude;
use rquickjs::{Array, Ctx, Module, Object, Promise, Result, prelude::Func, promise::PromiseState};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("importModule", Func::from(import_module))?;
    native.set("evaluate", Func::from(evaluate))?;
    native.set("promiseState", Func::from(promise_state))
}

/// `import(name)`, which compiled prelude modules cannot say: it looks up the
/// importing file, and they have lost its name.
fn import_module<'js>(ctx: Ctx<'js>, name: String) -> Result<Promise<'js>> {
    Module::import(&ctx, name)
}

/// Evaluates a module of the prelude that nothing has imported, and gives its
/// namespace. It has no top-level await, so it is complete.
fn evaluate<'js>(ctx: Ctx<'js>, name: String) -> Result<Object<'js>> {
    let (module, _) = prelude::load(&ctx, &name)?.eval()?;
    module.namespace()
}

/// `[state, value]`: 0 pending, 1 fulfilled, 2 rejected.
fn promise_state<'js>(ctx: Ctx<'js>, promise: Promise<'js>) -> Result<Array<'js>> {
    let list = Array::new(ctx.clone())?;
    let state = match promise.state() {
        PromiseState::Pending => 0,
        PromiseState::Resolved => 1,
        PromiseState::Rejected => 2,
    };
    list.set(0, state)?;
    match promise.result::<rquickjs::Value>() {
        Some(Ok(value)) => list.set(1, value)?,
        Some(Err(_)) => list.set(1, ctx.catch())?,
        None => {}
    }
    Ok(list)
}
