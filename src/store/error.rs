//! What can go wrong in the store, in words an operator can act on.

use std::path::PathBuf;

/// An error of the store. `Unavailable` means "try again later" (HTTP 503):
/// reads still work. Every other kind is final for the same input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another store in this one, holds the data folder.
    #[error(
        "the data folder {} is in use by {}; stop that process, or give this one another folder with --data",
        dir.display(),
        holder(*pid)
    )]
    Locked { dir: PathBuf, pid: Option<u32> },

    /// The database does not open, neither repair helped.
    #[error(
        "the store in {} is damaged and no usable export was found under {}/exports: {reason}; \
         put an export there, or start with an empty data folder and run `footpath import`",
        dir.display(),
        dir.display()
    )]
    Damaged { dir: PathBuf, reason: String },

    /// The stored bytes of this key are not what was written.
    #[error(
        "the record {key:?} is damaged: {reason}; write it again, or restore it from an export"
    )]
    Corrupt { key: String, reason: String },

    /// The record exists but is of another kind, or of a newer version, than its reader knows.
    #[error(
        "the record {key:?} has kind {found_kind} version {found_version}, expected kind {kind} up to version {version}"
    )]
    WrongKind {
        key: String,
        kind: u16,
        version: u16,
        found_kind: u16,
        found_version: u16,
    },

    /// The payload is intact, but it is not the JSON that its reader expects.
    #[error("the record {key:?} does not have the expected shape: {reason}")]
    WrongShape { key: String, reason: String },

    /// The key cannot be a key of this store.
    #[error("{key:?} cannot be a key: {reason}")]
    BadKey { key: String, reason: &'static str },

    /// The value is larger than one record may be.
    #[error("the value for {key:?} has {bytes} bytes, at most {max_bytes} are stored")]
    TooLarge {
        key: String,
        bytes: usize,
        max_bytes: usize,
    },

    /// The export file was refused; nothing was changed.
    #[error("this export cannot be read: {reason}; nothing was changed")]
    BadExport { reason: String },

    /// The disk is full or does not work. Nothing was acknowledged; reads go on.
    #[error("the store cannot write: {reason}")]
    Unavailable { reason: String },
}

impl StoreError {
    /// Wraps a failure of the file system under the store.
    pub(super) fn io(doing: &str, error: &std::io::Error) -> StoreError {
        StoreError::Unavailable {
            reason: format!("{doing}: {error}"),
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
