//! Until when nothing of a function runs, and for which reasons. Knows no clock and no queue.

use triphammer_model::Timestamp;

/// Why nothing of a function runs for a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gate {
    /// As many attempts have begun as its `throttle` lets.
    Throttle,
    /// The first of a batch waits for the others.
    Batch,
    /// It has failed too often in a row, and is probed after that.
    Breaker,
}

#[derive(Debug, Default)]
pub(crate) struct Gates {
    throttle: Option<Timestamp>,
    batch: Option<Timestamp>,
    breaker: Option<Timestamp>,
}

impl Gates {
    /// When the last of them opens, and which that is; none when all are open.
    pub(crate) fn closed(&self) -> Option<(Timestamp, Gate)> {
        let throttle = self.throttle.map(|until| (until, Gate::Throttle));
        let breaker = self.breaker.map(|until| (until, Gate::Breaker));
        let batch = self.batch.map(|until| (until, Gate::Batch));
        [throttle, breaker, batch].into_iter().flatten().max_by_key(|(until, _)| *until)
    }

    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.throttle.max(self.breaker).max(self.batch)
    }

    /// None opens it.
    pub(crate) fn set(&mut self, gate: Gate, until: Option<Timestamp>) {
        match gate {
            Gate::Throttle => self.throttle = until,
            Gate::Batch => self.batch = until,
            Gate::Breaker => self.breaker = until,
        }
    }
}
