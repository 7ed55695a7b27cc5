//! Plain values that the parts speak. No I/O, no foreign crate but serde and time.

pub mod diagnostic;
