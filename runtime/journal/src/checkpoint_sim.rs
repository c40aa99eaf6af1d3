//! A log and all its views on a simulated disk, driven one operation at a time and crashed at any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use triphammer_model::{DeliveryId, Seq, Timestamp};

use crate::checkpoint::{CheckpointOptions, CheckpointParts, Checkpointer};
use crate::checkpoint_model::{Maker, Model, function};
use crate::dedup::{Dedup, DedupOptions};
use crate::error::OpenError;
use crate::fold::{PayloadRef, new_rows};
use crate::history::{History, found};
use crate::history_columns::HistoryQuery;
use crate::log::{Log, LogOptions};
use crate::log_append::Appender;
use crate::record::{Body, DeliveryRow, Outcome, Record, Stored};
use crate::record_replay::Replay;
use crate::retention::Retention;
use crate::segment_pool::{Prepared, Preparer};
use crate::sim::{Faults, SimDisk};
use crate::state::{Range, StateStore};
use crate::store::Store;
use crate::store_counters::Counters;
use crate::store_file::StoreOptions;
use crate::store_state::StateUsage;
use crate::writer::{Step, Writer};

/// The host, as far as it is about records.
pub(crate) struct World {
    pub(crate) sim: SimDisk,
    pub(crate) maker: Maker,
    pub(crate) model: Model,
    pub(crate) options: CheckpointOptions,
    pub(crate) dedup_options: DedupOptions,
    pub(crate) up: Up,
    /// The highest number that was ever acknowledged.
    pub(crate) acknowledged: u64,
}

/// What lives in memory.
pub(crate) struct Up {
    pub(crate) parts: CheckpointParts,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) appender: Appender,
    writer: Writer,
    preparer: Preparer,
    pub(crate) rows: BTreeMap<DeliveryId, (DeliveryRow, Option<PayloadRef>)>,
    pub(crate) counters: Counters,
    pub(crate) replays: BTreeMap<u64, Replay>,
    pub(crate) replayed: u64,
}

pub(crate) fn small_options() -> CheckpointOptions {
    CheckpointOptions {
        fold_bytes: 3000,
        free_bytes_min: 0,
        retention: Retention { age: Duration::MAX, bytes: u64::MAX },
        expired_kept: Duration::from_secs(3),
        ..CheckpointOptions::default()
    }
}

impl World {
    pub(crate) fn new(seed: u64, options: CheckpointOptions) -> Self {
        let sim = SimDisk::new(seed);
        let dedup_options = DedupOptions::default();
        let mut up = None;
        // The first start may be cut short as well.
        sim.set_faults(Faults { halt_at: Some(seed % 80 + 1), ..Faults::default() });
        while up.is_none() {
            up = Up::open(&sim, options, &dedup_options, 0).ok();
            if up.is_none() {
                sim.crash();
            }
        }
        sim.set_faults(Faults::default());
        Self {
            sim,
            maker: Maker::new(seed),
            model: Model::default(),
            options,
            dedup_options,
            up: up.unwrap(),
            acknowledged: 0,
        }
    }

    /// Appends a record that could come next, and tells the views.
    pub(crate) fn append(&mut self) {
        let record = self.maker.record(&self.model);
        self.append_record(record);
    }

    pub(crate) fn append_record(&mut self, record: Record) {
        // The log is full or has failed: what was not taken did not happen.
        let Ok((seq, location)) = self.up.appender.append(&Body::encode(&record)) else { return };
        self.model.apply(seq, &record);
        let stored = Stored { seq, location, record };
        self.up.take(&stored);
    }

    /// Writes what waits, as far as the disk lets it.
    pub(crate) fn write(&mut self) {
        loop {
            match self.up.writer.step() {
                Step::Wrote => {}
                Step::NeedsSegment if self.up.preparer.step() == Prepared::Step => {}
                _ => break,
            }
        }
        self.acknowledged = self.acknowledged.max(self.up.parts.reader.durable.position());
    }

    pub(crate) fn prepare(&mut self) {
        self.up.preparer.step();
    }

    /// Starts again, as often as it takes; the power may go while it starts.
    pub(crate) fn restart(&mut self, crash: bool) {
        if crash {
            self.sim.crash()
        } else {
            self.sim.kill()
        }
        if self.maker.rng.chance(30) {
            let halt_at = Some(self.sim.ops() + 1 + self.maker.rng.below(60));
            self.sim.set_faults(Faults { halt_at, ..Faults::default() });
        } else {
            self.sim.set_faults(Faults::default());
        }
        let up = loop {
            match Up::open(&self.sim, self.options, &self.dedup_options, self.maker.now.0) {
                Ok(up) => break up,
                Err(OpenError::Io { .. }) => {
                    self.sim.crash();
                    self.sim.set_faults(Faults::default());
                }
                Err(error) => panic!("{error} ({error:?})"),
            }
        };
        self.sim.set_faults(Faults::default());
        let last = up.parts.reader.durable.position();
        assert!(last >= self.acknowledged, "acknowledged {}, found {last}", self.acknowledged);
        self.up = up;
        self.model = self.model.up_to(last);
        self.acknowledged = last;
    }

    /// Compares what needs no log with the model.
    pub(crate) fn check_rows_and_state(&self) {
        let rows: BTreeMap<_, _> =
            self.up.rows.iter().map(|(id, (row, _))| (id.clone(), row.clone())).collect();
        assert_eq!(rows, self.model.rows);
        self.check_state();
    }

    /// Compares all views but history with the model.
    pub(crate) fn check(&self) {
        self.check_rows_and_state();
        let parts = &self.up.parts;
        assert_eq!(self.up.counters.accepted, self.model.events.len() as u64);
        let committed: u64 = self.up.counters.functions.values().map(|f| f.committed).sum();
        assert_eq!(committed, self.model.committed);
        assert_eq!(self.up.replays, self.model.replays);
        for (id, (_, payload)) in &self.up.rows {
            self.check_payload(id.seq, payload.unwrap());
        }
        for (id, hit) in &self.model.marks {
            assert_eq!(parts.dedup.lookup(id), Some(*hit));
        }
        assert_eq!(parts.dedup.lookup(&[9; 16]), None);
    }

    fn check_payload(&self, seq: Seq, payload: PayloadRef) {
        let parts = &self.up.parts;
        let read = payload.location.and_then(|location| {
            let stored = parts.reader.read(location).ok()?;
            found(&stored, payload.index as usize)
        });
        let event = read.or_else(|| parts.store.payload(seq).unwrap()).unwrap();
        assert_eq!((event.seq, &event.accepted), (seq, &self.model.events[&seq].1));
        assert_eq!(event.at, self.model.events[&seq].0);
    }

    fn check_state(&self) {
        // As of any moment that an attempt still running may have begun in.
        let ago = self.maker.now.0.saturating_sub(2999);
        for now in [ago, self.maker.now.0] {
            self.check_state_at(Timestamp(now));
        }
        // The count never goes back in time.
        let live = self.model.live(self.maker.now);
        for name in (0..3).map(function) {
            let mut expect = StateUsage::default();
            let of = live.iter().filter(|((space, _), _)| *space.function() == name);
            of.for_each(|((_, name), (_, value))| expect.add(name, value.len()));
            let counted = self.up.parts.state.usage(&name, self.maker.now);
            assert_eq!(counted, expect, "{name}");
        }
    }

    fn check_state_at(&self, now: Timestamp) {
        let state = &self.up.parts.state;
        let live = self.model.live(now);
        let mut spaces: Vec<_> = self.model.state.keys().map(|(space, _)| space).collect();
        spaces.dedup();
        for space in spaces {
            let range = live.iter().filter(|((s, _), _)| s == space);
            let expect: Vec<_> =
                range.map(|((_, name), (seq, value))| (name.as_str(), *seq, value)).collect();
            let range = Range { prefix: "", after: None, limit: 1000 };
            let scan = state.scan(space, range, now).unwrap();
            let scan: Vec<_> = scan.iter().map(|(n, v)| (n.as_str(), v.seq, &v.value)).collect();
            assert_eq!(scan, expect);
            for name in (0..40).map(|n| format!("n{n}")) {
                let found = state.get(space, &name, now).unwrap();
                let expect = live.get(&(space.clone(), name));
                assert_eq!(found.map(|v| (v.seq, v.value)).as_ref(), expect);
            }
        }
    }

    /// Compares history with the model. Only what is durable is shown.
    pub(crate) fn check_history(&self, query: &HistoryQuery) {
        let history = &self.up.parts.history;
        let durable = self.up.parts.reader.durable.position();
        let mut query = query.clone();
        let mut listed = Vec::new();
        loop {
            let page = history.query(&query).unwrap();
            assert!(page.events.len() <= query.limit);
            listed.extend(page.events);
            match page.next {
                Some(next) => query.before_seq = Some(next),
                None => break,
            }
        }
        let asked = |seq: &Seq, at: &Timestamp, event: &triphammer_model::Event| {
            seq.get() <= durable
                && query.ty.as_ref().is_none_or(|ty| ty.matches(event.ty()))
                && query.source.as_deref().is_none_or(|source| source == event.source())
                && query.subject.as_deref().is_none_or(|s| Some(s) == event.subject())
                && query.after.is_none_or(|after| *at >= after)
                && query.before.is_none_or(|before| *at < before)
        };
        let expect = self.model.events.iter().rev();
        let expect: Vec<_> =
            expect.filter(|(seq, (at, a))| asked(seq, at, &a.event)).map(|(s, _)| *s).collect();
        assert_eq!(listed.iter().map(|found| found.seq).collect::<Vec<_>>(), expect);
        for found in &listed {
            let (at, accepted) = &self.model.events[&found.seq];
            assert_eq!((found.at, &found.accepted), (*at, accepted));
        }
        let forward = self.forward(&query);
        assert_eq!(forward, expect.into_iter().rev().collect::<Vec<_>>());
    }

    /// The same events, oldest first and a few at a time.
    fn forward(&self, query: &HistoryQuery) -> Vec<Seq> {
        let history = &self.up.parts.history;
        let end = Seq::new(self.up.parts.reader.durable.position() + 1).unwrap();
        let (mut next, mut found) = (Seq::FIRST, Vec::new());
        while next < end {
            let page = history.candidates(query, next, end, query.limit).unwrap();
            assert!(page.found.len() <= query.limit && page.next > next);
            for candidate in page.found {
                found.extend(history.read_candidate(query, candidate).unwrap());
            }
            next = page.next;
        }
        found.iter().map(|found| found.seq).collect()
    }

    pub(crate) fn check_outcomes(&self) {
        let durable = self.up.parts.reader.durable.position();
        for seq in self.model.events.keys() {
            let outcomes = self.up.parts.history.outcomes(*seq).unwrap();
            let outcomes: Vec<_> = outcomes.iter().map(|stored| stored.seq).collect();
            let tells = |record: &Record| match record {
                Record::Settle(settle) => {
                    let more = match &settle.outcome {
                        Outcome::Committed { also, cancelled, .. } => {
                            also.iter().map(|(id, _)| id).chain(cancelled).collect()
                        }
                        _ => Vec::new(),
                    };
                    settle.id.seq == *seq || more.iter().any(|id| id.seq == *seq)
                }
                Record::Rows { rows, .. } => rows.iter().any(|row| row.id.seq == *seq),
                Record::Drop { ids, .. } => ids.iter().any(|id| id.seq == *seq),
                _ => false,
            };
            let records = self.model.records.iter().filter(|(s, r)| s.get() <= durable && tells(r));
            assert_eq!(outcomes, records.map(|(seq, _)| *seq).collect::<Vec<_>>());
            let event = self.up.parts.history.event(*seq).unwrap();
            assert_eq!(event.is_some(), seq.get() <= durable);
        }
    }
}

impl Up {
    fn open(
        sim: &SimDisk,
        options: CheckpointOptions,
        dedup_options: &DedupOptions,
        now: u64,
    ) -> Result<Self, OpenError> {
        let disk = sim.boot();
        let store = Store::open(&disk, &StoreOptions { cache_bytes: 1 << 20, shrink_from: 0 })?;
        let log_options = LogOptions {
            segment_bytes: LogOptions::SEGMENT_BYTES_MIN,
            free_bytes_min: 0,
            segments_ahead: 1,
            ..LogOptions::default()
        };
        let log = Log::open(Arc::clone(&disk), log_options, store.known())?;
        let dedup = Dedup::open(&store, &disk, dedup_options.clone())?;
        let state = StateStore::new(&store, 4096)?;
        let history = History::open(&store, &disk, log.reader.clone())?;
        let mut rows = BTreeMap::new();
        store.deliveries(|row, payload| {
            rows.insert(row.id.clone(), (row, Some(payload)));
        })?;
        let counters = store.counters()?;
        let replays = store.replays()?;
        let from = store.position().unwrap_or(Seq::FIRST);
        let parts = CheckpointParts { store, reader: log.reader.clone(), state, dedup, history };
        let now = Timestamp(now);
        let mut up = Self {
            checkpointer: Checkpointer::new(parts.clone(), options, now),
            parts,
            appender: log.appender,
            writer: log.writer,
            preparer: log.preparer,
            rows,
            counters,
            replays,
            replayed: 0,
        };
        for stored in log.reader.scan(from, None) {
            let stored = stored.map_err(crate::store_error::StoreError::from)?;
            up.replayed += 1;
            up.take(&stored);
        }
        Ok(up)
    }

    /// What the pipeline does with a record that it has appended or that is replayed.
    fn take(&mut self, stored: &Stored) {
        self.parts.state.replay(stored);
        self.parts.dedup.replay(stored);
        self.parts.history.note(stored.seq, &stored.record, stored.location);
        self.counters.add(stored);
        let known = |rows: &BTreeMap<_, (_, Option<PayloadRef>)>, id: &DeliveryId| {
            rows.get(id).and_then(|(_, payload)| *payload)
        };
        match &stored.record {
            Record::Settle(settle) => match &settle.outcome {
                Outcome::Committed { also, cancelled, .. } => {
                    drop(self.rows.remove(&settle.id));
                    also.iter().for_each(|(id, _)| drop(self.rows.remove(id)));
                    cancelled.iter().for_each(|id| drop(self.rows.remove(id)));
                }
                Outcome::Retry { row, .. } | Outcome::Dead { row, .. } => {
                    let payload = known(&self.rows, &row.id);
                    self.rows.insert(row.id.clone(), (row.clone(), payload));
                }
            },
            Record::Rows { rows, .. } => {
                for row in rows {
                    let payload = known(&self.rows, &row.id);
                    self.rows.insert(row.id.clone(), (row.clone(), payload));
                }
            }
            Record::Drop { ids, .. } => ids.iter().for_each(|id| drop(self.rows.remove(id))),
            Record::Replay { replay, .. } => {
                self.replays.insert(replay.id, (**replay).clone());
                Replay::trim(&mut self.replays);
            }
            _ => {}
        }
        let (offset, events) = stored.record.events();
        for (index, accepted) in (0u32..).zip(events) {
            let seq = Seq::new(stored.seq.get() + offset + u64::from(index)).unwrap();
            let payload = PayloadRef { location: Some(stored.location), index };
            for row in new_rows(seq, stored.record.at(), accepted) {
                self.rows.insert(row.id.clone(), (row, Some(payload)));
            }
        }
    }
}
