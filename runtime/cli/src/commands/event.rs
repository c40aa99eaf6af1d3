//! `trip event ID`: an event's whole story, with what it came of and what came of it, as a tree.

mod chain;
mod tree;

use serde_json::Value;

use self::chain::Chain;
use super::API;
use crate::client::types::{Events, Story};
use crate::client::{self, Client, Path};
use crate::error::Error;
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A sequence number, or the event's own id
    #[arg(value_name = "SEQ|ID")]
    id: String,
    /// Leave out log lines, state and replies
    #[arg(long, short)]
    brief: bool,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let (seq, answer, chain) = find(client, &args.id)?;
    if output.is_json() {
        return output.json(&answer);
    }
    output.text(&tree::of_chain(&chain, &seq, args.brief).render())
}

/// The whole tree that an event is in, as text.
pub(super) fn drawn(client: &Client, seq: &str) -> Result<String, Error> {
    let (_, chain) = chain::of(client, seq)?;
    Ok(tree::of_chain(&chain, seq, false).render())
}

/// One event and its deliveries, without what came of them.
pub(super) fn drawn_alone(story: Story) -> String {
    let seq = story.seq.clone();
    tree::of_chain(&Chain::only(story), &seq, false).render()
}

/// The whole tree, an event a line with who handled it.
pub(super) fn drawn_briefly(client: &Client, seq: &str) -> Result<String, Error> {
    let (_, chain) = chain::of(client, seq)?;
    Ok(tree::of_links(&chain).render())
}

pub(super) fn story(client: &Client, seq: &str) -> Result<(Value, Story), Error> {
    let value = client.get(Path::new(API).segment("events").segment(seq))?.value()?;
    let story = serde_json::from_value(value.clone()).map_err(client::Error::Shape)?;
    Ok((value, story))
}

/// The event's number, and the tree that it is in.
fn find(client: &Client, id: &str) -> Result<(String, Value, Chain), Error> {
    let is_seq = id.parse::<triphammer_model::Seq>().is_ok();
    if is_seq {
        match chain::of(client, id) {
            Err(Error::Client(error)) if error.code() == Some("event.not_found") => {}
            found => return found.map(|(value, chain)| (id.to_owned(), value, chain)),
        }
    }
    let seq = seq_of(client, id)?;
    let (value, chain) = chain::of(client, &seq)?;
    Ok((seq, value, chain))
}

fn seq_of(client: &Client, id: &str) -> Result<String, Error> {
    let path = Path::new(API).segment("events").query("id", id).query("limit", 20);
    let Events { events } = client.get(path)?.json()?;
    match events.as_slice() {
        [event] => Ok(event.seq.clone()),
        [] => Err(Error::NoEvent { id: id.to_owned() }),
        events => {
            let seqs: Vec<_> =
                events.iter().map(|event| format!("{} from {}", event.seq, event.source)).collect();
            let all = seqs.join(", ");
            Err(Error::Failed(format!("several events have the id `{id}`: give one of {all}")))
        }
    }
}
