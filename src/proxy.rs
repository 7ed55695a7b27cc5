//! TLS and the reverse proxy: certificates by name, aliases, forwarding.
//!
//! Certificates and aliases are tables in memory over the store: hot paths read
//! them and wait for nothing, one slow path writes, and saves before it swaps.
//! This module must not know where certificates come from (`acme`), nor the
//! routes of the management API.

pub mod alias;
pub mod aliases;
pub mod bundle;
pub mod challenges;
pub mod documents;
pub mod forward;
pub mod log;
pub mod permission;
mod shards;
pub mod sni;
pub mod spelling;
pub mod tls;
