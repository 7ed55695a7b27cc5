//! The limits of one call, and the watch over its memory.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// What one call may use.
#[derive(Debug, Clone)]
pub struct CallLimits {
    pub timeout: Duration,
    /// Wasm instructions, about one each; see `FUEL_PER_SECOND` for what a CPU does.
    pub fuel: u64,
    pub memory_bytes: usize,
    pub request_body_bytes: u64,
    pub response_body_bytes: u64,
    /// Outgoing requests in all, and at once.
    pub outbound_calls: u32,
    pub outbound_calls_at_once: u32,
    pub log_bytes: usize,
}

/// Fuel that one CPU core burns in a second, measured with a JavaScript loop.
pub const FUEL_PER_SECOND: u64 = 5_000_000_000;

/// Fuel between two points where other calls get their turn: about 0.2 ms, which a
/// switch costs less than a hundredth of.
pub const FUEL_PER_TURN: u64 = FUEL_PER_SECOND / 5000;

/// Host memory that one call into the host may take, e.g. for a list it passes.
pub const HOSTCALL_BYTES_MAX: usize = 40 << 20;

/// Resources (bodies, streams, timers) that a call may hold.
pub const HANDLES_MAX: usize = 4_096;

/// All header fields of a message, as they lie in memory.
pub const FIELDS_BYTES_MAX: usize = 128 << 10;

/// Refuses growth over the limit, and remembers it.
pub struct MemoryWatch {
    pub limit_bytes: usize,
    pub peak_bytes: usize,
    /// Of the present instance.
    pub used_bytes: usize,
    /// A growth was refused: what the handler reports next is likely its fault.
    pub refused: bool,
}

impl MemoryWatch {
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            peak_bytes: 0,
            used_bytes: 0,
            refused: false,
        }
    }
}

impl ResourceLimiter for MemoryWatch {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.limit_bytes;
        if granted {
            self.peak_bytes = self.peak_bytes.max(desired);
            self.used_bytes = desired;
        } else {
            self.refused = true;
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000)
    }
}
