//! `trip function NAME`: one function as it is.

use serde_json::json;
use triphammer_model::{Timestamp, Zone};

use super::{API, show};
use crate::client::types::{Counts, Function, Schedule};
use crate::client::{Client, Path};
use crate::error::Error;
use crate::output::{Cell, DIM, GOOD, NOTE, Output, Table, bytes, count, one_line, paint, when};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The function
    name: String,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let answer = client.get(Path::new(API).segment("functions").segment(&args.name))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let function: Function = answer.json()?;
    output.line(show::serving(&function))?;
    if let Some(paused) = &function.paused {
        output.line(format_args!("  {} {}", paint(DIM, "paused at"), when(&paused.at)))?;
    }
    output.text(&canaries(&function))?;
    if let Some(breaker) = &function.breaker {
        output.line(show::breaker(breaker))?;
    }
    if let Some(revision) = function.active_revision() {
        for (name, value) in show::flat(&revision.manifest) {
            output.line(format_args!("  {} {value}", paint(DIM, name)))?;
        }
        for (name, value) in show::flat(&json!(revision.config)) {
            output.line(format_args!("  {} {value}", paint(DIM, format!("config.{name}"))))?;
        }
    }
    output.line(counts(&function.counts))?;
    let state = function.state;
    if state.entries > 0 {
        let size = bytes(state.bytes);
        let entries = if state.entries == 1 { "entry" } else { "entries" };
        output.line(format_args!("{} {entries} of state, {size}", count(state.entries)))?;
    }
    if !function.schedules.is_empty() {
        output.text(&schedules(&function))?;
    }
    output.text(&revisions(&function))
}

/// The canary as it stands, and how the last one ended.
fn canaries(function: &Function) -> String {
    let mut text = String::new();
    if let Some(canary) = &function.canary {
        let active = function.active.as_deref().unwrap_or_default();
        let (id, what) = (&canary.revision, show::canary(canary, active));
        let (failed, attempts) = (count(canary.failures), count(canary.attempts));
        let since = when(&canary.since);
        let name = paint(DIM, "canary");
        text.push_str(&format!(
            "  {name} {id} {what} · {failed} of {attempts} attempts failed · since {since}\n"
        ));
    }
    if let Some(ended) = &function.canary_ended {
        let (id, at, reason) = (&ended.revision, when(&ended.at), one_line(&ended.reason));
        let name = paint(DIM, "canary ended");
        text.push_str(&format!("  {name} {id} at {at}: {reason}\n"));
    }
    text
}

fn schedules(function: &Function) -> String {
    let mut table = Table::new(["SCHEDULE", "CRON", "ZONE", "NEXT", "IN ITS ZONE"]);
    for schedule in &function.schedules {
        let Schedule { name, cron, zone, next } = schedule;
        let there = next.as_deref().and_then(|next| in_zone(next, zone));
        table.row([
            one_line(name).into(),
            one_line(cron).into(),
            one_line(zone).into(),
            next.as_deref().map_or_else(|| "never".to_owned(), when).into(),
            there.unwrap_or_else(|| "-".into()).into(),
        ]);
    }
    table.render()
}

/// What the clocks of a zone show then. None of a zone that this program does not know.
fn in_zone(rfc3339: &str, zone: &str) -> Option<String> {
    Zone::find(zone)?.shows(Timestamp::parse_rfc3339(rfc3339)?)
}

fn counts(counts: &Counts) -> String {
    let parts = [
        ("ready", counts.ready),
        ("running", counts.running),
        ("waiting", counts.waiting),
        ("blocked", counts.blocked),
        ("committed", counts.committed),
        ("retried", counts.retried),
        ("dead", counts.dead),
        ("dropped", counts.dropped),
    ];
    let shown = parts.iter().filter(|(name, value)| *value > 0 || *name == "committed");
    shown.map(|(name, value)| format!("{} {name}", count(*value))).collect::<Vec<_>>().join(" · ")
}

fn revisions(function: &Function) -> String {
    let mut table = Table::new(["REVISION", "SIZE", "DIGEST", "CREATED"]);
    for revision in &function.revisions {
        let canary = function.canary.as_ref().map(|canary| &canary.revision);
        let style = match revision.active {
            true => GOOD,
            false if canary == Some(&revision.revision) => NOTE,
            false => anstyle::Style::new(),
        };
        table.row([
            Cell::styled(style, &revision.revision),
            bytes(revision.bytes).into(),
            revision.digest.get(..12).unwrap_or(&revision.digest).into(),
            when(&revision.created).into(),
        ]);
    }
    table.render()
}
