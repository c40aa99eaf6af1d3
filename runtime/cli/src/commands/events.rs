//! `trip events`: the list, newest first.

use serde_json::Value;

use super::{API, listing};
use crate::client::types::Events;
use crate::client::{self, Client, Path};
use crate::clock;
use crate::error::Error;
use crate::output::{Cell, DIM, NAME, Output, Table, bytes, count, note, one_line, when};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) filters: Filters,
    /// How many to list
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
}

/// Which events are meant.
#[derive(clap::Args, Debug)]
pub(super) struct Filters {
    /// Events of these types, such as order.*
    #[arg(long = "type", value_name = "PATTERN")]
    pub(super) ty: Option<String>,
    /// Events from this source
    #[arg(long)]
    pub(super) source: Option<String>,
    /// Events about this subject
    #[arg(long)]
    pub(super) subject: Option<String>,
    /// Events with this id
    #[arg(long)]
    pub(super) id: Option<String>,
    /// Accepted at this time or later: RFC 3339, or how long ago, such as 10m
    #[arg(long, value_name = "TIME|AGO", value_parser = time)]
    pub(super) after: Option<String>,
    /// Accepted before this time: RFC 3339, or how long ago
    #[arg(long, value_name = "TIME|AGO", value_parser = time)]
    pub(super) before: Option<String>,
}

/// RFC 3339, from itself or from a duration before now.
pub(super) fn time(text: &str) -> Result<String, String> {
    if triphammer_model::Timestamp::parse_rfc3339(text).is_some() {
        return Ok(text.to_owned());
    }
    let ago = triphammer_model::parse_duration(text)
        .map_err(|_| "write 2026-01-02T03:04:05Z, or how long ago, such as 10m".to_owned())?;
    let ago_ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
    let then = clock::now().ms().saturating_sub(ago_ms);
    Ok(triphammer_model::Timestamp(then).to_rfc3339())
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let Filters { ty, source, subject, id, after, before } = &args.filters;
    let path = Path::new(API)
        .segment("events")
        .maybe("type", ty.as_deref())
        .maybe("source", source.as_deref())
        .maybe("subject", subject.as_deref())
        .maybe("id", id.as_deref())
        .maybe("after", after.as_deref())
        .maybe("before", before.as_deref());
    let answer = listing::fetch(client, &path, "events", args.limit as usize)?;
    if let Some(damaged) = answer["damaged"].as_array() {
        note(left_out(damaged));
    }
    if output.is_json() {
        return output.json(&answer);
    }
    let more = answer["cursor"].is_string();
    let Events { events } = serde_json::from_value(answer).map_err(client::Error::Shape)?;
    let mut table = Table::new(["SEQ", "ACCEPTED", "TYPE", "SUBJECT", "SIZE", "SOURCE", "ID"]);
    for event in &events {
        table.row([
            Cell::from(&event.seq),
            Cell::styled(DIM, when(&event.accepted)),
            Cell::styled(NAME, one_line(&event.ty)),
            one_line(event.subject.as_deref().unwrap_or("-")).into(),
            bytes(event.bytes).into(),
            one_line(&event.source).into(),
            one_line(&event.id).into(),
        ]);
    }
    if table.is_empty() {
        return output.line("no events");
    }
    output.text(&table.render())?;
    if more {
        note("there are more: see --limit, or filter by --type, --subject, --after");
    }
    Ok(())
}

/// Events of a line that names them.
const NAMED_MAX: usize = 5;

/// What the list does not have, in one line.
fn left_out(damaged: &[Value]) -> String {
    let mut named: Vec<_> = damaged.iter().filter_map(Value::as_str).take(NAMED_MAX).collect();
    if damaged.len() > named.len() {
        named.push("…");
    }
    let (are, records) = if damaged.len() == 1 {
        ("1 event is".to_owned(), "its record is")
    } else {
        (format!("{} events are", count(damaged.len() as u64)), "their records are")
    };
    format!("{are} left out: {records} damaged on disk ({})", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_given_as_it_is_or_as_how_long_ago() {
        assert_eq!(time("2026-01-02T03:04:05Z").unwrap(), "2026-01-02T03:04:05Z");
        let then = triphammer_model::Timestamp::parse_rfc3339(&time("10m").unwrap()).unwrap();
        let ago_s = clock::now().since(then).as_secs();
        assert!((599..=660).contains(&ago_s), "{ago_s}");
        assert!(time("yesterday").is_err());
    }

    #[test]
    fn what_is_left_out_is_counted_and_the_first_are_named() {
        let of = |count: u64| {
            let all: Vec<Value> = (1..=count).map(|n| n.to_string().into()).collect();
            left_out(&all)
        };
        assert_eq!(of(1), "1 event is left out: its record is damaged on disk (1)");
        assert_eq!(of(2), "2 events are left out: their records are damaged on disk (1, 2)");
        let expect = "6 events are left out: their records are damaged on disk (1, 2, 3, 4, 5, …)";
        assert_eq!(of(6), expect);
    }
}
