//! `trip replay`: past events again, as new events whose effects happen again.

use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::API;
use super::events::Filters;
use super::replays::{self, One};
use crate::client::{self, Client, Path};
use crate::error::Error;
use crate::output::{NAME, Output, bar, count, paint};

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("to").required(true))]
pub(crate) struct Args {
    /// One event, by its sequence number
    #[arg(
        value_name = "SEQ",
        conflicts_with_all = ["ty", "source", "subject", "id", "after", "before", "all", "rate", "wait"]
    )]
    seq: Option<String>,
    /// The function that gets the events
    #[arg(long, value_name = "NAME", group = "to")]
    function: Option<String>,
    /// Every function that subscribes to the events now gets them
    #[arg(long, group = "to")]
    all: bool,
    #[command(flatten)]
    filters: Filters,
    /// Events a second, at the most
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Stay until the replay has ended
    #[arg(long)]
    wait: bool,
}

/// How often a replay is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    match (&args.seq, &args.function) {
        (Some(seq), Some(function)) => one(seq, function, client, output),
        _ => many(&args, client, output),
    }
}

fn one(seq: &str, function: &str, client: &Client, output: &mut Output) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Replayed {
        events: u64,
    }
    let path = Path::new(API).segment("events").segment(seq).segment("replay");
    let answer = client.post(path, &json!({"function": function}))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let Replayed { events } = answer.json()?;
    output.line(format_args!("{} events go to {} again", count(events), paint(NAME, function)))
}

fn many(args: &Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let Filters { ty, source, subject, id, after, before } = &args.filters;
    let filters = [
        ("type", ty),
        ("source", source),
        ("subject", subject),
        ("id", id),
        ("after", after),
        ("before", before),
    ];
    let mut body = json!({"rate": args.rate});
    let given: Vec<_> =
        filters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
    if given.is_empty() {
        let text = "which events? Give SEQ, --type, --source, --subject, --id, --after or --before";
        return Err(Error::Usage(text.to_owned()));
    }
    for (name, value) in given {
        body[*name] = json!(value);
    }
    if let Some(function) = &args.function {
        body["function"] = json!(function);
    }
    let answer = client.post(Path::new(API).segment("replay"), &body)?;
    if args.wait {
        let One { replay } = answer.json()?;
        return wait(&replay.id, client, output);
    }
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let One { replay } = answer.json()?;
    output.line(format_args!("{}; see `trip replays`", replays::line(&replay)))
}

/// Looks until it has ended; fails unless it is done.
fn wait(id: &str, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("replays").segment(id);
    let bar = bar(0, "events");
    let (value, replay) = loop {
        let value = client.get(path.clone())?.value()?;
        let One { replay } = serde_json::from_value(value.clone()).map_err(client::Error::Shape)?;
        bar.set_length(replay.events.unwrap_or(replay.done).max(replay.done));
        bar.set_position(replay.done);
        if replay.state != "running" {
            break (value, replay);
        }
        thread::sleep(LOOK);
    };
    bar.finish_and_clear();
    if output.is_json() {
        output.json(&value)?;
    } else {
        output.line(replays::line(&replay))?;
    }
    if replay.state == "done" {
        return Ok(());
    }
    let why = replay.error.map_or_else(|| replay.state.clone(), |error| error.message);
    Err(Error::Failed(format!("replay {id} has ended before its time: {why}")))
}
