//! The access log (one line per request) and the execution log (what handlers
//! print, and what they throw): how lines look, how they are written without
//! holding up a request, and how they are read again.
//!
//! Lines are JSON objects. They go through one bounded queue to one thread,
//! which makes the text, appends it within 200 ms and rotates files by size, so
//! that a request pays for a push and no more. A log never stops the server:
//! what does not fit into the queue or onto the disk is dropped and counted.
//!
//! ```text
//! <dir>/access/access.log          newest; access.log.1 is the one before it
//! <dir>/executions/executions.log
//! ```
//!
//! What is kept is bounded by size alone: `@log-retention-days` of a script has
//! no effect, since the lines of all scripts share these files.
//!
//! It must not know HTTP, and no text in it may hold a secret: see `secrets`.

mod appender;
pub mod clear;
pub mod error;
pub mod file_name;
pub mod follow;
pub mod line;
pub mod list;
pub mod message;
mod pattern;
mod place;
mod queue;
pub mod read;
pub mod reader;
mod scan;
pub mod search;
pub mod secrets;
pub mod tail;
pub mod timestamp;
pub mod writer;

use std::path::PathBuf;

/// Where logs are kept, and how much of them.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// The folder; it and one folder per log are made when missing.
    pub dir: PathBuf,
    /// A file is rotated before a line would make it larger than this.
    pub file_bytes_max: u64,
    /// Rotated files that are kept of each log, besides the current one; at most
    /// 9999.
    pub rotated_files_max: u32,
}
