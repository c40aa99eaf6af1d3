//! `trip replays`: those that run, those that have ended, and ending one.

use anstyle::Style;
use clap::Subcommand;
use hyper::Method;
use serde::Deserialize;

use super::API;
use crate::client::types::Failure;
use crate::client::{Client, Path, Request};
use crate::error::Error;
use crate::output::{
    BAD, Cell, DIM, GOOD, NAME, NOTE, Output, Table, count, one_line, paint, when,
};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List replays, newest first (what `trip replays` alone does)
    List,
    /// End one where it is; what it has made stays
    Cancel {
        /// The replay's number
        id: String,
    },
}

#[derive(Deserialize)]
pub(super) struct One {
    pub(super) replay: Replay,
}

#[derive(Deserialize)]
struct All {
    replays: Vec<Replay>,
}

#[derive(Deserialize)]
pub(super) struct Replay {
    pub(super) id: String,
    pub(super) state: String,
    function: Option<String>,
    filter: serde_json::Map<String, serde_json::Value>,
    rate: u32,
    created: String,
    pub(super) events: Option<u64>,
    pub(super) done: u64,
    pub(super) error: Option<Failure>,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    match args.action {
        None | Some(Action::List) => list(client, output),
        Some(Action::Cancel { id }) => cancel(&id, client, output),
    }
}

fn list(client: &Client, output: &mut Output) -> Result<(), Error> {
    let answer = client.get(Path::new(API).segment("replays"))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let All { replays } = answer.json()?;
    if replays.is_empty() {
        return output.line("no replays");
    }
    let mut table =
        Table::new(["ID", "STATE", "DONE", "OF", "RATE", "FUNCTION", "EVENTS", "BEGUN"]);
    for replay in &replays {
        table.row([
            Cell::from(&replay.id),
            Cell::styled(style(&replay.state), &replay.state),
            count(replay.done).into(),
            replay.events.map_or_else(|| "?".to_owned(), count).into(),
            replay.rate.into(),
            Cell::styled(NAME, replay.function.as_deref().unwrap_or("all")),
            one_line(&filter(replay)).into(),
            Cell::styled(DIM, when(&replay.created)),
        ]);
    }
    output.text(&table.render())
}

fn cancel(id: &str, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("replays").segment(id);
    let answer = client.send(Request::new(Method::DELETE, path))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let One { replay } = answer.json()?;
    output.line(line(&replay))
}

/// What it is and how far, on one line.
pub(super) fn line(replay: &Replay) -> String {
    let to = replay.function.as_deref().unwrap_or("all who subscribe");
    let of = replay.events.map_or_else(String::new, |events| format!(" of {}", count(events)));
    let (state, done) = (paint(style(&replay.state), &replay.state), count(replay.done));
    format!("replay {} to {}: {state}, {done}{of} events", replay.id, paint(NAME, to))
}

fn filter(replay: &Replay) -> String {
    let text = |(name, value): (&String, &serde_json::Value)| {
        format!("{name}={}", value.as_str().unwrap_or_default())
    };
    let parts: Vec<String> = replay.filter.iter().map(text).collect();
    if parts.is_empty() { "all".to_owned() } else { parts.join(" ") }
}

fn style(state: &str) -> Style {
    match state {
        "done" => GOOD,
        "running" => NOTE,
        "failed" => BAD,
        _ => DIM,
    }
}
