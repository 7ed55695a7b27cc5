//! Footpath: a TypeScript file is an HTTP route, and every route is a
//! WebAssembly component that runs in a fresh, limited instance.
//!
//! # The floors
//!
//! ```text
//! main, cli -> app -> api -> exec author cron proxy acme auth
//!                         -> compile sandbox egress store -> model
//! ```
//!
//! A module imports from floors below its own, never sideways and never
//! upwards; `tests/all/tidy.rs` checks it. Parts on one floor that must meet do
//! so through a small trait or handle that [`app`] passes in.

pub mod cli;

pub mod app;
pub mod config;
pub mod shutdown;

pub mod acme;
pub mod api;

pub mod auth;
pub mod author;
pub mod cron;
pub mod exec;
pub mod proxy;

pub mod compile;
pub mod egress;
pub mod sandbox;
pub mod store;

pub mod model;
