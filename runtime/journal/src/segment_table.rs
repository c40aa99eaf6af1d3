//! The segments that make up the log, oldest first. Knows nothing of how they come to be.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use triphammer_model::Seq;

use crate::disk::{Disk, DiskFile};
use crate::segment::{Stamp, segment_name};

/// How many files of older segments are kept open.
const OPEN_MAX: usize = 32;

/// One segment, as history and retention see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SegmentInfo {
    pub generation: u32,
    /// The number of its first record.
    pub first: Seq,
    /// The number of the last event or effect in it that is durable.
    pub last: Option<Seq>,
    /// In bytes, up to the end of its last record.
    pub len: u32,
    /// Nothing will be added to it.
    pub sealed: bool,
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) stamp: Stamp,
    pub(crate) first: u64,
    /// The number of the record before `first`, 0 when that is not known.
    pub(crate) previous: u64,
    /// The end of what is durable, in bytes.
    end: AtomicU32,
    /// The last durable number; below `first` while there is none.
    last: AtomicU64,
}

impl Segment {
    pub(crate) fn new(stamp: Stamp, first: u64, previous: u64, end: u32, last: u64) -> Self {
        let (end, last) = (AtomicU32::new(end), AtomicU64::new(last));
        Self { stamp, first, previous, end, last }
    }

    pub(crate) fn extend(&self, end: u32, last: u64) {
        self.end.store(end, Ordering::Release);
        self.last.store(last, Ordering::Release);
    }

    pub(crate) fn end(&self) -> u32 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
pub(crate) struct SegmentTable {
    disk: Arc<dyn Disk>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    segments: BTreeMap<u32, Arc<Segment>>,
    /// Files that were used last, the latest at the back.
    open: VecDeque<(u32, Arc<dyn DiskFile>)>,
}

impl SegmentTable {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, segment: Arc<Segment>) {
        self.inner().segments.insert(segment.stamp.generation, segment);
    }

    pub(crate) fn find(&self, generation: u32) -> Option<Arc<Segment>> {
        self.inner().segments.get(&generation).cloned()
    }

    /// The last that begins at or before `seq`.
    pub(crate) fn holding(&self, seq: u64) -> Option<Arc<Segment>> {
        let inner = self.inner();
        inner.segments.values().rev().find(|segment| segment.first <= seq).cloned()
    }

    pub(crate) fn after(&self, generation: u32) -> Option<Arc<Segment>> {
        self.inner().segments.range(generation + 1..).next().map(|(_, segment)| Arc::clone(segment))
    }

    pub(crate) fn list(&self) -> Vec<SegmentInfo> {
        let inner = self.inner();
        let newest = inner.segments.keys().next_back().copied();
        let info = |segment: &Arc<Segment>| {
            Some(SegmentInfo {
                generation: segment.stamp.generation,
                first: Seq::new(segment.first)?,
                last: Seq::new(segment.last()).filter(|last| last.get() >= segment.first),
                len: segment.end(),
                sealed: newest != Some(segment.stamp.generation),
            })
        };
        inner.segments.values().filter_map(info).collect()
    }

    /// Forgets the oldest segment if nothing in it is as new as `keep_from`, and the log goes on
    /// in a later one.
    pub(crate) fn take_oldest(&self, keep_from: u64) -> Option<u32> {
        let mut inner = self.inner();
        let mut oldest = inner.segments.values();
        let segment = Arc::clone(oldest.next()?);
        // The next segment must say by itself with which number it begins: its header does not,
        // its first batch does.
        let next_speaks = oldest.next().is_some_and(|next| next.last() >= next.first);
        if segment.last() >= keep_from || !next_speaks {
            return None;
        }
        let generation = segment.stamp.generation;
        inner.segments.remove(&generation);
        inner.open.retain(|(open, _)| *open != generation);
        Some(generation)
    }

    pub(crate) fn file(&self, generation: u32) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = self.inner().touch(generation) {
            return Ok(file);
        }
        let file = self.disk.open(&segment_name(generation))?;
        self.inner().keep(generation, &file);
        Ok(file)
    }

    /// So that a file that is open already is not opened again.
    pub(crate) fn offer(&self, generation: u32, file: &Arc<dyn DiskFile>) {
        self.inner().keep(generation, file);
    }
}

impl Inner {
    fn touch(&mut self, generation: u32) -> Option<Arc<dyn DiskFile>> {
        let index = self.open.iter().position(|(open, _)| *open == generation)?;
        let entry = self.open.remove(index)?;
        let file = Arc::clone(&entry.1);
        self.open.push_back(entry);
        Some(file)
    }

    fn keep(&mut self, generation: u32, file: &Arc<dyn DiskFile>) {
        // Dropped in the meantime, or opened by somebody else as well.
        if !self.segments.contains_key(&generation) || self.touch(generation).is_some() {
            return;
        }
        if self.open.len() >= OPEN_MAX {
            self.open.pop_front();
        }
        self.open.push_back((generation, Arc::clone(file)));
    }
}
