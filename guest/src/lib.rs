//! The engine: QuickJS with the Web APIs evaluated into it, as the core of a
//! `wasi:http` component. It owns nothing outside its linear memory; what a
//! handler may touch is decided by the imports it is linked with.
//!
//! It runs in three lives. `engine_init` evaluates the Web APIs when the engine
//! is built. `engine_load` compiles and evaluates a script when a handler is
//! published. `incoming-handler.handle` answers a request. Between the lives
//! only the linear memory survives.

mod call;
mod direct;
mod driver;
mod load;
mod native;
mod prelude;
mod runtime;
mod scrub;
mod stack;

#[expect(clippy::all, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({
        world: "footpath:host/engine",
        path: "../wit",
        generate_all,
    });
}

struct Engine;

impl bindings::exports::wasi::http::incoming_handler::Guest for Engine {
    fn handle(
        request: bindings::wasi::http::types::IncomingRequest,
        response_out: bindings::wasi::http::types::ResponseOutparam,
    ) {
        driver::answer(request, response_out);
    }
}

bindings::export!(Engine with_types_in bindings);
