//! What the verbs that work without a server share: a script file somewhere, its
//! deployment around it, and the publisher.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::app;
use crate::config::Config;
use crate::exec::directives;
use crate::exec::publish::Publisher;
use crate::model::directives::Directives;
use crate::model::exec_id::{DEFAULT_EXEC_ID, ExecId};
use crate::model::script::ScriptPath;
use crate::sandbox::Sandbox;

/// A script file, ready to be compiled.
pub struct Offline {
    pub publisher: Publisher,
    pub sandbox: Arc<Sandbox>,
    pub path: ScriptPath,
    pub source: String,
    pub directives: Directives,
    pub config: Config,
}

/// Finds the file's deployment: the folder `scripts/<execId>` above it, else the
/// file's own folder counts as one.
pub fn open(file: &Path) -> anyhow::Result<Offline> {
    let absolute = file.canonicalize().with_context(|| format!("cannot read {}", file.display()))?;
    let (root, relative) = split(&absolute)?;
    let mut config = Config::default();
    config.server.scripts = root;
    config.server.cache = Some(std::env::temp_dir().join("footpath-components"));
    let (sandbox, engine) = app::sandbox(&config)?;
    let publisher = app::publisher(&config, sandbox.clone(), engine)?;
    let path = ScriptPath::parse(&relative)?;
    let source = publisher.folder.read(&path)?;
    let directives = directives::parse(&source).directives;
    Ok(Offline { publisher, sandbox, path, source, directives, config })
}

/// The scripts folder and the path below it, with the deployment in front.
fn split(file: &Path) -> anyhow::Result<(PathBuf, String)> {
    let text = |path: &Path| path.to_str().map(str::to_owned).context("the path is not UTF-8");
    for root in file.ancestors().skip(1) {
        let below = file.strip_prefix(root)?;
        let first = below.iter().next().and_then(|first| first.to_str()).unwrap_or_default();
        if root.ends_with("scripts") && below.iter().count() > 1 && ExecId::parse(first).is_ok() {
            return Ok((root.to_owned(), text(below)?));
        }
    }
    let folder = file.parent().context("a file is in a folder")?;
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
        bail!("{} is not in a folder with a name", file.display());
    };
    if ExecId::parse(name).is_ok() {
        let root = folder.parent().context("a folder with a name is in a folder")?;
        return Ok((root.to_owned(), text(file.strip_prefix(root)?)?));
    }
    bail!(
        "{} is not in a deployment: put it in scripts/{DEFAULT_EXEC_ID}/, or in a folder with a simple lower-case name",
        file.display()
    )
}
