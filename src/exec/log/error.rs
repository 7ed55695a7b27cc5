//! Why a log cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the API of the logs gives no answer. Texts are for callers.
#[derive(Debug, Error)]
pub enum LogError {
    /// A field has a value it cannot have (400).
    #[error("{0}")]
    Invalid(String),
    /// A name that leads out of the log folder, or through a link (403).
    #[error("Invalid path: must be a log file as logs/list names it")]
    Outside,
    /// (404)
    #[error("Log file not found")]
    NotFound,
    /// A regular expression that is wrong or too large (400).
    #[error("Invalid regex: {0}")]
    Regex(String),
    /// (429)
    #[error("Too many concurrent {0}, retry later")]
    Busy(&'static str),
    /// The thread that writes has ended, so the server is stopping (503).
    #[error("the log is closed: the server is stopping")]
    Closed,
    /// (500)
    #[error("the log {path} cannot be read: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl LogError {
    /// A file that went away meanwhile, by rotation or clearing, is not there;
    /// everything else is an error of the disk.
    pub(super) fn of(path: &Path, error: io::Error) -> LogError {
        match error.kind() {
            io::ErrorKind::NotFound => LogError::NotFound,
            _ => LogError::Io {
                path: path.to_owned(),
                error,
            },
        }
    }
}
