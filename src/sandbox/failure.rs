//! Why a call gave no answer of its own. It must not know HTTP statuses; the
//! table from failure to status is `api::error`.

use serde::{Deserialize, Serialize};

/// A limit and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Timeout,
    Fuel,
    Memory,
    Stack,
    RequestBody,
    ResponseBody,
    Headers,
    /// What one call to the host hands over, such as a value for `kv`.
    HostCall,
    /// What the host holds for the handler: requests, bodies, timers.
    Handles,
    Instances,
    Depth,
}

impl Limit {
    /// The last part of `LIMIT_<NAME>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "TIMEOUT",
            Self::Fuel => "FUEL",
            Self::Memory => "MEMORY",
            Self::Stack => "STACK",
            Self::RequestBody => "REQUEST_BODY",
            Self::ResponseBody => "RESPONSE_BODY",
            Self::Headers => "HEADERS",
            Self::HostCall => "HOST_CALL",
            Self::Handles => "HANDLES",
            Self::Instances => "INSTANCES",
            Self::Depth => "DEPTH",
        }
    }
}

/// What a script threw, as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptError {
    pub name: String,
    pub message: String,
    /// With the JavaScript positions of the published modules.
    #[serde(default)]
    pub stack: String,
    /// It came from a promise that nobody listened to, or from a timer.
    #[serde(default)]
    pub unhandled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<ScriptError>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

/// A call that ended without an answer of the handler's.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    #[error("{}: {}", .0.name, .0.message)]
    Threw(ScriptError),
    /// `used` and `max` in the limit's own unit: ms, fuel, bytes, calls.
    #[error("the limit {} was hit: {used} of {max}", .limit.name())]
    Limit { limit: Limit, used: u64, max: u64 },
    #[error("the handler waits for a promise that nothing can settle")]
    NeverSettles,
    #[error("the handler ended without an answer")]
    NoAnswer,
    #[error("the sandbox stopped the handler: {0}")]
    Trapped(String),
}
