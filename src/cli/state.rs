//! `footpath export` and `footpath import`: the store as one checksummed file.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

use anyhow::{Context, bail};
use chrono::Utc;
use clap::Args;

use super::offline::data_folder;
use crate::store::{Store, Summary};

/// Write everything in the store to a file, with checksums.
///
/// The store has every published version of the scripts, what they keep in `kv`, and
/// tokens (their hashes). The script files themselves are not in it: they are
/// yours to copy. A server that runs keeps exports of its own, one of each start, in
/// the folder `exports` of its data folder.
#[derive(Args)]
pub struct ExportArguments {
    /// Where the export goes.
    file: PathBuf,
    /// Folder of the store, the server's own by default; no server may be using it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Read an export back into the store.
///
/// What the export has replaces what the store has under the same keys; the rest
/// stays. The whole file is checked first: a damaged one changes nothing.
#[derive(Args)]
pub struct ImportArguments {
    /// The export.
    file: PathBuf,
    /// Folder of the store, the server's own by default; no server may be using it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub fn export(arguments: &ExportArguments) -> anyhow::Result<()> {
    let data = data_folder(arguments.data.clone())?;
    // Opening a store makes it, and nobody wants a backup of nothing.
    if !Store::exists(&data) {
        bail!(
            "there is no store in {}: give the server's data folder with --data",
            data.display()
        );
    }
    let store = Store::open(&data)?;
    let file = File::create(&arguments.file)
        .with_context(|| format!("cannot write {}", arguments.file.display()))?;
    let summary = wait(store.export(BufWriter::new(file), Utc::now()))?;
    println!("{}: {}", arguments.file.display(), counted(&summary));
    Ok(())
}

pub fn import(arguments: &ImportArguments) -> anyhow::Result<()> {
    let file = File::open(&arguments.file)
        .with_context(|| format!("cannot read {}", arguments.file.display()))?;
    let data = data_folder(arguments.data.clone())?;
    let store = Store::open(&data)?;
    let summary = wait(store.import(BufReader::new(file)))?;
    println!("{}: {}", data.display(), counted(&summary));
    Ok(())
}

fn counted(summary: &Summary) -> String {
    let Summary {
        records,
        payload_bytes,
        ..
    } = summary;
    format!("{records} records, {payload_bytes} bytes of values")
}

fn wait<T, E: std::error::Error + Send + Sync + 'static>(
    work: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work)?)
}
