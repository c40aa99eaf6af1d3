//! The command line `trip`: reads the arguments, runs one command, and says how it ended.

mod args;
mod client;
mod clock;
mod commands;
mod error;
mod hints;
mod host;
mod load;
mod output;
mod project;
#[cfg(test)]
mod reference;
mod screen;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::Args;
use crate::output::Output;

/// Events are allocated on one thread and freed on another, which this one does cheaply.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return not_understood(&error),
    };
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

/// Help and versions come this way too.
fn not_understood(error: &clap::Error) -> ExitCode {
    // Without an output there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() {
        let words = std::env::args_os().skip(1);
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        let root = Args::command();
        let commands: Vec<_> =
            root.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        if let Some(next) = hints::usage(error, &words, &commands) {
            output::print_next(&next);
        }
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
