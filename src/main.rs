//! Parse the arguments, run the verb, and say in one paragraph why it failed.

use std::process::ExitCode;

use clap::Parser;
use footpath::cli;

/// A request allocates some hundred times, on whichever thread it is; the C library's
/// allocator takes a tenth of a small one's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("footpath: {error:#}");
            ExitCode::FAILURE
        }
    }
}
