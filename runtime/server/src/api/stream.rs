//! `GET /api/v1/stream`: the live feed as server-sent events. Only what is on disk is in it.
//!
//! A listener that is too slow loses the oldest items, and is told how many (`lagged`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;
use triphammer_model::{FunctionName, Seq, TypePattern};
use triphammer_pipeline::FeedItem;

use super::feed_item::{write_item, write_lagged};
use crate::body::ResponseBody;
use crate::caller::Caller;
use crate::gate::Gate;
use crate::problem::Problem;
use crate::route::{Answer, Call, Server};
use crate::tasks::Shutdown;

/// How often a feed on which nothing happens says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Sent at once, so that the client knows that it hears everything from now on.
const HELLO: &[u8] = b": ok\n\n";
const ALIVE: &[u8] = b": alive\n\n";
/// How much of what is waiting is sent in one piece.
const PIECE_BYTES: usize = 16 << 10;

pub(crate) fn open(mut call: Call<'_>) -> Answer {
    let filter = Filter {
        ty: call.query.parsed("type")?,
        function: call.query.parsed("function")?,
        matched: BTreeSet::new(),
    };
    call.query.done()?;
    call.caller.covers(filter.function.as_ref())?;
    let slot = slot(call.server)?;
    let feed = Feed {
        items: call.server.pipeline.subscribe(),
        filter,
        shutdown: call.server.shutdown.clone(),
        caller: call.caller.clone(),
        gate: call.server.gate.clone(),
        greeted: false,
        _slot: slot,
    };
    let pieces = stream::unfold(feed, |mut feed| async move {
        let piece = feed.next().await?;
        Some((piece, feed))
    });
    Ok(served(pieces))
}

/// Server-sent events, piece by piece.
pub(super) fn served(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Stream(Box::pin(pieces)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A place among the feeds that may be open.
pub(super) fn slot(server: &Server) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&server.streams).try_acquire_owned().map_err(|_| {
        let detail = "there are too many live feeds open";
        Problem::new(hyper::StatusCode::SERVICE_UNAVAILABLE, "http.streams", detail)
            .retry_after(Duration::from_secs(5))
    })
}

struct Feed {
    items: Receiver<Arc<FeedItem>>,
    filter: Filter,
    shutdown: Shutdown,
    caller: Caller,
    gate: Gate,
    greeted: bool,
    _slot: OwnedSemaphorePermit,
}

impl Feed {
    /// The next piece of text; none when the host stops, or the listener's token is good no more.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(HELLO));
        }
        loop {
            let item = tokio::select! {
                biased;
                () = self.shutdown.requested() => return None,
                item = timeout(KEEP_ALIVE, self.items.recv()) => item,
            };
            self.gate.keep_up().await;
            if !self.gate.still_lets_in(&self.caller) {
                return None;
            }
            let mut out = Vec::new();
            match item {
                Err(_) => return Some(Bytes::from_static(ALIVE)),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(missed))) => write_lagged(&mut out, missed),
                Ok(Ok(item)) => self.filter.write(&mut out, &item),
            }
            self.drain(&mut out);
            if !out.is_empty() {
                return Some(out.into());
            }
        }
    }

    /// Takes along what is there already.
    fn drain(&mut self, out: &mut Vec<u8>) {
        while out.len() < PIECE_BYTES {
            match self.items.try_recv() {
                Ok(item) => self.filter.write(out, &item),
                Err(TryRecvError::Lagged(missed)) => write_lagged(out, missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

/// What a listener wants to hear of.
struct Filter {
    ty: Option<TypePattern>,
    function: Option<FunctionName>,
    /// Events of the wanted type: what happens to them does not name the type again.
    matched: BTreeSet<Seq>,
}

/// Events remembered by a filter; the oldest are forgotten.
const MATCHED_MAX: usize = 100_000;

impl Filter {
    fn write(&mut self, out: &mut Vec<u8>, item: &FeedItem) {
        if self.passes(item) {
            write_item(out, item);
        }
    }

    fn passes(&mut self, item: &FeedItem) -> bool {
        self.passes_type(item) && self.passes_function(item)
    }

    fn passes_type(&mut self, item: &FeedItem) -> bool {
        let Some(pattern) = &self.ty else {
            return true;
        };
        match item {
            FeedItem::Accepted { seq, ty, .. } => {
                let matches = pattern.matches(ty);
                if matches {
                    self.matched.insert(*seq);
                    if self.matched.len() > MATCHED_MAX {
                        self.matched.pop_first();
                    }
                }
                matches
            }
            FeedItem::Attempted { id, .. }
            | FeedItem::Committed { id, .. }
            | FeedItem::Retried { id, .. }
            | FeedItem::Dead { id, .. } => self.matched.contains(&id.seq),
            FeedItem::Deployed { .. } => false,
        }
    }

    fn passes_function(&self, item: &FeedItem) -> bool {
        let Some(wanted) = &self.function else {
            return true;
        };
        match item {
            FeedItem::Accepted { functions, .. } => functions.contains(wanted),
            other => other.function() == Some(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::feed_item::tests::{accepted, attempted};

    #[test]
    fn a_type_is_followed_through_its_deliveries() {
        let ty = Some("order.*".parse().unwrap());
        let mut filter = Filter { ty, function: None, matched: BTreeSet::new() };
        assert!(filter.passes(&accepted(1, "order.created")));
        assert!(!filter.passes(&accepted(2, "user.created")));
        assert!(filter.passes(&attempted(1)));
        assert!(!filter.passes(&attempted(2)));
    }

    #[test]
    fn a_function_is_followed() {
        let function = |name: &str| Some(name.parse().unwrap());
        let mut filter =
            Filter { ty: None, function: function("welcome"), matched: BTreeSet::new() };
        assert!(filter.passes(&accepted(1, "t")) && filter.passes(&attempted(1)));
        filter.function = function("other");
        assert!(!filter.passes(&accepted(1, "t")) && !filter.passes(&attempted(1)));
    }
}
