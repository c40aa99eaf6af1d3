//! The live feed: what has happened and is on disk. Costs nothing while nobody listens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use triphammer_model::{DeliveryId, ErrorInfo, FunctionName, RevisionId, Seq, Timestamp};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum FeedItem {
    Accepted {
        seq: Seq,
        at: Timestamp,
        source: String,
        id: String,
        ty: String,
        subject: Option<String>,
        functions: Vec<FunctionName>,
    },
    /// An attempt has begun.
    Attempted {
        id: DeliveryId,
        revision: RevisionId,
        attempt: u32,
        at: Timestamp,
    },
    Committed {
        id: DeliveryId,
        revision: RevisionId,
        attempt: u32,
        at: Timestamp,
        emitted: Vec<Seq>,
        elapsed: Duration,
    },
    Retried {
        id: DeliveryId,
        revision: RevisionId,
        attempt: u32,
        at: Timestamp,
        due: Timestamp,
        error: ErrorInfo,
    },
    Dead {
        id: DeliveryId,
        at: Timestamp,
        error: ErrorInfo,
    },
    Deployed {
        function: FunctionName,
        /// The active one.
        revision: RevisionId,
        /// The canary beside it, and its weight in percent.
        canary: Option<(RevisionId, u8)>,
        at: Timestamp,
    },
}

impl FeedItem {
    /// The name of the server-sent event.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Attempted { .. } => "attempted",
            Self::Committed { .. } => "committed",
            Self::Retried { .. } => "retried",
            Self::Dead { .. } => "dead",
            Self::Deployed { .. } => "deployed",
        }
    }

    /// The function concerned; none for an accepted event, which may concern many.
    pub fn function(&self) -> Option<&FunctionName> {
        match self {
            Self::Accepted { .. } => None,
            Self::Attempted { id, .. }
            | Self::Committed { id, .. }
            | Self::Retried { id, .. }
            | Self::Dead { id, .. } => Some(&id.function),
            Self::Deployed { function, .. } => Some(function),
        }
    }

    /// The event's type, where the item has it.
    pub fn ty(&self) -> Option<&str> {
        match self {
            Self::Accepted { ty, .. } => Some(ty),
            _ => None,
        }
    }
}

/// Items in the order in which they happened, held until they are on disk.
#[derive(Debug)]
pub(crate) struct Feed {
    sender: broadcast::Sender<Arc<FeedItem>>,
    pending: VecDeque<(u64, FeedItem)>,
}

/// Items that a slow listener may lag behind before it loses some.
const LAG_MAX: usize = 4096;
/// Items held for the disk. A full feed loses the newest: it is a view, not a record.
const PENDING_MAX: usize = 65_536;

impl Feed {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::channel(LAG_MAX).0, pending: VecDeque::new() }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<FeedItem>> {
        self.sender.subscribe()
    }

    /// Notes an item that record `seq` makes true. `make` runs only when somebody listens.
    pub(crate) fn push(&mut self, seq: u64, make: impl FnOnce() -> FeedItem) {
        if self.has_listeners() && self.pending.len() < PENDING_MAX {
            self.pending.push_back((seq, make()));
        }
    }

    /// Publishes what is on disk up to `durable`.
    pub(crate) fn publish(&mut self, durable: u64) {
        while self.pending.front().is_some_and(|(seq, _)| *seq <= durable) {
            if let Some((_, item)) = self.pending.pop_front() {
                // No listener is left: the item is dropped.
                let _ = self.sender.send(Arc::new(item));
            }
        }
    }

    pub(crate) fn has_listeners(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }
}
