//! How often things happen, from counts of a few seconds ago and of now. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use triphammer_model::{FunctionName, Timestamp};
use triphammer_pipeline::{Attempts, Measures};

/// Each second, over the last ten.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) accepted: f64,
    pub(crate) committed: f64,
    pub(crate) retried: f64,
    pub(crate) dead: f64,
}

/// How far back a rate looks.
const SPAN: Duration = Duration::from_secs(10);

/// What had happened at a moment.
#[derive(Clone, Debug)]
struct Counted {
    at: Timestamp,
    accepted: u64,
    all: Attempts,
    functions: HashMap<FunctionName, Attempts>,
}

/// Counts of the last seconds, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Window {
    counted: VecDeque<Counted>,
}

impl Window {
    pub(crate) fn note(&mut self, measures: &Measures) {
        let of = |function: &triphammer_pipeline::FunctionMeasures| {
            (function.name.clone(), function.measured.attempts)
        };
        self.counted.push_back(Counted {
            at: measures.at,
            accepted: measures.accepted,
            all: measures.measured.attempts,
            functions: measures.functions.iter().map(of).collect(),
        });
        while self.counted.get(1).is_some_and(|next| measures.at.since(next.at) >= SPAN) {
            self.counted.pop_front();
        }
    }

    /// Of all functions.
    pub(crate) fn host(&self, now: &Measures) -> Rates {
        let Some(before) = self.counted.front() else { return Rates::default() };
        let rates = between(before.at, &before.all, now, &now.measured.attempts);
        let accepted = now.accepted.saturating_sub(before.accepted);
        Rates { accepted: each_second(accepted, before.at, now.at), ..rates }
    }

    /// Of one; what it takes in is not counted.
    pub(crate) fn function(&self, name: &FunctionName, now: &Measures, ended: &Attempts) -> Rates {
        let Some(before) = self.counted.front() else { return Rates::default() };
        let none = Attempts::default();
        between(before.at, before.functions.get(name).unwrap_or(&none), now, ended)
    }
}

fn between(since: Timestamp, before: &Attempts, now: &Measures, ended: &Attempts) -> Rates {
    let rate = |before: u64, after: u64| each_second(after.saturating_sub(before), since, now.at);
    Rates {
        accepted: 0.0,
        committed: rate(before.committed, ended.committed),
        retried: rate(before.retried, ended.retried),
        dead: rate(before.dead, ended.dead),
    }
}

fn each_second(count: u64, since: Timestamp, until: Timestamp) -> f64 {
    let seconds = until.since(since).as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(at: u64, accepted: u64) -> Measures {
        Measures { at: Timestamp(at), accepted, ..Measures::default() }
    }

    #[test]
    fn a_rate_is_over_the_last_ten_seconds() {
        let mut window = Window::default();
        assert_eq!(window.host(&measures(1_000, 5)).accepted, 0.0);
        for second in 0..30 {
            window.note(&measures(second * 1_000, second * 7));
        }
        assert_eq!(window.host(&measures(29_000, 29 * 7)).accepted, 7.0);
        assert_eq!(window.counted.len(), 11);
        // Nothing came since.
        assert_eq!(window.host(&measures(39_000, 29 * 7)).accepted, 3.5);
    }
}
