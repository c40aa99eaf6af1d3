//! `trip bench`: load on a host, counted where it is committed.

mod measure;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::measure::Measurement;
use super::deployment::Deployment;
use super::{deploy, outgoing};
use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::load::{self, Goal, Mode, Pace, Plan, Template};
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Connections, each with one request under way
    #[arg(long, short, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// Events in each request
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// How long to send
    #[arg(long, short, value_name = "TIME", default_value = "10s", value_parser = triphammer_model::parse_duration)]
    duration: Duration,
    /// How many events to send, instead of for how long
    #[arg(long, short = 'n', conflicts_with = "duration")]
    count: Option<u64>,
    /// Send so many events a second, whether or not the host keeps up
    #[arg(long, value_name = "EVENTS/S")]
    rate: Option<f64>,
    /// Measure until events are committed, not until they are accepted: each request waits
    #[arg(long)]
    latency: bool,
    /// Different subjects
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    subjects: u64,
    /// Give the events the priorities 0 to 9 in turn
    #[arg(long)]
    priorities: bool,
    /// Have each event wait so long after it was accepted
    #[arg(long, value_name = "TIME", value_parser = triphammer_model::parse_duration)]
    delay: Option<Duration>,
    /// Bytes of each payload
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(load::SIZE_MIN as i64..=1 << 20))]
    size: u32,
    /// The payload, instead of one that is made up: JSON or @FILE
    #[arg(long, value_name = "JSON|@FILE", conflicts_with = "size")]
    data: Option<String>,
    /// The type of the events
    #[arg(long = "type", default_value = "bench.event")]
    ty: String,
    /// Send single events as one JSON object each, instead of with headers
    #[arg(long, conflicts_with = "batch")]
    structured: bool,
    /// The function whose commits are counted
    #[arg(long, default_value = "bench", value_name = "NAME")]
    function: String,
    /// Count no commits, only what is accepted
    #[arg(long, conflicts_with_all = ["deploy", "latency"])]
    accept_only: bool,
    /// Deploy this component or source directory as the function first
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "functions/bench")]
    deploy: Option<PathBuf>,
    /// Where cargo puts what it builds for --deploy
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// The host's process, to measure its CPU and memory, when it does not tell
    #[arg(long)]
    pid: Option<u32>,
}

/// What a request that measures latency gives an event to settle.
const WAIT_S: u64 = 30;

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    if let Some(path) = &args.deploy {
        deploy_function(path, &args, client)?;
    }
    let plan = plan(&args, client)?;
    let function = (!args.accept_only).then_some(args.function.as_str());
    let measurement = Measurement::run(client, &plan, function, args.pid)?;
    if output.is_json() {
        output.json(&report::json(&plan, function, &measurement))?;
    } else {
        output.text(&report::text(&plan, function, &measurement))?;
    }
    measurement.verdict()
}

fn deploy_function(path: &Path, args: &Args, client: &Client) -> Result<(), Error> {
    let (_, wasm) = deploy::component(path, args.target_dir.as_deref())?;
    Deployment::new(&args.function, wasm).upload(client)?;
    Ok(())
}

fn plan(args: &Args, client: &Client) -> Result<Plan, Error> {
    let payload = match &args.data {
        None => load::payload(args.size as usize),
        Some(argument) => json_text(&outgoing::bytes(argument)?)?,
    };
    let mode = match (args.batch, args.structured) {
        (1, false) => Mode::Binary,
        (1, true) => Mode::Structured,
        (size, _) => Mode::Batch(size.into()),
    };
    let base = client.base();
    let template = Template {
        authority: base.authority().to_owned(),
        path: format!("{}/events", base.prefix()),
        token: client.token().map(str::to_owned),
        mode,
        ty: args.ty.clone(),
        run: format!("{:08x}", clock::random() as u32),
        subjects: args.subjects,
        priorities: args.priorities,
        delay_ms: args.delay.map(|delay| delay.as_millis() as u64),
        payload,
        wait_s: args.latency.then_some(WAIT_S),
    };
    if args.rate.is_some_and(|rate| !(0.001..=1e7).contains(&rate)) {
        return Err(Error::Usage("--rate is a number of events a second above 0".to_owned()));
    }
    Ok(Plan {
        template,
        address: base.address().to_owned(),
        tls: client.tls().cloned(),
        connections: args.connections.into(),
        goal: args.count.map_or(Goal::Time(args.duration), Goal::Events),
        pace: args.rate.map_or(Pace::Closed, Pace::Rate),
    })
}

/// As it is, if it is JSON.
fn json_text(bytes: &[u8]) -> Result<String, Error> {
    let wrong = |error| Error::Usage(format!("--data is not JSON: {error}"));
    let value: &serde_json::value::RawValue = serde_json::from_slice(bytes).map_err(wrong)?;
    Ok(value.get().to_owned())
}
