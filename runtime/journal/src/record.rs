//! What the journal holds: the facts, each complete in itself. Knows nothing of bytes on disk.
//!
//! A record says everything that reading it back needs: recovery never routes again, never asks
//! another record for a key, and folds a record into the checkpoint by overwriting whole rows.
//!
//! A record takes a run of sequence numbers. The event at `index` of an [`Accept`] has the
//! record's number plus `index`; the one at `index` of a commit's emitted events, or of those that
//! the host raises about a record, has the record's number plus 1 plus `index`. Every other record
//! takes one number.

use std::collections::BTreeMap;

use bytes::Bytes;
use triphammer_model::{
    DeliveryId, Digest, ErrorInfo, Event, FunctionName, Hops, LogLine, OrderingKey, Priority,
    Reply, RevisionId, Seq, StateWrite, Timestamp,
};

use crate::record_replay::Replay;

#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Accept(Accept),
    Settle(Box<Settle>),
    /// Deliveries whose rows an operator, or the host on their behalf, has changed: redriven, or
    /// about to run again after an unclean stop.
    Rows {
        at: Timestamp,
        why: RowChange,
        rows: Vec<DeliveryRow>,
    },
    /// Deliveries that were given up.
    Drop {
        at: Timestamp,
        why: DropReason,
        ids: Vec<DeliveryId>,
    },
    /// A function's definition, whole.
    Define {
        at: Timestamp,
        name: FunctionName,
        definition: Definition,
        /// The host's events about a change that it made itself.
        raised: Vec<Accepted>,
    },
    /// All state of a function is deleted.
    WipeState {
        at: Timestamp,
        function: FunctionName,
    },
    /// A replay, whole, and the events that it makes in this step.
    Replay {
        at: Timestamp,
        replay: Box<Replay>,
        events: Vec<Accepted>,
    },
}

/// Why rows were written again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RowChange {
    Redriven,
    /// The start of an attempt at a delivery that an unclean stop interrupted.
    Started,
}

/// Why deliveries were given up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DropReason {
    /// By an operator.
    Operator,
    /// With its function.
    Removed,
    /// Its event's `expirytime` had passed, or a dead letter's time.
    Expired,
    /// A later delivery of the same key came within the function's `debounce`.
    Debounced,
    /// The function's `rateLimit` was used up.
    RateLimited,
    /// A timer that its function cancelled, or set again.
    Cancelled,
    /// A schedule's slot that passed while the host was down.
    Missed,
}

impl DropReason {
    /// Stable and public.
    pub fn code(self) -> &'static str {
        match self {
            Self::Operator => "drop.operator",
            Self::Removed => "drop.removed",
            Self::Expired => "drop.expired",
            Self::Debounced => "drop.debounced",
            Self::RateLimited => "drop.rate_limited",
            Self::Cancelled => "drop.cancelled",
            Self::Missed => "drop.missed",
        }
    }
}

/// Events taken in together, all or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Accept {
    pub at: Timestamp,
    pub entrance: Entrance,
    pub events: Vec<Accepted>,
}

/// The way an event came in. Each has its own space of event ids.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Entrance {
    Ingress,
    Hook(String),
    /// Emitted by this function, with an id that the guest chose.
    Function(FunctionName),
    /// Made by the host: ids that no sender can choose, so nothing to look up.
    Host,
    /// Posted to a type, without being a CloudEvent: its id is the sender's idempotency key.
    Post,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub event: Event,
    pub hops: Hops,
    /// How a sender's repetition is known; none where the id is the host's own.
    pub dedup: Option<DedupEntry>,
    pub deliveries: Vec<NewDelivery>,
}

/// The fingerprint of (entrance, source, id), and one of the payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DedupEntry {
    pub id: [u8; 16],
    pub payload: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    pub function: FunctionName,
    pub key: Option<OrderingKey>,
    pub priority: Priority,
    /// Not before this time; at once when none.
    pub due: Option<Timestamp>,
    /// Given up when it has not begun to run by then.
    pub expires: Option<Timestamp>,
    /// At most one open delivery of a name is kept for each function and key: what sets a timer
    /// again, or debounces, drops the one before.
    pub name: Option<String>,
    /// A dead letter from the beginning, such as one without its ordering key.
    pub dead: Option<ErrorInfo>,
}

impl NewDelivery {
    /// To be run at once, with the usual priority.
    pub fn new(function: FunctionName, key: Option<OrderingKey>) -> Self {
        let priority = Priority::default();
        Self { function, key, priority, due: None, expires: None, name: None, dead: None }
    }
}

/// A delivery that is not settled, or dead: all that is needed to run it, the event apart.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub key: Option<OrderingKey>,
    pub hops: Hops,
    pub accepted: Timestamp,
    /// Its place in its lane: when it entered, then `order`.
    pub entered: Timestamp,
    pub order: Seq,
    /// Attempts that have failed and were counted.
    pub attempts: u32,
    /// Starts since an unclean stop that have had no outcome.
    pub starts: u8,
    pub priority: Priority,
    pub expires: Option<Timestamp>,
    /// See [`NewDelivery::name`].
    pub name: Option<String>,
    pub status: RowStatus,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RowStatus {
    /// To be run, not before this time.
    Due(Timestamp),
    Dead {
        at: Timestamp,
        error: ErrorInfo,
    },
}

/// The end of an attempt: everything that it changes, in one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Settle {
    pub id: DeliveryId,
    pub key: Option<OrderingKey>,
    /// Counts from 1.
    pub attempt: u32,
    pub revision: RevisionId,
    pub started: Timestamp,
    pub at: Timestamp,
    pub logs: Vec<LogLine>,
    pub logs_left_out: u32,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Committed {
        writes: Vec<StateWrite>,
        emitted: Vec<Accepted>,
        reply: Option<Reply>,
        /// The other deliveries of a batch, with the number of the attempt of each.
        also: Vec<(DeliveryId, u32)>,
        /// Timers that it cancelled, or set again.
        cancelled: Vec<DeliveryId>,
    },
    /// To be tried again: `row.status` says when.
    Retry { error: ErrorInfo, row: DeliveryRow },
    /// `row.status` is dead.
    Dead {
        row: DeliveryRow,
        /// The host's event about it, if it raises one.
        raised: Vec<Accepted>,
    },
}

/// A function as it stands: every revision that is kept, and which one is active.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// Oldest first.
    pub revisions: Vec<RevisionDef>,
    pub active: Option<RevisionId>,
    /// The one that was active before, for a rollback.
    pub previous: Option<RevisionId>,
    /// The number of the newest revision there has ever been; numbers never start again.
    pub revision_last: u32,
    pub paused: Option<Pause>,
    /// A revision that gets a part of the deliveries, before it gets them all.
    pub canary: Option<Canary>,
    /// The last canary that there was before, and how it ended.
    pub canary_ended: Option<CanaryEnd>,
    /// Opened by failures, and not closed again.
    pub breaker: Option<OpenBreaker>,
    /// Deleted: only `revision_last` is of interest.
    pub deleted: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RevisionDef {
    pub id: RevisionId,
    pub digest: Digest,
    pub component_len: u64,
    /// As JSON, every member written out.
    pub manifest: String,
    pub config: BTreeMap<String, String>,
    pub created: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Canary {
    pub revision: RevisionId,
    /// Percent of the ordering keys, or of the deliveries of a function without: 1 to 99.
    pub weight: u8,
    pub since: Timestamp,
    /// Given up when more of its attempts fail, in percent.
    pub failures_max: u8,
}

/// A canary that is one no longer.
#[derive(Clone, Debug, PartialEq)]
pub struct CanaryEnd {
    pub revision: RevisionId,
    pub at: Timestamp,
    /// As a sentence.
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenBreaker {
    pub since: Timestamp,
    /// When one delivery is tried.
    pub probe: Timestamp,
    /// Failed attempts in a row.
    pub failures: u32,
    /// Of the last of them.
    pub error: ErrorInfo,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pause {
    pub at: Timestamp,
    pub reason: String,
}

impl Record {
    /// When it was made.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Accept(accept) => accept.at,
            Self::Settle(settle) => settle.at,
            Self::Rows { at, .. }
            | Self::Drop { at, .. }
            | Self::Define { at, .. }
            | Self::Replay { at, .. }
            | Self::WipeState { at, .. } => *at,
        }
    }

    /// How many sequence numbers it takes.
    pub fn span(&self) -> u64 {
        let events = match self {
            Self::Accept(accept) => accept.events.len(),
            Self::Settle(settle) => match &settle.outcome {
                Outcome::Committed { emitted, .. } => emitted.len() + 1,
                Outcome::Dead { raised, .. } => raised.len() + 1,
                Outcome::Retry { .. } => 1,
            },
            Self::Define { raised, .. } => raised.len() + 1,
            Self::Replay { events, .. } => events.len() + 1,
            _ => 1,
        };
        events.max(1) as u64
    }

    /// The events in it, before it is appended.
    pub fn events_mut(&mut self) -> &mut [Accepted] {
        match self {
            Self::Accept(accept) => &mut accept.events,
            Self::Settle(settle) => match &mut settle.outcome {
                Outcome::Committed { emitted, .. } => emitted,
                Outcome::Dead { raised, .. } => raised,
                Outcome::Retry { .. } => &mut [],
            },
            Self::Define { raised, .. } => raised,
            _ => &mut [],
        }
    }

    /// The events in it, in the order of their numbers, with the offset of the first from the
    /// record's own number.
    pub fn events(&self) -> (u64, &[Accepted]) {
        match self {
            Self::Accept(accept) => (0, &accept.events),
            Self::Settle(settle) => match &settle.outcome {
                Outcome::Committed { emitted, .. } => (1, emitted),
                Outcome::Dead { raised, .. } => (1, raised),
                Outcome::Retry { .. } => (0, &[]),
            },
            Self::Define { raised, .. } => (1, raised),
            Self::Replay { events, .. } => (1, events),
            _ => (0, &[]),
        }
    }
}

/// Where a record's encoded body lies in the log.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Location {
    pub segment: u32,
    /// Of the record's header, in bytes from the segment's start.
    pub offset: u32,
    /// Of the encoded body, in bytes.
    pub len: u32,
}

/// A record read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub seq: Seq,
    pub location: Location,
    pub record: Record,
}

/// An encoded body. Made outside of any lock.
#[derive(Clone, Debug)]
pub struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) crc: u32,
    pub(crate) span: u64,
}
