//! Which other origins may call from a browser.

use serde_json::Value;

use super::{Category, Field, Kind, cors_policy, field as any_field};
use crate::model::directives::Directives;

pub const FIELDS: &[Field] = &[
    Field {
        examples: &["reflective", "https://example.com", "none"],
        notes: "reflective answers every origin by its name; * means the same. Without the line no other origin may \
                read an answer.",
        ..field(
            "cors",
            "cors",
            Kind::CorsPolicy(|d, value| d.cors.policy = value),
            |d| cors_policy(&d.cors.policy),
        )
    },
    Field {
        notes: "Whether cookies and credentials may come along.",
        ..field(
            "corsCredentials",
            "cors-credentials",
            Kind::Boolean(|d, value| d.cors.credentials = value),
            |d| d.cors.credentials.into(),
        )
    },
    Field {
        examples: &["GET, POST"],
        runtime: Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        ..field(
            "corsMethods",
            "cors-methods",
            Kind::Names(|d, names| {
                d.cors.methods = Some(names.iter().map(|name| name.to_ascii_uppercase()).collect())
            }),
            |d| d.cors.methods.clone().into(),
        )
    },
    Field {
        examples: &["content-type, x-request-id"],
        runtime: Some("the headers that the browser asks for"),
        ..field(
            "corsHeaders",
            "cors-headers",
            Kind::Names(|d, names| {
                d.cors.headers = Some(names.iter().map(|name| name.to_ascii_lowercase()).collect())
            }),
            |d| d.cors.headers.clone().into(),
        )
    },
    Field {
        examples: &["600"],
        runtime: Some("the browser's own, 5 s in most"),
        notes: "Seconds for which a browser may remember the answer to a preflight.",
        ..field(
            "corsMaxAge",
            "cors-max-age",
            Kind::Integer {
                min: 0,
                max: u32::MAX as u64,
                set: |d, seconds| d.cors.max_age_seconds = u32::try_from(seconds).ok(),
            },
            |d| d.cors.max_age_seconds.into(),
        )
    },
];

const fn field(
    key: &'static str,
    name: &'static str,
    kind: Kind,
    get: fn(&Directives) -> Value,
) -> Field {
    any_field(Category::Cors, key, name, kind, get)
}
