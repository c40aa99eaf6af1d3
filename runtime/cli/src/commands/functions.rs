//! `trip functions`: the list.

use serde_json::Value;

use super::{API, listing};
use crate::client::types::{Function, Functions};
use crate::client::{self, Client, Path};
use crate::error::Error;
use crate::output::{BAD, Cell, GOOD, NAME, NOTE, Output, Table, count};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Functions whose names begin so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Functions that have this anywhere in their names
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
}

/// Each comes with all of its revisions.
const PAGE: usize = 200;

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let Args { prefix, contains } = args;
    let path = Path::new(API)
        .segment("functions")
        .maybe("prefix", prefix.as_deref())
        .maybe("contains", contains.as_deref());
    let answer = listing::fetch_by(client, &path, "functions", (usize::MAX, PAGE))?;
    if output.is_json() {
        return output.json(&answer);
    }
    let Functions { functions } = serde_json::from_value(answer).map_err(client::Error::Shape)?;
    if functions.is_empty() && (prefix.is_some() || contains.is_some()) {
        return output.line("no function has such a name");
    }
    if functions.is_empty() {
        return output.line("no functions yet: begin one with `trip new NAME`");
    }
    let mut table = Table::new(["NAME", "ACTIVE", "WAITING", "COMMITTED", "DEAD", "ON"]);
    for function in &functions {
        table.row(row(function));
    }
    output.text(&table.render())
}

/// How its breaker stands, unless that is closed.
fn open_breaker(function: &Function) -> Option<&str> {
    let breaker = function.breaker.as_ref().filter(|breaker| !breaker.is_closed());
    breaker.map(|breaker| breaker.state.as_str())
}

fn row(function: &Function) -> [Cell; 6] {
    let counts = function.counts;
    let active = match (&function.paused, &function.active) {
        (Some(_), _) => Cell::styled(NOTE, "paused"),
        (None, Some(active)) if let Some(state) = open_breaker(function) => {
            Cell::styled(NOTE, format!("{active} (breaker {state})"))
        }
        (None, Some(active)) if let Some(canary) = &function.canary => {
            let (id, weight) = (&canary.revision, canary.weight);
            Cell::styled(GOOD, format!("{active} ({id} {weight} %)"))
        }
        (None, Some(active)) => Cell::styled(GOOD, active),
        (None, None) => Cell::styled(NOTE, "none"),
    };
    let dead = match counts.dead {
        0 => Cell::from("0"),
        dead => Cell::styled(BAD, count(dead)),
    };
    let manifest = function.active_revision().map(|revision| &revision.manifest);
    let patterns = manifest.and_then(|manifest| manifest["on"].as_array());
    let on: Vec<_> = patterns.into_iter().flatten().filter_map(Value::as_str).collect();
    [
        Cell::styled(NAME, &function.name),
        active,
        count(counts.open()).into(),
        count(counts.committed).into(),
        dead,
        on.join(", ").into(),
    ]
}
