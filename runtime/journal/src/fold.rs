//! Records folded into changes of the checkpoint's tables: the last write of each key wins. Pure:
//! knows no disk and no clock.
//!
//! Most of what a stretch of the log says cancels out: a delivery that was accepted and settled in
//! it leaves nothing, a state name written a thousand times leaves one value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;
use triphammer_model::{DeliveryId, FunctionName, OrderingKey, Seq, StateWrite, Timestamp};

use crate::record::{
    Accepted, DedupEntry, Definition, DeliveryRow, Location, Outcome, Record, RowStatus, Settle,
    Stored,
};
use crate::store_counters::Counters;
use crate::store_keys::{function_prefix, write_space};
use crate::store_value::state_value;

/// What a stretch of the log changes.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    /// Sealed values by state key; none deletes.
    pub(crate) state: HashMap<Vec<u8>, Option<Vec<u8>>, RandomState>,
    pub(crate) rows: HashMap<DeliveryId, RowFate, RandomState>,
    /// Functions whose earlier state goes before `state` is applied.
    pub(crate) wiped: BTreeSet<FunctionName>,
    pub(crate) definitions: BTreeMap<FunctionName, Definition>,
    /// To be added to those of before.
    pub(crate) counters: Counters,
    pub(crate) marks: Vec<Mark>,
    /// The number of the next record.
    pub(crate) next: Option<Seq>,
    pub(crate) records: u64,
    bytes: usize,
    scratch: Vec<u8>,
}

/// What becomes of a delivery's row.
#[derive(Debug)]
pub(crate) enum RowFate {
    /// Its event is in this stretch: the tables have no row of it.
    New(DeliveryRow, PayloadRef),
    /// The row changes; its payload stays where it is.
    Changed(DeliveryRow),
    /// It is settled.
    Settled,
}

/// Where a delivery's event is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PayloadRef {
    /// None when the log no longer has it: the checkpoint does.
    pub location: Option<Location>,
    /// Among the events of its record.
    pub index: u32,
}

/// An event that a repetition is known by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    pub(crate) entry: DedupEntry,
    pub(crate) seq: Seq,
    pub(crate) at: Timestamp,
}

/// What an entry in one of the maps takes beside its bytes, roughly: they are half empty.
const ENTRY_BYTES: usize = 128;
const ROW_BYTES: usize = 400;

impl Fold {
    /// Takes the records in the order of the log.
    pub(crate) fn apply(&mut self, stored: &Stored) {
        match &stored.record {
            Record::Accept(accept) => self.accept(stored, accept.at, &accept.events),
            Record::Settle(settle) => self.settle(stored, settle),
            Record::Rows { rows, .. } => rows.iter().for_each(|row| self.change(row)),
            Record::Drop { ids, .. } => ids.iter().for_each(|id| self.finish(id)),
            Record::Define { name, definition, .. } => {
                self.bytes += definition.revisions.len() * 1024 + ENTRY_BYTES;
                self.definitions.insert(name.clone(), definition.clone());
            }
            Record::WipeState { function, .. } => self.wipe(function),
        }
        self.counters.add(stored);
        self.records += 1;
        self.next = Seq::new(stored.seq.get() + stored.record.span());
    }

    /// About how much memory it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn accept(&mut self, stored: &Stored, at: Timestamp, events: &[Accepted]) {
        let (offset, _) = stored.record.events();
        for (index, accepted) in (0u32..).zip(events) {
            let Some(seq) = Seq::new(stored.seq.get() + offset + u64::from(index)) else {
                continue;
            };
            if let Some(entry) = accepted.dedup {
                self.bytes += size_of::<Mark>();
                self.marks.push(Mark { entry, seq, at });
            }
            let payload = PayloadRef { location: Some(stored.location), index };
            for row in new_rows(seq, at, accepted) {
                self.bytes += ROW_BYTES;
                self.rows.insert(row.id.clone(), RowFate::New(row, payload));
            }
        }
    }

    fn settle(&mut self, stored: &Stored, settle: &Settle) {
        match &settle.outcome {
            Outcome::Committed { writes, emitted, .. } => {
                self.finish(&settle.id);
                self.write(&settle.id.function, settle.key.as_ref(), writes, stored.seq);
                self.accept(stored, settle.at, emitted);
            }
            Outcome::Retry { row, .. } | Outcome::Dead { row } => self.change(row),
        }
    }

    fn change(&mut self, row: &DeliveryRow) {
        match self.rows.get_mut(&row.id) {
            Some(RowFate::New(old, _)) => *old = row.clone(),
            Some(change) => *change = RowFate::Changed(row.clone()),
            None => {
                self.bytes += ROW_BYTES;
                self.rows.insert(row.id.clone(), RowFate::Changed(row.clone()));
            }
        }
    }

    fn finish(&mut self, id: &DeliveryId) {
        match self.rows.get_mut(id) {
            Some(RowFate::New(..)) => {
                self.bytes -= ROW_BYTES;
                self.rows.remove(id);
            }
            Some(change) => *change = RowFate::Settled,
            None => {
                self.bytes += ROW_BYTES;
                self.rows.insert(id.clone(), RowFate::Settled);
            }
        }
    }

    fn write(
        &mut self,
        function: &FunctionName,
        key: Option<&OrderingKey>,
        writes: &[StateWrite],
        seq: Seq,
    ) {
        for write in writes {
            write_space(&mut self.scratch, function, key);
            self.scratch.extend_from_slice(write.name.as_bytes());
            let value_len = write.value.as_ref().map_or(0, |value| value.len());
            let Some(slot) = self.state.get_mut(&self.scratch) else {
                self.bytes += self.scratch.len() + value_len + ENTRY_BYTES;
                let value = write.value.as_ref().map(|value| {
                    let mut sealed = Vec::new();
                    state_value(&mut sealed, &self.scratch, seq, value);
                    sealed
                });
                self.state.insert(self.scratch.clone(), value);
                continue;
            };
            self.bytes -= slot.as_ref().map_or(0, Vec::len).min(self.bytes);
            self.bytes += value_len;
            match &write.value {
                // The old value's memory serves the new one: hot names are written often.
                Some(value) => {
                    state_value(slot.get_or_insert_default(), &self.scratch, seq, value);
                }
                None => *slot = None,
            }
        }
    }

    fn wipe(&mut self, function: &FunctionName) {
        let prefix = function_prefix(function);
        self.state.retain(|key, _| !key.starts_with(&prefix));
        self.wiped.insert(function.clone());
    }
}

/// The rows that an event begins with, one for each of its deliveries.
pub(crate) fn new_rows(
    seq: Seq,
    at: Timestamp,
    accepted: &Accepted,
) -> impl Iterator<Item = DeliveryRow> {
    accepted.deliveries.iter().map(move |delivery| {
        let due = delivery.due.unwrap_or(at);
        DeliveryRow {
            id: DeliveryId { seq, function: delivery.function.clone() },
            key: delivery.key.clone(),
            hops: accepted.hops,
            accepted: at,
            entered: due.max(at),
            order: seq,
            attempts: 0,
            starts: 0,
            status: match &delivery.dead {
                Some(error) => RowStatus::Dead { at, error: error.clone() },
                None => RowStatus::Due(due),
            },
        }
    })
}
