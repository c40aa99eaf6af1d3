//! How a worker gets something to do: a delivery, or a batch of them, on loan until it is settled or
//! given back. Knows neither what runs it nor what becomes of it.

use std::sync::Arc;

use triphammer_model::{DeliveryId, Hops, Timestamp};

use crate::core::{Core, Inner};
use crate::entry::Entry;
use crate::feed::FeedItem;
use crate::queue::FnId;
use crate::registry::Revision;
use crate::slab::Slot;

/// A delivery that one worker runs. Taken by value where it settles, so nothing settles twice.
#[derive(Debug)]
#[must_use = "a lease that is not settled keeps its delivery running for ever"]
pub(crate) struct Lease {
    pub(crate) slot: Slot,
    pub(crate) function: FnId,
    pub(crate) revision: Arc<Revision>,
    /// A copy of the delivery as it was when it was leased.
    pub(crate) entry: Entry,
    /// The others of its batch.
    pub(crate) along: Vec<Along>,
    /// Others that write the same state may run beside it, so what it reads is validated.
    pub(crate) validated: bool,
    /// When the attempt began, whether or not it has to run again after a conflict.
    pub(crate) started: Timestamp,
    /// How often what its attempts read has changed before they could settle.
    pub(crate) conflicts: u32,
    /// Its function's breaker is not closed: what it comes to may decide.
    pub(crate) probes: bool,
}

/// A delivery that runs in the attempt of another.
#[derive(Debug)]
pub(crate) struct Along {
    pub(crate) slot: Slot,
    /// A copy of the delivery as it was when it was leased.
    pub(crate) entry: Entry,
}

impl Lease {
    pub(crate) fn id(&self) -> DeliveryId {
        self.id_of(&self.entry)
    }

    /// Of one of its batch.
    pub(crate) fn id_of(&self, entry: &Entry) -> DeliveryId {
        DeliveryId { seq: entry.seq, function: self.revision.function.clone() }
    }

    /// What it is for, the first of its batch first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.entry).chain(self.along.iter().map(|along| &along.entry))
    }

    /// The farthest that one of its events has come.
    pub(crate) fn hops(&self) -> Hops {
        self.entries().map(|entry| entry.hops).max().unwrap_or(self.entry.hops)
    }

    /// Counts from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.entry.attempts + 1
    }
}

impl Core {
    /// The next delivery to run, if one may.
    pub(crate) fn lease(&self) -> Option<Lease> {
        if self.is_stopping() {
            return None;
        }
        let mut inner = self.lock();
        if inner.log.may_dispatch().is_err() {
            return None;
        }
        let due_before = inner.queue.next_due();
        let Some((slot, started)) = self.next_turn(&mut inner) else {
            self.wake(inner, due_before);
            return None;
        };
        let entry = inner.lend(slot);
        let function = entry.function;
        let name = inner.queue.function(function).name.clone();
        let function_now = inner.functions.get(&name);
        let serving = function_now.and_then(|f| f.revision_for(entry.key.as_ref(), entry.seq));
        let Some(revision) = serving.cloned() else {
            unreachable!("only a function with an active revision is runnable")
        };
        let rules = &inner.queue.function(function).rules;
        let validated = entry.key.is_none() || rules.key_concurrency > 1;
        let probes = rules.probe.is_some();
        // A probe is one delivery.
        let along = if probes { Vec::new() } else { inner.gather(slot, &revision, started) };
        let conflicts = 0;
        let mut lease =
            Lease { slot, function, revision, entry, along, validated, started, conflicts, probes };
        if inner.feed.has_listeners() {
            let (id, revision) = (lease.id(), lease.revision.id);
            let (attempt, at) = (lease.attempt(), started);
            let item = FeedItem::Attempted { id, revision, attempt, at };
            inner.feed.push(lease.entry.seq.get(), || item);
        }
        self.follow(&mut inner, &mut lease);
        // Workers wake each other, one by one, while there is work for one more. And a turn may close
        // its function: for its throttle, or because what is left does not fill a batch.
        self.wake(inner, due_before);
        Some(lease)
    }

    /// The delivery whose turn it is, and since when. Those that have expired are given up on the
    /// way.
    fn next_turn(&self, inner: &mut Inner) -> Option<(Slot, Timestamp)> {
        loop {
            let now = self.clock.now();
            let turn = inner.queue.next(now)?;
            if !turn.expired {
                return Some((turn.slot, now));
            }
            self.expire(inner, turn.slot, now);
        }
    }
}
