//! `trip event ID`: an event's whole story, its children's included, as a tree.

mod tree;

use serde_json::Value;

use self::tree::Tree;
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

/// Events in one tree; a chain can be long.
const EVENTS_MAX: usize = 200;

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let (answer, story) = find(client, &args.id)?;
    if output.is_json() {
        return output.json(&answer);
    }
    output.text(&draw(client, &story, args.brief)?)
}

/// The tree of an event and of all that came of it.
pub(super) fn draw(client: &Client, story: &Story, brief: bool) -> Result<String, Error> {
    let mut left = EVENTS_MAX;
    Ok(tree_of(client, story, brief, &mut left)?.render())
}

/// The chain alone, an event a line with who handled it.
pub(super) fn draw_chain(client: &Client, story: &Story) -> Result<String, Error> {
    let mut left = EVENTS_MAX;
    Ok(chain_of(client, story, &mut left)?.render())
}

pub(super) fn story(client: &Client, seq: &str) -> Result<(Value, Story), Error> {
    let value = client.get(Path::new(API).segment("events").segment(seq))?.value()?;
    let story = serde_json::from_value(value.clone()).map_err(client::Error::Shape)?;
    Ok((value, story))
}

fn find(client: &Client, id: &str) -> Result<(Value, Story), Error> {
    let is_seq = id.parse::<triphammer_model::Seq>().is_ok();
    if is_seq {
        match story(client, id) {
            Err(Error::Client(error)) if error.code() == Some("event.not_found") => {}
            found => return found,
        }
    }
    let path = Path::new(API).segment("events").query("id", id).query("limit", 20);
    let Events { events } = client.get(path)?.json()?;
    match events.as_slice() {
        [event] => story(client, &event.seq),
        [] => Err(Error::Failed(format!("there is no event `{id}`, or it is kept no longer"))),
        events => {
            let seqs: Vec<_> =
                events.iter().map(|event| format!("{} from {}", event.seq, event.source)).collect();
            let all = seqs.join(", ");
            Err(Error::Failed(format!("several events have the id `{id}`: give one of {all}")))
        }
    }
}

fn tree_of(client: &Client, story: &Story, brief: bool, left: &mut usize) -> Result<Tree, Error> {
    let mut tree = tree::of_event(story);
    let mut drawn: Vec<&str> = Vec::new();
    for delivery in &story.deliveries {
        let mut branch = tree::of_delivery(delivery, brief);
        for seq in delivery.history.iter().flat_map(|attempt| &attempt.emitted) {
            branch.push(child(client, seq, brief, left)?);
            drawn.push(seq);
        }
        tree.push(branch);
    }
    // Children of attempts whose history is not kept.
    for event in story.children.iter().filter(|event| !drawn.contains(&event.seq.as_str())) {
        tree.push(child(client, &event.seq, brief, left)?);
    }
    Ok(tree)
}

fn chain_of(client: &Client, story: &Story, left: &mut usize) -> Result<Tree, Error> {
    let mut tree = tree::of_link(story);
    for event in &story.children {
        let branch =
            with_story(client, &event.seq, left, |story, left| chain_of(client, story, left))?;
        tree.push(branch);
    }
    Ok(tree)
}

fn child(client: &Client, seq: &str, brief: bool, left: &mut usize) -> Result<Tree, Error> {
    with_story(client, seq, left, |story, left| tree_of(client, story, brief, left))
}

/// Draws an event that another one led to, as long as there is room and it is kept.
fn with_story(
    client: &Client,
    seq: &str,
    left: &mut usize,
    draw: impl FnOnce(&Story, &mut usize) -> Result<Tree, Error>,
) -> Result<Tree, Error> {
    if *left == 0 {
        return Ok(Tree::leaf(format!("#{seq} and what came of it: `trip event {seq}`")));
    }
    *left -= 1;
    match story(client, seq) {
        Ok((_, story)) => draw(&story, left),
        Err(Error::Client(error)) if error.code() == Some("event.not_found") => {
            Ok(Tree::leaf(format!("#{seq} is kept no longer")))
        }
        Err(error) => Err(error),
    }
}
