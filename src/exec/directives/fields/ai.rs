//! Which model a script may ask.

use serde_json::Value;

use super::{Category, Field, Kind, field as any_field};
use crate::model::directives::{Directives, Secret};

pub const FIELDS: &[Field] = &[
    Field {
        notes: "true lets the script ask a model.",
        ..field(
            "ai",
            "ai",
            Kind::Boolean(|d, value| d.ai.enabled = value),
            |d| d.ai.enabled.into(),
        )
    },
    Field {
        examples: &["anthropic/claude-sonnet-4.5"],
        runtime: Some("the server's setting"),
        ..field(
            "aiModel",
            "ai-model",
            Kind::Word(|d, value| d.ai.model = Some(value)),
            |d| d.ai.model.clone().into(),
        )
    },
    Field {
        examples: &["0.7"],
        runtime: Some("the provider's"),
        ..field(
            "aiTemperature",
            "ai-temperature",
            Kind::Number {
                min: 0.0,
                max: 2.0,
                set: |d, value| d.ai.temperature = Some(value),
            },
            |d| d.ai.temperature.into(),
        )
    },
    Field {
        examples: &["1024"],
        runtime: Some("ai.tokens_per_call"),
        notes: "At most what the server allows.",
        ..field(
            "aiMaxTokens",
            "ai-max-tokens",
            Kind::Integer {
                min: 1,
                max: u32::MAX as u64,
                set: |d, value| d.ai.max_tokens = Some(value),
            },
            |d| d.ai.max_tokens.into(),
        )
    },
    Field {
        examples: &["sk-0123456789"],
        runtime: Some("the server's setting"),
        notes: "Shown as a placeholder.",
        ..field(
            "aiKey",
            "ai-key",
            Kind::SecretWord(|d, value| d.ai.key = Some(value)),
            |d| d.ai.key.as_ref().map(|_| Secret::PLACEHOLDER).into(),
        )
    },
];

const fn field(
    key: &'static str,
    name: &'static str,
    kind: Kind,
    get: fn(&Directives) -> Value,
) -> Field {
    any_field(Category::Ai, key, name, kind, get)
}
