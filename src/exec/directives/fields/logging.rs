//! What the execution log holds.

use serde_json::Value;

use super::{Category, Effect, Field, Kind, field as any_field};
use crate::model::directives::{Directives, LogLevel};

pub const FIELDS: &[Field] = &[
    Field {
        examples: &["minimal"],
        notes: "The execution log only; the access log stays.",
        ..field(
            "logLevel",
            "log-level",
            Kind::Choice(LogLevel::NAMES, |d, name| {
                d.log.level = LogLevel::from_name(name).unwrap_or(d.log.level)
            }),
            |d| d.log.level.name().into(),
        )
    },
    Field {
        notes: "true is short for @log-level debug.",
        ..field(
            "debug",
            "debug",
            Kind::Boolean(|d, value| {
                if value {
                    d.log.level = LogLevel::Debug;
                }
            }),
            |d| (d.log.level == LogLevel::Debug).into(),
        )
    },
    Field {
        examples: &["off", "redacted", "full"],
        notes: "true is full, false is off; anything else is redacted.",
        ..field(
            "logRequestBody",
            "log-request-body",
            Kind::BodyLogging(|d, value| d.log.request_body = value),
            |d| d.log.request_body.name().into(),
        )
    },
    Field {
        examples: &["off", "redacted", "full"],
        notes: "true is full, false is off; anything else is redacted.",
        ..field(
            "logResponseBody",
            "log-response-body",
            Kind::BodyLogging(|d, value| d.log.response_body = value),
            |d| d.log.response_body.name().into(),
        )
    },
    Field {
        examples: &["512kb", "1mb"],
        notes: "What is longer is cut in the log.",
        ..field(
            "logMaxBodySize",
            "log-max-body-size",
            Kind::Size(|d, value| d.log.max_body_size_bytes = value),
            |d| d.log.max_body_size_bytes.into(),
        )
    },
    Field {
        examples: &["x-api-key, x-session"],
        notes: "Values of these headers are hidden, besides those of credentials, which always are.",
        ..field(
            "logExcludeHeaders",
            "log-exclude-headers",
            Kind::Names(|d, names| {
                d.log.exclude_headers = names.iter().map(|name| name.to_ascii_lowercase()).collect()
            }),
            |d| d.log.exclude_headers.clone().into(),
        )
    },
    Field {
        examples: &["30"],
        runtime: Some("the server's setting"),
        ..field(
            "logRetentionDays",
            "log-retention-days",
            Kind::Integer {
                min: 0,
                max: 3650,
                set: |d, days| d.log.retention_days = u32::try_from(days).ok(),
            },
            |d| d.log.retention_days.into(),
        )
    },
    Field {
        effect: Effect::Inert,
        ..field(
            "debugInstrument",
            "debug-instrument",
            Kind::Boolean(|d, value| d.inert.debug_instrument = value),
            |d| d.inert.debug_instrument.into(),
        )
    },
];

const fn field(
    key: &'static str,
    name: &'static str,
    kind: Kind,
    get: fn(&Directives) -> Value,
) -> Field {
    any_field(Category::Logging, key, name, kind, get)
}
