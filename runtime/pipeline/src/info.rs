//! What the pipeline tells of itself: plain answers to the questions of a server. No behaviour.

use std::time::Duration;

use bytes::Bytes;
use triphammer_journal::Entrance;
use triphammer_model::{
    DeliveryId, Effects, ErrorInfo, Event, FunctionName, LogLine, Manifest, OrderingKey, Reply,
    RevisionId, Seq, StateWrite, Timestamp, TypePattern,
};
use triphammer_outbound::RequestCounts;

pub use crate::info_functions::{
    CanaryEnded, CanaryInfo, Counts, Deploy, Deployed, FunctionInfo, Remove, Removed, RevisionInfo,
    ScheduleInfo,
};
pub use crate::info_waiting::{WaitKind, WaitingFor};

/// Proof that an event is on disk.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub seq: Seq,
    pub id: String,
    pub source: String,
    /// Accepted before, as `seq`; nothing runs again.
    pub duplicate: bool,
    /// A duplicate with another payload than the first.
    pub differs: bool,
    /// The functions that it goes to; empty for a duplicate.
    pub functions: Vec<FunctionName>,
    /// Deliveries that are dead letters from the beginning, with the reason.
    pub dead: Vec<(FunctionName, ErrorInfo)>,
}

/// What a sender that waits is told.
#[derive(Clone, Debug)]
pub struct Waited {
    pub receipts: Vec<Receipt>,
    /// By receipt; none when the time ran out first.
    pub results: Option<Vec<Vec<Settled>>>,
}

/// A settled delivery, and what came of it.
#[derive(Clone, Debug)]
pub struct Settled {
    pub result: DeliveryResult,
    /// Of a commit, where so many generations were asked for.
    pub emitted: Option<Vec<Emitted>>,
}

/// An event that an attempt emitted, and how its deliveries were settled.
#[derive(Clone, Debug)]
pub struct Emitted {
    pub seq: Seq,
    pub ty: String,
    pub id: String,
    pub results: Vec<Settled>,
}

/// How a delivery was settled.
#[derive(Clone, Debug)]
pub struct DeliveryResult {
    pub function: FunctionName,
    pub revision: Option<RevisionId>,
    pub status: Status,
    pub attempts: u32,
    pub reply: Option<Reply>,
    pub error: Option<ErrorInfo>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// Can run as soon as a worker is free.
    Ready,
    Running,
    /// For its time: a delay, or the wait before a retry.
    Waiting,
    /// Behind another delivery of its lane.
    Blocked,
    Committed,
    Dead,
    Dropped,
    Expired,
}

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Ready,
        Self::Running,
        Self::Waiting,
        Self::Blocked,
        Self::Committed,
        Self::Dead,
        Self::Dropped,
        Self::Expired,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Committed => "committed",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing more happens to it, unless it is replayed.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Committed | Self::Dropped | Self::Expired)
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What one event became when it was replayed.
#[derive(Clone, Copy, Debug)]
pub struct Replayed {
    pub seq: Seq,
}

#[derive(Clone, Debug, Default)]
pub struct StateQuery {
    /// Entries of this ordering key only; `Some(None)` is the space without a key.
    pub key: Option<Option<OrderingKey>>,
    pub prefix: String,
    pub limit: usize,
    pub cursor: Option<String>,
}

#[derive(Clone, Debug)]
pub struct StateEntry {
    pub key: Option<OrderingKey>,
    pub name: String,
    pub value: Bytes,
    /// The record that wrote it.
    pub seq: Seq,
    /// From this time on it is not there.
    pub expires: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct StatePage {
    pub entries: Vec<StateEntry>,
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    pub ty: Option<TypePattern>,
    pub source: Option<String>,
    pub subject: Option<String>,
    pub id: Option<String>,
    /// Accepted at this time or later.
    pub after: Option<Timestamp>,
    /// Accepted before this time.
    pub before: Option<Timestamp>,
    /// Of one of its deliveries. Replays know none.
    pub outcome: Option<EventOutcome>,
    pub limit: usize,
    pub cursor: Option<String>,
}

/// What has become of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventOutcome {
    /// Nobody asked for it.
    Unrouted,
    /// A delivery is neither settled nor dead.
    Open,
    /// A delivery is so.
    Settled(Status),
}

impl EventOutcome {
    pub const ALL: [&'static str; 6] =
        ["open", "committed", "dead", "dropped", "expired", "unrouted"];

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "unrouted" => Some(Self::Unrouted),
            "open" => Some(Self::Open),
            _ => Status::parse(text)
                .filter(|status| status.is_settled() || *status == Status::Dead)
                .map(Self::Settled),
        }
    }
}

#[derive(Clone, Debug)]
pub struct EventSummary {
    pub seq: Seq,
    pub accepted: Timestamp,
    pub event: Event,
}

#[derive(Clone, Debug)]
pub struct EventPage {
    /// Newest first.
    pub events: Vec<EventSummary>,
    pub cursor: Option<String>,
}

/// All that is known of one event.
#[derive(Clone, Debug)]
pub struct Story {
    pub seq: Seq,
    pub accepted: Timestamp,
    pub entrance: Entrance,
    pub hops: u16,
    pub event: Event,
    /// The delivery whose attempt emitted it.
    pub parent: Option<DeliveryId>,
    pub deliveries: Vec<DeliveryStory>,
    pub children: Vec<EventSummary>,
}

#[derive(Clone, Debug)]
pub struct DeliveryStory {
    pub info: DeliveryInfo,
    pub attempts: Vec<AttemptStory>,
}

#[derive(Clone, Debug)]
pub struct AttemptStory {
    pub attempt: u32,
    pub revision: RevisionId,
    pub started: Timestamp,
    pub ended: Timestamp,
    /// `committed`, `retry` or `dead`.
    pub outcome: &'static str,
    pub error: Option<ErrorInfo>,
    pub logs: Vec<LogLine>,
    pub logs_left_out: u32,
    pub writes: Vec<StateWrite>,
    pub emitted: Vec<Seq>,
    pub reply: Option<Reply>,
}

#[derive(Clone, Debug)]
pub struct DeliveryInfo {
    pub id: DeliveryId,
    pub key: Option<OrderingKey>,
    /// The name of the timer that it is of.
    pub timer: Option<String>,
    pub status: Status,
    /// Attempts so far, the running one not included.
    pub attempts: u32,
    pub accepted: Timestamp,
    /// When it may run, while it waits for a time.
    pub due: Option<Timestamp>,
    /// When it became a dead letter.
    pub died: Option<Timestamp>,
    /// Why it is where it is, as a sentence.
    pub reason: String,
    /// The same as data, for one that is open and does not run.
    pub waiting_for: Option<WaitingFor>,
    pub error: Option<ErrorInfo>,
}

/// What deliveries have in common. The last three are of dead letters, and find only those.
#[derive(Clone, Debug, Default)]
pub struct DeliveryQuery {
    pub status: Option<Status>,
    pub function: Option<FunctionName>,
    /// The code of the error.
    pub code: Option<String>,
    /// Died at this time or later.
    pub died_after: Option<Timestamp>,
    /// Died before this time.
    pub died_before: Option<Timestamp>,
    pub limit: usize,
    pub cursor: Option<String>,
}

#[derive(Clone, Debug)]
pub struct DeliveryPage {
    pub deliveries: Vec<DeliveryInfo>,
    pub cursor: Option<String>,
}

/// Which deliveries an operator means.
#[derive(Clone, Debug)]
pub enum Selection {
    Ids(Vec<DeliveryId>),
    /// All that match, whatever the limit and the cursor: dead letters when no status is named.
    Filter(DeliveryQuery),
}

/// An attempt whose effects are shown and thrown away.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// None for a module that is not deployed.
    pub revision: Option<RevisionId>,
    pub manifest: Manifest,
    pub result: Result<Effects, ErrorInfo>,
    pub logs: Vec<LogLine>,
    pub logs_left_out: u32,
    pub elapsed: Duration,
}

/// Steps of circuit breakers, of all functions.
#[derive(Clone, Copy, Debug, Default)]
pub struct BreakerSteps {
    pub opened: u64,
    pub probed: u64,
    pub closed: u64,
}

/// Counters since the start, and gauges as of now.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub accepted: u64,
    pub duplicates: u64,
    pub committed: u64,
    pub retried: u64,
    pub dead: u64,
    pub dropped: u64,
    /// Dead letters reopened.
    pub redriven: u64,
    /// Attempts run again because what they read had changed.
    pub conflicts: u64,
    /// Canaries that the host has given up.
    pub rolledback: u64,
    pub breakers: BreakerSteps,
    pub ready_now: u64,
    pub running_now: u64,
    pub waiting_now: u64,
    pub blocked_now: u64,
    pub dead_now: u64,
    pub journal_syncs: u64,
    pub journal_bytes: u64,
    pub journal_batches: u64,
    /// The highest sequence number that is on disk.
    pub durable_seq: u64,
    pub disk_free_bytes: u64,
    /// Payloads of waiting events in memory.
    pub payload_bytes: u64,
    pub dedup_window: Duration,
    pub dedup_entries: u64,
    /// The requests that functions made.
    pub requests: RequestCounts,
    /// How many of the traces that begin here are recorded now, from 0 to 1; none where none begins.
    pub traces_ratio: Option<f64>,
}
