//! Whether deliveries run together as `batch` says: of one lane, in order, no more than may, after no
//! longer and no shorter a wait, settled as one; and one by one when that has failed.
//!
//! What only memory knows is followed here: a restart forgets it, and after an unclean one nothing
//! runs together that was there before.

use std::collections::{BTreeMap, BTreeSet};

use triphammer_journal::{Outcome, Record, RowChange, Settle};
use triphammer_model::{Batch, DeliveryId, Event, FunctionName, RevisionId, Timestamp};

use super::checker::{Checker, Run, Verdict, ensure};
use super::facts::{Delivery, Fate, Kind};
use super::observed::{End, Item};
use super::seen::Seen;

/// The most that the events of a batch take together, in bytes.
const BYTES_MAX: u64 = 8 << 20;

/// What is known of batches beside the records.
#[derive(Debug, Default)]
pub(super) struct Batches {
    /// They run alone: since the host is up an attempt at them has failed.
    apart: BTreeSet<DeliveryId>,
    /// Their batch failed in the host, which says nothing about them: they may run alone.
    loose: BTreeSet<DeliveryId>,
    /// Of failed batches without a lane, those that no record puts off, and until when they are.
    put_off: BTreeMap<DeliveryId, Timestamp>,
    /// They need not wait for others: there were enough, or they have given way.
    ripe: BTreeSet<DeliveryId>,
}

impl Batches {
    /// The host is back, and has forgotten.
    pub(super) fn up(&mut self) {
        (self.apart, self.loose, self.put_off) = <_>::default();
    }

    fn redriven(&mut self, id: &DeliveryId) {
        self.apart.remove(id);
    }

    /// After conflicts it runs with nothing beside it, and waits for nothing.
    pub(super) fn runs_alone(&mut self, id: &DeliveryId) {
        self.ripe.insert(id.clone());
    }
}

impl Checker {
    /// Of the active revision.
    fn batch(&self, function: &FunctionName) -> Option<Batch> {
        self.facts.manifest(function)?.batch
    }

    /// When it may run, as far as its own time goes.
    pub(super) fn due_of(&self, id: &DeliveryId, delivery: &Delivery) -> Timestamp {
        delivery.due.max(self.batches.put_off.get(id).copied().unwrap_or_default())
    }

    /// Whether it must not run together with others.
    fn is_alone(&self, id: &DeliveryId, delivery: &Delivery) -> bool {
        delivery.attempts > 0
            || self.suspects.contains(id)
            || self.batches.apart.contains(id)
            || matches!(delivery.kind, Kind::Timer(_))
            // One that is redriven is a delivery like any other.
            || (matches!(delivery.kind, Kind::Firing(_)) && !delivery.tried)
    }

    /// Whether it must wait for others: nothing has been tried of it.
    fn is_fresh(&self, id: &DeliveryId, delivery: &Delivery) -> bool {
        !delivery.tried && !self.is_alone(id, delivery) && !self.batches.loose.contains(id)
    }

    /// What is open of a lane and has entered it, in order.
    fn lane(&self, id: &DeliveryId, delivery: &Delivery) -> Vec<&DeliveryId> {
        let of = |(other, d): &(&DeliveryId, &Delivery)| {
            other.function == id.function && d.key == delivery.key && d.fate == Fate::Open
        };
        let lane = self.facts.deliveries.iter().filter(of);
        let mut lane: Vec<_> = lane.filter(|(_, d)| d.place.0 <= self.now).collect();
        lane.sort_by_key(|(_, delivery)| delivery.place);
        lane.into_iter().map(|(id, _)| id).collect()
    }

    /// A turn of the first takes along others, or none.
    pub(super) fn check_batch(
        &mut self,
        id: &DeliveryId,
        revision: RevisionId,
        along: &[DeliveryId],
    ) -> Verdict {
        let most = self.serving(id, revision)?.batch.map_or(1, |batch| batch.max as usize);
        let size = along.len() + 1;
        ensure!(size <= most, "{id} runs in a batch of {size}, and {most} may");
        if !along.is_empty() {
            self.check_along(id, revision, along)?;
            self.notes.saw(Seen::BatchBegins);
        }
        let Some(batch) = self.batch(&id.function) else { return Ok(()) };
        let delivery = &self.facts.deliveries[id];
        let free = !self.is_fresh(id, delivery) || self.batches.ripe.contains(id);
        if size >= batch.max as usize || free {
            return Ok(());
        }
        ensure!(self.has_waited(id, delivery, batch), "{id} has not waited for its batch");
        if !batch.wait.is_zero() {
            self.notes.saw(Seen::BatchWaited);
        }
        Ok(())
    }

    fn check_along(
        &mut self,
        id: &DeliveryId,
        revision: RevisionId,
        along: &[DeliveryId],
    ) -> Verdict {
        let probes = self.facts.functions[&id.function].definition.breaker.is_some();
        ensure!(!probes, "{id} probes together with {along:?}");
        let first = &self.facts.deliveries[id];
        ensure!(!self.is_alone(id, first), "{id} must run alone, and takes along {along:?}");
        if first.key.is_some() && self.facts.is_orderly(&id.function) {
            let lane = self.lane(id, first);
            let next = lane.into_iter().skip(1).take(along.len());
            ensure!(next.eq(along), "the batch of {id} is out of order: {along:?}");
        }
        let mut before = BTreeSet::from([id]);
        for other in along {
            let delivery = self.facts.deliveries.get(other);
            let delivery = delivery.ok_or_else(|| format!("{other} is unknown"))?;
            let same = other.function == id.function && delivery.key == first.key;
            ensure!(same, "{other} is of another lane than {id}, and in its batch");
            let free = delivery.fate == Fate::Open && !self.is_running(other);
            ensure!(free && before.insert(other), "{other} is in the batch of {id}, and runs");
            ensure!(!self.is_alone(other, delivery), "{other} is in the batch of {id}: not alone");
            let due = self.due_of(other, delivery);
            ensure!(due <= self.now, "{other} runs early, in a batch: due {due:?}");
            let expires = delivery.expires.filter(|expires| *expires <= self.now);
            ensure!(expires.is_none(), "{other} runs in a batch and has expired: {expires:?}");
        }
        along.iter().try_for_each(|other| self.check_side(other, revision))
    }

    /// Whether a batch that is not full may run.
    fn has_waited(&self, id: &DeliveryId, delivery: &Delivery, batch: Batch) -> bool {
        let is_over = |delivery: &Delivery| delivery.place.0.plus(batch.wait) <= self.now;
        if delivery.key.is_some() {
            return is_over(delivery) || self.lane(id, delivery).len() >= batch.max as usize;
        }
        // Without keys all that is ready is waited for together.
        let of = |(other, delivery): &(&DeliveryId, &Delivery)| {
            let ready = delivery.fate == Fate::Open && self.due_of(other, delivery) <= self.now;
            other.function == id.function && ready && !self.is_running(other)
        };
        let ready: Vec<_> = self.facts.deliveries.iter().filter(of).map(|(_, d)| d).collect();
        ready.len() >= batch.max as usize || ready.into_iter().any(is_over)
    }

    /// Whether the head of a lane waits for others: it must, or it may.
    pub(super) fn gathers(&self, id: &DeliveryId, delivery: &Delivery) -> Option<Must> {
        let batch = self.batch(&id.function).filter(|_| delivery.key.is_some())?;
        let enough = self.lane(id, delivery).len() >= batch.max as usize;
        let over = delivery.place.0.plus(batch.wait) <= self.now;
        if enough || over || self.is_alone(id, delivery) {
            return None;
        }
        let fresh = self.is_fresh(id, delivery) && !self.batches.ripe.contains(id);
        Some(if fresh { Must::Wait } else { Must::Either })
    }

    /// What a handler is given besides its first: the others, as many as its memory has room for.
    pub(super) fn check_items(&mut self, number: u32, items: &[Item]) -> Verdict {
        let run = self.runs.get(&number).ok_or_else(|| format!("run {number} was never leased"))?;
        let Some((given, left)) = run.along.split_at_checked(items.len()) else {
            return Err(format!("the handler of {} is given more than it was leased", run.id));
        };
        let ids = items.iter().map(|(id, ..)| id);
        ensure!(ids.eq(given), "the handler of {} is given others than {given:?}", run.id);
        if let Some(next) = left.first() {
            let memory = self.serving(&run.id, run.revision)?.memory_bytes;
            let ids = run.ids().take(items.len() + 1).chain([next]);
            let bytes: usize = ids.map(|id| self.facts.events[&id.seq].as_bytes().len()).sum();
            let most = BYTES_MAX.min(memory / 4);
            ensure!(bytes as u64 > most, "the batch of {} has room for {next}", run.id);
        }
        for (id, event, attempt) in items {
            let expect: Option<&Event> = self.facts.events.get(&id.seq);
            ensure!(expect == Some(event), "{id} is given another event, in a batch");
            let expect = self.facts.deliveries[id].attempts + 1;
            ensure!(*attempt == expect, "{id} is told attempt {attempt}, in a batch");
        }
        self.run(number)?.along.truncate(items.len());
        Ok(())
    }

    /// How far the events of an attempt have come.
    pub(super) fn hops(&self, run: &Run) -> u16 {
        run.ids().map(|id| self.facts.deliveries[id].hops.0).max().unwrap_or_default()
    }

    /// One record commits all of a batch, and nothing else.
    pub(super) fn check_also(&self, run: &Run, also: &[(DeliveryId, u32)]) -> Verdict {
        let number = |id: &DeliveryId| (id.clone(), self.facts.deliveries[id].attempts + 1);
        let expect: Vec<_> = run.along.iter().map(number).collect();
        ensure!(also == expect, "the batch of {} commits {also:?}, not {expect:?}", run.id);
        if !also.is_empty() {
            self.notes.saw(Seen::BatchCommitted);
        }
        Ok(())
    }

    /// A batch has failed.
    pub(super) fn part(&mut self, settle: &Settle, due: Timestamp) {
        let Some(run) = self.runs.values().find(|run| run.id == settle.id && !run.settled) else {
            return;
        };
        self.notes.saw(Seen::BatchFailed);
        let batches = &mut self.batches;
        let in_host = matches!(run.end, Some(End::HostFault));
        for id in &run.along {
            // What waits for a time has been tried.
            let waits = settle.key.is_none() && due > self.now;
            let known = in_host && !waits;
            let how = if known { &mut batches.loose } else { &mut batches.apart };
            how.insert(id.clone());
            if waits {
                batches.put_off.insert(id.clone(), due);
            }
        }
    }

    /// Follows what waits for others, before a record is a fact.
    pub(super) fn follow_batches(&mut self, record: &Record) {
        match record {
            Record::Settle(settle) => {
                if matches!(settle.outcome, Outcome::Retry { .. }) {
                    self.batches.apart.insert(settle.id.clone());
                }
            }
            Record::Rows { rows, why: RowChange::Redriven, .. } => {
                rows.iter().for_each(|row| self.batches.redriven(&row.id));
            }
            // Before they are given up there may have been enough.
            Record::Drop { ids, .. } => ids.iter().for_each(|id| self.ripen(id)),
            _ => {}
        }
    }

    fn ripen(&mut self, id: &DeliveryId) {
        let Some(batch) = self.batch(&id.function) else { return };
        let lane = self.lane(id, &self.facts.deliveries[id]);
        if lane.len() >= batch.max as usize {
            let head = lane[0].clone();
            self.batches.ripe.insert(head);
        }
    }
}

/// Of a delivery that nothing but its batch keeps from running.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Must {
    Wait,
    Either,
}
