//! Which events were taken in lately, by their fingerprints: a sender's repetition is known.
//!
//! The newest marks are in memory; older ones in sorted runs on disk with filters in memory, fewer
//! and larger with age. A run is on disk before the checkpoint passes its records, and the list
//! of runs changes in the checkpoint's transaction, so every mark is in a run or in the part of
//! the log that is replayed. Remembers for the window at least, unless the bytes run out first;
//! the window in force says so. Knows no routing and no payloads.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use triphammer_model::{Seq, Timestamp};

use crate::dedup_runs::{NextRuns, Runs};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::fold::Mark;
use crate::record::{DedupEntry, Stored};
use crate::store::Store;
use crate::store_error::StoreError;

#[derive(Clone, Debug)]
pub struct DedupOptions {
    /// How long a repetition is known at least.
    pub window: Duration,
    /// What the runs may take on disk; the oldest go first.
    pub bytes_max: u64,
}

impl Default for DedupOptions {
    fn default() -> Self {
        Self { window: Duration::from_secs(24 * 3600), bytes_max: 256 << 20 }
    }
}

/// An event that was taken in before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hit {
    pub seq: Seq,
    /// The fingerprint of its payload.
    pub payload: u64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Dedup {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    options: DedupOptions,
    recent: Mutex<Recent>,
    runs: RwLock<Arc<Runs>>,
    recent_len: AtomicU64,
}

/// What no run has yet, in parts that a checkpoint takes over one after the other.
#[derive(Default)]
struct Recent {
    /// The newest at the back.
    parts: VecDeque<Part>,
}

struct Part {
    marks: HashMap<u128, Hit, BuildHasherDefault<IdHasher>>,
    /// The newest event in it.
    last: Seq,
}

/// A part with this many marks is followed by another.
const PART_MARKS: usize = 1 << 17;

impl Dedup {
    pub fn open(
        store: &Store,
        disk: &Arc<dyn Disk>,
        options: DedupOptions,
    ) -> Result<Self, OpenError> {
        let runs = Runs::open(store, &**disk)?;
        let shared = Shared {
            disk: Arc::clone(disk),
            options,
            recent: Mutex::default(),
            runs: RwLock::new(Arc::new(runs)),
            recent_len: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The event with this fingerprint, if it was taken in lately. A run that can't be read is
    /// reported, and taken not to have it.
    pub fn lookup(&self, id: &[u8; 16]) -> Option<Hit> {
        let key = u128::from_be_bytes(*id);
        {
            let recent = self.recent();
            let mut newest_first = recent.parts.iter().rev();
            if let Some(hit) = newest_first.find_map(|part| part.marks.get(&key)) {
                return Some(*hit);
            }
        }
        // After memory: a checkpoint shows its run before it takes the marks out of memory.
        let found = self.runs().find(id).unwrap_or_else(|error| {
            tracing::error!(code = error.code(), %error, "a run of known events can't be read");
            None
        });
        found.map(|mark| Hit { seq: mark.seq, payload: mark.payload })
    }

    /// `seq` is the event's own number. Called in the order of the log.
    pub fn insert(&self, entry: DedupEntry, seq: Seq, _at: Timestamp) {
        let mut recent = self.recent();
        if recent.parts.back().is_none_or(|part| part.marks.len() >= PART_MARKS) {
            recent.begin_part(seq);
        }
        if let Some(part) = recent.parts.back_mut() {
            part.last = seq;
            let hit = Hit { seq, payload: entry.payload };
            if part.marks.insert(u128::from_be_bytes(entry.id), hit).is_none() {
                self.shared.recent_len.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes up a record that the checkpoint has not seen.
    pub fn replay(&self, stored: &Stored) {
        let at = stored.record.at();
        let (offset, events) = stored.record.events();
        for (index, accepted) in (offset..).zip(events) {
            let seq = Seq::new(stored.seq.get() + index);
            if let (Some(entry), Some(seq)) = (accepted.dedup, seq) {
                self.insert(entry, seq, at);
            }
        }
    }

    /// For how long a repetition is really known: less than asked for when the bytes ran out.
    pub fn window_in_force(&self, now: Timestamp) -> Duration {
        match self.runs().forgotten() {
            Some(forgotten) => self.shared.options.window.min(now.since(forgotten)),
            None => self.shared.options.window,
        }
    }

    /// How many events are known.
    pub fn entries(&self) -> u64 {
        self.shared.recent_len.load(Ordering::Relaxed) + self.runs().count()
    }

    /// What the runs take on disk.
    pub fn bytes(&self) -> u64 {
        self.runs().bytes()
    }

    /// Begins a new part, so that the checkpoint that begins now can take over all before.
    pub(crate) fn freeze(&self) {
        let mut recent = self.recent();
        if recent.parts.back().is_some_and(|part| !part.marks.is_empty())
            && let Some(seq) = recent.parts.back().map(|part| part.last)
        {
            recent.begin_part(seq);
        }
    }

    /// Writes the marks of a fold to disk. What comes of it is true when it has been committed
    /// and [installed](Self::install).
    pub(crate) fn prepare(
        &self,
        marks: &mut Vec<Mark>,
        now: Timestamp,
    ) -> Result<NextRuns, StoreError> {
        self.runs().next(&*self.shared.disk, &self.shared.options, marks, now)
    }

    /// Goes over to runs that the checkpoint has: every event below `next` is in one.
    pub(crate) fn install(&self, runs: NextRuns, next: Seq) -> Result<(), StoreError> {
        let (runs, gone) = runs.into_parts();
        *self.shared.runs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(runs);
        let mut freed = Vec::new();
        {
            let mut recent = self.recent();
            while recent.parts.front().is_some_and(|part| part.last < next) {
                freed.extend(recent.parts.pop_front());
            }
        }
        let marks: usize = freed.iter().map(|part| part.marks.len()).sum();
        self.shared.recent_len.fetch_sub(marks as u64, Ordering::Relaxed);
        for name in &gone {
            let path = self.shared.disk.path(name);
            self.shared.disk.remove(name).map_err(StoreError::io(path))?;
        }
        Ok(())
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> Arc<Runs> {
        Arc::clone(&self.shared.runs.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Dedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedup").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Recent {
    /// With room for as many marks as the one before: a growing map would hold up the log.
    fn begin_part(&mut self, last: Seq) {
        let room = self.parts.back().map_or(0, |part| part.marks.len());
        let marks = HashMap::with_capacity_and_hasher(room, BuildHasherDefault::default());
        self.parts.push_back(Part { marks, last });
    }
}

/// The ids are hashes already.
#[derive(Default)]
struct IdHasher {
    hash: u64,
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.hash
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.hash = self.hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, id: u128) {
        self.hash = (id >> 64) as u64;
    }
}
