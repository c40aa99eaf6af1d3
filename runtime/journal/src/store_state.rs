//! State in the checkpoint's tables: its rows, which of them expire when, and how much there is of
//! each function. The three change together, so that none has to be worked out from another. Knows
//! no memory and no attempts.

use std::collections::BTreeMap;

use bytes::Bytes;
use redb::ReadableTable;
use triphammer_model::{FunctionName, Timestamp};

use crate::codec::{Decoder, Encoder};
use crate::error::CodecError;
use crate::fold::Fold;
use crate::store::Store;
use crate::store_commit::{Commit, Result, Rows};
use crate::store_file::{EXPIRIES, STATE, USAGE};
use crate::store_keys::{
    after_prefix, expiry_key, function_prefix, parse_expiry_key, split_state_key,
};
use crate::store_value::{read_state_value, seal};

/// How much state a function has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StateUsage {
    pub entries: u64,
    /// Of names and values.
    pub bytes: u64,
}

impl StateUsage {
    pub(crate) fn add(&mut self, name: &str, value_len: usize) {
        self.entries += 1;
        self.bytes += (name.len() + value_len) as u64;
    }

    /// Takes away what was added before.
    pub(crate) fn remove(&mut self, name: &str, value_len: usize) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub((name.len() + value_len) as u64);
    }

    fn encode(self) -> Vec<u8> {
        let mut e = Encoder::with_capacity(20);
        e.varint(self.entries);
        e.varint(self.bytes);
        e.finish()
    }

    fn decode(source: &Bytes) -> Result<Self, CodecError> {
        let mut d = Decoder::new(source);
        let usage = Self { entries: d.varint()?, bytes: d.varint()? };
        d.end()?;
        Ok(usage)
    }
}

impl Store {
    /// All rows, those included whose time is over and that no sweep has removed yet.
    pub(crate) fn usage(&self) -> Result<BTreeMap<FunctionName, StateUsage>> {
        let view = self.view();
        let mut usage = BTreeMap::new();
        view.each(&view.usage, |key, value| {
            usage.insert(view.function(key)?, view.decode(StateUsage::decode(&value))?);
            Ok(())
        })?;
        Ok(usage)
    }
}

/// The three tables, and how much there is of the functions that were touched.
struct Tables<'a> {
    commit: &'a Commit<'a>,
    state: Rows<'a>,
    expiries: Rows<'a>,
    usage: BTreeMap<FunctionName, StateUsage>,
}

impl Commit<'_> {
    /// The writes of a stretch of the log.
    pub(crate) fn state(&self, fold: &Fold) -> Result<()> {
        if fold.state.is_empty() && fold.wiped.is_empty() {
            return Ok(());
        }
        let mut tables = Tables::open(self)?;
        fold.wiped.iter().try_for_each(|function| tables.wipe(function))?;
        let mut changes: Vec<_> = fold.state.iter().collect();
        changes.sort_unstable_by_key(|(key, _)| key.as_slice());
        for (key, value) in changes {
            tables.put(key, value.as_deref())?;
        }
        tables.finish()
    }

    /// Removes at most `max` rows that had expired before `before`, the earliest first; answers
    /// how many.
    pub(crate) fn sweep(&self, before: Timestamp, max: usize) -> Result<usize> {
        let mut tables = Tables::open(self)?;
        let due = tables.expired(before, max)?;
        due.iter().try_for_each(|state_key| tables.put(state_key, None))?;
        tables.finish()?;
        Ok(due.len())
    }
}

impl<'a> Tables<'a> {
    fn open(commit: &'a Commit<'a>) -> Result<Self> {
        let (state, expiries) = (commit.open(STATE)?, commit.open(EXPIRIES)?);
        Ok(Self { commit, state, expiries, usage: BTreeMap::new() })
    }

    /// Writes a row, or removes it.
    fn put(&mut self, key: &[u8], sealed: Option<&[u8]>) -> Result<()> {
        let old = match sealed {
            Some(sealed) => self.state.insert(key, sealed),
            None => self.state.remove(key),
        };
        let old = old.map_err(|error| self.commit.store.error(error))?;
        let old = old.map(|old| self.commit.measure(key, old.value())).transpose()?;
        let new = sealed.map(|sealed| self.commit.measure(key, sealed)).transpose()?;
        self.count(key, old, new)
    }

    /// Puts what a row was and is into the other two tables.
    fn count(&mut self, key: &[u8], old: Option<Size>, new: Option<Size>) -> Result<()> {
        let expires = |size: Option<Size>| size.and_then(|size| size.expires);
        if expires(old) != expires(new) {
            self.set_expiry(key, expires(old), expires(new))?;
        }
        let Some((space, name)) = split_state_key(key) else {
            return Err(self.commit.view.damaged("a state key has another form"));
        };
        let usage = self.usage_of(space.function())?;
        if let Some(old) = old {
            usage.remove(name, old.value_len);
        }
        if let Some(new) = new {
            usage.add(name, new.value_len);
        }
        Ok(())
    }

    fn set_expiry(
        &mut self,
        key: &[u8],
        old: Option<Timestamp>,
        new: Option<Timestamp>,
    ) -> Result<()> {
        let store = self.commit.store;
        if let Some(at) = old {
            let removed = self.expiries.remove(expiry_key(at, key).as_slice());
            removed.map_err(|error| store.error(error))?;
        }
        if let Some(at) = new {
            let key = expiry_key(at, key);
            let inserted = self.expiries.insert(key.as_slice(), seal(&key, &[]).as_slice());
            inserted.map_err(|error| store.error(error))?;
        }
        Ok(())
    }

    fn usage_of(&mut self, function: &FunctionName) -> Result<&mut StateUsage> {
        if !self.usage.contains_key(function) {
            let key = function.as_str().as_bytes();
            let table = self.commit.open(USAGE)?;
            let found = table.get(key).map_err(|error| self.commit.store.error(error))?;
            let view = &self.commit.view;
            let usage = match found {
                None => StateUsage::default(),
                Some(found) => {
                    let value = Bytes::copy_from_slice(view.unseal(key, found.value())?);
                    view.decode(StateUsage::decode(&value))?
                }
            };
            self.usage.insert(function.clone(), usage);
        }
        Ok(self.usage.entry(function.clone()).or_default())
    }

    /// Removes all rows of a function.
    fn wipe(&mut self, function: &FunctionName) -> Result<()> {
        let from = function_prefix(function);
        // A prefix that ends with a zero byte has an end.
        let to = after_prefix(&from).unwrap_or_default();
        let commit = self.commit;
        let mut expiring = Vec::new();
        let mut damaged = None;
        let wiped = self.state.retain_in(from.as_slice()..to.as_slice(), |key, sealed| {
            match commit.measure(key, sealed) {
                Ok(size) => expiring.extend(size.expires.map(|at| expiry_key(at, key))),
                Err(error) => damaged = Some(error),
            }
            false
        });
        wiped.map_err(|error| commit.store.error(error))?;
        damaged.map_or(Ok(()), Err)?;
        for key in expiring {
            let removed = self.expiries.remove(key.as_slice());
            removed.map_err(|error| commit.store.error(error))?;
        }
        self.usage.insert(function.clone(), StateUsage::default());
        Ok(())
    }

    /// State keys that expired before `before`, the earliest first.
    fn expired(&self, before: Timestamp, max: usize) -> Result<Vec<Vec<u8>>> {
        let to = expiry_key(before, &[]);
        let range = self.expiries.range::<&[u8]>(..to.as_slice());
        let mut keys = Vec::new();
        for row in range.map_err(|error| self.commit.store.error(error))?.take(max) {
            let (key, sealed) = row.map_err(|error| self.commit.store.error(error))?;
            self.commit.view.unseal(key.value(), sealed.value())?;
            keys.extend(parse_expiry_key(key.value()).map(|(_, key)| key.to_vec()));
        }
        Ok(keys)
    }

    fn finish(self) -> Result<()> {
        let mut table = self.commit.open(USAGE)?;
        for (function, usage) in self.usage {
            let key = function.as_str().as_bytes();
            let inserted = table.insert(key, seal(key, &usage.encode()).as_slice());
            inserted.map_err(|error| self.commit.store.error(error))?;
        }
        Ok(())
    }
}

/// What counts of a row.
#[derive(Clone, Copy)]
struct Size {
    expires: Option<Timestamp>,
    value_len: usize,
}

impl Commit<'_> {
    fn measure(&self, key: &[u8], sealed: &[u8]) -> Result<Size> {
        let damaged = || self.view.damaged("a value does not have its checksum");
        let row = read_state_value(key, sealed).ok_or_else(damaged)?;
        Ok(Size { expires: row.expires, value_len: row.value.len() })
    }
}
