//! The command line `trip`: reads the arguments, runs one command, and says how it ended.

mod args;
mod client;
mod clock;
mod commands;
mod error;
mod host;
mod load;
mod output;
mod project;
#[cfg(test)]
mod reference;
mod screen;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::output::Output;

/// Events are allocated on one thread and freed on another, which this one does cheaply.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut output = Output::stdout(args.global.json);
    match commands::run(args, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_output() => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            error.exit_code()
        }
    }
}
