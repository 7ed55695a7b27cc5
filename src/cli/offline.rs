//! What the verbs that work without a server share: a script file somewhere, its
//! deployment around it, and the publisher.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::app;
use crate::config::{Config, Sources};
use crate::exec::publish::Publisher;
use crate::model::directives::Directives;
use crate::model::exec_id::{DEFAULT_EXEC_ID, ExecId};
use crate::model::script::ScriptPath;

/// A script file, ready to be compiled.
pub struct Offline {
    pub publisher: Publisher,
    pub path: ScriptPath,
    pub source: String,
    pub directives: Directives,
    pub config: Config,
}

/// Finds the file's deployment: the folder `scripts/<execId>` above it, else the
/// file's own folder counts as one.
pub fn open(file: &Path) -> anyhow::Result<Offline> {
    let absolute = file
        .canonicalize()
        .with_context(|| format!("cannot read {}", file.display()))?;
    let (root, relative) = split(&absolute)?;
    let mut config = Config::default();
    config.server.scripts = root;
    config.server.cache = cache_dir();
    let (sandbox, engine) = app::sandbox(&config)?;
    let publisher = app::publisher(&config, sandbox, engine)?;
    let path = ScriptPath::parse(&relative)?;
    let source = publisher.folder.read(&path)?;
    let directives = publisher.caps.parse(&source).directives;
    Ok(Offline {
        publisher,
        path,
        source,
        directives,
        config,
    })
}

/// The scripts folder and the path below it, with the deployment in front.
fn split(file: &Path) -> anyhow::Result<(PathBuf, String)> {
    let text = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .context("the path is not UTF-8")
    };
    for root in file.ancestors().skip(1) {
        let below = file.strip_prefix(root)?;
        let first = below
            .iter()
            .next()
            .and_then(|first| first.to_str())
            .unwrap_or_default();
        if root.ends_with("scripts") && below.iter().count() > 1 && ExecId::parse(first).is_ok() {
            return Ok((root.to_owned(), text(below)?));
        }
    }
    let folder = file.parent().context("a file is in a folder")?;
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
        bail!("{} is not in a folder with a name", file.display());
    };
    if ExecId::parse(name).is_ok() {
        let root = folder
            .parent()
            .context("a folder with a name is in a folder")?;
        return Ok((root.to_owned(), text(file.strip_prefix(root)?)?));
    }
    bail!(
        "{} is not in a deployment: put it in scripts/{DEFAULT_EXEC_ID}/, or in a folder with a simple lower-case name",
        file.display()
    )
}

/// The data folder of the server: by the flag, else as the server would find it.
pub fn data_folder(flag: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(data) = flag {
        return Ok(data);
    }
    let variables = std::env::vars().collect();
    let file = Config::file(None, &variables);
    let sources = Sources {
        variables,
        ..Sources::default()
    };
    Ok(Config::load(file.as_deref(), sources)?.server.data)
}

/// Where compiled code is kept between runs: below the user's own cache folder,
/// since machine code that is read from a folder others may write to is theirs.
pub fn cache_dir() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")))?;
    base.is_absolute()
        .then(|| base.join("footpath").join("components"))
}
