//! What people and lists say about a script.

use serde_json::Value;

use super::{Category, Field, Kind, field as any_field};
use crate::model::directives::Directives;

pub const FIELDS: &[Field] = &[
    Field {
        examples: &["Renews the certificates"],
        ..field(
            "description",
            "description",
            Kind::Text(|d, value| d.description = Some(value)),
            |d| d.description.clone().into(),
        )
    },
    Field {
        examples: &["renewal"],
        ..field(
            "label",
            "label",
            Kind::Text(|d, value| d.label = Some(value)),
            |d| d.label.clone().into(),
        )
    },
    Field {
        examples: &["internal, certificates"],
        notes: "Texts between commas.",
        ..field("tags", "tags", Kind::List(|d, value| d.tags = value), |d| {
            d.tags.clone().into()
        })
    },
];

const fn field(
    key: &'static str,
    name: &'static str,
    kind: Kind,
    get: fn(&Directives) -> Value,
) -> Field {
    any_field(Category::Metadata, key, name, kind, get)
}
