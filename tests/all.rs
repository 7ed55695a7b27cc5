//! The one integration test binary: each Wasmtime-linked binary costs a link.
//!
//! - `harness`: starts the real program and talks to it; read it first.
//! - `engine`: the sandbox and the linker of handlers, without a server.
//! - `routes`: from a URL to a script.

#[path = "all/harness.rs"]
mod harness;

#[path = "all/engine.rs"]
mod engine;
#[path = "all/routes.rs"]
mod routes;
