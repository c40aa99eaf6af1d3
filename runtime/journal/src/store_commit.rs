//! One change of the checkpoint: everything in it becomes true together, or nothing does.
//!
//! Rows are written in the order of their keys, which is what a B-tree likes best.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use bytes::Bytes;
use redb::{ReadableTable, WriteTransaction};
use triphammer_model::{DeliveryId, Seq};

use crate::codec::{Decoder, Encoder};
use crate::codec_parts::encode_definition;
use crate::fold::{Fold, PayloadRef, RowFate};
use crate::record::DeliveryRow;
use crate::record_replay::{Replay, encode_replay};
use crate::store::Store;
use crate::store_counters::{Counters, FunctionCounters};
use crate::store_error::{Found, StoreError};
use crate::store_file::{
    COUNTERS, DEFINITIONS, DELIVERIES, META, META_NEXT, META_SEGMENTS, PAYLOADS, REPLAYS, RUNS,
    TOTAL_ACCEPTED, Table, guarded,
};
use crate::store_keys::write_delivery;
use crate::store_value::{payload_value, read_payload_ref, read_row, row_value, seal};
use crate::store_view::View;

/// An open transaction. Dropped without [`finish`](Self::finish), it leaves no trace.
pub(crate) struct Commit<'a> {
    pub(crate) store: &'a Store,
    /// The tables as they are without this change.
    pub(crate) view: std::sync::Arc<View>,
    txn: WriteTransaction,
}

/// Finds an event whose delivery has no row yet, such as one that is replayed.
pub(crate) type Locate<'a> = &'a dyn Fn(Seq) -> Result<Option<PayloadRef>, StoreError>;

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;
pub(crate) type Rows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;
type Change<'a> = (&'a DeliveryId, &'a RowFate);

impl<'a> Commit<'a> {
    pub(crate) fn begin(store: &'a Store) -> Result<Self> {
        let mut txn = store.begin_write()?;
        // An unclean stop must not cost a walk over the whole file.
        txn.set_quick_repair(true);
        Ok(Self { store, view: store.view(), txn })
    }

    /// Makes it durable, and shows it.
    pub(crate) fn finish(self) -> Result<()> {
        guarded(self.store.path(), || Ok(self.txn.commit()?))?;
        self.store.refresh()
    }

    /// Everything that a stretch of the log changes but the runs of its marks.
    pub(crate) fn fold(&self, fold: &Fold, locate: Locate<'_>) -> Result<()> {
        self.state(fold)?;
        self.rows(fold, locate)?;
        for (name, definition) in &fold.definitions {
            let mut e = Encoder::with_capacity(4096);
            encode_definition(&mut e, definition);
            self.put(DEFINITIONS, name.as_str().as_bytes(), &e.finish())?;
        }
        self.replays(fold)?;
        self.counters(&fold.counters)?;
        if let Some(next) = fold.next {
            let mut e = Encoder::with_capacity(10);
            e.seq(next);
            self.put(META, META_NEXT, &e.finish())?;
        }
        Ok(())
    }

    /// Writes down which segments the log consists of: what is missing of them can be told then.
    pub(crate) fn segments(&self, oldest: u32, newest: u32) -> Result<()> {
        let mut e = Encoder::with_capacity(10);
        e.varint(u64::from(oldest));
        e.varint(u64::from(newest));
        self.put(META, META_SEGMENTS, &e.finish())
    }

    fn replays(&self, fold: &Fold) -> Result<()> {
        if fold.replays.is_empty() {
            return Ok(());
        }
        let before = self.store.replays()?;
        let mut replays = before.clone();
        replays.extend(fold.replays.iter().map(|(id, replay)| (*id, replay.clone())));
        Replay::trim(&mut replays);
        let mut table = self.open(REPLAYS)?;
        for id in before.keys().filter(|id| !replays.contains_key(id)) {
            table.remove(&id.to_be_bytes()[..]).map_err(|error| self.store.error(error))?;
        }
        drop(table);
        for id in fold.replays.keys() {
            if let Some(replay) = replays.get(id) {
                let mut e = Encoder::with_capacity(128);
                encode_replay(&mut e, replay);
                self.put(REPLAYS, &id.to_be_bytes(), &e.finish())?;
            }
        }
        Ok(())
    }

    pub(crate) fn add_run(&self, id: u64, value: &[u8]) -> Result<()> {
        self.put(RUNS, &id.to_be_bytes(), value)
    }

    pub(crate) fn remove_run(&self, id: u64) -> Result<()> {
        let mut table = self.open(RUNS)?;
        table.remove(&id.to_be_bytes()[..]).map_err(|error| self.store.error(error))?;
        Ok(())
    }

    /// Keeps an event that the log is about to give up, and tells its deliveries.
    pub(crate) fn pin(&self, found: &Found, rows: &[DeliveryRow]) -> Result<()> {
        let key = found.seq.get().to_be_bytes();
        let mut payloads = self.open(PAYLOADS)?;
        let value = payload_value(&key, found);
        payloads.insert(&key[..], value.as_slice()).map_err(|error| self.store.error(error))?;
        let mut deliveries = self.open(DELIVERIES)?;
        let mut key = Vec::with_capacity(72);
        for row in rows {
            write_delivery(&mut key, row.id.seq, &row.id.function);
            let value = row_value(&key, row, PayloadRef { location: None, index: 0 });
            let inserted = deliveries.insert(key.as_slice(), value.as_slice());
            inserted.map_err(|error| self.store.error(error))?;
        }
        Ok(())
    }

    fn rows(&self, fold: &Fold, locate: Locate<'_>) -> Result<()> {
        let mut table = self.open(DELIVERIES)?;
        let mut changes: Vec<_> = fold.rows.iter().collect();
        changes.sort_unstable_by_key(|(id, _)| *id);
        let pinned = self.view.last_pinned()?;
        let settled = changes.iter().filter(|(_, change)| matches!(change, RowFate::Settled));
        let settled = settled.map(|(id, _)| id.seq).filter(|seq| pinned >= Some(*seq)).collect();
        let last = table.last().map_err(|error| self.store.error(error))?;
        let last = last.map(|(key, _)| key.value().to_vec());
        let mut key = Vec::with_capacity(72);
        let behind = changes.partition_point(|(id, _)| {
            write_delivery(&mut key, id.seq, &id.function);
            Some(&key) <= last.as_ref()
        });
        let (among, behind) = changes.split_at(behind);
        self.rows_among(&mut table, among, locate)?;
        self.rows_behind(&mut table, behind, locate)?;
        self.unpin(&table, settled)
    }

    /// Changes where there may be rows already.
    fn rows_among(
        &self,
        table: &mut Rows<'_>,
        changes: &[Change<'_>],
        locate: Locate<'_>,
    ) -> Result<()> {
        let mut key = Vec::with_capacity(72);
        for (id, change) in changes {
            write_delivery(&mut key, id.seq, &id.function);
            let (row, payload) = match change {
                RowFate::New(row, payload) => (row, *payload),
                RowFate::Changed(row) => {
                    let old = table.get(key.as_slice()).map_err(|error| self.store.error(error))?;
                    let payload = match old {
                        Some(old) => self.payload_ref(&key, old.value())?,
                        None => self.find(id, locate)?,
                    };
                    (row, payload)
                }
                RowFate::Settled => {
                    let removed = table.remove(key.as_slice());
                    removed.map_err(|error| self.store.error(error))?;
                    continue;
                }
            };
            let value = row_value(&key, row, payload);
            let inserted = table.insert(key.as_slice(), value.as_slice());
            inserted.map_err(|error| self.store.error(error))?;
        }
        Ok(())
    }

    /// Rows that come after all that there are, as new ones do: cheaper, a page at a time.
    fn rows_behind(
        &self,
        table: &mut Rows<'_>,
        changes: &[Change<'_>],
        locate: Locate<'_>,
    ) -> Result<()> {
        let end = std::ops::Bound::<&[u8]>::Unbounded;
        let mut cursor = table.upper_bound_mut(end).map_err(|error| self.store.error(error))?;
        let mut key = Vec::with_capacity(72);
        for (id, change) in changes {
            write_delivery(&mut key, id.seq, &id.function);
            let (row, payload) = match change {
                RowFate::New(row, payload) => (row, *payload),
                RowFate::Changed(row) => (row, self.find(id, locate)?),
                RowFate::Settled => continue,
            };
            let value = row_value(&key, row, payload);
            let inserted = cursor.insert_before(key.as_slice(), value.as_slice());
            inserted.map_err(|error| self.store.error(error))?;
        }
        cursor.close().map_err(|error| self.store.error(error))
    }

    fn payload_ref(&self, key: &[u8], value: &[u8]) -> Result<PayloadRef> {
        let value = Bytes::copy_from_slice(self.view.unseal(key, value)?);
        self.view.decode(read_payload_ref(&mut Decoder::new(&value)))
    }

    /// Where the event of a delivery is that has no row: it settled long ago, and runs again.
    fn find(&self, id: &DeliveryId, locate: Locate<'_>) -> Result<PayloadRef> {
        let found = locate(id.seq)?;
        // Else it is pinned, or nowhere; both are found out when it is read.
        Ok(found.unwrap_or(PayloadRef { location: None, index: 0 }))
    }

    /// Lets go of the events that no delivery needs any more.
    fn unpin(
        &self,
        rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
        settled: BTreeSet<Seq>,
    ) -> Result<()> {
        if settled.is_empty() {
            return Ok(());
        }
        let mut payloads = self.open(PAYLOADS)?;
        for seq in settled {
            let from = seq.get().to_be_bytes();
            let to = (seq.get() + 1).to_be_bytes();
            let mut left =
                rows.range(&from[..]..&to[..]).map_err(|error| self.store.error(error))?;
            if left.next().is_none() {
                payloads.remove(&from[..]).map_err(|error| self.store.error(error))?;
            }
        }
        Ok(())
    }

    fn counters(&self, more: &Counters) -> Result<()> {
        let mut table = self.open(COUNTERS)?;
        let read = |table: &redb::Table<'_, _, _>, key: &[u8]| -> Result<Option<Bytes>> {
            let value = table.get(key).map_err(|error| self.store.error(error))?;
            let Some(value) = value else { return Ok(None) };
            self.view.unseal(key, value.value()).map(|v| Some(Bytes::copy_from_slice(v)))
        };
        let mut changes = Vec::with_capacity(more.functions.len() + 1);
        let before = match read(&table, TOTAL_ACCEPTED)? {
            Some(value) => self.view.decode(Decoder::new(&value).varint())?,
            None => 0,
        };
        let mut e = Encoder::with_capacity(10);
        e.varint(before + more.accepted);
        changes.push((TOTAL_ACCEPTED, e.finish()));
        for (function, more) in &more.functions {
            let key = function.as_str().as_bytes();
            let before = match read(&table, key)? {
                Some(value) => self.view.decode(FunctionCounters::decode(&value))?,
                None => FunctionCounters::default(),
            };
            let mut e = Encoder::with_capacity(32);
            before.plus(*more).encode(&mut e);
            changes.push((key, e.finish()));
        }
        for (key, rest) in changes {
            let inserted = table.insert(key, seal(key, &rest).as_slice());
            inserted.map_err(|error| self.store.error(error))?;
        }
        Ok(())
    }

    fn put(&self, table: Table, key: &[u8], rest: &[u8]) -> Result<()> {
        let mut table = self.open(table)?;
        let inserted = table.insert(key, seal(key, rest).as_slice());
        inserted.map(drop).map_err(|error| self.store.error(error))
    }

    pub(crate) fn open(&self, table: Table) -> Result<Rows<'_>> {
        self.txn.open_table(table).map_err(|error| self.store.error(error))
    }
}

/// A row whose event is in the log, as retention looks for them.
pub(crate) struct LiveRow {
    pub(crate) row: DeliveryRow,
    pub(crate) payload: PayloadRef,
}

impl Store {
    /// Rows of events from `from` to below `to` whose event is in the log, at most `max` of them
    /// and then the rest of the last event's.
    pub(crate) fn rows_in_log(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<LiveRow>> {
        let view = self.view();
        let (from, to) = (from.get().to_be_bytes(), to.get().to_be_bytes());
        let mut rows: Vec<LiveRow> = Vec::new();
        view.walk(&view.deliveries, &from, Some(&to), |key, sealed| {
            let value = Bytes::copy_from_slice(view.unseal(key, sealed)?);
            let (row, payload) = view.decode(read_row(&value))?;
            let same = rows.last().is_some_and(|last| last.row.id.seq == row.id.seq);
            if rows.len() >= max && !same {
                return Ok(ControlFlow::Break(()));
            }
            if payload.location.is_some() {
                rows.push(LiveRow { row, payload });
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }
}
