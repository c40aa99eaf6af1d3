//! `trip state NAME`: what a function has committed to its state.

use super::{API, listing, show};
use crate::client::types::{StateEntries, StateEntry};
use crate::client::{self, Client, Path};
use crate::error::Error;
use crate::output::{Cell, DIM, NAME, Output, Table, one_line, when};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The function
    name: String,
    /// Entries of this ordering key only
    #[arg(long)]
    key: Option<String>,
    /// Entries whose names begin so
    #[arg(long)]
    prefix: Option<String>,
    /// How many to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API)
        .segment("functions")
        .segment(&args.name)
        .segment("state")
        .maybe("key", args.key.as_deref())
        .maybe("prefix", args.prefix.as_deref());
    let answer = listing::fetch(client, &path, "entries", args.limit as usize)?;
    if output.is_json() {
        return output.json(&answer);
    }
    let StateEntries { entries, cursor } =
        serde_json::from_value(answer).map_err(client::Error::Shape)?;
    if entries.is_empty() {
        return output.line("no state");
    }
    let mut table = Table::new(["KEY", "NAME", "VALUE", "EXPIRES", "WRITTEN BY"]);
    for entry in &entries {
        table.row(row(entry));
    }
    output.text(&table.render())?;
    if cursor.is_some() {
        crate::output::note("there are more: see --limit, or filter by --key, --prefix");
    }
    Ok(())
}

fn row(entry: &StateEntry) -> [Cell; 5] {
    let expires = entry.expires.as_deref().map_or_else(|| "-".to_owned(), when);
    [
        Cell::styled(DIM, one_line(entry.key.as_deref().unwrap_or("-"))),
        Cell::styled(NAME, one_line(&entry.name)),
        show::value(entry.value.as_ref(), entry.value_base64.as_deref()).into(),
        expires.into(),
        Cell::from(&entry.seq),
    ]
}
