//! Parse the arguments, run the verb, and say in one paragraph why it failed.

use std::process::ExitCode;

use clap::Parser;
use footpath::cli;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("footpath: {error:#}");
            ExitCode::FAILURE
        }
    }
}
