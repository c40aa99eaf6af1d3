//! `trip completions SHELL`: what a shell needs to complete `trip`'s commands. Asks no host.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Args as Trip;
use crate::error::Error;
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<(), Error> {
    output.text(&script(args.shell))
}

fn script(shell: Shell) -> String {
    let mut text = Vec::new();
    generate(shell, &mut Trip::command(), "trip", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_has_every_command() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for name in ["tail", "doctor", "completions"] {
                assert!(script.contains(name), "{shell} does not know {name}");
            }
        }
    }
}
