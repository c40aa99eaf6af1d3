//! How much state each function has: counted as it is written, never by going over it.
//!
//! An entry counts until its time is over. What ends with time is found in the order of its time:
//! in memory what no checkpoint has yet, in the checkpoint's index the rest. So the count is exact
//! for the moment it is asked for, whenever rows are swept from the disk, and costs nothing where
//! nothing expires. Knows no limits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{MutexGuard, PoisonError};

use bytes::Bytes;
use triphammer_model::{FunctionName, Seq, StateWrite, Timestamp};

use crate::state::{Base, StateStore, Versioned, expiry};
use crate::store_error::StoreError;
use crate::store_keys::{Space, expiry_key, parse_expiry_key, space_prefix, split_state_key};
use crate::store_state::StateUsage;

/// Locked before any shard.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    functions: HashMap<FunctionName, StateUsage>,
    /// What expired by then is not counted any more.
    until: Timestamp,
    /// Keys of expiries that the checkpoint's index may not have, and the record of each. Some
    /// are of entries that were written again.
    recent: BTreeMap<Vec<u8>, Seq>,
}

/// How many expiries are taken out of the count at a time: writers wait so long.
const STEP: usize = 256;

impl Usage {
    pub(crate) fn new(functions: BTreeMap<FunctionName, StateUsage>) -> Self {
        Self { functions: functions.into_iter().collect(), ..Self::default() }
    }

    /// Counts a write in the place of what was there.
    pub(crate) fn replace(
        &mut self,
        space: &Space,
        name: &str,
        old: Option<&Versioned>,
        new: Option<&Versioned>,
    ) {
        let until = self.until;
        let usage = match self.functions.get_mut(space.function()) {
            Some(usage) => usage,
            None => self.functions.entry(space.function().clone()).or_default(),
        };
        if let Some(old) = old.filter(|old| old.is_live(until)) {
            usage.remove(name, old.value.len());
        }
        if let Some(new) = new.filter(|new| new.is_live(until)) {
            usage.add(name, new.value.len());
            if let Some(at) = new.expires {
                let key = [&space_prefix(space), name.as_bytes()].concat();
                self.recent.insert(expiry_key(at, &key), new.seq);
            }
        }
    }

    pub(crate) fn wipe(&mut self, function: &FunctionName) {
        self.functions.remove(function);
    }

    /// Forgets what the checkpoint's index has by now.
    pub(crate) fn checkpointed(&mut self, clean_below: u64) {
        self.recent.retain(|_, seq| seq.get() >= clean_below);
    }

    fn of(&self, function: &FunctionName) -> StateUsage {
        self.functions.get(function).copied().unwrap_or_default()
    }
}

impl StateStore {
    /// The function's state as of `now`, or as of the last time when the disk can't be read.
    pub fn usage(&self, function: &FunctionName, now: Timestamp) -> StateUsage {
        if let Err(error) = self.expire(now) {
            tracing::error!(code = error.code(), %error, "the size of state is not up to date");
        }
        self.counted().of(function)
    }

    /// Whether the function's state takes at most `max` bytes after these writes at `now`, or less
    /// than before. Exact only near the limit; far from it, it is cheap.
    pub fn fits(&self, space: &Space, writes: &[StateWrite], max: u64, now: Timestamp) -> bool {
        let len =
            |write: &StateWrite| write.value.as_ref().map_or(0, |v| write.name.len() + v.len());
        let most: usize = writes.iter().map(len).sum();
        let room = || max.saturating_sub(self.counted().of(space.function()).bytes);
        if most == 0 || most as u64 <= room() {
            return true;
        }
        let freed = self.expire(now).and_then(|()| self.freed(space, writes, now));
        match freed {
            Ok(freed) => most as u64 <= room().saturating_add(freed),
            Err(error) => {
                tracing::error!(code = error.code(), %error, "the size of state is not known");
                true
            }
        }
    }

    /// What these writes take the place of, in bytes.
    fn freed(
        &self,
        space: &Space,
        writes: &[StateWrite],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut freed = 0;
        for write in writes {
            let old = self.look(space, &write.name)?.filter(|old| old.is_live(now));
            freed += old.map_or(0, |old| write.name.len() + old.value.len());
        }
        Ok(freed as u64)
    }

    /// Takes out of the count what has expired by `now`.
    pub(crate) fn expire(&self, now: Timestamp) -> Result<(), StoreError> {
        while self.expire_some(now)? {}
        Ok(())
    }

    /// True when there is more.
    fn expire_some(&self, now: Timestamp) -> Result<bool, StoreError> {
        let mut counted = self.counted();
        if counted.until >= now {
            return Ok(false);
        }
        // Taken under the lock: what has left `recent` is in this view.
        let base = self.base();
        let from = expiry_key(Timestamp(counted.until.0 + 1), &[]);
        let mut due = Due::new(now);
        let _ = counted.recent.range(from.clone()..).try_for_each(|(key, _)| due.take(key));
        let mut stored = Due::new(now);
        due_in(&base, &from, &mut stored)?;
        let until = due.upto.min(stored.upto);
        due.keys.append(&mut stored.keys);
        for key in &due.keys {
            let Some((at, state_key)) = parse_expiry_key(key).filter(|(at, _)| *at <= until) else {
                continue;
            };
            let Some((space, name)) = split_state_key(state_key) else { continue };
            // An entry that was written again expires at its own time.
            let entry = self.look(&space, name)?.filter(|entry| entry.expires == Some(at));
            if let Some((entry, usage)) = entry.zip(counted.functions.get_mut(space.function())) {
                usage.remove(name, entry.value.len());
            }
        }
        counted.recent = counted.recent.split_off(&expiry_key(Timestamp(until.0 + 1), &[]));
        counted.until = until;
        Ok(until < now)
    }

    pub(crate) fn counted(&self) -> MutexGuard<'_, Usage> {
        self.shared.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the names from disk that memory does not have, so that writing them finds there what
    /// it takes the place of. For speed only, and called without any lock.
    pub fn prepare(&self, space: &Space, writes: &[StateWrite], now: Timestamp) {
        for write in writes {
            if !self.shard(space).has(space, &write.name) {
                // A disk that can't be read shows itself where it matters.
                let _ = self.get(space, &write.name, now);
            }
        }
    }

    /// The entry, expired or not, without keeping it in memory.
    fn look(&self, space: &Space, name: &str) -> Result<Option<Versioned>, StoreError> {
        let mut shard = self.shard(space);
        if let Some(entry) = shard.get(space, name) {
            return Ok(entry.versioned());
        }
        self.beneath(space, name)
    }

    /// What the checkpoint has of a name that memory does not have. Called under the lock of the
    /// name's shard: no entry leaves memory before its view is the base.
    pub(crate) fn beneath(
        &self,
        space: &Space,
        name: &str,
    ) -> Result<Option<Versioned>, StoreError> {
        let mut key = space_prefix(space);
        key.extend_from_slice(name.as_bytes());
        self.base().state(space.function(), &key)
    }
}

/// Expiries in their order, up to about [`STEP`] of them.
struct Due {
    keys: BTreeSet<Vec<u8>>,
    /// Everything that expires by then is among the keys.
    upto: Timestamp,
}

impl Due {
    fn new(now: Timestamp) -> Self {
        Self { keys: BTreeSet::new(), upto: now }
    }

    fn take(&mut self, key: &[u8]) -> ControlFlow<()> {
        let Some((at, _)) = parse_expiry_key(key).filter(|(at, _)| *at <= self.upto) else {
            return ControlFlow::Break(());
        };
        self.keys.insert(key.to_vec());
        if self.keys.len() == STEP {
            // All of one time are taken together.
            self.upto = at;
        }
        ControlFlow::Continue(())
    }
}

fn due_in(base: &Base, from: &[u8], due: &mut Due) -> Result<(), StoreError> {
    let view = &base.view;
    let to = expiry_key(Timestamp(due.upto.0.saturating_add(1)), &[]);
    view.walk(&view.expiries, from, Some(&to), |key, sealed| {
        view.unseal(key, sealed)?;
        Ok(due.take(key))
    })
}

/// What a write leaves.
pub(crate) fn written(write: &StateWrite, seq: Seq, at: Timestamp) -> Option<Versioned> {
    let value: Bytes = write.value.clone()?;
    Some(Versioned { value, seq, expires: expiry(at, write.ttl_ms) })
}
