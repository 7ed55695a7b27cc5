//! The functions that the JavaScript half calls, as one object that only the
//! prelude sees. Thin: each checks its arguments and makes one host call; rules
//! and defaults belong to JavaScript or to the host.

mod acme;
mod body;
mod context;
mod crypto;
mod engine;
mod exchange;
mod files;
mod headers;
pub mod hooks;
mod isolate;
mod log;
mod model;
mod multipart;
pub mod rejections;
pub mod respond;
mod storage;
mod text;
mod timers;
mod url;

use rquickjs::{Ctx, Exception, Object, Result, qjs};

/// The object with every native function.
pub fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    // QuickJS has DOMException, atob and btoa in C, and leaves WeakRef and
    // FinalizationRegistry to who asks for them.
    // SAFETY: the context is alive, and nothing is added twice.
    unsafe {
        qjs::JS_AddIntrinsicDOMException(ctx.as_raw().as_ptr());
        qjs::JS_AddIntrinsicAToB(ctx.as_raw().as_ptr());
        qjs::JS_AddIntrinsicWeakRef(ctx.as_raw().as_ptr());
    }
    let native = Object::new(ctx.clone())?;
    acme::add(&native)?;
    log::add(&native)?;
    timers::add(&native)?;
    context::add(&native)?;
    respond::add(&native)?;
    exchange::add(&native)?;
    storage::add(&native)?;
    text::add(&native)?;
    headers::add(&native)?;
    url::add(&native)?;
    multipart::add(&native)?;
    crypto::add(&native)?;
    engine::add(&native)?;
    model::add(&native)?;
    isolate::add(&native)?;
    files::add(&native)?;
    Ok(native)
}

/// What the host says when it fails, as an exception whose message is
/// `CODE: message`, or `CODE|seconds: message` when it says when to try again.
fn failure(ctx: &Ctx<'_>, code: &str, message: &str, retry_after: Option<u32>) -> rquickjs::Error {
    let after = retry_after.map(|seconds| format!("|{seconds}")).unwrap_or_default();
    Exception::throw_message(ctx, &format!("{code}{after}: {message}"))
}
