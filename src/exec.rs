//! Scripts to routes to live handlers.

pub mod cors;
pub mod directives;
pub mod precondition;
pub mod routes;
pub mod versions;
