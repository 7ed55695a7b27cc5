//! The one integration test binary: each Wasmtime-linked binary costs a link.
//!
//! - `engine`: the sandbox and the linker of handlers, without a server.

#[path = "all/engine.rs"]
mod engine;
