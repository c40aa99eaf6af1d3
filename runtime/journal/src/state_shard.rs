//! A part of the state in memory: spaces, their names in order, and which of them may go. Knows
//! no checkpoint; the caller says below which record everything is in one.
//!
//! What goes is chosen by a clock hand over the spaces: an entry that was read since the hand last
//! came by stays for one more turn.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use foldhash::fast::RandomState;
use triphammer_model::{FunctionName, Seq, Timestamp};

use crate::state::{Range, Versioned};
use crate::store_keys::Space;

#[derive(Debug, Default)]
pub(crate) struct Shard {
    spaces: HashMap<Space, Names, RandomState>,
    /// Every space once; the hand is at the front.
    clock: VecDeque<Space>,
    /// The name that the hand has reached in the space at the front.
    hand: Option<Box<str>>,
    entries: usize,
    bytes: usize,
}

/// The names of one space. Most have a few, some have a million.
#[derive(Debug)]
enum Names {
    Few(Vec<(Box<str>, Entry)>),
    Many(BTreeMap<Box<str>, Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// None: the name is absent, or deleted.
    value: Option<Bytes>,
    /// The record that wrote it; zero for one that was never there.
    seq: u64,
    /// Milliseconds; never when it is the highest.
    expires: u64,
    used: bool,
}

/// More names than these go into a tree.
const FEW_MAX: usize = 24;
/// What an entry takes beside its name and value, roughly: more in a space of its own.
const ENTRY_BYTES: usize = 80;
const SPACE_BYTES: usize = 200;

impl Entry {
    /// As the checkpoint has it.
    pub(crate) fn clean(found: Option<&Versioned>) -> Self {
        Self {
            value: found.map(|versioned| versioned.value.clone()),
            seq: found.map_or(0, |versioned| versioned.seq.get()),
            expires: found.and_then(|versioned| versioned.expires).map_or(u64::MAX, Timestamp::ms),
            used: true,
        }
    }

    /// As record `seq` has it; none when it deletes.
    pub(crate) fn written(new: Option<&Versioned>, seq: Seq) -> Self {
        Self { seq: seq.get(), ..Self::clean(new) }
    }

    pub(crate) fn versioned(&self) -> Option<Versioned> {
        let value = self.value.clone()?;
        let expires = (self.expires != u64::MAX).then_some(Timestamp(self.expires));
        Some(Versioned { value, seq: Seq::new(self.seq)?, expires })
    }

    /// Only memory has it.
    pub(crate) fn is_dirty(&self, clean_below: u64) -> bool {
        self.seq != 0 && self.seq >= clean_below
    }

    fn bytes(&self, name: &str) -> usize {
        name.len() + self.value.as_ref().map_or(0, Bytes::len) + ENTRY_BYTES
    }
}

impl Shard {
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(&mut self, space: &Space, name: &str) -> Option<&Entry> {
        let entry = self.spaces.get_mut(space)?.get_mut(name)?;
        entry.used = true;
        Some(entry)
    }

    pub(crate) fn has(&self, space: &Space, name: &str) -> bool {
        self.spaces.get(space).is_some_and(|names| names.has(name))
    }

    /// Returns what it takes the place of.
    pub(crate) fn insert(&mut self, space: &Space, name: &str, entry: Entry) -> Option<Entry> {
        let bytes = entry.bytes(name);
        let names = match self.spaces.get_mut(space) {
            Some(names) => names,
            None => {
                self.clock.push_back(space.clone());
                self.bytes += SPACE_BYTES;
                self.spaces.entry(space.clone()).or_insert_with(|| Names::Few(Vec::new()))
            }
        };
        let old = names.insert(name, entry);
        match &old {
            Some(old) => self.bytes -= old.bytes(name),
            None => self.entries += 1,
        }
        self.bytes += bytes;
        old
    }

    /// Entries of this prefix after `after` in their order, up to the `limit`-th that has a value
    /// at `now`.
    pub(crate) fn range(
        &self,
        space: &Space,
        Range { prefix, after, limit }: Range<'_>,
        now: Timestamp,
    ) -> Vec<(String, Option<Versioned>)> {
        let from = match after.filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        let mut found = Vec::new();
        let mut live = 0;
        let Some(names) = self.spaces.get(space) else { return found };
        names.each_from(from, |name, entry| {
            if live >= limit || !name.starts_with(prefix) {
                return false;
            }
            let versioned = entry.versioned().filter(|versioned| versioned.is_live(now));
            live += usize::from(versioned.is_some());
            found.push((name.to_owned(), versioned));
            true
        });
        found
    }

    /// Calls `each` with all entries of a function that only memory has.
    pub(crate) fn each_dirty(
        &self,
        function: &FunctionName,
        clean_below: u64,
        mut each: impl FnMut(&Space, &str, &Entry),
    ) {
        for (space, names) in self.spaces.iter().filter(|(space, _)| space.function() == function) {
            names.each_from(Bound::Unbounded, |name, entry| {
                if entry.is_dirty(clean_below) {
                    each(space, name, entry);
                }
                true
            });
        }
    }

    pub(crate) fn remove_function(&mut self, function: &FunctionName) {
        let mut freed = (0, 0);
        self.spaces.retain(|space, names| {
            let keep = space.function() != function;
            if !keep {
                freed.1 += SPACE_BYTES;
                names.each_from(Bound::Unbounded, |name, entry| {
                    freed.0 += 1;
                    freed.1 += entry.bytes(name);
                    true
                });
            }
            keep
        });
        self.entries -= freed.0;
        self.bytes -= freed.1;
        self.clock.retain(|space| space.function() != function);
        self.hand = None;
    }

    /// Looks at up to `steps` entries for what can go. True when there is still too much.
    pub(crate) fn evict(&mut self, clean_below: u64, bytes_max: usize, steps: usize) -> bool {
        let mut left = steps;
        while self.bytes > bytes_max && left > 0 {
            let Some(space) = self.clock.front() else { return false };
            let Some(names) = self.spaces.get_mut(space) else {
                self.clock.pop_front();
                continue;
            };
            let from = self.hand.take();
            let sweep = names.sweep(from.as_deref(), left, clean_below);
            left = left.saturating_sub(sweep.seen.max(1));
            self.entries -= sweep.removed;
            self.bytes -= sweep.freed;
            self.hand = sweep.reached;
            if self.hand.is_none() {
                let empty = names.is_empty();
                let Some(space) = self.clock.pop_front() else { return false };
                if empty {
                    self.spaces.remove(&space);
                    self.bytes -= SPACE_BYTES;
                } else {
                    self.clock.push_back(space);
                }
            }
        }
        self.bytes > bytes_max
    }
}

/// What the hand has done in one space.
struct Sweep {
    seen: usize,
    removed: usize,
    freed: usize,
    /// Where to go on; none at the end of the space.
    reached: Option<Box<str>>,
}

impl Names {
    fn is_empty(&self) -> bool {
        match self {
            Self::Few(names) => names.is_empty(),
            Self::Many(names) => names.is_empty(),
        }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        match self {
            Self::Few(names) => {
                let index = position(names, name).ok()?;
                Some(&mut names[index].1)
            }
            Self::Many(names) => names.get_mut(name),
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Few(names) => position(names, name).is_ok(),
            Self::Many(names) => names.contains_key(name),
        }
    }

    /// Returns the entry that it takes the place of.
    fn insert(&mut self, name: &str, entry: Entry) -> Option<Entry> {
        match self {
            Self::Few(names) => match position(names, name) {
                Ok(index) => Some(std::mem::replace(&mut names[index].1, entry)),
                Err(index) if names.len() < FEW_MAX => {
                    names.insert(index, (name.into(), entry));
                    None
                }
                Err(_) => {
                    let mut many: BTreeMap<_, _> = std::mem::take(names).into_iter().collect();
                    many.insert(name.into(), entry);
                    *self = Self::Many(many);
                    None
                }
            },
            Self::Many(names) => match names.get_mut(name) {
                Some(old) => Some(std::mem::replace(old, entry)),
                None => names.insert(name.into(), entry),
            },
        }
    }

    /// In order, until `each` answers false.
    fn each_from(&self, from: Bound<&str>, mut each: impl FnMut(&str, &Entry) -> bool) {
        match self {
            Self::Few(names) => {
                let inside = |name: &str| match from {
                    Bound::Included(from) => name >= from,
                    Bound::Excluded(from) => name > from,
                    Bound::Unbounded => true,
                };
                let mut names = names.iter().filter(|(name, _)| inside(name));
                let _ = names.all(|(name, entry)| each(name, entry));
            }
            Self::Many(names) => {
                let mut names = names.range::<str, _>((from, Bound::Unbounded));
                let _ = names.all(|(name, entry)| each(name, entry));
            }
        }
    }

    /// Removes what is clean and was not used since the hand came by last.
    fn sweep(&mut self, from: Option<&str>, steps: usize, clean_below: u64) -> Sweep {
        let mut sweep = Sweep { seen: 0, removed: 0, freed: 0, reached: None };
        let mut keep = |name: &str, entry: &mut Entry| {
            sweep.seen += 1;
            let keep = entry.is_dirty(clean_below) || std::mem::take(&mut entry.used);
            if !keep {
                sweep.removed += 1;
                sweep.freed += entry.bytes(name);
            }
            keep
        };
        match self {
            Self::Few(names) => names.retain_mut(|(name, entry)| keep(name, entry)),
            Self::Many(names) => {
                let from = from.map_or(Bound::Unbounded, Bound::Included);
                let range = (from, Bound::Unbounded);
                let mut gone = Vec::new();
                let mut range = names.range_mut::<str, _>(range);
                for (name, entry) in range.by_ref().take(steps) {
                    if !keep(name, entry) {
                        gone.push(name.clone());
                    }
                }
                let reached = range.next().map(|(name, _)| name.clone());
                gone.iter().for_each(|name| drop(names.remove(name)));
                sweep.reached = reached;
            }
        }
        sweep
    }
}

fn position(names: &[(Box<str>, Entry)], name: &str) -> Result<usize, usize> {
    names.binary_search_by(|(other, _)| (**other).cmp(name))
}
