//! The committed state as attempts see it: what was written lately over what the checkpoint has.
//!
//! Writes are applied in the order of the log, before they are on disk; reads need no lock of the
//! pipeline's. An entry above the checkpoint's position is *dirty*: only memory has it, and it
//! stays. One below is a cache of the checkpoint and may go. Readers first look at memory, then
//! at the checkpoint's newest view, and begin again when that view changed meanwhile: so what
//! they see is one moment of the log, and an entry that moves from memory to the checkpoint is
//! never missed. Knows no queue and no lanes.
//!
//! Every read is as of a time that the reader says: an entry whose time is over then is not there.
//! Whether something has changed is decided by who wrote it, at the same time again, so that the
//! passing of time alone changes nothing.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use foldhash::fast::RandomState;
use triphammer_model::{FunctionName, Seq, StateWrite, Timestamp};

use crate::record::{Outcome, Record, Stored};
use crate::state_shard::{Entry, Shard};
use crate::state_usage::{Usage, written};
use crate::store::Store;
use crate::store_error::StoreError;
use crate::store_keys::{Space, after_prefix, space_prefix};
use crate::store_view::View;

/// A value and the number of the record that wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Versioned {
    pub value: Bytes,
    pub seq: Seq,
    /// From this time on it is not there.
    pub expires: Option<Timestamp>,
}

impl Versioned {
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|at| at > now)
    }
}

/// When a write of a record made at `at` expires. The end of time is never.
pub(crate) fn expiry(at: Timestamp, ttl_ms: Option<u64>) -> Option<Timestamp> {
    let expires = at.0.checked_add(ttl_ms?).filter(|ms| *ms < u64::MAX);
    expires.map(Timestamp)
}

/// Something that an attempt read, to be validated when it settles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReadVersion {
    /// No version: the name was absent.
    Name { name: String, version: Option<Seq> },
    /// What [`StateStore::scan`] answered to the same arguments.
    Range { prefix: String, after: Option<String>, limit: usize, seen: Vec<(String, Seq)> },
}

/// Which names a scan is for.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    pub prefix: &'a str,
    /// Names greater than this one.
    pub after: Option<&'a str>,
    pub limit: usize,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct StateStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Store,
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    base: RwLock<Arc<Base>>,
    /// Written since the last checkpoint, roughly.
    dirty_bytes: AtomicU64,
    shard_bytes_max: usize,
    pub(crate) usage: Mutex<Usage>,
}

/// What lies under the entries in memory. Replaced as a whole: whoever holds the same base before
/// and after has seen one moment.
pub(crate) struct Base {
    pub(crate) view: Arc<View>,
    /// Functions whose state in the view is deleted up to this record.
    wiped: HashMap<FunctionName, Seq>,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

const SHARDS: usize = 64;

impl StateStore {
    /// Keeps up to `cache_bytes` of what the checkpoint has too.
    pub fn new(store: &Store, cache_bytes: usize) -> Result<Self> {
        let base = Base { view: store.view(), wiped: HashMap::new() };
        let shared = Shared {
            store: store.clone(),
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::default())).collect(),
            hasher: RandomState::default(),
            base: RwLock::new(Arc::new(base)),
            dirty_bytes: AtomicU64::new(0),
            shard_bytes_max: cache_bytes / SHARDS,
            usage: Mutex::new(Usage::new(store.usage()?)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub fn get(&self, space: &Space, name: &str, now: Timestamp) -> Result<Option<Versioned>> {
        let live = |found: Option<Versioned>| found.filter(|found| found.is_live(now));
        loop {
            if let Some(entry) = self.shard(space).get(space, name) {
                return Ok(live(entry.versioned()));
            }
            let base = self.base();
            let mut key = space_prefix(space);
            key.extend_from_slice(name.as_bytes());
            let found = base.state(space.function(), &key)?;
            let mut shard = self.shard(space);
            // Whoever has written meanwhile is in memory, unless a checkpoint has come and gone.
            if !self.is_current(&base) || shard.get(space, name).is_some() {
                continue;
            }
            shard.insert(space, name, Entry::clean(found.as_ref()));
            shard.evict(clean_below(&base), self.shared.shard_bytes_max, EVICT_STEPS);
            return Ok(live(found));
        }
    }

    /// The number of the record that wrote the name; none when it is absent.
    pub fn version(&self, space: &Space, name: &str, now: Timestamp) -> Result<Option<Seq>> {
        Ok(self.get(space, name, now)?.map(|versioned| versioned.seq))
    }

    /// Names with this prefix, after `after`, in their order: at most `limit`, all of one moment.
    pub fn scan(
        &self,
        space: &Space,
        range: Range<'_>,
        now: Timestamp,
    ) -> Result<Vec<(String, Versioned)>> {
        loop {
            let base = self.base();
            let recent = self.shard(space).range(space, range, now);
            if !self.is_current(&base) {
                continue;
            }
            return merge(&base, space, range, now, recent);
        }
    }

    /// Whether everything still is as it was read at `now`. When the disk can't be read that is
    /// not known, and the answer is no.
    pub fn unchanged(&self, space: &Space, reads: &[ReadVersion], now: Timestamp) -> bool {
        let same = |read: &ReadVersion| match read {
            ReadVersion::Name { name, version } => Ok(self.version(space, name, now)? == *version),
            ReadVersion::Range { prefix, after, limit, seen } => {
                let range = Range { prefix, after: after.as_deref(), limit: *limit };
                let again = self.scan(space, range, now)?;
                let same = again.iter().map(|(name, v)| (name, v.seq));
                Ok::<_, StoreError>(same.eq(seen.iter().map(|(name, seq)| (name, *seq))))
            }
        };
        reads.iter().all(|read| {
            same(read).unwrap_or_else(|error| {
                tracing::error!(code = error.code(), %error, "state could not be validated");
                false
            })
        })
    }

    /// Makes the writes of record `seq`, made at `at`, visible. Called in the order of the log.
    pub fn apply(&self, space: &Space, writes: &[StateWrite], seq: Seq, at: Timestamp) {
        if writes.is_empty() {
            return;
        }
        let mut bytes = 0;
        let mut counted = self.counted();
        let mut shard = self.shard(space);
        for write in writes {
            bytes += write.name.len() + write.value.as_ref().map_or(0, Bytes::len);
            let new = written(write, seq, at);
            let old = match shard.insert(space, &write.name, Entry::written(new.as_ref(), seq)) {
                Some(old) => old.versioned(),
                None => self.beneath(space, &write.name).unwrap_or_else(|error| {
                    tracing::error!(code = error.code(), %error, "state could not be counted");
                    None
                }),
            };
            counted.replace(space, &write.name, old.as_ref(), new.as_ref());
        }
        drop((shard, counted));
        self.shared.dirty_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Deletes all state of a function, as record `seq` says. Called in the order of the log.
    pub fn wipe(&self, function: &FunctionName, seq: Seq) {
        {
            // The view is hidden before memory is emptied: in between, nothing old shows through.
            let mut base = self.shared.base.write().unwrap_or_else(PoisonError::into_inner);
            let mut wiped = base.wiped.clone();
            wiped.insert(function.clone(), seq);
            *base = Arc::new(Base { view: Arc::clone(&base.view), wiped });
        }
        let mut counted = self.counted();
        for shard in &self.shared.shards {
            lock(shard).remove_function(function);
        }
        counted.wipe(function);
    }

    /// Applies a record that the checkpoint has not seen.
    pub fn replay(&self, stored: &Stored) {
        match &stored.record {
            Record::Settle(settle) => {
                if let Outcome::Committed { writes, .. } = &settle.outcome {
                    let space = Space::new(settle.id.function.clone(), settle.key.clone());
                    self.apply(&space, writes, stored.seq, settle.at);
                }
            }
            Record::WipeState { function, .. } => self.wipe(function, stored.seq),
            Record::Accept(_)
            | Record::Rows { .. }
            | Record::Drop { .. }
            | Record::Define { .. }
            | Record::Replay { .. } => {}
        }
    }

    /// Written since the last checkpoint, in bytes: what only memory has.
    pub fn dirty_bytes(&self) -> u64 {
        self.shared.dirty_bytes.load(Ordering::Relaxed)
    }

    /// Reads from the checkpoint's newest view from now on.
    pub(crate) fn adopt_view(&self) {
        let view = self.shared.store.view();
        let mut base = self.shared.base.write().unwrap_or_else(PoisonError::into_inner);
        let seen = |seq: Seq| view.next.is_some_and(|next| seq < next);
        let wiped = base.wiped.iter().filter(|(_, seq)| !seen(**seq));
        let wiped = wiped.map(|(name, seq)| (name.clone(), *seq)).collect();
        *base = Arc::new(Base { view, wiped });
    }

    /// Takes up what a checkpoint has just written, and lets go of what memory needs no longer.
    pub(crate) fn checkpointed(&self) {
        self.adopt_view();
        self.shared.dirty_bytes.store(0, Ordering::Relaxed);
        let below = clean_below(&self.base());
        self.counted().checkpointed(below);
        for shard in &self.shared.shards {
            // In steps, so that no writer waits for long. Each entry is looked at twice at most:
            // once it may only lose its mark of having been used.
            let rounds = 2 * lock(shard).entries() / EVICT_STEPS + 2;
            for _ in 0..rounds {
                if !lock(shard).evict(below, self.shared.shard_bytes_max, EVICT_STEPS) {
                    break;
                }
            }
        }
    }

    pub(crate) fn base(&self) -> Arc<Base> {
        Arc::clone(&self.shared.base.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_current(&self, base: &Arc<Base>) -> bool {
        let now = self.shared.base.read().unwrap_or_else(PoisonError::into_inner);
        Arc::ptr_eq(&now, base)
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shared.shards.iter().map(lock)
    }

    pub(crate) fn shard(&self, space: &Space) -> MutexGuard<'_, Shard> {
        let hash = self.shared.hasher.hash_one(space);
        // The maps inside use the low bits of their own hash.
        lock(&self.shared.shards[(hash >> 32) as usize % SHARDS])
    }
}

/// How many entries one look for what can go examines.
const EVICT_STEPS: usize = 64;

/// Entries of records below this number are in the checkpoint too.
pub(crate) fn clean_below(base: &Base) -> u64 {
    base.view.next.map_or(0, Seq::get)
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for StateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateStore").finish_non_exhaustive()
    }
}

impl Base {
    pub(crate) fn state(&self, function: &FunctionName, key: &[u8]) -> Result<Option<Versioned>> {
        let found = self.view.state(key)?;
        Ok(found.filter(|found| !self.is_wiped(function, found.seq)))
    }

    pub(crate) fn is_wiped(&self, function: &FunctionName, seq: Seq) -> bool {
        !self.wiped.is_empty() && self.wiped.get(function).is_some_and(|until| seq <= *until)
    }
}

/// The entries of memory over those of the checkpoint, in the order of their names.
fn merge(
    base: &Base,
    space: &Space,
    Range { prefix, after, limit }: Range<'_>,
    now: Timestamp,
    recent: Vec<(String, Option<Versioned>)>,
) -> Result<Vec<(String, Versioned)>> {
    let mut found = Vec::new();
    let mut recent = recent.into_iter().peekable();
    let head = space_prefix(space);
    let mut from = head.clone();
    // The least name after `after` is itself with a zero byte behind.
    match after.filter(|after| *after >= prefix) {
        Some(after) => from.extend([after.as_bytes(), &[0]].concat()),
        None => from.extend_from_slice(prefix.as_bytes()),
    }
    let to = after_prefix(&[&head, prefix.as_bytes()].concat());
    let view = &base.view;
    view.walk(&view.state, &from, to.as_deref(), |key, sealed| {
        let name = std::str::from_utf8(&key[head.len()..])
            .map_err(|_| view.damaged("a state name is no text"))?;
        while let Some((name, value)) = recent.next_if(|(recent, _)| recent.as_str() < name) {
            found.extend(value.map(|value| (name, value)));
        }
        if found.len() >= limit {
            return Ok(ControlFlow::Break(()));
        }
        if let Some((name, value)) = recent.next_if(|(recent, _)| recent == name) {
            found.extend(value.map(|value| (name, value)));
            return Ok(ControlFlow::Continue(()));
        }
        let row = view.state_value(key, sealed)?;
        if row.is_live(now) && !base.is_wiped(space.function(), row.seq) {
            found.push((name.to_owned(), row));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    found.extend(recent.filter_map(|(name, value)| Some((name, value?))));
    found.truncate(limit);
    Ok(found)
}
