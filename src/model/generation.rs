//! What is kept of a request to a language model: with the version of a script
//! that came of it, and in the trail of calls that made routes.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenUsage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

impl TokenUsage {
    pub fn total(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }
}

/// One request to a model and its cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// The model that answered, or was asked.
    pub model: String,
    /// The messages as `role: content`, cut at [`PROMPT_BYTES_MAX`].
    pub prompt: String,
    pub temperature: Option<f64>,
    pub max_tokens: u32,
    pub usage: TokenUsage,
    /// The provider gave no usage, and it is counted from the texts' lengths.
    pub estimated: bool,
    /// In millionths of the currency of `ai.prices`.
    pub cost_micros: u64,
    /// `stop`, `length`, …, or the code of an error.
    pub finish_reason: String,
    /// The provider's name for the answer.
    pub provider_id: String,
    pub started_at: DateTime<Utc>,
    pub duration_ms: u64,
}

/// What is kept of a prompt.
pub const PROMPT_BYTES_MAX: usize = 16 << 10;

/// How a script that a model wrote came to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorship {
    /// The request that led to it.
    pub method: String,
    pub path: String,
    pub client_ip: Option<IpAddr>,
    /// The name of the management token that was shown with it.
    pub token: Option<String>,
    pub execution_id: String,
    /// The script that asked and wrote.
    pub by: String,
    /// Every request to a model of that call, in order; the last one gave the text.
    pub generations: Vec<Generation>,
    pub trial: Trial,
}

/// What came of running the text in an isolate before it was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Trial {
    /// It was not run.
    None,
    Answered {
        status: u16,
    },
    Failed {
        code: String,
        message: String,
    },
}

impl Authorship {
    pub fn tokens(&self) -> u64 {
        self.generations.iter().map(|one| one.usage.total()).sum()
    }

    pub fn cost_micros(&self) -> u64 {
        self.generations.iter().map(|one| one.cost_micros).sum()
    }
}
