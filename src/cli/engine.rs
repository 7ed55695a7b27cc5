//! `footpath engine pack`: the last step of `make guest`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::{compile, sandbox};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Evaluate the Web APIs into the linked engine and keep its memory.
    Pack {
        /// The core module that the linker made.
        linked: PathBuf,
        /// Where the engine goes.
        #[arg(short)]
        output: PathBuf,
    },
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Step::Pack { linked, output } = arguments.step;
    let linked =
        std::fs::read(&linked).with_context(|| format!("cannot read {}", linked.display()))?;
    let (memory, bytecode) =
        sandbox::snapshot::initialise(&linked, compile::engine::sources(&linked)?)?;
    let packed = compile::engine::pack(&linked, &memory, &bytecode)?;
    std::fs::write(&output, packed).with_context(|| format!("cannot write {}", output.display()))
}
