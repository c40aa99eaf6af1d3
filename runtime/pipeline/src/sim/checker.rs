//! Says whether a history keeps what the host promises. Goes by what was observed alone; knows no
//! part of the host, and shares no code with it but the words.

use std::collections::{BTreeMap, BTreeSet};

use triphammer_journal::{DropReason, Entrance, Record};
use triphammer_model::{DeliveryId, Event, FunctionName, RevisionId, Seq, Timestamp};

use super::check_batch::Batches;
use super::check_breaker::Breakers;
use super::check_canary::Canaries;
use super::check_flow::Flow;
use super::check_replays::Paces;
use super::check_schedules::Chains;
use super::facts::{Delivery, Facts, Fate};
use super::observed::{Answer, End, Observed, Order, Read};
use super::seen::{Notes, Seen};

/// Why a history is wrong.
pub(super) type Verdict = Result<(), String>;

/// Ends the check with a sentence unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(super) use ensure;

#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) facts: Facts,
    pub(super) now: Timestamp,
    /// All that the log holds, to be folded again after a crash.
    records: Vec<(Seq, Record)>,
    pub(super) durable: u64,
    pub(super) failed: bool,
    clean: bool,
    pub(super) runs: BTreeMap<u32, Run>,
    sends: BTreeMap<u32, Vec<Event>>,
    pub(super) orders: BTreeMap<u32, Outstanding>,
    /// Open when the host last went down uncleanly, with no attempt that has ended since.
    pub(super) suspects: BTreeSet<DeliveryId>,
    /// Dead letters that the host has not told of yet.
    pub(super) owed: Vec<DeliveryId>,
    pub(super) canaries: Canaries,
    pub(super) breakers: Breakers,
    pub(super) batches: Batches,
    pub(super) flow: Flow,
    pub(super) chains: Chains,
    pub(super) paces: Paces,
    /// Since when all attempts of functions have failed in the host.
    pub(super) host_faults: BTreeMap<FunctionName, Timestamp>,
    pub(super) notes: Notes,
    /// A crash came between the removal of their function and theirs.
    pub(super) orphans: BTreeSet<DeliveryId>,
    /// The log has let go of what comes before.
    pub(super) kept: u64,
    /// Answered as new; no event is new twice.
    fresh: BTreeSet<Seq>,
}

/// A lease, from when it is taken to when it is let go.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: DeliveryId,
    /// The others of its batch.
    pub(super) along: Vec<DeliveryId>,
    pub(super) attempt: u32,
    pub(super) revision: RevisionId,
    pub(super) leased: Timestamp,
    /// Nothing of its lane runs beside it: it began when nothing could.
    pub(super) sole: bool,
    /// The host has told that it probes.
    pub(super) told: bool,
    pub(super) began: u32,
    pub(super) reads: Vec<Read>,
    pub(super) end: Option<End>,
    /// The record of its start, where it needs one.
    pub(super) started: Option<Seq>,
    pub(super) settled: bool,
}

impl Run {
    /// All that it is at, the first of its batch first.
    pub(super) fn ids(&self) -> impl Iterator<Item = &DeliveryId> {
        std::iter::once(&self.id).chain(&self.along)
    }
}

/// What an operator has asked for and not been answered.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) what: Order,
    /// The deliveries that are to change, and have not.
    pub(super) left: BTreeSet<DeliveryId>,
    pub(super) count: u64,
    pub(super) last: u64,
}

impl Checker {
    pub(super) fn take(&mut self, observed: &Observed) -> Verdict {
        match observed {
            Observed::Time(now) => {
                ensure!(*now >= self.now, "time goes back");
                self.now = *now;
            }
            Observed::Sent { send, events } => drop(self.sends.insert(*send, events.clone())),
            Observed::Answered { send, answers } => self.answered(*send, answers.as_deref())?,
            Observed::Ordered { order, what } => self.ordered(*order, what),
            Observed::Obeyed { order, changed } => self.obeyed(*order, *changed)?,
            Observed::Appended { seq, record } => self.appended(*seq, record)?,
            Observed::Durable(position) => {
                ensure!(*position <= self.facts.last, "{position} is durable and not appended");
                self.durable = self.durable.max(*position);
            }
            Observed::Leased { run, id, attempt, revision, along } => {
                self.leased(*run, (id, *attempt), *revision, along)?;
            }
            Observed::Began { run, event, attempt, along } => {
                self.began(*run, (event, *attempt), along)?;
            }
            Observed::Read { run, read } => self.run(*run)?.reads.push(read.clone()),
            Observed::Ended { run, end } => self.run(*run)?.end = Some(end.clone()),
            Observed::Left { run } => self.left(*run)?,
            Observed::Failed => self.failed = true,
            Observed::Down { clean } => self.down(*clean),
            Observed::Up { last, unclean } => self.up(*last, *unclean)?,
            Observed::Kept(kept) => self.kept = *kept,
            Observed::Shown { exact, counts, deliveries } => {
                ensure!(self.orphans.is_empty(), "not removed: {:?}", self.orphans);
                self.check_flow()?;
                self.check_chains()?;
                self.shown(*exact, counts, deliveries)?;
            }
            Observed::State(entries) => self.state(entries)?,
            Observed::Quiet => self.quiet()?,
        }
        Ok(())
    }

    pub(super) fn run(&mut self, run: u32) -> Result<&mut Run, String> {
        self.runs.get_mut(&run).ok_or_else(|| format!("run {run} was never leased"))
    }

    /// The batches that are on their way in.
    pub(super) fn is_sent(&self, events: &[&Event]) -> bool {
        self.sends.values().any(|sent| events.iter().all(|event| sent.contains(event)))
    }

    fn answered(&mut self, send: u32, answers: Option<&[Answer]>) -> Verdict {
        let events = self.sends.remove(&send).ok_or("an answer to nobody")?;
        let Some(answers) = answers else { return Ok(()) };
        ensure!(answers.len() == events.len(), "not every event of a batch is answered");
        for (event, answer) in events.iter().zip(answers) {
            let (id, seq) = (event.id(), answer.seq);
            let known = (Entrance::Ingress, event.source().to_owned(), id.to_owned());
            ensure!(seq.get() <= self.durable, "event {id} is acknowledged and not on disk");
            ensure!(
                self.facts.known.get(&known) == Some(&seq),
                "event {id} is acknowledged as {seq}, which it is not"
            );
            let differs = self.facts.events[&seq].data() != event.data();
            ensure!(answer.differs == (answer.duplicate && differs), "`differs` of {id} is wrong");
            if answer.duplicate {
                continue;
            }
            ensure!(self.fresh.insert(seq), "event {id} is new a second time");
            let of = self.facts.deliveries.iter().filter(|(delivery, _)| delivery.seq == seq);
            let limited = |(_, delivery): &(_, &Delivery)| match delivery.dropped {
                Some((record, DropReason::RateLimited)) => record.get() > self.durable,
                _ => false,
            };
            ensure!(!of.clone().any(|d| limited(&d)), "{id} is dropped, and that not on disk");
            let functions: Vec<_> = of.map(|(delivery, _)| delivery.function.clone()).collect();
            ensure!(functions == answer.functions, "event {id} goes elsewhere than it says");
        }
        Ok(())
    }

    /// Attempts that a worker is at.
    pub(super) fn attempts(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(|run| !run.settled && self.is_open(&run.id))
    }

    /// Deliveries that a worker holds; one that was dropped meanwhile does not count.
    pub(super) fn running(&self) -> impl Iterator<Item = &DeliveryId> {
        let held = self.runs.values().filter(|run| !run.settled).flat_map(Run::ids);
        held.filter(|id| self.is_open(id))
    }

    pub(super) fn is_running(&self, id: &DeliveryId) -> bool {
        self.running().any(|running| running == id)
    }

    pub(super) fn is_open(&self, id: &DeliveryId) -> bool {
        self.facts.deliveries.get(id).is_some_and(|delivery| delivery.fate == Fate::Open)
    }

    fn appended(&mut self, seq: Seq, record: &Record) -> Verdict {
        ensure!(seq.get() == self.facts.last + 1, "record {seq} follows {}", self.facts.last);
        ensure!(record.at() == self.now, "record {seq} is of another time");
        self.check_canary_over(record)?;
        self.check_breaker_due(record)?;
        self.check_record(seq, record)?;
        self.follow_batches(record);
        if let Record::Settle(settle) = record {
            self.count_canary(settle);
            self.count_breaker(settle);
            self.count_host_faults(settle);
        }
        self.follow_breaker(record);
        let defined = match record {
            Record::Define { name, .. } => Some((name, self.idle_since(name))),
            _ => None,
        };
        self.facts.apply(seq, record);
        if let Some((name, idle)) = defined {
            self.flow_defined(name);
            self.chains_defined(name, idle);
        }
        self.flow_took_in(seq, record);
        self.chains_took_in(seq, record);
        self.owe(seq, record);
        self.records.push((seq, record.clone()));
        Ok(())
    }

    fn down(&mut self, clean: bool) {
        self.clean = clean && !self.failed;
        self.runs.clear();
        self.sends.clear();
        self.orders.clear();
        self.owed.clear();
        self.canaries.down();
        self.breakers.down();
        self.paces.clear();
        self.host_faults.clear();
    }

    fn up(&mut self, last: u64, unclean: bool) -> Verdict {
        ensure!(last >= self.durable, "{} was on disk, and only {last} came back", self.durable);
        ensure!(last <= self.facts.last, "{last} came back, which was never appended");
        ensure!(!self.clean || last == self.facts.last, "a clean stop has lost something");
        ensure!(!self.clean || !unclean, "after a clean stop there is something to replay");
        if !self.clean {
            self.notes.saw(Seen::Crash);
        }
        self.failed = false;
        self.clean = false;
        self.durable = last;
        if last < self.facts.last {
            self.records.retain(|(seq, record)| seq.get() + record.span() - 1 <= last);
            self.facts = Facts::default();
            for (seq, record) in &self.records {
                self.facts.apply(*seq, record);
            }
            ensure!(self.facts.last == last, "half of a record came back: {last}");
        }
        self.fresh.retain(|seq| seq.get() <= last);
        let deliveries = self.facts.deliveries.iter();
        let open = deliveries.filter(|(_, delivery)| delivery.fate == Fate::Open);
        self.suspects =
            if unclean { open.map(|(id, _)| id.clone()).collect() } else { <_>::default() };
        let orphan = |(id, delivery): &(&DeliveryId, &Delivery)| {
            let gone = self.facts.functions[&id.function].definition.deleted;
            gone && matches!(delivery.fate, Fate::Open | Fate::Dead)
        };
        let orphans = self.facts.deliveries.iter().filter(orphan).map(|(id, _)| id.clone());
        self.orphans = orphans.collect();
        self.orphans.iter().for_each(|_| self.notes.saw(Seen::RemovalTorn));
        self.batches.up();
        self.flow_up();
        self.chains_up();
        Ok(())
    }
}
