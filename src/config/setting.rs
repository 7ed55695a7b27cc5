//! The types a setting may have, and how each is read and written.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A value that can stand in the file, in a variable or behind a flag.
pub(super) trait Setting: Sized {
    /// What a message says was expected here.
    const EXPECTS: &'static str;

    /// Reads the text of a variable or flag.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads a value of the file. Most are strings there too.
    fn from_toml(value: &toml::Value) -> Option<Self> {
        Self::from_text(value.as_str()?)
    }

    /// The value as TOML; `None` when it is not set.
    fn to_toml(&self) -> Option<String>;
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself. It must not reach a log, an error or an answer.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

impl Setting for Secret {
    const EXPECTS: &'static str = "a text";

    fn from_text(text: &str) -> Option<Secret> {
        Some(Secret::new(text))
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted("(hidden)"))
    }
}

impl Setting for String {
    const EXPECTS: &'static str = "a text";

    fn from_text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for PathBuf {
    const EXPECTS: &'static str = "a path";

    fn from_text(text: &str) -> Option<PathBuf> {
        (!text.is_empty()).then(|| Path::new(text).to_owned())
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl Setting for SocketAddr {
    const EXPECTS: &'static str = "an address with a port, such as \"127.0.0.1:8080\"";

    fn from_text(text: &str) -> Option<SocketAddr> {
        text.parse().ok()
    }

    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for u64 {
    const EXPECTS: &'static str = "a whole number, 0 or more";

    fn from_text(text: &str) -> Option<u64> {
        text.replace('_', "").parse().ok()
    }

    fn from_toml(value: &toml::Value) -> Option<u64> {
        value.as_integer()?.try_into().ok()
    }

    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for bool {
    const EXPECTS: &'static str = "true or false";

    fn from_text(text: &str) -> Option<bool> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    fn from_toml(value: &toml::Value) -> Option<bool> {
        value.as_bool()
    }

    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Vec<String> {
    const EXPECTS: &'static str = "a list of texts (in a variable: separated by commas)";

    fn from_text(text: &str) -> Option<Vec<String>> {
        let items = text.split(',').map(str::trim);
        Some(
            items
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    fn from_toml(value: &toml::Value) -> Option<Vec<String>> {
        let items = value.as_array()?.iter();
        items.map(|item| item.as_str().map(str::to_owned)).collect()
    }

    fn to_toml(&self) -> Option<String> {
        let items: Vec<String> = self.iter().map(|item| quoted(item)).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

/// An empty text means "not set", so that a variable can take back the file's value.
impl<T: Setting> Setting for Option<T> {
    const EXPECTS: &'static str = T::EXPECTS;

    fn from_text(text: &str) -> Option<Option<T>> {
        if text.is_empty() {
            return Some(None);
        }
        T::from_text(text).map(Some)
    }

    fn from_toml(value: &toml::Value) -> Option<Option<T>> {
        if value.as_str() == Some("") {
            return Some(None);
        }
        T::from_toml(value).map(Some)
    }

    fn to_toml(&self) -> Option<String> {
        self.as_ref()?.to_toml()
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
