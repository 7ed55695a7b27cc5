//! How a script runs and who may call it.

use serde_json::Value;

use super::{Category, Effect, Field, Kind, concurrency, field as any_field, timeout, tokens};
use crate::model::directives::{Directives, Mode, RemoteToken, Secret};

pub const FIELDS: &[Field] = &[
    Field {
        examples: &["serverless", "worker"],
        notes: "serverless: a fresh instance for each request. worker: one instance is kept, calls run one at a time, \
                and it is started anew after a trap (a limit, not an error that was thrown).",
        ..field(
            "mode",
            "mode",
            Kind::Choice(Mode::NAMES, |d, name| {
                d.mode = Mode::from_name(name).unwrap_or(d.mode)
            }),
            |d| d.mode.name().into(),
        )
    },
    Field {
        notes: "false answers 404 without running the script.",
        ..field(
            "enabled",
            "enabled",
            Kind::Boolean(|d, value| d.enabled = value),
            |d| d.enabled.into(),
        )
    },
    Field {
        examples: &["120000", "90s", "5m", "none"],
        runtime: Some("the server's limit, 30 s unless configured"),
        notes: "Wall clock for one request. The work is ended, not only the answer. No limit means the largest that \
                the server's configuration allows.",
        ..field(
            "timeout",
            "timeout",
            Kind::Duration(|d, value| d.timeout = value),
            |d| timeout(d.timeout),
        )
    },
    Field {
        examples: &["true", "false", "8"],
        notes: "Requests at once in serverless mode; false is one. The others wait.",
        ..field(
            "concurrent",
            "concurrent",
            Kind::Concurrency(|d, value| d.concurrent = value),
            |d| concurrency(d.concurrent),
        )
    },
    Field {
        effect: Effect::Inert,
        notes: "A returned promise is always awaited.",
        ..field(
            "awaitPromises",
            "await-promises",
            Kind::Boolean(|d, value| d.inert.await_promises = value),
            |d| d.inert.await_promises.into(),
        )
    },
    Field {
        examples: &["s3cret-word for the mobile app"],
        notes: "Repeatable, at most 16; any one of them passes. The rest of the line is a note. Shown as a placeholder; \
                a line that cannot be read admits nobody.",
        ..field("token", "token", Kind::Token, |d| tokens(&d.access))
    },
    Field {
        examples: &["50M", "1G"],
        runtime: Some("the server's limit, about 5 s of CPU"),
        notes: "CPU for one request, in Wasm fuel. K, M and G are thousands, millions and billions.",
        ..field(
            "fuel",
            "fuel",
            Kind::Amount(|d, value| d.fuel = Some(value)),
            |d| d.fuel.into(),
        )
    },
    Field {
        examples: &["128mb"],
        runtime: Some("the server's limit, 64 MiB unless configured"),
        notes: "Memory of one instance.",
        ..field(
            "memory",
            "memory",
            Kind::Size(|d, value| d.memory_bytes = Some(value)),
            |d| d.memory_bytes.into(),
        )
    },
    Field {
        notes: "The script reads the request body as a stream; neither body nor rawBody is filled in.",
        ..field(
            "rawBody",
            "rawBody",
            Kind::Flag(|d, value| d.raw_body = value),
            |d| d.raw_body.into(),
        )
    },
    Field {
        examples: &["0 4 * * 0", "@weekly"],
        notes: "Five fields or a macro, in UTC.",
        ..field(
            "schedule",
            "schedule",
            Kind::Schedule(|d, value| d.schedule.expression = Some(value)),
            |d| d.schedule.expression.clone().into(),
        )
    },
    Field {
        examples: &["5m"],
        runtime: Some("the value of @timeout, else 30 s"),
        ..field(
            "scheduleTimeout",
            "schedule-timeout",
            Kind::Duration(|d, value| d.schedule.timeout = value),
            |d| timeout(d.schedule.timeout),
        )
    },
    later(
        "websocket",
        "websocket",
        Kind::Boolean(|d, value| d.websocket.enabled = value),
        |d| d.websocket.enabled.into(),
    ),
    later(
        "websocketPre",
        "websocket-pre",
        Kind::Boolean(|d, value| d.websocket.pre = value),
        |d| d.websocket.pre.into(),
    ),
    later(
        "remoteMessages",
        "remote-messages",
        Kind::Boolean(|d, value| d.remote.messages = value),
        |d| d.remote.messages.into(),
    ),
    later(
        "remoteCall",
        "remote-call",
        Kind::Boolean(|d, value| d.remote.call = value),
        |d| d.remote.call.into(),
    ),
    later(
        "remoteEval",
        "remote-eval",
        Kind::Boolean(|d, value| d.remote.eval = value),
        |d| d.remote.eval.into(),
    ),
    Field {
        examples: &["ci env:CI_TOKEN call"],
        notes: "Repeatable: a name, a secret or env:NAME, and a scope.",
        ..later("remoteToken", "remote-token", Kind::RemoteToken, |d| {
            d.remote.tokens.iter().map(shown).collect()
        })
    },
];

/// A remote token as it is shown; a reference to the environment is no secret.
fn shown(token: &RemoteToken) -> String {
    let secret = Some(token.secret.expose()).filter(|secret| secret.starts_with("env:"));
    let words = [
        Some(token.name.as_str()),
        secret.or(Some(Secret::PLACEHOLDER)),
        token.scope.as_deref(),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

const fn field(
    key: &'static str,
    name: &'static str,
    kind: Kind,
    get: fn(&Directives) -> Value,
) -> Field {
    any_field(Category::Execution, key, name, kind, get)
}

const fn later(
    key: &'static str,
    name: &'static str,
    kind: Kind,
    get: fn(&Directives) -> Value,
) -> Field {
    Field {
        effect: Effect::Later,
        ..field(key, name, kind, get)
    }
}
