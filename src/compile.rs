//! TypeScript to JavaScript to image to component. Pure: it turns bytes into
//! bytes, and running the engine in between is the sandbox's work. It must not
//! know routes, files or HTTP.

pub mod capability;
pub mod core_module;
pub mod engine;
pub mod image;
pub mod link;
