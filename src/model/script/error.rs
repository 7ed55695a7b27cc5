//! Why a text is not a script path, and how the API says so.

use thiserror::Error;

use super::{MAX_PATH_BYTES, MAX_SEGMENT_BYTES};
use crate::model::exec_id::ExecIdError;

/// Why a text is not a script path. The text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    #[error("the path is empty: give one such as `api/hello.ts`")]
    Empty,
    #[error("the path starts with `/`: give it relative to its deployment, such as `api/hello.ts`")]
    Absolute,
    #[error("the path contains `..`: a script lives below its deployment")]
    Parent,
    #[error("the path contains a `.` segment: leave it out")]
    Dot,
    #[error("the path contains an empty segment: write one `/` between names and none at the end")]
    EmptySegment,
    #[error("the path contains a backslash: separate names with `/`")]
    Backslash,
    #[error("the path contains the control character U+{0:04X}")]
    Control(u32),
    #[error("the path is {0} bytes long, the limit is {MAX_PATH_BYTES}")]
    TooLong(usize),
    #[error("the name `{0}…` is longer than {MAX_SEGMENT_BYTES} bytes")]
    SegmentTooLong(String),
    #[error("`{0}` is a reserved name: use another")]
    Reserved(String),
    #[error("`{0}` is in no deployment: put it into a folder such as `1/`")]
    NoDeployment(String),
    #[error(transparent)]
    ExecId(#[from] ExecIdError),
}

/// The three ways in which the API refuses a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The text is no path at all (400).
    Malformed,
    /// It leads out of the scripts folder (403).
    Outside,
    /// It names something that is kept from scripts and API alike (403).
    Excluded,
}

impl PathError {
    pub fn refusal(&self) -> Refusal {
        match self {
            PathError::Absolute | PathError::Parent => Refusal::Outside,
            PathError::Reserved(_) => Refusal::Excluded,
            PathError::Empty
            | PathError::Dot
            | PathError::EmptySegment
            | PathError::Backslash
            | PathError::Control(_)
            | PathError::TooLong(_)
            | PathError::SegmentTooLong(_)
            | PathError::NoDeployment(_)
            | PathError::ExecId(_) => Refusal::Malformed,
        }
    }
}

impl Refusal {
    /// The `error` text that clients of the exec API know; the [`PathError`]
    /// itself belongs into `details`.
    pub fn text(self) -> &'static str {
        match self {
            Refusal::Malformed => "Invalid path",
            Refusal::Outside => "Invalid path: must be within scripts directory",
            Refusal::Excluded => "Path is excluded from access",
        }
    }
}
