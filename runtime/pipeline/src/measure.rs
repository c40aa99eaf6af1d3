//! What is measured of attempts as they end: how they end, how long a handler runs, and how long a
//! delivery takes from its acceptance to its commit. Decides nothing.
//!
//! Kept for the host, for each function that has run, and for the latest revisions of each. It is a few
//! additions for an attempt, under the lock that settles it.

use std::time::Duration;

use triphammer_journal::LogStats;
use triphammer_model::{FunctionName, RevisionId, Timestamp};

use crate::core::{Core, Inner};
use crate::fn_queue::FnQueue;
use crate::info::Counts;
use crate::lease::Lease;
use crate::times::{Spread, Times, TimesRecent, TimesTotal};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Committed,
    Retry,
    Dead,
}

/// Attempts by how they ended, since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Attempts {
    pub committed: u64,
    /// It is tried again.
    pub retried: u64,
    /// Its delivery is a dead letter.
    pub dead: u64,
}

impl Attempts {
    pub fn add(&mut self, other: Self) {
        self.committed += other.committed;
        self.retried += other.retried;
        self.dead += other.dead;
    }

    fn count(&mut self, end: End) {
        let one = match end {
            End::Committed => &mut self.committed,
            End::Retry => &mut self.retried,
            End::Dead => &mut self.dead,
        };
        *one += 1;
    }
}

/// Times of attempts and of deliveries.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    attempts: Attempts,
    handling: Times,
    latency: Times,
}

impl Meter {
    fn count(&mut self, end: End, elapsed: Duration, at: Timestamp) {
        self.attempts.count(end);
        self.handling.count(elapsed, at);
    }

    fn measured(&self, at: Timestamp) -> Measured {
        Measured {
            attempts: self.attempts,
            handling: self.handling.recent(at),
            handling_total: self.handling.total(),
            latency: self.latency.recent(at),
            latency_total: self.latency.total(),
        }
    }
}

/// The same for a function, and for its revisions.
#[derive(Debug, Default)]
pub(crate) struct FunctionMeter {
    all: Meter,
    /// The latest to have run last.
    revisions: Vec<(RevisionId, RevisionMeter)>,
}

#[derive(Clone, Debug, Default)]
struct RevisionMeter {
    attempts: Attempts,
    handling: Spread,
}

/// Revisions of one function that are kept apart. More are forgotten, the one that began first first.
const REVISIONS_MAX: usize = 16;

impl FunctionMeter {
    fn count(&mut self, id: RevisionId, end: End, elapsed: Duration, at: Timestamp) {
        self.all.count(end, elapsed, at);
        let known = self.revisions.iter().rposition(|(known, _)| *known == id);
        let index = known.unwrap_or_else(|| {
            if self.revisions.len() == REVISIONS_MAX {
                self.revisions.remove(0);
            }
            self.revisions.push((id, RevisionMeter::default()));
            self.revisions.len() - 1
        });
        let (_, meter) = &mut self.revisions[index];
        meter.attempts.count(end);
        meter.handling.count(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
    }

    /// What a revision did since the start; none when it did nothing.
    pub(crate) fn revision(&self, id: RevisionId) -> Option<(Attempts, TimesRecent)> {
        let (_, meter) = self.revisions.iter().find(|(known, _)| *known == id)?;
        Some((meter.attempts, meter.handling.recent()))
    }
}

impl Inner {
    /// An attempt has ended.
    pub(crate) fn measure(&mut self, lease: &Lease, elapsed: Duration, at: Timestamp, end: End) {
        self.meter.count(end, elapsed, at);
        let queue = self.queue.function_mut(lease.function);
        let meter = queue.meter.get_or_insert_default();
        meter.count(lease.revision.id, end, elapsed, at);
        if end == End::Committed {
            for entry in lease.entries() {
                let took = at.since(entry.place().0);
                self.meter.latency.count(took, at);
                meter.all.latency.count(took, at);
            }
        }
    }
}

/// What was measured of a function, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    pub attempts: Attempts,
    /// Run times of attempts over the last minute, and since the start.
    pub handling: TimesRecent,
    pub handling_total: TimesTotal,
    /// From a delivery's acceptance, or the time for which it was meant, to its commit: in whole
    /// milliseconds, the sync of the commit not included.
    pub latency: TimesRecent,
    pub latency_total: TimesTotal,
}

/// The places in which attempts run in the sandbox.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PoolUse {
    pub slots: u32,
    pub used: u32,
}

/// The host as of one moment: what is cheap enough to ask for every second.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    pub at: Timestamp,
    pub accepted: u64,
    pub committed: u64,
    pub retried: u64,
    pub dead: u64,
    /// Of all functions.
    pub counts: Counts,
    /// How long the oldest delivery that could run waits for its turn; none when there is none.
    pub lag: Option<Duration>,
    pub measured: Measured,
    pub log: LogStats,
    pub pool: PoolUse,
    /// None where the disk does not say.
    pub disk_free_bytes: Option<u64>,
    /// In the order in which they came to be known.
    pub functions: Vec<FunctionMeasures>,
}

#[derive(Clone, Debug)]
pub struct FunctionMeasures {
    pub name: FunctionName,
    pub active: Option<RevisionId>,
    pub paused: bool,
    pub counts: Counts,
    pub lag: Option<Duration>,
    pub measured: Measured,
}

impl Core {
    pub(crate) fn measures(&self) -> Measures {
        let disk_free_bytes = self.disk.free_bytes().ok();
        let (log, at) = (self.reader.stats(), self.clock.now());
        let inner = self.lock();
        let totals = inner.totals;
        let known = inner.queue.functions().iter();
        let functions: Vec<_> = known.filter_map(|queue| inner.function(queue, at)).collect();
        let measured = inner.meter.measured(at);
        drop(inner);
        let mut counts = Counts::default();
        functions.iter().for_each(|function| counts.add(&function.counts));
        Measures {
            at,
            accepted: totals.accepted,
            committed: totals.committed,
            retried: totals.retried,
            dead: totals.dead,
            counts,
            lag: functions.iter().filter_map(|function| function.lag).max(),
            measured,
            log,
            pool: PoolUse::default(),
            disk_free_bytes,
            functions,
        }
    }
}

impl Inner {
    fn function(&self, queue: &FnQueue, at: Timestamp) -> Option<FunctionMeasures> {
        let function = self.functions.get(&queue.name).filter(|f| !f.definition.deleted)?;
        Some(FunctionMeasures {
            name: queue.name.clone(),
            active: function.definition.active,
            paused: !queue.rules.runnable,
            counts: queue.counts,
            lag: self.lag(queue, at),
            measured: queue.meter.as_ref().map(|m| m.all.measured(at)).unwrap_or_default(),
        })
    }

    /// Nothing lags in a function that is not to run.
    fn lag(&self, queue: &FnQueue, at: Timestamp) -> Option<Duration> {
        let slot = queue.ready.oldest().filter(|_| queue.rules.runnable)?;
        let entry = self.queue.entry(slot);
        Some(at.since(entry.due().max(entry.place().0)))
    }
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.ready += other.ready;
        self.running += other.running;
        self.waiting += other.waiting;
        self.blocked += other.blocked;
        self.dead += other.dead;
        self.committed += other.committed;
        self.dropped += other.dropped;
        self.retried += other.retried;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_revisions_are_kept_apart() {
        let mut meter = FunctionMeter::default();
        let id = |n: u32| RevisionId::new(n).unwrap();
        for n in 1..=REVISIONS_MAX as u32 + 1 {
            meter.count(id(n), End::Committed, Duration::from_millis(n.into()), Timestamp(1));
        }
        meter.count(id(2), End::Retry, Duration::from_millis(4), Timestamp(1));
        meter.count(id(2), End::Dead, Duration::from_millis(6), Timestamp(1));
        assert_eq!(meter.revision(id(1)), None);
        let (attempts, handling) = meter.revision(id(2)).unwrap();
        assert_eq!(attempts, Attempts { committed: 1, retried: 1, dead: 1 });
        assert_eq!((handling.count, handling.mean_ms), (3, Some(4.0)));
        assert_eq!(meter.all.attempts.committed, REVISIONS_MAX as u64 + 1);
    }
}
