//! What happens to events, as it is told to whoever records traces and logs. Knows no format of either, and
//! nothing of where they go: whoever opens a pipeline brings that.

use std::fmt::Debug;

use triphammer_model::{
    DeliveryId, ErrorInfo, Event, LogLine, OrderingKey, RevisionId, Seq, SpanId, TraceContext,
};

/// Is told of what has happened. Called by those who do the work, so it must not wait.
pub trait Observer: Debug + Send + Sync + 'static {
    /// An event is on disk that is in a trace which is recorded.
    fn accepted(&self, accepted: &Received<'_>);

    /// An attempt has ended, whether or not it is in a trace.
    fn attempted(&self, attempted: &Attempted<'_>);
}

/// A span's own place in its trace, and that of the one that it follows from.
#[derive(Clone, Debug)]
pub struct Place {
    pub context: TraceContext,
    /// None of the first.
    pub parent: Option<SpanId>,
}

/// How an event came to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Somebody sent it.
    Sender,
    /// The host made it: of a schedule, by a replay, or to tell of something.
    Host,
}

/// An event that was taken in.
#[derive(Debug)]
pub struct Received<'a> {
    pub place: Place,
    pub seq: Seq,
    pub event: &'a Event,
    pub origin: Origin,
    /// Nanoseconds since 1970.
    pub began_ns: u64,
    pub ended_ns: u64,
}

/// An attempt that has settled.
#[derive(Debug)]
pub struct Attempted<'a> {
    /// None where its event is in no trace.
    pub place: Option<&'a Place>,
    /// Where the other events of its batch stand in theirs.
    pub links: &'a [TraceContext],
    /// Of its delivery, and of the first one of a batch.
    pub id: DeliveryId,
    pub event: &'a Event,
    pub revision: RevisionId,
    /// Counts from 1.
    pub attempt: u32,
    pub key: Option<&'a OrderingKey>,
    /// Deliveries that it was for.
    pub deliveries: usize,
    /// Whether it was one at a sink, not at a function.
    pub is_push: bool,
    pub ended: Ended<'a>,
    pub logs: &'a [LogLine],
    /// Nanoseconds since 1970.
    pub began_ns: u64,
    pub ended_ns: u64,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    Committed {
        /// Events, timers included.
        emitted: usize,
    },
    Retried(&'a ErrorInfo),
    Dead(&'a ErrorInfo),
}
