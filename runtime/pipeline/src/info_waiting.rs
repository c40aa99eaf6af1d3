//! What an open delivery waits for, as it is told. Knows no queue.

use triphammer_model::{DeliveryId, Timestamp};

/// What a delivery waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WaitingFor {
    pub kind: WaitKind,
    /// Another delivery: the one before it in its lane, the dead letter that halts it, or the one
    /// that runs alone.
    pub delivery: Option<DeliveryId>,
    pub until: Option<Timestamp>,
    /// How many go before it: of its lane while it is blocked, else of its function.
    pub ahead: Option<u64>,
    /// How many may run at a time, where that is what holds it.
    pub limit: Option<u32>,
}

impl WaitingFor {
    pub(crate) fn new(kind: WaitKind) -> Self {
        Self { kind, delivery: None, until: None, ahead: None, limit: None }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WaitKind {
    /// The deliveries before it in its lane.
    Lane,
    /// A dead letter that halts its lane.
    Halted,
    /// The function's `concurrency`.
    Concurrency,
    /// One that runs alone, or to run alone itself.
    Exclusive,
    /// A worker: nothing else is in its way.
    Worker,
    /// The time that it was to be delivered at.
    Time,
    /// The time of its next attempt.
    Retry,
    /// Its function to be resumed, or activated.
    Paused,
    /// Its function's `throttle`.
    Throttle,
    /// Others of its batch.
    Batch,
    /// Its function's circuit breaker, which is open or half-open.
    Breaker,
    /// Room on the disk.
    Disk,
}

impl WaitKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lane => "lane",
            Self::Halted => "halted",
            Self::Concurrency => "concurrency",
            Self::Exclusive => "exclusive",
            Self::Worker => "worker",
            Self::Time => "time",
            Self::Retry => "retry",
            Self::Paused => "paused",
            Self::Throttle => "throttle",
            Self::Batch => "batch",
            Self::Breaker => "breaker",
            Self::Disk => "disk",
        }
    }
}
