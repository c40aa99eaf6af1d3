//! Says whether a history keeps what the host promises. Goes by what was observed alone; knows no
//! part of the host, and shares no code with it but the words.

use std::collections::{BTreeMap, BTreeSet};

use triphammer_journal::{Entrance, Record};
use triphammer_model::{DeliveryId, Event, RevisionId, Seq, Timestamp};

use super::check_breaker::Breakers;
use super::check_canary::Canaries;
use super::facts::{Facts, Fate};
use super::observed::{Answer, End, Observed, Order, Read};

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
    /// Answered as new; no event is new twice.
    fresh: BTreeSet<Seq>,
}

/// A lease, from when it is taken to when it is let go.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: DeliveryId,
    pub(super) attempt: u32,
    pub(super) revision: RevisionId,
    pub(super) leased: Timestamp,
    /// The host has told that it probes.
    pub(super) told: bool,
    pub(super) began: u32,
    pub(super) reads: Vec<Read>,
    pub(super) end: Option<End>,
    /// The record of its start, where it needs one.
    pub(super) started: Option<Seq>,
    pub(super) settled: bool,
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
            Observed::Leased { run, id, attempt, revision } => {
                self.leased(*run, id, *attempt, *revision)?;
            }
            Observed::Began { run, event, attempt } => self.began(*run, event, *attempt)?,
            Observed::Read { run, read } => self.run(*run)?.reads.push(read.clone()),
            Observed::Ended { run, end } => self.run(*run)?.end = Some(end.clone()),
            Observed::Left { run } => self.left(*run)?,
            Observed::Failed => self.failed = true,
            Observed::Down { clean } => self.down(*clean),
            Observed::Up { last, unclean } => self.up(*last, *unclean)?,
            Observed::Shown { exact, counts, deliveries } => {
                self.shown(*exact, counts, deliveries)?;
            }
            Observed::State(entries) => self.state(entries)?,
            Observed::Quiet => self.quiet()?,
        }
        Ok(())
    }

    fn run(&mut self, run: u32) -> Result<&mut Run, String> {
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
            let of = self.facts.deliveries.keys().filter(|delivery| delivery.seq == seq);
            let functions: Vec<_> = of.map(|delivery| delivery.function.clone()).collect();
            ensure!(functions == answer.functions, "event {id} goes elsewhere than it says");
        }
        Ok(())
    }

    fn leased(&mut self, run: u32, id: &DeliveryId, attempt: u32, revision: RevisionId) -> Verdict {
        let delivery = self.facts.deliveries.get(id).ok_or_else(|| format!("{id} is unknown"))?;
        ensure!(delivery.fate == Fate::Open, "{id} runs and is {:?}", delivery.fate);
        ensure!(!self.is_running(id), "{id} runs twice at once");
        ensure!(delivery.due <= self.now, "{id} runs early: due {:?}", delivery.due);
        ensure!(attempt == delivery.attempts + 1, "{id}: attempt {attempt} is out of order");
        let function = &self.facts.functions[&id.function];
        ensure!(function.definition.paused.is_none(), "{id} runs while its function is paused");
        let limit = function.manifest.as_ref().map_or(0, |manifest| manifest.concurrency);
        let beside = self.running().filter(|other| other.function == id.function).count();
        ensure!(beside < limit as usize, "{id} is one more than run at a time");
        let same_lane = |other: &&DeliveryId| {
            other.function == id.function && self.facts.deliveries[*other].key == delivery.key
        };
        if delivery.key.is_some() {
            let most = function.manifest.as_ref().map_or(1, |manifest| manifest.key_concurrency);
            let beside = self.running().filter(same_lane).count();
            ensure!(beside < most as usize, "{id} is one more than run of a lane");
        }
        if let Some(key) = &delivery.key
            && self.facts.is_orderly(&id.function)
        {
            let head = self.facts.lane_head(&id.function, key, self.now);
            ensure!(head == Some(id), "{id} is out of order: {head:?} is before it in its lane");
        }
        self.check_side(id, revision)?;
        self.check_breaker(id)?;
        let id = id.clone();
        let run_of = Run {
            id,
            attempt,
            revision,
            leased: self.now,
            told: false,
            began: 0,
            reads: Vec::new(),
            end: None,
            started: None,
            settled: false,
        };
        ensure!(self.runs.insert(run, run_of).is_none(), "run {run} is leased twice");
        Ok(())
    }

    fn began(&mut self, run: u32, event: &Event, attempt: u32) -> Verdict {
        let durable = self.durable;
        if self.runs.get(&run).is_some_and(|run| run.began == 0) {
            self.check_probing(run)?;
        }
        let run = self.runs.get_mut(&run).ok_or_else(|| format!("run {run} was never leased"))?;
        let id = run.id.clone();
        ensure!(self.facts.events.get(&id.seq) == Some(event), "{id} is given another event");
        ensure!(attempt == run.attempt, "{id} is told attempt {attempt}");
        run.began += 1;
        (run.reads, run.end) = (Vec::new(), None);
        let on_disk = run.started.is_some_and(|seq| seq.get() <= durable);
        ensure!(
            on_disk || !self.suspects.contains(&id),
            "{id} begins again after an unclean stop, and no record on disk says so"
        );
        Ok(())
    }

    fn left(&mut self, run: u32) -> Verdict {
        let run = self.runs.remove(&run).ok_or("a run ends that never began")?;
        let open = self.facts.deliveries[&run.id].fate == Fate::Open;
        let gave_way = run.began == CONFLICTS && run.end.is_some();
        ensure!(
            run.settled || !open || gave_way || self.failed,
            "{} is let go with nothing decided",
            run.id
        );
        Ok(())
    }

    /// Deliveries that a worker holds; one that was dropped meanwhile does not count.
    pub(super) fn running(&self) -> impl Iterator<Item = &DeliveryId> {
        let held = self.runs.values().filter(|run| !run.settled).map(|run| &run.id);
        held.filter(|id| self.facts.deliveries[id].fate == Fate::Open)
    }

    pub(super) fn is_running(&self, id: &DeliveryId) -> bool {
        self.running().any(|running| running == id)
    }

    fn appended(&mut self, seq: Seq, record: &Record) -> Verdict {
        ensure!(seq.get() == self.facts.last + 1, "record {seq} follows {}", self.facts.last);
        ensure!(record.at() == self.now, "record {seq} is of another time");
        self.check_canary_over(record)?;
        self.check_breaker_due(record)?;
        self.check_record(seq, record)?;
        if let Record::Settle(settle) = record {
            self.count_canary(settle);
            self.count_breaker(settle);
        }
        self.follow_breaker(record);
        self.facts.apply(seq, record);
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
    }

    fn up(&mut self, last: u64, unclean: bool) -> Verdict {
        ensure!(last >= self.durable, "{} was on disk, and only {last} came back", self.durable);
        ensure!(last <= self.facts.last, "{last} came back, which was never appended");
        ensure!(!self.clean || last == self.facts.last, "a clean stop has lost something");
        ensure!(!self.clean || !unclean, "after a clean stop there is something to replay");
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
        Ok(())
    }
}

/// Runs of one lease whose reads have changed, after which it gives way.
const CONFLICTS: u32 = 3;
