//! What a script says about itself in the `// @name value` comments at its top.
//!
//! Owns the values and their defaults. How they are written in a file belongs
//! to `exec::directives`; a default of `None` means that the server's
//! configuration decides.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// How many `@token` lines of a script count.
pub const MAX_TOKENS: usize = 16;
/// Default of `@log-max-body-size`.
pub const DEFAULT_LOGGED_BODY_BYTES: u64 = 64 * 1024;

#[derive(Debug, Clone, PartialEq)]
pub struct Directives {
    pub mode: Mode,
    /// False answers 404 without running the script.
    pub enabled: bool,
    pub timeout: Timeout,
    pub concurrent: Concurrency,
    pub access: Access,
    pub cors: Cors,
    pub log: Log,
    pub description: Option<String>,
    pub label: Option<String>,
    pub tags: Vec<String>,
    /// Wasmtime fuel per request.
    pub fuel: Option<u64>,
    /// Linear memory per instance.
    pub memory_bytes: Option<u64>,
    /// The script reads the body as a stream: neither `body` nor `rawBody`.
    pub raw_body: bool,
    pub schedule: Schedule,
    pub ai: Ai,
    pub websocket: WebSocket,
    pub remote: Remote,
    pub inert: Inert,
}

/// Declares an enum whose values have names in directives.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$what])* $variant,)+ }

        impl $name {
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($text => Some($name::$variant),)+ _ => None }
            }

            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }
    };
}

named! {
    /// How instances live.
    Mode {
        /// A fresh instance for each request.
        Serverless = "serverless",
        /// One instance is kept, and calls run one at a time.
        Worker = "worker",
    }
}

named! {
    /// How much the execution log says. The access log stays in any case.
    LogLevel {
        None = "none",
        Minimal = "minimal",
        Standard = "standard",
        Full = "full",
        Debug = "debug",
    }
}

named! {
    /// What the execution log holds of a body.
    BodyLogging {
        Off = "off",
        /// Its size and type.
        Redacted = "redacted",
        Full = "full",
    }
}

/// The wall clock for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timeout {
    /// Whatever the configuration says.
    #[default]
    Default,
    After(Duration),
    /// The script asks for no limit; the configuration's maximum still holds.
    Unlimited,
}

/// How many requests of a serverless script run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Concurrency {
    /// As many as the server lets run.
    #[default]
    Unlimited,
    AtMost(NonZeroU32),
}

/// Who may call the script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    #[default]
    Everybody,
    /// Whoever shows one of the tokens. An empty list admits nobody: a `@token`
    /// line that cannot be read must not open the script.
    Token(Vec<Secret>),
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What stands for a secret wherever it is shown.
    pub const PLACEHOLDER: &'static str = "[REDACTED]";

    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Secret::PLACEHOLDER)
    }
}

/// Cross-origin requests, the `@cors*` lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    pub policy: CorsPolicy,
    pub credentials: bool,
    /// Upper case. None is the usual set.
    pub methods: Option<Vec<String>>,
    /// Lower case. None allows those that the browser asks for.
    pub headers: Option<Vec<String>>,
    /// How long a browser may remember the answer. None leaves it to the browser.
    pub max_age_seconds: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsPolicy {
    /// No other origin may read an answer.
    None,
    /// Every origin may; the answer names the one that asked.
    Reflective,
    /// This origin may, such as `https://example.com`.
    Origin(String),
}

/// The execution log, the `@log-*` lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: LogLevel,
    pub request_body: BodyLogging,
    pub response_body: BodyLogging,
    pub max_body_size_bytes: u64,
    /// Header names whose values are hidden, in lower case.
    pub exclude_headers: Vec<String>,
    pub retention_days: Option<u32>,
}

/// `@schedule`: when the script runs without a caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Five fields or one of the five macros, in UTC.
    pub expression: Option<String>,
    pub timeout: Timeout,
}

/// `@ai*`: whether the script may ask a model, and which one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ai {
    pub enabled: bool,
    pub model: Option<String>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u64>,
    pub key: Option<Secret>,
}

/// `@websocket*`: not available yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocket {
    pub enabled: bool,
    pub pre: bool,
}

/// `@remote-*`: not available yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remote {
    pub messages: bool,
    pub call: bool,
    pub eval: bool,
    pub tokens: Vec<RemoteToken>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteToken {
    pub name: String,
    /// The token itself, or `env:NAME`.
    pub secret: Secret,
    pub scope: Option<String>,
}

/// Values that other servers know and that change nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inert {
    pub await_promises: bool,
    pub debug_instrument: bool,
}

impl Default for Directives {
    fn default() -> Self {
        Directives {
            mode: Mode::Serverless,
            enabled: true,
            timeout: Timeout::Default,
            concurrent: Concurrency::Unlimited,
            access: Access::Everybody,
            cors: Cors {
                policy: CorsPolicy::None,
                credentials: false,
                methods: None,
                headers: None,
                max_age_seconds: None,
            },
            log: Log {
                level: LogLevel::Standard,
                request_body: BodyLogging::Off,
                response_body: BodyLogging::Off,
                max_body_size_bytes: DEFAULT_LOGGED_BODY_BYTES,
                exclude_headers: Vec::new(),
                retention_days: None,
            },
            description: None,
            label: None,
            tags: Vec::new(),
            fuel: None,
            memory_bytes: None,
            raw_body: false,
            schedule: Schedule::default(),
            ai: Ai::default(),
            websocket: WebSocket {
                enabled: false,
                pre: true,
            },
            remote: Remote::default(),
            inert: Inert {
                await_promises: true,
                debug_instrument: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_output_shows_a_secret() {
        let mut directives = Directives {
            access: Access::Token(vec![Secret::new("hush-1")]),
            ..Directives::default()
        };
        directives.ai.key = Some(Secret::new("hush-2"));
        let text = format!("{directives:?}");
        assert!(
            !text.contains("hush") && text.contains(Secret::PLACEHOLDER),
            "{text}"
        );
    }
}
