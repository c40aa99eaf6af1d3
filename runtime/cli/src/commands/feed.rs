//! The host's live feed, followed over breaks of the connection. Knows what its items say, not how
//! they are shown.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde::Deserialize;

use super::API;
use crate::client::types::Failure;
use crate::client::{self, Client, Item, Path};
use crate::error::Error;

/// Between attempts to reach a host that has gone.
const RECONNECT: Duration = Duration::from_secs(1);
/// Items that wait for whoever shows them. When there are more the host is made to wait, which
/// then leaves some out and says how many.
const WAITING_MAX: usize = 8_192;

/// What is told of a feed.
#[derive(Debug)]
pub(super) enum Told {
    /// From now on nothing is missed.
    Watching,
    Item(Item),
    /// The connection broke; another is tried for as long as it takes.
    Lost,
    /// Watching again; what happened meanwhile is not told.
    Back,
}

/// The members of all kinds of items; each kind has some of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Happened {
    pub(super) kind: String,
    pub(super) at: String,
    pub(super) seq: String,
    #[serde(rename = "type")]
    pub(super) ty: String,
    pub(super) subject: Option<String>,
    pub(super) functions: Vec<String>,
    pub(super) function: String,
    pub(super) revision: String,
    pub(super) canary: Option<String>,
    pub(super) weight: u8,
    pub(super) attempt: u32,
    pub(super) emitted: Vec<String>,
    pub(super) elapsed_ms: f64,
    pub(super) due: String,
    pub(super) error: Option<Failure>,
    pub(super) missed: u64,
}

impl Happened {
    pub(super) fn read(item: &Item) -> Result<Self, Error> {
        Ok(serde_json::from_str(&item.data).map_err(client::Error::Shape)?)
    }
}

/// The feed of what concerns these.
pub(super) fn path(ty: Option<&str>, function: Option<&str>) -> Path {
    Path::new(API).segment("stream").maybe("type", ty).maybe("function", function)
}

/// Follows a feed until `tell` fails or the host refuses. The first connection must succeed; later
/// ones are tried for as long as it takes.
pub(super) fn follow(
    client: &Client,
    path: &Path,
    mut tell: impl FnMut(Told) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut feed = client.feed(path.clone())?;
    tell(Told::Watching)?;
    loop {
        if let Ok(Some(item)) = feed.next() {
            tell(Told::Item(item))?;
            continue;
        }
        tell(Told::Lost)?;
        feed = loop {
            std::thread::sleep(RECONNECT);
            match client.feed(path.clone()) {
                Ok(feed) => break feed,
                Err(error) if error.is_connection() => {}
                Err(error) => return Err(error.into()),
            }
        };
        tell(Told::Back)?;
    }
}

/// Follows a feed on a thread of its own, which ends when the receiver is dropped.
pub(super) fn follow_aside(
    client: Client,
    path: Path,
) -> Result<Receiver<Result<Told, Error>>, Error> {
    let (sender, told) = sync_channel(WAITING_MAX);
    std::thread::spawn(move || {
        let gone = |_| Error::Failed("nobody watches any more".to_owned());
        let ended = follow(&client, &path, |told| sender.send(Ok(told)).map_err(gone));
        // As above: then nobody needs to know why it ended.
        let _ = ended.map_err(|error| sender.send(Err(error)));
    });
    match told.recv() {
        Ok(Ok(_)) => Ok(told),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Failed("the feed ended before it began".to_owned())),
    }
}
