//! What was open when the host stopped: from the checkpoint's rows, then the log after it.
//!
//! Nothing is routed again: the records say which deliveries there are. Entries go straight into
//! the queue's memory, and into their lanes only at the end, in the order of their lanes.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use triphammer_journal::{
    Accepted, Counters, Definition, DeliveryRow, Outcome, PayloadRef, Record, Replay, RowStatus,
    Stored,
};
use triphammer_model::{DeliveryId, FunctionName, Seq, Timestamp};

use crate::debounce;
use crate::entry::{DeadLetter, Entry, Payload};
use crate::intake::nth;
use crate::queue::{FnId, Queue};
use crate::slab::Slot;

/// The queue and the definitions, as they come back.
#[derive(Debug)]
pub(crate) struct Recovery {
    queue: Queue,
    open: HashMap<(Seq, FnId), (Slot, Timestamp), RandomState>,
    definitions: HashMap<FunctionName, Definition>,
    counters: Counters,
    replays: BTreeMap<u64, Replay>,
    latest: Timestamp,
    /// Records after the checkpoint: none after a clean stop.
    replayed: u64,
}

/// What has come back.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) queue: Queue,
    /// Others have taken their places, and it is not on record that they were given up.
    pub(crate) replaced: Vec<Slot>,
    pub(crate) definitions: HashMap<FunctionName, Definition>,
    pub(crate) replays: BTreeMap<u64, Replay>,
    /// Of the newest record.
    pub(crate) latest: Timestamp,
}

impl Recovery {
    pub(crate) fn new(
        queue: Queue,
        definitions: Vec<(FunctionName, Definition)>,
        counters: Counters,
        replays: BTreeMap<u64, Replay>,
    ) -> Self {
        Self {
            queue,
            open: HashMap::default(),
            definitions: definitions.into_iter().collect(),
            counters,
            replays,
            latest: Timestamp::default(),
            replayed: 0,
        }
    }

    /// A row of the checkpoint.
    pub(crate) fn row(&mut self, row: &DeliveryRow, payload: PayloadRef) {
        self.saw(row.accepted);
        let payload = Payload::new(None, payload.location, payload.index);
        self.set(row, payload);
    }

    /// A record after the checkpoint.
    pub(crate) fn replay(&mut self, stored: &Stored) {
        self.replayed += 1;
        self.counters.add(stored);
        match &stored.record {
            Record::Accept(accept) => self.admit(stored, accept.at),
            Record::Settle(settle) => {
                self.saw(settle.at);
                match &settle.outcome {
                    Outcome::Committed { also, cancelled, .. } => {
                        self.take(&settle.id);
                        also.iter().for_each(|(id, _)| drop(self.take(id)));
                        cancelled.iter().for_each(|id| drop(self.take(id)));
                        self.admit(stored, settle.at);
                    }
                    Outcome::Retry { row, .. } => self.update(row),
                    Outcome::Dead { row, .. } => {
                        self.update(row);
                        self.admit(stored, settle.at);
                    }
                }
            }
            Record::Rows { at, rows, .. } => {
                self.saw(*at);
                rows.iter().for_each(|row| self.update(row));
            }
            Record::Drop { at, ids, .. } => {
                self.saw(*at);
                for id in ids {
                    self.take(id);
                }
            }
            Record::Define { at, name, definition, .. } => {
                self.admit(stored, *at);
                self.definitions.insert(name.clone(), definition.clone());
            }
            Record::WipeState { at, .. } => self.saw(*at),
            Record::Replay { at, replay, .. } => {
                self.admit(stored, *at);
                self.replays.insert(replay.id, (**replay).clone());
            }
        }
    }

    /// Puts every delivery into its lane, in order. After an unclean stop each is marked, because
    /// its attempt may have been what stopped the host.
    pub(crate) fn finish(mut self, now: Timestamp) -> Recovered {
        let mut slots: Vec<(Slot, Timestamp)> = self.open.into_values().collect();
        let queue = &mut self.queue;
        slots.sort_unstable_by_key(|(slot, _)| {
            let entry = queue.entry(*slot);
            (entry.place(), entry.seq, entry.function)
        });
        let unclean = self.replayed > 0;
        let is_debounced =
            |slot: &Slot| debounce::is_debounced(queue.entry(*slot).name().map(|name| &**name));
        let mut debounced: Vec<_> =
            slots.iter().filter(|(slot, _)| is_debounced(slot)).copied().collect();
        debounced.sort_unstable_by_key(|(slot, _)| queue.entry(*slot).seq);
        for (slot, due) in slots {
            queue.entry_mut(slot).recovered = unclean;
            queue.restore(slot, due, now);
        }
        let replaced = queue.debounce_again(&debounced);
        for (name, counted) in &self.counters.functions {
            let id = queue.function_id(name);
            let counts = &mut queue.function_mut(id).counts;
            counts.committed = counted.committed;
            counts.dropped = counted.dropped;
            counts.retried = counted.retried;
        }
        let Self { queue, definitions, replays, latest, .. } = self;
        Recovered { queue, replaced, definitions, replays, latest }
    }

    fn saw(&mut self, at: Timestamp) {
        self.latest = self.latest.max(at);
    }

    fn admit(&mut self, stored: &Stored, at: Timestamp) {
        self.saw(at);
        let (offset, events) = stored.record.events();
        for (index, accepted) in events.iter().enumerate() {
            let seq = nth(stored.seq, offset as usize + index);
            let location = Some(stored.location);
            let payload = Payload::new(None, location, index as u32);
            self.admit_one(seq, accepted, at, &payload);
        }
    }

    fn admit_one(&mut self, seq: Seq, accepted: &Accepted, at: Timestamp, payload: &Payload) {
        for delivery in &accepted.deliveries {
            let due = delivery.due.unwrap_or(at);
            let status = match &delivery.dead {
                Some(error) => RowStatus::Dead { at, error: error.clone() },
                None => RowStatus::Due(due),
            };
            let row = DeliveryRow {
                id: DeliveryId { seq, function: delivery.function.clone() },
                key: delivery.key.clone(),
                hops: accepted.hops,
                accepted: at,
                entered: at.max(due),
                order: seq,
                attempts: 0,
                starts: 0,
                priority: delivery.priority,
                expires: delivery.expires,
                name: delivery.name.clone(),
                status,
            };
            self.set(&row, payload.clone());
        }
    }

    /// A delivery's row, written again.
    fn update(&mut self, row: &DeliveryRow) {
        if let Some(payload) = self.take(&row.id) {
            self.set(row, payload);
        }
    }

    fn set(&mut self, row: &DeliveryRow, payload: Payload) {
        let function = self.queue.function_id(&row.id.function);
        match &row.status {
            RowStatus::Due(due) => {
                let entry = Entry::from_row(row, function, payload);
                let slot = self.queue.place(entry);
                self.open.insert((row.id.seq, function), (slot, *due));
            }
            RowStatus::Dead { .. } => {
                let letter = DeadLetter::new(row.clone(), payload);
                self.queue.bury(function, letter);
            }
        }
    }

    /// Takes a delivery out, open or dead, and says where its event is.
    fn take(&mut self, id: &DeliveryId) -> Option<Payload> {
        let function = self.queue.find(&id.function)?;
        if let Some((slot, _)) = self.open.remove(&(id.seq, function)) {
            return self.queue.unplace(slot).map(|entry| entry.payload);
        }
        self.queue.unbury(function, id.seq).map(|letter| letter.payload)
    }
}
