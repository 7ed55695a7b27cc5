//! The command line: one file a verb. It must not hold logic that the server needs.

use clap::{Parser, Subcommand};

mod engine;
mod log;
mod serve;

/// A TypeScript file is an HTTP route.
#[derive(Parser)]
#[command(name = "footpath", version, about)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Serve(serve::Arguments),
    /// Work on the JavaScript engine itself (for `make guest`).
    #[command(hide = true)]
    Engine(engine::Arguments),
}

/// Runs the verb.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.verb {
        Verb::Serve(arguments) => serve::run(arguments),
        Verb::Engine(arguments) => engine::run(arguments),
    }
}
