//! `trip audit`: who changed what, as the host has written it down.

use serde::Deserialize;
use serde_json::Value;

use super::{API, listing};
use crate::client::{self, Client, Path};
use crate::error::Error;
use crate::output::{BAD, Cell, DIM, GOOD, NAME, Output, Table, data, note, one_line, when};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How many changes to list, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<Entry>,
}

/// A change, or a try at one.
#[derive(Deserialize)]
struct Entry {
    n: u64,
    time: String,
    actor: Actor,
    remote: Option<String>,
    action: String,
    target: Option<String>,
    status: Option<u16>,
    detail: Option<Value>,
}

#[derive(Deserialize)]
struct Actor {
    kind: String,
    name: Option<String>,
    certificate: Option<String>,
}

/// The longest detail in the table, in characters.
const DETAIL_LEN_MAX: usize = 120;

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("audit");
    let answer = listing::fetch(client, &path, "entries", args.limit as usize)?;
    if output.is_json() {
        return output.json(&answer);
    }
    let more = answer["cursor"].is_string();
    let Entries { entries } = serde_json::from_value(answer).map_err(client::Error::Shape)?;
    let mut table =
        Table::new(["N", "TIME", "WHO", "FROM", "ACTION", "TARGET", "STATUS", "DETAIL"]);
    for entry in &entries {
        let done = entry.status.is_none_or(|status| status < 400);
        table.row([
            entry.n.into(),
            Cell::styled(DIM, when(&entry.time)),
            one_line(who(&entry.actor)).into(),
            one_line(entry.remote.as_deref().unwrap_or("-")).into(),
            Cell::styled(NAME, one_line(&entry.action)),
            one_line(entry.target.as_deref().unwrap_or("-")).into(),
            Cell::styled(
                if done { GOOD } else { BAD },
                entry.status.map_or_else(|| "-".into(), number),
            ),
            entry.detail.as_ref().map_or_else(String::new, |it| data(it, DETAIL_LEN_MAX)).into(),
        ]);
    }
    if table.is_empty() {
        return output.line("no changes");
    }
    output.text(&table.render())?;
    if more {
        note("there are more: see --limit");
    }
    Ok(())
}

fn number(status: u16) -> String {
    status.to_string()
}

/// As much of it as was proven.
fn who(actor: &Actor) -> &str {
    actor.name.as_deref().or(actor.certificate.as_deref()).unwrap_or(&actor.kind)
}
