//! Finds deliveries by what they have in common, or by their ids. Changes nothing.
//!
//! Nothing is indexed for it, because an index would cost every delivery memory and time. It walks
//! the queue part by part, and gives the lock back after each, so that a question over a million
//! deliveries holds up nobody. What comes or goes meanwhile may be found or not; what is there from
//! the beginning to the end is found once.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::ops::Bound;

use foldhash::fast::RandomState;
use triphammer_journal::RowStatus;
use triphammer_model::{DeliveryId, Seq};

use crate::core::Core;
use crate::entry::DeadLetter;
use crate::error::QueryError;
use crate::info::{DeliveryPage, DeliveryQuery, Status};
use crate::queue::FnId;
use crate::slab::Slot;

/// Dead letters that are looked at before the lock is given back.
const PART: usize = 1024;

/// A delivery that was there when it was looked at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Found {
    pub(crate) id: DeliveryId,
    /// None for a dead letter.
    pub(crate) slot: Option<Slot>,
}

/// The first few in the order of their ids, of many that come in any order.
struct First {
    most: usize,
    found: BinaryHeap<Found>,
}

impl First {
    fn takes(&self, seq: Seq) -> bool {
        self.found.len() < self.most || self.found.peek().is_some_and(|last| seq <= last.id.seq)
    }

    fn push(&mut self, found: Found) {
        self.found.push(found);
        if self.found.len() > self.most {
            self.found.pop();
        }
    }
}

impl Core {
    pub(crate) fn find_deliveries(
        &self,
        query: &DeliveryQuery,
    ) -> Result<DeliveryPage, QueryError> {
        let after: Option<DeliveryId> = match &query.cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| QueryError::Cursor(cursor.clone()))?),
            None => None,
        };
        let mut found = self.find(query, after.as_ref(), query.limit.saturating_add(1));
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let cursor = found.last().filter(|_| more).map(|found| found.id.to_string());
        let wanted = |status| query.status.is_none_or(|wanted| wanted == status);
        let mut deliveries = self.lock().describe_all(&found, self.clock.now());
        deliveries.retain(|info| wanted(info.status));
        Ok(DeliveryPage { deliveries, cursor })
    }

    /// All that match.
    pub(crate) fn find_all(&self, query: &DeliveryQuery) -> Vec<Found> {
        self.find(query, None, usize::MAX)
    }

    /// The first `most` after `after` in the order of their ids.
    fn find(&self, query: &DeliveryQuery, after: Option<&DeliveryId>, most: usize) -> Vec<Found> {
        let mut first = First { most, found: BinaryHeap::new() };
        if query.status.is_none_or(|status| status == Status::Dead) {
            self.find_dead(query, after, &mut first);
        }
        if query.status != Some(Status::Dead) && !query.is_of_dead() {
            self.find_open(query, after, &mut first);
        }
        first.found.into_sorted_vec()
    }

    fn find_dead(&self, query: &DeliveryQuery, after: Option<&DeliveryId>, first: &mut First) {
        let functions = self.lock().queue.functions().len();
        for index in 0..functions {
            let mut from = after.map_or(Bound::Unbounded, |after| Bound::Included(after.seq));
            loop {
                let inner = self.lock();
                let function = &inner.queue.functions()[index];
                if query.function.as_ref().is_some_and(|name| *name != function.name) {
                    break;
                }
                let mut last = None;
                for letter in function.dead.from(from).take(PART) {
                    let id = &letter.row.id;
                    if !first.takes(id.seq) {
                        last = None;
                        break;
                    }
                    last = Some(id.seq);
                    if is_meant(letter, query) && after.is_none_or(|after| id > after) {
                        first.push(Found { id: id.clone(), slot: None });
                    }
                }
                let Some(last) = last else { break };
                from = Bound::Excluded(last);
                drop(inner);
                // A lock that is taken again at once is taken before those who wait for it.
                std::thread::yield_now();
            }
        }
    }

    fn find_open(&self, query: &DeliveryQuery, after: Option<&DeliveryId>, first: &mut First) {
        let only = match &query.function {
            Some(name) => match self.lock().queue.find(name) {
                Some(id) => Some(id),
                None => return,
            },
            None => None,
        };
        let mut chunk = 0;
        loop {
            let inner = self.lock();
            let queue = &inner.queue;
            if chunk == 0 && !queue.has_any(only, query.status) {
                return;
            }
            let Some(entries) = queue.chunk(chunk) else { return };
            for (slot, entry) in entries {
                let skip = after.is_some_and(|after| entry.seq < after.seq)
                    || only.is_some_and(|only| only != entry.function)
                    || query.status.is_some_and(|status| status != queue.status(slot));
                if skip || !first.takes(entry.seq) {
                    continue;
                }
                let id = inner.id_of(slot);
                if after.is_none_or(|after| id > *after) {
                    first.push(Found { id, slot: Some(slot) });
                }
            }
            drop(inner);
            std::thread::yield_now();
            chunk += 1;
        }
    }

    /// Where these deliveries are, those that are open.
    pub(crate) fn find_slots(&self, ids: &[DeliveryId]) -> BTreeMap<DeliveryId, Slot> {
        let mut slots = BTreeMap::new();
        let mut wanted: HashMap<(Seq, FnId), &DeliveryId, RandomState> = HashMap::default();
        let inner = self.lock();
        for id in ids {
            wanted.extend(inner.queue.find(&id.function).map(|function| ((id.seq, function), id)));
        }
        drop(inner);
        let mut chunk = 0;
        while !wanted.is_empty() {
            let inner = self.lock();
            let Some(entries) = inner.queue.chunk(chunk) else { break };
            for (slot, entry) in entries {
                if let Some(id) = wanted.remove(&(entry.seq, entry.function)) {
                    slots.insert(id.clone(), slot);
                }
            }
            drop(inner);
            std::thread::yield_now();
            chunk += 1;
        }
        slots
    }
}

impl DeliveryQuery {
    /// Whether it names nothing that deliveries could have in common.
    pub(crate) fn is_empty(&self) -> bool {
        self.status.is_none() && self.function.is_none() && !self.is_of_dead()
    }

    /// Whether only a dead letter can have what is asked for.
    fn is_of_dead(&self) -> bool {
        self.code.is_some() || self.died_after.is_some() || self.died_before.is_some()
    }
}

fn is_meant(letter: &DeadLetter, query: &DeliveryQuery) -> bool {
    let RowStatus::Dead { at, error } = &letter.row.status else { return false };
    query.code.as_ref().is_none_or(|code| *code == error.code)
        && query.died_after.is_none_or(|after| *at >= after)
        && query.died_before.is_none_or(|before| *at < before)
}
