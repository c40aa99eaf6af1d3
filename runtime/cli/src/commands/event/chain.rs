//! The stories of a whole causal tree, as the host tells them. Asks, and draws nothing.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::client::types::Story;
use crate::client::{self, Client, Path};
use crate::commands::API;
use crate::error::Error;

/// An event and what it came of and led to.
#[derive(Debug, Deserialize)]
pub(super) struct Chain {
    /// The event that all others came of.
    pub(super) root: String,
    nodes: Vec<Story>,
    /// There is more than what is here.
    #[serde(default)]
    pub(super) truncated: bool,
}

impl Chain {
    /// One event alone.
    pub(super) fn only(story: Story) -> Self {
        Self { root: story.seq.clone(), nodes: vec![story], truncated: false }
    }

    pub(super) fn by_seq(&self) -> HashMap<&str, &Story> {
        self.nodes.iter().map(|story| (story.seq.as_str(), story)).collect()
    }
}

/// The whole tree that an event is in: as the host says it, and read.
pub(super) fn of(client: &Client, seq: &str) -> Result<(Value, Chain), Error> {
    let path = Path::new(API).segment("events").segment(seq).segment("tree");
    let value = client.get(path)?.value()?;
    let chain = serde_json::from_value(value.clone()).map_err(client::Error::Shape)?;
    Ok((value, chain))
}
