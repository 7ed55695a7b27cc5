//! Parse the arguments and run the verb.

use clap::Parser;
use footpath::cli;

fn main() -> anyhow::Result<()> {
    cli::run(cli::Cli::parse())
}
