//! The timers that handlers have set, on a test's own clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::FUNCTION;
use super::calls::TimerChange;
use super::event::{Emitted, Key, TestEvent};

/// A timer that a handler has set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timer {
    /// Its name: one of each is set under an ordering key.
    pub name: String,
    /// The ordering key of the delivery that has set it.
    pub key: Option<String>,
    /// When it comes due, since the start of the host's clock.
    pub due: Duration,
    /// The event that the function gets then.
    pub event: Emitted,
    /// Which one of those that were set.
    number: u64,
}

/// By ordering key and name.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: BTreeMap<(Option<String>, String), Timer>,
    number: u64,
}

impl Timers {
    pub(crate) fn change(&mut self, key: &Option<String>, change: TimerChange, now: Duration) {
        let TimerChange { name, set } = change;
        let Some((after_ms, event)) = set else {
            self.set.remove(&(key.clone(), name));
            return;
        };
        self.number += 1;
        let number = self.number;
        let event = Emitted::new(event, FUNCTION, || format!("timer/{name}/{number}"));
        let due = now + Duration::from_millis(after_ms);
        let timer = Timer { name: name.clone(), key: key.clone(), due, event, number };
        self.set.insert((key.clone(), name), timer);
    }

    /// The first due first, and of those that are due together the first set.
    pub(crate) fn all(&self) -> Vec<&Timer> {
        let mut all: Vec<_> = self.set.values().collect();
        all.sort_by_key(|timer| (timer.due, timer.number));
        all
    }

    /// Takes those that have come due.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<TestEvent> {
        let due: Vec<_> = self.all().into_iter().filter(|t| t.due <= now).cloned().collect();
        self.set.retain(|_, timer| timer.due > now);
        let event = |timer: Timer| {
            let mut event = TestEvent::from(timer.event);
            event.key = Key::Of(timer.key);
            event
        };
        due.into_iter().map(event).collect()
    }
}
