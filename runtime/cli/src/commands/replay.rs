//! `trip replay`: past events to a function again, as new deliveries whose effects happen again.

use serde::Deserialize;
use serde_json::json;

use super::API;
use super::events::Filters;
use crate::client::{Client, Path};
use crate::error::Error;
use crate::output::{NAME, Output, count, paint};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// One event, by its sequence number
    #[arg(value_name = "SEQ", conflicts_with_all = ["ty", "source", "subject", "id", "after", "before"])]
    seq: Option<String>,
    /// The function that gets the events
    #[arg(long, value_name = "NAME")]
    function: String,
    #[command(flatten)]
    filters: Filters,
}

#[derive(Deserialize)]
struct Replayed {
    events: u64,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let mut body = json!({"function": args.function});
    let answer = match &args.seq {
        Some(seq) => {
            client.post(Path::new(API).segment("events").segment(seq).segment("replay"), &body)?
        }
        None => {
            let Filters { ty, source, subject, id, after, before } = &args.filters;
            let filters = [
                ("type", ty),
                ("source", source),
                ("subject", subject),
                ("id", id),
                ("after", after),
                ("before", before),
            ];
            let given: Vec<_> =
                filters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
            if given.is_empty() {
                let text = "which events? Give SEQ, --type, --source, --subject, --id, --after or --before";
                return Err(Error::Usage(text.to_owned()));
            }
            for (name, value) in given {
                body[*name] = json!(value);
            }
            client.post(Path::new(API).segment("replay"), &body)?
        }
    };
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let Replayed { events } = answer.json()?;
    output.line(format_args!("{} events go to {} again", count(events), paint(NAME, args.function)))
}
