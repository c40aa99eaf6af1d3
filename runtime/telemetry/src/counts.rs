//! What became of spans and log records, since the start. Knows no metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What of each a host has sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExportCounts {
    pub spans: SignalCounts,
    pub logs: SignalCounts,
}

/// Spans, or log records. What is in none of these waits to be sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SignalCounts {
    /// The collector has them.
    pub sent: u64,
    /// There was no room for them.
    pub dropped: u64,
    /// The collector did not take them, or could not be reached.
    pub failed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> SignalCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SignalCounts {
            sent: read(&self.sent),
            dropped: read(&self.dropped),
            failed: read(&self.failed),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
