//! What came of all requests of a host, each counted once: when nothing of it is left. Knows no metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// What came of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// There was a response, of any status, and nothing went wrong with its body.
    Answered,
    /// A rule forbade it, before or after its name was looked up.
    Denied,
    /// There was no response, or no whole one.
    Failed,
    /// The attempt ended, or the guest gave it up, before there was a response.
    Abandoned,
}

/// Since the start of the host.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestCounts {
    pub answered: u64,
    pub denied: u64,
    pub failed: u64,
    pub abandoned: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    answered: AtomicU64,
    denied: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Answered => &self.answered,
            Outcome::Denied => &self.denied,
            Outcome::Failed => &self.failed,
            Outcome::Abandoned => &self.abandoned,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> RequestCounts {
        RequestCounts {
            answered: self.answered.load(Ordering::Relaxed),
            denied: self.denied.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
        }
    }
}

impl Outcome {
    pub(crate) fn of(error: &Error) -> Self {
        if error.is_denial() { Self::Denied } else { Self::Failed }
    }
}
