//! What happened: where each event is in the log, and which records tell of its deliveries.
//!
//! History is the log; this only finds things in it. For a sealed segment there is one immutable
//! index file, for the newest segments the same in memory, noted as records are appended. Shows
//! only what is durable. Knows no queue: whether a delivery waits, the pipeline says.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use triphammer_model::{Seq, Timestamp};

use crate::disk::Disk;
use crate::error::{OpenError, ReadError};
use crate::history_columns::{Columns, Outcomes, Types};
use crate::history_damage::Damages;
use crate::history_index::{SegmentIndex, Summary, index_name, parse_index_name};
use crate::log_read::LogReader;
use crate::record::{Entrance, Location, Record, Stored};
use crate::segment_table::SegmentInfo;
use crate::store::Store;
use crate::store_error::{Found, StoreError};

/// Cheap to clone.
#[derive(Clone)]
pub struct History {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    store: Store,
    disk: Arc<dyn Disk>,
    pub(crate) reader: LogReader,
    tail: Mutex<Tail>,
    sealed: RwLock<BTreeMap<u32, Arc<SegmentIndex>>>,
    pub(crate) damages: Damages,
}

/// By generation.
pub(crate) type Tail = BTreeMap<u32, Part>;

/// A segment that has no index file yet.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) columns: Columns,
    pub(crate) outcomes: Outcomes,
    pub(crate) types: Types,
    /// The last number that was noted, and the newest time.
    last: u64,
    at: u64,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Records that one answer about an event holds at most.
const OUTCOMES_MAX: usize = 1000;

impl History {
    /// Opens the indexes, and makes again what is missing of them below the checkpoint's position.
    /// What is above it has to be [noted](Self::note) as it is replayed.
    pub fn open(store: &Store, disk: &Arc<dyn Disk>, reader: LogReader) -> Result<Self, OpenError> {
        let shared = Shared {
            store: store.clone(),
            disk: Arc::clone(disk),
            reader,
            tail: Mutex::default(),
            sealed: RwLock::default(),
            damages: Damages::default(),
        };
        let history = Self { shared: Arc::new(shared) };
        let segments = history.shared.reader.segments();
        history.remove_strangers(&segments)?;
        for info in &segments {
            match SegmentIndex::open(&**disk, info).filter(|_| info.sealed) {
                Some(index) => drop(history.insert(index)),
                None => history.scan(info)?,
            }
        }
        Ok(history)
    }

    /// Takes up a record as it is appended, or replayed: in the order of the log.
    pub fn note(&self, seq: Seq, record: &Record, location: Location) {
        let mut tail = self.tail();
        let part = match tail.entry(location.segment) {
            Entry::Occupied(entry) => entry.into_mut(),
            // Replayed from a segment that has its index: the checkpoint may lag behind those.
            Entry::Vacant(_) if self.is_sealed(location.segment) => return,
            Entry::Vacant(entry) => entry.insert(Part::default()),
        };
        part.note(seq, record, location);
    }

    /// The event with this number; from the checkpoint when the log no longer has it.
    pub fn event(&self, seq: Seq) -> Result<Option<Found>> {
        if seq.get() > self.durable() {
            return Ok(None);
        }
        if let Some((location, index)) = self.locate(seq)?
            && let Some(stored) = self.read(location)?
            && let Some(found) = found(&stored, index as usize)
        {
            return Ok(Some(found));
        }
        self.shared.store.payload(seq)
    }

    /// The record that holds the event, and the event's index in it. None when the log does not
    /// have it, or no longer.
    pub fn locate(&self, seq: Seq) -> Result<Option<(Location, u32)>> {
        let number = seq.get();
        let place = |generation, columns: &Columns| {
            let (entry, index) = columns.find(number)?;
            let (offset, len) = (columns.offset[entry], columns.len[entry]);
            Some((Location { segment: generation, offset, len }, index))
        };
        {
            let tail = self.tail();
            let mut parts = tail.iter().rev();
            if let Some(found) =
                parts.find_map(|(generation, part)| place(*generation, &part.columns))
            {
                return Ok(Some(found));
            }
        }
        for index in self.sealed_from(0) {
            let Summary { generation, first, last, .. } = index.summary;
            if (first..=last).contains(&number) {
                let places = self.readable(&index, SegmentIndex::places)?;
                return Ok(place(generation, &places));
            }
        }
        Ok(None)
    }

    /// The records that tell what became of the event's deliveries, oldest first; the first
    /// thousand when there are more.
    pub fn outcomes(&self, seq: Seq) -> Result<Vec<Stored>> {
        let event = seq.get();
        let mut locations = Vec::new();
        // Memory first: what is taken out of it is among the indexes by then.
        for (generation, part) in self.tail().iter() {
            let records = part.outcomes.of(event, false);
            locations.extend(records.iter().map(|record| (*generation, *record)));
        }
        for index in self.sealed_from(0) {
            let Summary { generation, outcome_first, outcome_last, .. } = index.summary;
            if (outcome_first..=outcome_last).contains(&event) {
                let outcomes = self.readable(&index, SegmentIndex::outcomes)?;
                let records = outcomes.of(event, true);
                locations.extend(records.iter().map(|record| (generation, *record)));
            }
        }
        locations.sort_unstable();
        locations.dedup();
        locations.truncate(OUTCOMES_MAX);
        let durable = self.durable();
        let mut outcomes = Vec::with_capacity(locations.len());
        for (segment, (offset, len)) in locations {
            let stored = self.read(Location { segment, offset, len })?;
            outcomes.extend(stored.filter(|stored| stored.seq.get() <= durable));
        }
        Ok(outcomes)
    }

    /// Reads from an index. One that is damaged is made again: the log has all that it had.
    pub(crate) fn readable<T>(
        &self,
        index: &SegmentIndex,
        read: impl Fn(&SegmentIndex) -> Result<T>,
    ) -> Result<T> {
        match read(index) {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(code = error.code(), %error, "an index of history is made again");
                let again = self.rebuild(index.summary.generation)?;
                read(&again)
            }
            other => other,
        }
    }

    fn rebuild(&self, generation: u32) -> Result<Arc<SegmentIndex>> {
        let segments = self.shared.reader.segments();
        let gone = ReadError::Gone { segment: generation };
        let info = segments.iter().find(|info| info.generation == generation).ok_or(gone)?;
        let mut part = Part::default();
        for stored in self.shared.reader.scan(info.first, info.last) {
            let stored = stored?;
            part.note(stored.seq, &stored.record, stored.location);
        }
        Ok(self.insert(self.index(info, part)?))
    }

    /// Writes the indexes of segments that nothing is added to any more.
    pub(crate) fn seal(&self) -> Result<()> {
        for info in self.shared.reader.segments() {
            let last = info.last.map_or(0, Seq::get);
            let complete = |part: &Part| part.last >= last;
            let part = match self.tail().get(&info.generation) {
                Some(part) if info.sealed && complete(part) => part.snapshot(),
                _ => continue,
            };
            self.insert(self.index(&info, part)?);
            // In the tail until now, so that a reader finds it in one of the two places.
            self.tail().remove(&info.generation);
        }
        Ok(())
    }

    /// Lets go of a segment that the log has dropped.
    pub(crate) fn forget(&self, generation: u32) -> Result<()> {
        self.tail().remove(&generation);
        let mut sealed = self.shared.sealed.write().unwrap_or_else(PoisonError::into_inner);
        let known = sealed.remove(&generation).is_some();
        drop(sealed);
        if known {
            let name = index_name(generation);
            let io = StoreError::io(self.shared.disk.path(&name));
            self.shared.disk.remove(&name).map_err(io)?;
        }
        Ok(())
    }

    /// The newest time of a record in a segment that has its index.
    pub(crate) fn newest_time(&self, generation: u32) -> Option<Timestamp> {
        let sealed = self.shared.sealed.read().unwrap_or_else(PoisonError::into_inner);
        sealed.get(&generation).map(|index| Timestamp(index.summary.at_last))
    }

    fn is_sealed(&self, generation: u32) -> bool {
        let sealed = self.shared.sealed.read().unwrap_or_else(PoisonError::into_inner);
        sealed.contains_key(&generation)
    }

    /// None when the log has dropped it in the meantime.
    pub(crate) fn read(&self, location: Location) -> Result<Option<Stored>> {
        match self.shared.reader.read(location) {
            Ok(stored) => Ok(Some(stored)),
            Err(ReadError::Gone { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn durable(&self) -> u64 {
        self.shared.reader.durable.position()
    }

    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The indexes from this generation on, oldest first.
    pub(crate) fn sealed_from(&self, generation: u32) -> Vec<Arc<SegmentIndex>> {
        let sealed = self.shared.sealed.read().unwrap_or_else(PoisonError::into_inner);
        sealed.range(generation..).map(|(_, index)| Arc::clone(index)).collect()
    }

    fn insert(&self, index: SegmentIndex) -> Arc<SegmentIndex> {
        let index = Arc::new(index);
        let mut sealed = self.shared.sealed.write().unwrap_or_else(PoisonError::into_inner);
        sealed.insert(index.summary.generation, Arc::clone(&index));
        index
    }

    fn index(&self, info: &SegmentInfo, mut part: Part) -> Result<SegmentIndex> {
        part.outcomes.sort();
        let summary = Summary::of(info, &part.columns, &part.outcomes, part.at);
        let disk = &*self.shared.disk;
        SegmentIndex::write(disk, summary, &part.columns, &part.outcomes, part.types)
    }

    /// Reads what the checkpoint has seen of a segment without an index.
    fn scan(&self, info: &SegmentInfo) -> Result<()> {
        let Some(next) = self.shared.store.position() else { return Ok(()) };
        let Some(last) = info.last else { return Ok(()) };
        let to = Seq::new(next.get() - 1).map(|before| before.min(last));
        let Some(to) = to.filter(|to| *to >= info.first) else { return Ok(()) };
        for stored in self.shared.reader.scan(info.first, Some(to)) {
            let stored = stored?;
            self.note(stored.seq, &stored.record, stored.location);
        }
        if info.sealed && to == last {
            let part = self.tail().remove(&info.generation);
            if let Some(part) = part {
                self.insert(self.index(info, part)?);
            }
        }
        Ok(())
    }

    /// Removes indexes of segments that are no more.
    fn remove_strangers(&self, segments: &[SegmentInfo]) -> Result<()> {
        let disk = &self.shared.disk;
        let io = || StoreError::io(disk.path(""));
        for name in disk.list().map_err(io())? {
            let generation = parse_index_name(&name);
            let known = |generation| segments.iter().any(|info| info.generation == generation);
            if generation.is_some_and(|generation| !known(generation)) {
                disk.remove(&name).map_err(io())?;
            }
        }
        Ok(())
    }
}

impl Part {
    fn note(&mut self, seq: Seq, record: &Record, location: Location) {
        self.last = self.last.max(seq.get() + record.span() - 1);
        self.at = self.at.max(record.at().ms());
        self.columns.note(seq, record, location);
        self.outcomes.note(record, location);
        self.types.note(record);
    }

    /// A copy, so that readers go on while it is written.
    fn snapshot(&self) -> Self {
        Self {
            columns: self.columns.clone(),
            outcomes: self.outcomes.clone(),
            types: self.types.clone(),
            last: self.last,
            at: self.at,
        }
    }
}

/// The event at `index` of a record, with what its record says of it.
pub(crate) fn found(stored: &Stored, index: usize) -> Option<Found> {
    let (offset, events) = stored.record.events();
    let accepted = events.get(index)?.clone();
    let seq = Seq::new(stored.seq.get() + offset + index as u64)?;
    let (at, entrance, parent) = match &stored.record {
        Record::Accept(accept) => (accept.at, accept.entrance.clone(), None),
        Record::Settle(settle) => {
            let entrance = Entrance::Function(settle.id.function.clone());
            (settle.at, entrance, Some(settle.id.clone()))
        }
        Record::Define { at, .. } | Record::Replay { at, .. } => (*at, Entrance::Host, None),
        _ => return None,
    };
    Some(Found { seq, at, entrance, parent, accepted })
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}
