//! What histories were seen to hold, so that no rule is kept only because nothing asked for it.
//! Knows no rule: whoever checks one says that it came up.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// How often each has come up.
pub(super) type Counts = BTreeMap<Seen, u64>;

/// What a rule is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Seen {
    Crash,
    TimerSet,
    /// Cancelled, or set again.
    TimerGivenUp,
    TimerBegins,
    FiringBegins,
    /// One stands for several slots.
    SlotsMerged,
    SlotSkipped,
    /// A slot that has passed is made all the same.
    SlotCaughtUp,
    FiringTakenBack,
    /// A crash came between the firing for several slots and the end of the one before.
    MergeTorn,
    Debounced,
    /// No longer than the longest wait.
    WaitBounded,
    /// A crash came between a delivery and the end of the one whose place it takes.
    DebounceTorn,
    RateLimited,
    /// As many attempts have begun as may.
    ThrottleFull,
    /// An attempt begins whose function could not begin one when the host came up.
    ThrottleOpens,
    /// A crash came between the removal of a function and that of its deliveries.
    RemovalTorn,
    Expired,
    DelayedBegins,
    /// State is read after its time.
    StateGone,
    Replayed,
    ReplayDone,
    ReplayCancelled,
    /// It goes on where it was before a restart.
    ReplayGoesOn,
    HostPause,
    /// Two deliveries or more.
    BatchBegins,
    /// A batch that is not full begins after its wait.
    BatchWaited,
    BatchCommitted,
    BatchFailed,
}

/// What every run of the default seeds must hold, and how often at least.
pub(super) const LEAST: [(Seen, u64); 28] = [
    (Seen::Crash, 200),
    (Seen::TimerSet, 250),
    (Seen::TimerGivenUp, 50),
    (Seen::TimerBegins, 150),
    (Seen::FiringBegins, 100),
    (Seen::SlotsMerged, 8),
    (Seen::SlotSkipped, 8),
    (Seen::SlotCaughtUp, 5),
    (Seen::FiringTakenBack, 30),
    (Seen::MergeTorn, 1),
    (Seen::Debounced, 150),
    (Seen::WaitBounded, 50),
    (Seen::DebounceTorn, 1),
    (Seen::RateLimited, 150),
    (Seen::ThrottleFull, 100),
    (Seen::ThrottleOpens, 25),
    (Seen::RemovalTorn, 1),
    (Seen::Expired, 50),
    (Seen::DelayedBegins, 130),
    (Seen::StateGone, 2),
    (Seen::Replayed, 250),
    (Seen::ReplayDone, 50),
    (Seen::ReplayCancelled, 5),
    (Seen::ReplayGoesOn, 2),
    (Seen::BatchBegins, 100),
    (Seen::BatchWaited, 100),
    (Seen::BatchCommitted, 80),
    (Seen::BatchFailed, 10),
];

#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Counts>);

impl Notes {
    pub(super) fn saw(&self, what: Seen) {
        *self.0.borrow_mut().entry(what).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Counts {
        self.0.borrow().clone()
    }
}

/// Adds some counts to others.
pub(super) fn add(to: &mut Counts, more: &Counts) {
    for (what, count) in more {
        *to.entry(*what).or_default() += count;
    }
}
