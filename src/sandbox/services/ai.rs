//! What a script asks a language model, and how the answer comes. Plain values;
//! it must not know providers, keys or budgets.

use std::net::IpAddr;

use tokio::sync::mpsc;

use crate::model::generation::{Generation, TokenUsage};
use crate::model::script::ScriptPath;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    System,
    User,
    Assistant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// See `footpath:host/ai` in `wit/host.wit`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    pub messages: Vec<Message>,
    pub model: Option<String>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    /// JSON Schema as JSON text.
    pub schema: Option<String>,
    /// The prompt file beside the script goes in front.
    pub prompt_file: bool,
}

/// The last part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// `stop`, `length`, `content-filter`, `tool-calls` or `other`.
    pub reason: String,
    pub usage: TokenUsage,
    pub model: String,
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Finish(Finish),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ModelError {
    pub code: &'static str,
    pub message: String,
    pub retry_after_seconds: Option<u32>,
}

impl ModelError {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_seconds: None,
        }
    }
}

/// An answer as it comes; dropping it ends the request.
pub type Parts = mpsc::Receiver<Result<Part, ModelError>>;

/// Parts that wait for a script to take them.
pub const PARTS_MAX: usize = 64;

/// An answer that is an error.
pub fn failed(error: ModelError) -> Parts {
    let (sender, parts) = mpsc::channel(1);
    // There is room for one, and the receiver is here.
    let _ = sender.try_send(Err(error));
    parts
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    pub script: ScriptPath,
    pub execution_id: String,
    pub client_ip: Option<IpAddr>,
    /// `@ai-key`.
    pub key: Option<String>,
}

/// What was used in the end, told once for each request that went out.
pub type OnEnd = Box<dyn FnOnce(Generation) + Send>;

/// Asks models, within the server's budget.
pub trait Models: Send + Sync + 'static {
    fn ask(&self, asker: Asker, request: ModelRequest, on_end: OnEnd) -> Parts;
}
