//! `trip functions`: the list.

use serde_json::Value;

use super::API;
use crate::client::types::{Function, Functions};
use crate::client::{Client, Path};
use crate::error::Error;
use crate::output::{BAD, Cell, GOOD, NAME, NOTE, Output, Table, count};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

pub(crate) fn run(Args {}: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let answer = client.get(Path::new(API).segment("functions"))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let Functions { functions } = answer.json()?;
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
