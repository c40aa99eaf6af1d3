//! Which of the traces that begin here are recorded: a fixed share of them, and of a busy host no more a
//! second than it is to tell of.
//!
//! An event's trace is computed and kept nowhere, so whether it is recorded has to be computable as well, for
//! its last attempt as for its first. The share is therefore a function of the event's number: it changes
//! between two numbers, under the lock that gives them, and the last changes are remembered. Knows no spans,
//! and no trace that a sender began.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use triphammer_model::{Sampling, Seq, Timestamp};

/// For so long the share stays as it is, unless more begins than was expected.
const WINDOW: Duration = Duration::from_secs(1);
/// How many changes are remembered. Events of before have the share of the oldest.
const STEPS_MAX: usize = 1024;
/// A change of the share that is not worth a step.
const CHANGE_MIN: f64 = 0.125;

/// The share that each event has.
#[derive(Debug)]
pub(crate) struct Shares {
    /// As it is set, and of what was accepted before this start.
    set: Sampling,
    /// From which number on there is another, in their order.
    steps: RwLock<VecDeque<(Seq, Sampling)>>,
}

/// Counts what begins, and decides when another share is due. Under the lock.
#[derive(Debug)]
pub(crate) struct Pace {
    shares: Arc<Shares>,
    /// Traces; none for any number.
    per_second: Option<NonZeroU32>,
    set: f64,
    share: f64,
    since: Timestamp,
    begun: u64,
}

impl Shares {
    pub(crate) fn new(set: Sampling) -> Self {
        Self { set, steps: RwLock::default() }
    }

    pub(crate) fn set(&self) -> Sampling {
        self.set
    }

    /// Of a trace that begins with this event.
    pub(crate) fn of(&self, seq: Seq) -> Sampling {
        let steps = self.steps();
        let later = steps.iter().rev().position(|(from, _)| *from <= seq);
        let index = later.map_or(0, |later| steps.len() - 1 - later);
        let step = steps.get(index).filter(|(from, _)| *from <= seq || steps.len() == STEPS_MAX);
        step.map_or(self.set, |(_, share)| *share)
    }

    /// That of the events to come.
    pub(crate) fn latest(&self) -> Sampling {
        self.steps().back().map_or(self.set, |(_, share)| *share)
    }

    /// Another for the events from this one on, of which none has been looked at.
    pub(crate) fn change(&self, from: Seq, share: Sampling) {
        let mut steps = self.steps.write().unwrap_or_else(PoisonError::into_inner);
        if steps.len() == STEPS_MAX {
            steps.pop_front();
        }
        steps.push_back((from, share));
    }

    fn steps(&self) -> RwLockReadGuard<'_, VecDeque<(Seq, Sampling)>> {
        // Nothing panics while it holds the lock.
        self.steps.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    pub(crate) fn new(shares: Arc<Shares>, per_second: Option<NonZeroU32>, now: Timestamp) -> Self {
        let set = shares.set.ratio();
        Self { shares, per_second, set, share: set, since: now, begun: 0 }
    }

    /// Takes note that so many traces begin, with events before this one.
    pub(crate) fn note(&mut self, begun: u64, before: Seq, now: Timestamp) {
        if let Some(share) = self.changed(begun, now) {
            self.shares.change(before, share);
        }
    }

    /// The share of those after them, if it is another one now.
    fn changed(&mut self, begun: u64, now: Timestamp) -> Option<Sampling> {
        let limit = f64::from(self.per_second?.get());
        self.begun += begun;
        let elapsed = now.since(self.since);
        if elapsed < WINDOW && (self.begun as f64) * self.share < limit {
            return None;
        }
        // The clock has milliseconds.
        let seconds = elapsed.as_secs_f64().max(0.001);
        let share = self.set.min(limit * seconds / self.begun as f64);
        (self.since, self.begun) = (now, 0);
        let is_back = share == self.set && self.share != self.set;
        if !is_back && (share - self.share).abs() <= self.share * CHANGE_MIN {
            return None;
        }
        self.share = share;
        Sampling::new(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: NonZeroU32 = NonZeroU32::new(1000).unwrap();

    fn seq(n: u64) -> Seq {
        Seq::new(n).unwrap()
    }

    fn pace(set: Sampling, per_second: Option<NonZeroU32>) -> Pace {
        Pace::new(Arc::new(Shares::new(set)), per_second, Timestamp(0))
    }

    /// What is recorded in each second, at so many traces a second for so many seconds.
    fn recorded(pace: &mut Pace, from_second: u64, seconds: u64, per_second: u64) -> Vec<f64> {
        let mut sums = Vec::new();
        for second in from_second..from_second + seconds {
            let mut sum = 0.0;
            for ms in 0..1000 {
                let begun = per_second * (ms + 1) / 1000 - per_second * ms / 1000;
                sum += begun as f64 * pace.share;
                if begun > 0 {
                    pace.changed(begun, Timestamp(second * 1000 + ms));
                }
            }
            sums.push(sum);
        }
        sums
    }

    #[test]
    fn up_to_the_limit_all_are_recorded() {
        let mut pace = pace(Sampling::ALL, Some(LIMIT));
        assert_eq!(recorded(&mut pace, 0, 5, 900), [900.0; 5]);
    }

    #[test]
    fn beyond_it_as_many_as_the_limit_from_the_second_second_on() {
        for rate in [1_500, 10_000, 100_000, 1_000_000] {
            let mut pace = pace(Sampling::ALL, Some(LIMIT));
            let seconds = recorded(&mut pace, 0, 6, rate);
            assert!(seconds[0] <= 3_000.0, "{rate}: {seconds:?}");
            for second in &seconds[2..] {
                assert!((850.0..=1150.0).contains(second), "{rate}: {seconds:?}");
            }
        }
    }

    #[test]
    fn when_it_is_quiet_again_all_are_recorded_again() {
        let mut pace = pace(Sampling::ALL, Some(LIMIT));
        recorded(&mut pace, 0, 3, 50_000);
        assert!(pace.share < 0.1);
        let seconds = recorded(&mut pace, 3, 4, 500);
        assert_eq!(seconds[2..], [500.0, 500.0]);
    }

    #[test]
    fn a_share_that_is_set_stays_the_most() {
        let half = Sampling::new(0.5).unwrap();
        let mut pace = pace(half, Some(LIMIT));
        assert_eq!(recorded(&mut pace, 0, 3, 1_500), [750.0; 3]);
        recorded(&mut pace, 3, 3, 20_000);
        assert!(pace.share < 0.06, "{}", pace.share);
        recorded(&mut pace, 6, 3, 1_500);
        assert_eq!(pace.share, 0.5);
    }

    #[test]
    fn without_a_limit_nothing_changes() {
        let mut pace = pace(Sampling::ALL, None);
        assert_eq!(recorded(&mut pace, 0, 2, 100_000), [100_000.0; 2]);
    }

    #[test]
    fn an_event_keeps_its_share() {
        let [half, tenth] = [0.5, 0.1].map(|share| Sampling::new(share).unwrap());
        let shares = Shares::new(Sampling::ALL);
        assert_eq!((shares.of(seq(1)), shares.latest()), (Sampling::ALL, Sampling::ALL));
        shares.change(seq(10), half);
        shares.change(seq(20), tenth);
        for (n, share) in [(1, Sampling::ALL), (9, Sampling::ALL), (10, half), (19, half)] {
            assert_eq!(shares.of(seq(n)), share, "{n}");
        }
        assert_eq!((shares.of(seq(20)), shares.of(seq(900))), (tenth, tenth));
        assert_eq!(shares.latest(), tenth);
    }

    #[test]
    fn only_so_many_changes_are_remembered() {
        let half = Sampling::new(0.5).unwrap();
        let shares = Shares::new(Sampling::ALL);
        for n in 0..5 * STEPS_MAX as u64 {
            shares.change(seq(n + 100), if n.is_multiple_of(2) { half } else { Sampling::NONE });
        }
        assert_eq!(shares.steps().len(), STEPS_MAX);
        let oldest = shares.steps()[0];
        assert_eq!(shares.of(seq(1)), oldest.1, "of before");
        assert_eq!(shares.of(seq(oldest.0.get() + 1)), shares.steps()[1].1);
    }
}
