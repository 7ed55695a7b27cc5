//! TypeScript to JavaScript to image to component. Pure: it turns bytes into
//! bytes, and running the engine in between is the sandbox's work. It must not
//! know routes, files or HTTP.

pub mod bundle;
pub mod capability;
pub mod capability_scan;
pub mod core_module;
mod deep_stack;
mod diagnostics;
pub mod engine;
pub mod fences;
pub mod hooks;
pub mod image;
pub mod imports;
mod jsx;
pub mod link;
mod nesting;
mod node;
mod positions;
mod resolve;
pub mod shape;
pub mod silence;
pub mod stack;
pub mod typescript;
pub mod validate;
pub mod wrap;
