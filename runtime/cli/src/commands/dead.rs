//! `trip dead`: what failed for good, and what to do about it.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use super::events::time;
use super::{API, event, listing, show};
use crate::client::types::Deliveries;
use crate::client::{self, Client, Path};
use crate::error::Error;
use crate::output::{BAD, Cell, DIM, Output, Table, count, one_line, when};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List dead letters (what `trip dead` alone does)
    List(List),
    /// Show one with its event, attempts and logs
    Show {
        /// The delivery, such as 42/orders
        #[arg(value_name = "SEQ/FUNCTION")]
        id: String,
    },
    /// Try dead letters again, at the end of their lanes
    Redrive(Selected),
    /// Give dead letters up
    Drop(Selected),
}

#[derive(clap::Args, Debug)]
struct List {
    #[command(flatten)]
    filters: Filters,
    /// How many to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
}

/// What dead letters have in common.
#[derive(clap::Args, Debug, Default)]
struct Filters {
    /// Only of this function
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only with this error, such as invoke.trap
    #[arg(long)]
    code: Option<String>,
    /// Died at this time or later: RFC 3339, or how long ago, such as 10m
    #[arg(long, value_name = "TIME|AGO", value_parser = time)]
    after: Option<String>,
    /// Died before this time: RFC 3339, or how long ago
    #[arg(long, value_name = "TIME|AGO", value_parser = time)]
    before: Option<String>,
}

impl Filters {
    /// Those that are given, under the API's names.
    fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { function, code, after, before } = self;
        let all =
            [("function", function), ("code", code), ("diedAfter", after), ("diedBefore", before)];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

/// Some by their ids, or all that have something in common.
#[derive(clap::Args, Debug)]
struct Selected {
    /// The deliveries, such as 42/orders
    #[arg(
        value_name = "SEQ/FUNCTION",
        conflicts_with_all = ["function", "code", "after", "before", "all"]
    )]
    ids: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    /// All there are
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    match args.action {
        None => list(&List { filters: Filters::default(), limit: 50 }, client, output),
        Some(Action::List(args)) => list(&args, client, output),
        Some(Action::Show { id }) => show(&id, client, output),
        Some(Action::Redrive(selected)) => change("redrive", "redriven", &selected, client, output),
        Some(Action::Drop(selected)) => change("drop", "dropped", &selected, client, output),
    }
}

fn list(args: &List, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("deliveries").query("status", "dead");
    let path = args.filters.members().fold(path, |path, (name, value)| path.query(name, value));
    let answer = listing::fetch(client, &path, "deliveries", args.limit as usize)?;
    if output.is_json() {
        return output.json(&answer);
    }
    let more = answer["cursor"].is_string();
    let Deliveries { deliveries } = serde_json::from_value(answer).map_err(client::Error::Shape)?;
    if deliveries.is_empty() {
        return output.line("no dead letters");
    }
    let mut table = Table::new(["DELIVERY", "KEY", "ATTEMPTS", "DIED", "CODE", "ERROR"]);
    for delivery in &deliveries {
        let error = delivery.error.as_ref();
        table.row([
            Cell::from(&delivery.id),
            one_line(delivery.key.as_deref().unwrap_or("-")).into(),
            delivery.attempts.into(),
            Cell::styled(DIM, delivery.died.as_deref().map_or_else(|| "-".into(), when)),
            Cell::styled(BAD, error.map_or("-", |error| &error.code)),
            one_line(error.map_or(&delivery.reason, |error| &error.message)).into(),
        ]);
    }
    output.text(&table.render())?;
    if more {
        crate::output::note(
            "there are more: see --limit, or filter by --function, --code, --after, --before",
        );
    }
    Ok(())
}

fn show(id: &str, client: &Client, output: &mut Output) -> Result<(), Error> {
    let wrong = || Error::Usage(format!("`{id}` is no delivery: write SEQ/FUNCTION"));
    let (seq, function) = id.split_once('/').ok_or_else(wrong)?;
    let (value, mut story) = event::story(client, seq)?;
    story.deliveries.retain(|story| story.delivery.function == function);
    story.children.clear();
    if story.deliveries.is_empty() {
        return Err(Error::Failed(format!("event {seq} was not for `{function}`")));
    }
    if output.is_json() {
        let deliveries = value["deliveries"].as_array().cloned().unwrap_or_default();
        let ours = deliveries.into_iter().find(|delivery| delivery["function"] == function);
        return output.json(&json!({"event": value["event"], "delivery": ours}));
    }
    let errors: Vec<_> =
        story.deliveries.iter().filter_map(|story| story.delivery.error.clone()).collect();
    output.text(&event::drawn_alone(story))?;
    errors.iter().try_for_each(|error| output.line(show::failure(error)))
}

fn change(
    action: &str,
    done: &str,
    selected: &Selected,
    client: &Client,
    output: &mut Output,
) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Counted {
        count: u64,
    }
    let selection = selection(selected).ok_or_else(|| {
        Error::Usage(format!(
            "which ones? Give ids, --function, --code, --after, --before, or --all to {action} all"
        ))
    })?;
    let path = Path::new(API).segment("deliveries").segment(action);
    let answer = client.post(path, &selection)?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let Counted { count: number } = answer.json()?;
    output.line(format_args!("{} {done}", count(number)))
}

/// None when nothing was selected: everything has to be asked for.
fn selection(selected: &Selected) -> Option<Value> {
    let Selected { ids, filters, all } = selected;
    if !ids.is_empty() {
        return Some(json!({"ids": ids}));
    }
    if filters.members().next().is_none() && !all {
        return None;
    }
    let mut selection = json!({"status": "dead"});
    for (name, value) in filters.members() {
        selection[name] = json!(value);
    }
    Some(selection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ids: &[&str], function: Option<&str>, all: bool, expect: Option<Value>) {
        let selected = Selected {
            ids: ids.iter().map(ToString::to_string).collect(),
            filters: Filters { function: function.map(str::to_owned), ..Filters::default() },
            all,
        };
        assert_eq!(selection(&selected), expect);
    }

    #[test]
    fn all_are_changed_only_when_asked_for() {
        check(&[], None, false, None);
        check(&[], None, true, Some(json!({"status": "dead"})));
        check(&[], Some("f"), false, Some(json!({"status": "dead", "function": "f"})));
        check(&["1/f"], None, false, Some(json!({"ids": ["1/f"]})));
    }
}
