//! `trip activate NAME REVISION`: all of a function's work for a revision, or a share of it.

use serde_json::json;

use super::{API, show};
use crate::client::{Client, Path};
use crate::error::Error;
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The function
    name: String,
    /// The revision, such as r2
    revision: String,
    #[command(flatten)]
    share: Share,
}

/// How much a revision gets.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct Share {
    /// A canary: this share, in percent of the ordering keys, beside the active revision. 100
    /// promotes
    #[arg(long, value_name = "PCT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) weight: Option<u32>,
    /// The canary is rolled back when more of its attempts fail (50 when not said)
    #[arg(long, value_name = "PCT", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(super) failures: Option<u32>,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("functions").segment(&args.name).segment("activate");
    let Share { weight, failures } = args.share;
    let body = json!({"revision": args.revision, "weight": weight, "failures": failures});
    let answer = client.post(path, &body)?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    output.line(show::serving(&answer.json()?))
}
