//! What `fs` gives and is given; see `footpath:host/files` in `wit/host.wit`.

/// A file operation of a script failed; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct FileError {
    /// `NOT_FOUND`, `EXISTS`, `INVALID_PATH`, `INVALID_SCRIPT`, `REFUSED`, `TOO_LARGE`, `UNAVAILABLE`.
    pub code: &'static str,
    pub message: String,
    /// `file:line:column` of what does not compile.
    pub position: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    pub size: u64,
    pub modified_ms: u64,
    pub directory: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    pub name: String,
    pub stat: FileStat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteOptions {
    pub append: bool,
    pub if_not_exists: bool,
    pub overwrite: bool,
}
