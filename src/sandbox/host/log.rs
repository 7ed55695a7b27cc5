//! `footpath:host/log`: lines within the call's budget. What is over it is cut,
//! and the log says so once.

use super::{State, bindings::footpath::host::log};
use crate::sandbox::services::LogLevel;

/// One message at most.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// How much a call may still log.
pub struct LogBudget {
    max_bytes: usize,
    used_bytes: usize,
    exhausted: bool,
}

impl LogBudget {
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            used_bytes: 0,
            exhausted: false,
        }
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        if self.log.exhausted {
            return Ok(());
        }
        let left = self.log.max_bytes - self.log.used_bytes;
        let kept = prefix(&message, left.min(MESSAGE_BYTES_MAX));
        self.log.used_bytes += kept.len();
        self.services.log(&self.call, level, kept);
        if message.len() > left {
            self.log.exhausted = true;
            let note = format!(
                "the log of this call is full at {} bytes; the rest is dropped",
                self.log.max_bytes
            );
            self.services.log(&self.call, LogLevel::Warn, &note);
        }
        Ok(())
    }
}

/// The longest prefix of whole characters within so many bytes.
fn prefix(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
