//! `trip pause NAME`.

use serde_json::json;

use super::{API, show};
use crate::client::{Client, Path};
use crate::error::Error;
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The function
    name: String,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let path = Path::new(API).segment("functions").segment(&args.name).segment("pause");
    let answer = client.post(path, &json!({}))?;
    if output.is_json() {
        return output.json(&answer.value()?);
    }
    output.line(show::serving(&answer.json()?))
}
