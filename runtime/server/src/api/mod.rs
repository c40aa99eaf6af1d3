//! The handlers, one file for each group of paths. Each reads its request, asks the pipeline and
//! writes the answer; what may be asked, and of whom, was settled before.

pub(crate) mod audit;
pub(crate) mod deliveries;
pub(crate) mod descriptions;
pub(crate) mod dry_run;
pub(crate) mod events;
mod feed_item;
pub(crate) mod filters;
pub(crate) mod functions;
pub(crate) mod handshake;
pub(crate) mod hooks;
pub(crate) mod host;
pub(crate) mod ingress;
pub(crate) mod overview;
pub(crate) mod post;
pub(crate) mod replays;
pub(crate) mod stream;
pub(crate) mod subscriptions;

use std::fmt::Display;
use std::str::FromStr;

use crate::problem::Problem;

/// A name or number of the path or a body, as its type.
fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::bad_request("http.name", format!("{error}")))
}
