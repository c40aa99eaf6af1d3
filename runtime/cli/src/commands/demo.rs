//! `trip demo`: the whole job on a host of its own, each step checked through the API.

mod chain;
mod crash;
mod interrupt;
mod samples;
mod senders;
mod stage;
mod swap;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::interrupt::Interrupt;
use self::samples::Samples;
use self::stage::{Scratch, Stage};
use crate::error::Error;
use crate::host::HostProcess;
use crate::output::{DIM, NAME, Output, elapsed_ms, paint};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Stop the host at the end; the status is 0 only if every step held
    #[arg(long)]
    exit: bool,
    /// Where the sample functions are, if not in a checkout around here
    #[arg(long, value_name = "DIR")]
    functions: Option<PathBuf>,
}

pub(crate) fn run(args: Args, output: &mut Output) -> Result<(), Error> {
    let began = Instant::now();
    output.line(format_args!(
        "{} builds real functions, sends real events, swaps one under load, kills the host, checks.\n",
        paint(NAME, "trip demo")
    ))?;
    let samples = Samples::build(args.functions.as_deref())?;
    let scratch = Scratch::new(&samples)?;
    let interrupt = Interrupt::watch(scratch.path().to_owned())?;
    let host_began = Instant::now();
    let host = HostProcess::start(&scratch.data())?;
    let ready = host_began.elapsed();
    let mut stage = Stage::new(output, host, samples)?;
    stage.step(format_args!("{} functions built to WebAssembly", stage.samples.all.len()))?;
    stage.detail(stage.samples.summary())?;
    stage.step(format_args!(
        "a host is up at {} after {}, as a process that can be killed",
        stage.host.url(),
        elapsed_ms(ready)
    ))?;
    stage.deploy_all()?;
    chain::run(&mut stage)?;
    let devices = swap::run(&mut stage)?;
    crash::run(&mut stage, &devices)?;
    finish(stage, &interrupt, args.exit, began)
}

fn finish(
    mut stage: Stage<'_>,
    interrupt: &Interrupt,
    exit: bool,
    began: Instant,
) -> Result<(), Error> {
    let failures = stage.failures;
    let verdict = match failures {
        0 => Ok(()),
        _ => Err(Error::Failed(format!("{failures} of the checks above did not hold"))),
    };
    let all = if failures == 0 { "every step held" } else { "not every step held" };
    stage.step(format_args!("{all}, {} in all", elapsed_ms(began.elapsed())))?;
    if exit {
        stage.host.stop()?;
        return verdict;
    }
    let url = stage.host.url();
    stage.plain(format_args!(
        "\nThe host goes on, with all that happened: {}\n\
         {}\n  trip --url {url} functions\n  trip --url {url} tail\n  \
         trip --url {url} send device.reading --subject boiler-1 --data '{{\"value\": 95}}' --wait 5",
        paint(NAME, format_args!("{url}/")),
        paint(DIM, "Ctrl-C stops it and removes its data. Until then, elsewhere:")
    ))?;
    interrupt.expect();
    // Until Ctrl-C, or until the host has ended for a reason of its own.
    while stage.host.ended().is_none() && !interrupt.came_within(LOOK) {}
    stage.host.stop()?;
    verdict
}

/// Between two looks at whether the host still runs.
const LOOK: Duration = Duration::from_millis(500);
