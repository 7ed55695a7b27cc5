//! `footpath export` and `footpath import`: the store as one checksummed file.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

use anyhow::Context;
use chrono::Utc;
use clap::Args;

use crate::store::Store;

/// Write everything in the store to a file, with checksums.
#[derive(Args)]
pub struct ExportArguments {
    /// Where the export goes.
    file: PathBuf,
    /// Folder of the store; no server may be using it.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

/// Read an export back into the store. A damaged file changes nothing.
#[derive(Args)]
pub struct ImportArguments {
    /// The export.
    file: PathBuf,
    /// Folder of the store; no server may be using it.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

pub fn export(arguments: &ExportArguments) -> anyhow::Result<()> {
    let store = Store::open(&arguments.data)?;
    let file = File::create(&arguments.file)
        .with_context(|| format!("cannot write {}", arguments.file.display()))?;
    let summary = wait(store.export(BufWriter::new(file), Utc::now()))?;
    println!("{}: {summary:?}", arguments.file.display());
    Ok(())
}

pub fn import(arguments: &ImportArguments) -> anyhow::Result<()> {
    let file = File::open(&arguments.file)
        .with_context(|| format!("cannot read {}", arguments.file.display()))?;
    let store = Store::open(&arguments.data)?;
    let summary = wait(store.import(BufReader::new(file)))?;
    println!("{}: {summary:?}", arguments.data.display());
    Ok(())
}

fn wait<T, E: std::error::Error + Send + Sync + 'static>(
    work: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work)?)
}
