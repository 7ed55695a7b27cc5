//! `footpath compile`: a script as a WebAssembly component in a file.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;

use super::offline;
use crate::exec::history::Origin;
use crate::exec::publish::Form;

/// Compile a script to a WebAssembly component.
///
/// The shared form (the default) holds only the script's memory image and imports
/// the engine; Footpath runs it. The portable form holds the engine too and runs
/// in any host of wasi:http, such as `wasmtime serve`. Either imports exactly what
/// the script may use: `wasm-tools component wit OUT` shows it.
#[derive(Args)]
pub struct Arguments {
    /// The script, such as scripts/1/hello.ts.
    file: PathBuf,
    /// Where the component goes.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// With the engine inside.
    #[arg(long)]
    portable: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let script = offline::open(&arguments.file)?;
    let form = if arguments.portable {
        Form::Portable
    } else {
        Form::Shared
    };
    let component = script
        .publisher
        .component(
            &script.path,
            &script.source,
            &script.directives,
            Origin::Person,
            form,
        )
        .map_err(|problem| anyhow!("{}", problem.message))?;
    std::fs::write(&arguments.output, &component)
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    println!("{}: {} bytes", arguments.output.display(), component.len());
    Ok(())
}
