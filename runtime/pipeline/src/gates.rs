//! Until when nothing of a function runs, and for which reasons. Knows no clock and no queue.

use triphammer_model::Timestamp;

/// Why nothing of a function runs for a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gate {
    /// As many attempts have begun as its `throttle` lets.
    Throttle,
}

#[derive(Debug, Default)]
pub(crate) struct Gates {
    throttle: Option<Timestamp>,
}

impl Gates {
    /// When the last of them opens, and which that is; none when all are open.
    pub(crate) fn closed(&self) -> Option<(Timestamp, Gate)> {
        self.throttle.map(|until| (until, Gate::Throttle))
    }

    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.throttle
    }

    /// None opens it.
    pub(crate) fn set(&mut self, gate: Gate, until: Option<Timestamp>) {
        match gate {
            Gate::Throttle => self.throttle = until,
        }
    }
}
