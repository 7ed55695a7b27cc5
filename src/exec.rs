//! Scripts to routes to live handlers.

pub mod cors;
pub mod directives;
pub mod log;
pub mod monitor;
pub mod precondition;
pub mod routes;
pub mod versions;
