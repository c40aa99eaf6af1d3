//! Records folded into changes of the checkpoint's tables: the last write of each key wins. Pure:
//! knows no disk and no clock.
//!
//! Most of what a stretch of the log says cancels out: a delivery that was accepted and settled in
//! it leaves nothing, a state name written a thousand times leaves one value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;
use triphammer_model::{DeliveryId, FunctionName, Seq, StateWrite, Timestamp};

use crate::record::{
    Accepted, DedupEntry, Definition, DeliveryRow, Location, Outcome, Record, RowStatus, Settle,
    Stored,
};
use crate::record_replay::Replay;
use crate::state::expiry;
use crate::store_counters::Counters;
use crate::store_keys::{function_prefix, write_space};
use crate::store_value::{StateRow, state_value};

/// What a stretch of the log changes.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    /// Sealed values by state key; none deletes.
    pub(crate) state: HashMap<Vec<u8>, Option<Vec<u8>>, RandomState>,
    pub(crate) rows: HashMap<DeliveryId, RowFate, RandomState>,
    /// Functions whose earlier state goes before `state` is applied.
    pub(crate) wiped: BTreeSet<FunctionName>,
    pub(crate) definitions: BTreeMap<FunctionName, Definition>,
    /// By id.
    pub(crate) replays: BTreeMap<u64, Replay>,
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
            Record::Define { at, name, definition, raised } => {
                self.accept(stored, *at, raised);
                self.bytes += definition.revisions.len() * 1024 + ENTRY_BYTES;
                self.definitions.insert(name.clone(), definition.clone());
            }
            Record::WipeState { function, .. } => self.wipe(function),
            Record::Replay { at, replay, events } => {
                self.bytes += ENTRY_BYTES;
                self.replays.insert(replay.id, (**replay).clone());
                self.accept(stored, *at, events);
            }
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
            Outcome::Committed { writes, emitted, also, cancelled, .. } => {
                self.finish(&settle.id);
                also.iter().for_each(|(id, _)| self.finish(id));
                cancelled.iter().for_each(|id| self.finish(id));
                self.write(settle, writes, stored.seq);
                self.accept(stored, settle.at, emitted);
            }
            Outcome::Retry { row, .. } => self.change(row),
            Outcome::Dead { row, raised } => {
                self.change(row);
                self.accept(stored, settle.at, raised);
            }
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

    fn write(&mut self, settle: &Settle, writes: &[StateWrite], seq: Seq) {
        for write in writes {
            write_space(&mut self.scratch, &settle.id.function, settle.key.as_ref());
            self.scratch.extend_from_slice(write.name.as_bytes());
            if !self.state.contains_key(&self.scratch) {
                self.bytes += entry_bytes(&self.scratch, &None);
                self.state.insert(self.scratch.clone(), None);
            }
            let Some(slot) = self.state.get_mut(&self.scratch) else { continue };
            self.bytes -= entry_bytes(&self.scratch, slot);
            match &write.value {
                // The old value's memory serves the new one: hot names are written often.
                Some(value) => {
                    let row = StateRow { seq, expires: expiry(settle.at, write.ttl_ms), value };
                    state_value(slot.get_or_insert_default(), &self.scratch, row);
                }
                None => *slot = None,
            }
            self.bytes += entry_bytes(&self.scratch, slot);
        }
    }

    fn wipe(&mut self, function: &FunctionName) {
        let prefix = function_prefix(function);
        let bytes = &mut self.bytes;
        self.state.retain(|key, value| {
            let keep = !key.starts_with(&prefix);
            if !keep {
                *bytes -= entry_bytes(key, value);
            }
            keep
        });
        self.wiped.insert(function.clone());
    }
}

fn entry_bytes(key: &[u8], value: &Option<Vec<u8>>) -> usize {
    key.len() + value.as_ref().map_or(0, Vec::capacity) + ENTRY_BYTES
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
            priority: delivery.priority,
            expires: delivery.expires,
            name: delivery.name.clone(),
            status: match &delivery.dead {
                Some(error) => RowStatus::Dead { at, error: error.clone() },
                None => RowStatus::Due(due),
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Accept, DropReason, Entrance, NewDelivery};
    use bytes::Bytes;
    use triphammer_model::{Event, EventParts, Hops, RevisionId};

    fn stored(seq: u64, record: Record) -> Stored {
        let location = Location { segment: 1, offset: seq as u32, len: 1 };
        Stored { seq: Seq::new(seq).unwrap(), location, record }
    }

    fn accept(seq: u64) -> Stored {
        let event = Event::new(&EventParts {
            id: "i".into(),
            source: "s".into(),
            ty: "t".into(),
            ..EventParts::default()
        });
        let deliveries = ["f", "g"].map(|f| NewDelivery::new(f.parse().unwrap(), None));
        let accepted = Accepted {
            event: event.unwrap(),
            hops: Hops(0),
            dedup: None,
            deliveries: deliveries.to_vec(),
        };
        let accept = Accept { at: Timestamp(1), entrance: Entrance::Host, events: vec![accepted] };
        stored(seq, Record::Accept(accept))
    }

    fn commit(seq: u64, of: u64, value: Option<&'static str>) -> Stored {
        let write = StateWrite { name: "n".into(), value: value.map(Bytes::from), ttl_ms: None };
        let function: FunctionName = "f".parse().unwrap();
        stored(
            seq,
            Record::Settle(Box::new(Settle {
                id: DeliveryId { seq: Seq::new(of).unwrap(), function },
                key: None,
                attempt: 1,
                revision: RevisionId::new(1).unwrap(),
                started: Timestamp(1),
                at: Timestamp(2),
                logs: Vec::new(),
                logs_left_out: 0,
                outcome: Outcome::Committed {
                    writes: vec![write],
                    emitted: Vec::new(),
                    reply: None,
                    also: Vec::new(),
                    cancelled: Vec::new(),
                },
            })),
        )
    }

    fn drop(id: DeliveryId) -> Record {
        Record::Drop { at: Timestamp(3), why: DropReason::Operator, ids: vec![id] }
    }

    #[test]
    fn what_begins_and_ends_in_one_stretch_leaves_nothing() {
        let mut fold = Fold::default();
        for n in 0..1000 {
            fold.apply(&accept(2 * n + 1));
            fold.apply(&commit(2 * n + 2, 2 * n + 1, Some("value")));
            let id =
                DeliveryId { seq: Seq::new(2 * n + 1).unwrap(), function: "g".parse().unwrap() };
            fold.apply(&stored(2 * n + 3, drop(id)));
        }
        assert!(fold.rows.is_empty());
        assert_eq!(fold.state.len(), 1);
        assert!(fold.bytes() < 2 * (ENTRY_BYTES + ROW_BYTES), "{}", fold.bytes());
        assert_eq!((fold.records, fold.next), (3000, Seq::new(2002)));
        let counted = fold.counters.functions[&"f".parse().unwrap()];
        assert_eq!(
            (counted.committed, counted.attempts, fold.counters.accepted),
            (1000, 1000, 1000)
        );
        assert_eq!(fold.counters.functions[&"g".parse().unwrap()].dropped, 1000);
    }

    #[test]
    fn what_began_before_the_stretch_leaves_its_end() {
        let mut fold = Fold::default();
        fold.apply(&commit(10, 3, Some("value")));
        fold.apply(&commit(11, 4, None));
        assert!(fold.rows.values().all(|row| matches!(row, RowFate::Settled)));
        assert_eq!((fold.rows.len(), fold.state.len()), (2, 1));
        assert!(fold.state.values().all(Option::is_none));
        let wipe = Record::WipeState { at: Timestamp(3), function: "f".parse().unwrap() };
        fold.apply(&stored(12, wipe));
        assert!(fold.state.is_empty() && fold.wiped.len() == 1);
        assert_eq!(fold.bytes(), 2 * ROW_BYTES);
    }
}
