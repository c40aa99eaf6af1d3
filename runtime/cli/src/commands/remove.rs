//! `trip remove NAME`.

use hyper::Method;
use serde::Deserialize;

use super::API;
use crate::client::{Client, Path, Request};
use crate::error::Error;
use crate::output::{NAME, Output, count, paint};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The function
    name: String,
    /// Drop the deliveries that still wait, instead of refusing
    #[arg(long)]
    discard: bool,
    /// Delete the function's state too
    #[arg(long)]
    state: bool,
}

#[derive(Deserialize)]
struct Removed {
    name: String,
    dropped: u64,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("functions").segment(&args.name);
    let path = path.maybe("discard", args.discard.then_some(true));
    let path = path.maybe("state", args.state.then_some(true));
    let answer = client.send(Request::new(Method::DELETE, path))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    let Removed { name, dropped } = answer.json()?;
    let state = if args.state { "with its state" } else { "its state stays" };
    let dropped = match dropped {
        0 => String::new(),
        dropped => format!(", {} waiting deliveries were dropped", count(dropped)),
    };
    output.line(format_args!("{} is removed, {state}{dropped}", paint(NAME, name)))
}
