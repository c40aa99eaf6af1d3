//! `trip activate NAME REVISION`.

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
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("functions").segment(&args.name).segment("activate");
    let answer = client.post(path, &json!({"revision": args.revision}))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    output.line(show::serving(&answer.json()?))
}
