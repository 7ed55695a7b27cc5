//! What can be wrong with a configuration, with the nearest right thing.

use std::path::{Path, PathBuf};

/// Names the place and the key; never the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file {} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },

    #[error("{}:{line}:{column}: {reason}", path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        column: usize,
        reason: String,
    },

    #[error("{origin}: there is no setting {key:?}{}", hint(nearest.as_deref()))]
    UnknownKey {
        origin: String,
        key: String,
        nearest: Option<String>,
    },

    #[error("there is no variable {name}{}", hint(nearest.as_deref()))]
    UnknownVariable {
        name: String,
        nearest: Option<String>,
    },

    #[error("{origin}: the setting {key:?} must be {expects}")]
    BadValue {
        origin: String,
        key: String,
        expects: String,
    },
}

impl ConfigError {
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConfigError::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason: error.message().to_owned(),
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => "; `footpath check --print` lists all settings".to_owned(),
    }
}

/// The known name that is at most a third of its letters away.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let distances = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, known) = distances.min()?;
    (distance <= name.len().div_ceil(3)).then(|| known.to_owned())
}
