//! One script as it serves: its file, its directives and the version that
//! answers. Immutable; a change makes a new one.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::directives::caps::Caps;
use super::directives::{Parsed, Warning};
use super::grant::restrain;
use super::history::Origin;
use super::loaded::Loaded;
use crate::compile::capability::Capabilities;
use crate::model::diagnostic::Diagnostic;
use crate::model::directives::{Concurrency, Directives};
use crate::model::script::ScriptPath;
use crate::sandbox::worker::Worker;

/// A file of a deployment that answers, or would.
#[derive(Debug, Clone)]
pub struct Script {
    pub path: ScriptPath,
    /// SHA-256 of the file's text, in hex; the entity tag.
    pub source_hash: String,
    pub source_bytes: u64,
    pub directives: Directives,
    /// The directives as the API shows them.
    pub comments: serde_json::Map<String, serde_json::Value>,
    pub warnings: Vec<Warning>,
    pub environment: Vec<(String, String)>,
    /// Whose text it is.
    pub origin: Origin,
    /// What answers now: of this text, or of the last text that compiled.
    pub program: Option<Arc<Program>>,
    /// Why this text is not what answers.
    pub problem: Option<Problem>,
    /// Held by whoever publishes it for the first time.
    pub first: Arc<tokio::sync::Mutex<()>>,
    /// `@concurrent`; worker mode has one.
    pub turns: Option<Arc<Semaphore>>,
}

/// Why a script does not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    pub message: String,
    pub diagnostics: Vec<Diagnostic>,
}

/// What publishing a text gave; kept in the store so that a restart compiles nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// SHA-256 of everything that went in: the version's name.
    pub version: String,
    /// The number of the version in the script's history; 0 until it is saved.
    #[serde(default)]
    pub number: u64,
    /// SHA-256 of the script's own text.
    pub source_hash: String,
    /// The engine that it was published with.
    pub engine: String,
    /// Imported files, deployment-relative, with the hashes of their texts.
    pub dependencies: Vec<(String, String)>,
    pub shape: String,
    /// False when the top level runs with each request, since it waits for I/O.
    pub evaluated: bool,
    /// Globals of the granted capabilities.
    pub capabilities: Vec<String>,
    /// The file is only imported; it has no route.
    pub library: bool,
}

/// A published version.
#[derive(Debug)]
pub struct Program {
    pub manifest: Manifest,
    pub capabilities: Capabilities,
    /// Loaded when it is called.
    pub handler: Loaded,
    /// For stacks; made again from the source after a restart.
    pub maps: OnceLock<Arc<crate::compile::stack::SourceMaps>>,
    /// The kept instance of `@mode worker`.
    pub worker: Worker,
}

impl Script {
    /// A script whose text is known and whose program is not.
    pub fn new(
        path: ScriptPath,
        source: &str,
        environment: Vec<(String, String)>,
        caps: &Caps,
    ) -> Self {
        let Parsed {
            directives,
            comments,
            warnings,
        } = caps.parse(source);
        let turns = match directives.concurrent {
            Concurrency::Unlimited => None,
            Concurrency::AtMost(turns) => Some(Arc::new(Semaphore::new(turns.get() as usize))),
        };
        Self {
            source_hash: hash(source.as_bytes()),
            source_bytes: source.len() as u64,
            path,
            directives,
            comments,
            warnings,
            environment,
            origin: Origin::Person,
            program: None,
            problem: None,
            first: Arc::default(),
            turns,
        }
    }

    /// The same script as somebody else's text.
    #[must_use]
    pub fn of(mut self, origin: Origin) -> Self {
        self.origin = origin;
        restrain(origin, &mut self.directives);
        if origin == Origin::Script {
            self.turns = None;
        }
        self
    }

    /// Only imported by others: it answers no URL.
    pub fn is_library(&self) -> bool {
        self.program
            .as_ref()
            .is_some_and(|program| program.manifest.library)
    }
}

/// SHA-256 in hex.
pub fn hash(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Problem {
    pub fn of(error: &dyn std::error::Error) -> Self {
        Self {
            message: error.to_string(),
            diagnostics: Vec::new(),
        }
    }

    /// The script is still being published.
    pub fn not_ready() -> Self {
        Self {
            message: "the script is still being published; try again".to_owned(),
            diagnostics: Vec::new(),
        }
    }
}

impl Script {
    pub fn is_markdown(&self) -> bool {
        self.path.extension() == Some("md")
    }

    /// Nobody has tried to publish it yet.
    pub fn is_waiting(&self) -> bool {
        self.program.is_none() && self.problem.is_none() && !self.is_markdown()
    }
}
