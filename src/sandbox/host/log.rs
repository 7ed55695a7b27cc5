//! `footpath:host/log`: lines within the call's budget. What is over it is cut,
//! and the log says so once.

use std::sync::atomic::Ordering;

use super::{State, bindings::footpath::host::log};
use crate::sandbox::services::LogLevel;

/// One message at most.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        let (spent, max) = (&self.call.spent, self.limits.log_bytes);
        if spent.log_is_full.load(Ordering::Relaxed) {
            return Ok(());
        }
        let left = max.saturating_sub(spent.log_bytes.load(Ordering::Relaxed));
        let kept = prefix(&message, left.min(MESSAGE_BYTES_MAX));
        spent.log_bytes.fetch_add(kept.len(), Ordering::Relaxed);
        self.services.log(&self.call, level, kept);
        if message.len() > left {
            spent.log_is_full.store(true, Ordering::Relaxed);
            let note = format!("the log of this call is full at {max} bytes; the rest is dropped");
            self.services.log(&self.call, LogLevel::Warn, &note);
        }
        Ok(())
    }
}

/// The longest prefix of whole characters within so many bytes.
fn prefix(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
