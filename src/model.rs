//! Plain values that the parts speak. No I/O, no foreign crate but serde and time.

pub mod case;
pub mod diagnostic;
pub mod directives;
pub mod exec_id;
pub mod generation;
pub mod script;
pub mod user;
