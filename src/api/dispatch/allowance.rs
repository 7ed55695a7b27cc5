//! How much one call may use: what its script asks for, else the configuration.

use std::time::Duration;

use super::Dispatcher;
use crate::model::directives::{Directives, Timeout};
use crate::sandbox::limits::CallLimits;

impl Dispatcher {
    pub(super) fn call_limits(&self, directives: &Directives) -> CallLimits {
        let limits = &self.limits;
        CallLimits {
            timeout: match directives.timeout {
                Timeout::Default => Duration::from_millis(limits.wall_clock_ms),
                Timeout::After(timeout) => timeout,
                Timeout::Unlimited => self.exec.publisher.caps.timeout,
            },
            fuel: directives.fuel.unwrap_or(limits.fuel_units),
            memory_bytes: directives.memory_bytes.unwrap_or(limits.memory_bytes) as usize,
            request_body_bytes: limits.request_body_bytes,
            response_body_bytes: limits.response_body_bytes,
            outbound_calls: limits.outbound_calls as u32,
            outbound_calls_at_once: limits.outbound_concurrent as u32,
            log_bytes: limits.log_bytes as usize,
        }
    }
}
