//! What a script may touch beyond computing: each capability is an import of its
//! component and a global of its JavaScript. It must not decide who gets which;
//! that follows from the script and its origin.

use std::collections::BTreeSet;

/// One capability: its WIT interface and its global.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    Fetch,
    Kv,
    Shared,
    Ai,
    Isolate,
    Files,
    Acme,
}

/// Capabilities in a fixed order.
pub type Capabilities = BTreeSet<Capability>;

impl Capability {
    pub const ALL: [Self; 7] = [
        Self::Fetch,
        Self::Kv,
        Self::Shared,
        Self::Ai,
        Self::Isolate,
        Self::Files,
        Self::Acme,
    ];

    /// The global that uses it, which is also its name in answers and logs.
    pub fn global(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Kv => "kv",
            Self::Shared => "shared",
            Self::Ai => "ai",
            Self::Isolate => "isolate",
            Self::Files => "fs",
            Self::Acme => "acme",
        }
    }

    /// Every global that uses it.
    pub fn globals(self) -> &'static [&'static str] {
        match self {
            Self::Fetch => &["fetch"],
            Self::Kv => &["kv"],
            Self::Shared => &["shared"],
            Self::Ai => &[
                "ai",
                "model",
                "generateText",
                "streamText",
                "generateObject",
            ],
            Self::Isolate => &["isolate"],
            Self::Files => &["fs"],
            Self::Acme => &["acme"],
        }
    }

    /// The interface in the component's imports, without its version.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Fetch => "wasi:http/outgoing-handler",
            Self::Kv => "footpath:host/kv",
            Self::Shared => "footpath:host/shared-state",
            Self::Ai => "footpath:host/ai",
            Self::Isolate => "footpath:host/isolate",
            Self::Files => "footpath:host/files",
            Self::Acme => "footpath:host/acme",
        }
    }
}

/// Interfaces that every handler on a Footpath host imports.
pub const ALWAYS: &[&str] = &[
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:http/types",
    "footpath:host/context",
    "footpath:host/answer",
    "footpath:host/log",
];

/// Whether an interface of `ALWAYS` is there on a Footpath host only.
pub fn is_footpaths(interface: &str) -> bool {
    interface.starts_with("footpath:host/")
}

/// Where a portable handler writes its log, since no Footpath host listens.
pub const PORTABLE_LOG: &str = "wasi:cli/stderr";

/// The interface of an import's module name: `a:b/c@1.2.3` is `a:b/c`.
pub fn unversioned(module: &str) -> &str {
    module.split('@').next().unwrap_or(module)
}
