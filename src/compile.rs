//! TypeScript to JavaScript to image to component.

pub mod bundle;
mod deep_stack;
mod diagnostics;
pub mod imports;
mod jsx;
mod nesting;
mod resolve;
pub mod shape;
pub mod stack;
pub mod typescript;
pub mod validate;
mod wrap;
