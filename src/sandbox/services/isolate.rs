//! What `isolate.eval` gives and is given; see `footpath:host/isolate` in
//! `wit/host.wit`.

use bytes::Bytes;

/// What to run, and with what.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub code: String,
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
    /// `req`, `res`, `fetch`, `console`.
    pub passed: Vec<String>,
    /// Names with values in the engine's own JSON form.
    pub data: Vec<(String, String)>,
}

/// How it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct IsolateError {
    /// `ISOLATE_INVALID`, `ISOLATE_THREW`, `ISOLATE_LIMIT`, `ISOLATE_STATUS`.
    pub code: &'static str,
    /// The name of what was thrown, else empty.
    pub name: String,
    pub message: String,
}

impl IsolateError {
    pub fn refused(why: &str) -> Self {
        Self {
            code: "ISOLATE_LIMIT",
            name: String::new(),
            message: why.to_owned(),
        }
    }
}
