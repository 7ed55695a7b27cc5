//! The table of directives. The parser, the schema document and the edits all
//! read this one table, so that they cannot disagree.

mod ai;
mod cors;
mod execution;
mod logging;
mod metadata;

use serde::Serialize;
use serde_json::Value;

use super::value;
use crate::model::directives::{
    Access, BodyLogging, Concurrency, CorsPolicy, Directives, MAX_TOKENS, RemoteToken, Secret,
    Timeout,
};

/// One directive.
pub struct Field {
    /// Its name in JSON: `corsMaxAge`.
    pub key: &'static str,
    /// Its name in a file, without the `@`: `cors-max-age`.
    pub name: &'static str,
    pub category: Category,
    pub kind: Kind,
    /// Its value in JSON. Secrets are hidden; what the configuration decides is
    /// null.
    pub get: fn(&Directives) -> Value,
    pub effect: Effect,
    /// What holds when it is left out, if that is not what `get` says.
    pub runtime: Option<&'static str>,
    pub examples: &'static [&'static str],
    pub notes: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    Execution,
    Logging,
    Cors,
    Ai,
    Metadata,
}

/// Whether a directive does something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Works,
    /// Known for the sake of scripts from elsewhere; changes nothing.
    Inert,
    /// Read and kept, and reported as not available yet.
    Later,
}

/// What values a directive takes, and where they go.
pub enum Kind {
    Boolean(fn(&mut Directives, bool)),
    /// A boolean whose bare name means true.
    Flag(fn(&mut Directives, bool)),
    Choice(&'static [&'static str], fn(&mut Directives, &str)),
    Duration(fn(&mut Directives, Timeout)),
    Concurrency(fn(&mut Directives, Concurrency)),
    Integer {
        min: u64,
        max: u64,
        set: fn(&mut Directives, u64),
    },
    Number {
        min: f64,
        max: f64,
        set: fn(&mut Directives, f64),
    },
    /// Bytes.
    Size(fn(&mut Directives, u64)),
    /// A count with K, M, G.
    Amount(fn(&mut Directives, u64)),
    Text(fn(&mut Directives, String)),
    Word(fn(&mut Directives, String)),
    List(fn(&mut Directives, Vec<String>)),
    /// HTTP header or method names.
    Names(fn(&mut Directives, Vec<String>)),
    CorsPolicy(fn(&mut Directives, CorsPolicy)),
    BodyLogging(fn(&mut Directives, BodyLogging)),
    Schedule(fn(&mut Directives, String)),
    /// A word that is secret.
    SecretWord(fn(&mut Directives, Secret)),
    /// `@token`: one line each, the rest of a line is a note.
    Token,
    /// `@remote-token`: one line each, a name, the secret, a scope.
    RemoteToken,
}

/// All directives, by category.
pub fn all() -> impl Iterator<Item = &'static Field> {
    [
        execution::FIELDS,
        logging::FIELDS,
        cors::FIELDS,
        ai::FIELDS,
        metadata::FIELDS,
    ]
    .into_iter()
    .flatten()
}

/// Finds a directive by its exact name in a file.
pub fn by_name(name: &str) -> Option<&'static Field> {
    all().find(|field| field.name == name)
}

/// Finds a directive as the API names it: by key or by name, with or without `@`.
pub fn by_key(key: &str) -> Option<&'static Field> {
    let name = key.strip_prefix('@').unwrap_or(key);
    all().find(|field| field.key == key || field.name == name)
}

/// The directive that somebody probably meant: another case, `_` for `-`, a
/// colon, one `s` too many or too few.
pub fn nearest(name: &str) -> Option<&'static Field> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-', ':', '@'], "");
    let wanted = plain(name);
    let singular = wanted.strip_suffix('s').unwrap_or(&wanted);
    all().find(|field| {
        let known = plain(field.name);
        known == wanted || known == singular || known.strip_suffix('s') == Some(&wanted)
    })
}

impl Field {
    /// The name as it is shown: `@cors-max-age`.
    pub fn directive(&self) -> String {
        format!("@{}", self.name)
    }

    /// Whether several lines of it add up.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.kind, Kind::Token | Kind::RemoteToken)
    }

    pub fn is_secret(&self) -> bool {
        self.is_repeatable() || matches!(self.kind, Kind::SecretWord(_))
    }

    /// Reads a value into `directives`. On an error, which reads on from
    /// "`value` …", the default is kept, or what is closed where an open
    /// default would be a danger.
    pub fn read(&self, directives: &mut Directives, text: &str) -> Result<(), String> {
        if text.len() > value::MAX_VALUE_BYTES
            || text.contains(|c: char| c.is_control() && c != '\t')
        {
            self.close(directives);
            return Err(format!(
                "is longer than {} bytes or has control characters",
                value::MAX_VALUE_BYTES
            ));
        }
        match &self.kind {
            Kind::Boolean(set) => value::boolean(text).map(|value| set(directives, value)),
            Kind::Flag(set) => value::flag(text).map(|value| set(directives, value)),
            Kind::Choice(values, set) => {
                value::choice(text, values).map(|value| set(directives, value))
            }
            Kind::Duration(set) => value::timeout(text).map(|value| set(directives, value)),
            Kind::Concurrency(set) => value::concurrency(text).map(|value| set(directives, value)),
            Kind::Integer { min, max, set } => {
                value::integer(text, *min, *max).map(|value| set(directives, value))
            }
            Kind::Number { min, max, set } => {
                value::number(text, *min, *max).map(|value| set(directives, value))
            }
            Kind::Size(set) => value::size(text).map(|value| set(directives, value)),
            Kind::Amount(set) => value::amount(text).map(|value| set(directives, value)),
            Kind::Text(set) => value::text(text).map(|value| set(directives, value)),
            Kind::Word(set) => value::word(text).map(|value| set(directives, value)),
            Kind::List(set) => value::list(text).map(|value| set(directives, value)),
            Kind::Names(set) => value::http::names(text).map(|value| set(directives, value)),
            Kind::CorsPolicy(set) => {
                value::http::cors_policy(text).map(|value| set(directives, value))
            }
            Kind::BodyLogging(set) => body_logging(text, |value| set(directives, value)),
            Kind::Schedule(set) => value::schedule(text).map(|value| set(directives, value)),
            Kind::SecretWord(set) => secret(text).map(|value| set(directives, value)),
            Kind::Token => token(directives, text),
            Kind::RemoteToken => remote_token(directives, text),
        }
    }

    /// Takes the safe side for a value that no reader takes.
    fn close(&self, directives: &mut Directives) {
        match &self.kind {
            Kind::Token => require_token(directives),
            Kind::BodyLogging(set) => set(directives, BodyLogging::Redacted),
            _ => {}
        }
    }
}

/// An unknown value must not log what somebody wanted kept out of the log.
fn body_logging(text: &str, set: impl FnOnce(BodyLogging)) -> Result<(), String> {
    let value = match text {
        "true" => Some(BodyLogging::Full),
        "false" => Some(BodyLogging::Off),
        _ => BodyLogging::from_name(text),
    };
    set(value.unwrap_or(BodyLogging::Redacted));
    value.map(|_| ()).ok_or_else(|| {
        format!(
            "is none of `{}`, so it is `redacted`",
            BodyLogging::NAMES.join("`, `")
        )
    })
}

fn secret(text: &str) -> Result<Secret, String> {
    let word = value::word(text)?;
    if word == Secret::PLACEHOLDER {
        return Err("is the placeholder of a hidden value: write the value itself".to_owned());
    }
    Ok(Secret::new(word))
}

fn require_token(directives: &mut Directives) {
    if directives.access == Access::Everybody {
        directives.access = Access::Token(Vec::new());
    }
}

fn token(directives: &mut Directives, text: &str) -> Result<(), String> {
    require_token(directives);
    let word = text.split_whitespace().next().unwrap_or_default();
    let token = secret(word).map_err(|message| format!("{message}; it admits nobody"))?;
    if let Access::Token(tokens) = &mut directives.access {
        if tokens.len() >= MAX_TOKENS {
            return Err(format!(
                "is not among the first {MAX_TOKENS}, which are all that count"
            ));
        }
        tokens.push(token);
    }
    Ok(())
}

fn remote_token(directives: &mut Directives, text: &str) -> Result<(), String> {
    let mut words = text.split_whitespace();
    let (Some(name), Some(word)) = (words.next(), words.next()) else {
        return Err("needs a name and a secret".to_owned());
    };
    let secret = secret(word)?;
    let scope = words.next().map(str::to_owned);
    directives.remote.tokens.push(RemoteToken {
        name: name.to_owned(),
        secret,
        scope,
    });
    Ok(())
}

/// A field with what most fields have.
const fn field(
    category: Category,
    key: &'static str,
    name: &'static str,
    kind: Kind,
    get: fn(&Directives) -> Value,
) -> Field {
    let effect = Effect::Works;
    Field {
        key,
        name,
        category,
        kind,
        get,
        effect,
        runtime: None,
        examples: &[],
        notes: "",
    }
}

fn timeout(timeout: Timeout) -> Value {
    match timeout {
        Timeout::Default => Value::Null,
        Timeout::After(time) => (time.as_millis() as u64).into(),
        Timeout::Unlimited => "unlimited".into(),
    }
}

fn concurrency(concurrency: Concurrency) -> Value {
    match concurrency {
        Concurrency::Unlimited => true.into(),
        Concurrency::AtMost(most) => most.get().into(),
    }
}

/// As many placeholders as there are tokens; null when everybody may call.
fn tokens(access: &Access) -> Value {
    match access {
        Access::Everybody => Value::Null,
        Access::Token(tokens) => tokens.iter().map(|_| Secret::PLACEHOLDER).collect(),
    }
}

fn cors_policy(policy: &CorsPolicy) -> Value {
    match policy {
        CorsPolicy::None => "none".into(),
        CorsPolicy::Reflective => "reflective".into(),
        CorsPolicy::Origin(origin) => origin.as_str().into(),
    }
}
