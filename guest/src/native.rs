//! The functions that the JavaScript half calls, as one object that only the
//! prelude sees. Thin: each checks its arguments and makes one host call; rules
//! and defaults belong to JavaScript or to the host.

mod body;
mod context;
mod exchange;
pub mod hooks;
mod log;
pub mod rejections;
mod respond;
mod storage;
mod timers;

use rquickjs::{Ctx, Object, Result};

/// The object with every native function.
pub fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    log::add(&native)?;
    timers::add(&native)?;
    context::add(&native)?;
    respond::add(&native)?;
    exchange::add(&native)?;
    storage::add(&native)?;
    Ok(native)
}
