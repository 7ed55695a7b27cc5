//! The command line: one file a verb. It must not hold logic that the server needs.

use clap::{Parser, Subcommand};

mod check;
mod compile;
mod cron;
mod engine;
mod init;
mod invoke;
mod log;
mod logs;
mod offline;
mod serve;
mod state;

/// A TypeScript file is an HTTP route.
///
/// Footpath serves a folder of TypeScript files. Each is compiled to a WebAssembly
/// component and runs in a fresh instance per request, under limits.
#[derive(Parser)]
#[command(name = "footpath", version)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Serve(serve::Arguments),
    Init(init::Arguments),
    Check(check::Arguments),
    Compile(compile::Arguments),
    Invoke(invoke::Arguments),
    Cron(Box<cron::Arguments>),
    Logs(logs::Arguments),
    Export(state::ExportArguments),
    Import(state::ImportArguments),
    /// Work on the JavaScript engine itself (for `make guest`).
    #[command(hide = true)]
    Engine(engine::Arguments),
}

/// Runs the verb.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.verb {
        Verb::Serve(arguments) => serve::run(arguments),
        Verb::Init(arguments) => init::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Compile(arguments) => compile::run(&arguments),
        Verb::Invoke(arguments) => invoke::run(&arguments),
        Verb::Cron(arguments) => cron::run(&arguments),
        Verb::Logs(arguments) => logs::run(arguments),
        Verb::Export(arguments) => state::export(&arguments),
        Verb::Import(arguments) => state::import(&arguments),
        Verb::Engine(arguments) => engine::run(arguments),
    }
}
