//! Listing a function's state over all its ordering keys, for operators. Bounded work per call;
//! knows no durability: each entry names its record, so that the caller can wait for it.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use bytes::Bytes;
use triphammer_model::{FunctionName, OrderingKey, Seq, Timestamp};

use crate::state::{Base, StateStore, Versioned, clean_below};
use crate::store_error::StoreError;
use crate::store_keys::{after_prefix, function_prefix, parse_state_key, write_space};

/// In the order of keys: first the space without one, then by length and bytes; then of names.
#[derive(Clone, Debug, Default)]
pub struct StateList {
    pub entries: Vec<StateListEntry>,
    /// Where the next part begins, if there may be one. A part may be short and still have one.
    pub next: Option<StateCursor>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StateListEntry {
    pub key: Option<OrderingKey>,
    pub name: String,
    pub value: Bytes,
    pub seq: Seq,
    /// From this time on it is not there.
    pub expires: Option<Timestamp>,
}

/// Which entries are asked for.
#[derive(Clone, Copy, Debug)]
pub struct StateListQuery<'a> {
    /// Of all ordering keys, or of the one given.
    pub key: Option<Option<&'a OrderingKey>>,
    /// What their names begin with.
    pub prefix: &'a str,
    pub after: Option<&'a StateCursor>,
    pub limit: usize,
}

/// A place in a listing, opaque.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateCursor {
    /// The last state key that was looked at, without its function.
    key: Vec<u8>,
}

/// A text that is no cursor.
#[derive(Debug, thiserror::Error)]
#[error("this is not a cursor of a listing of state")]
pub struct InvalidCursor;

/// How many entries one call looks at, to give some of them.
const LOOKS_MAX: usize = 50_000;

impl StateStore {
    /// What there is at `now`.
    pub fn list(
        &self,
        function: &FunctionName,
        query: &StateListQuery<'_>,
        now: Timestamp,
    ) -> Result<StateList, StoreError> {
        let StateListQuery { key, prefix, after, limit } = *query;
        let head = function_prefix(function);
        let mut start = head.clone();
        if let Some(key) = key {
            write_space(&mut start, function, key);
        }
        let end = after_prefix(&start).unwrap_or_default();
        let mut from = start;
        if let Some(cursor) = after {
            // The least key after the cursor is itself with a zero byte behind.
            let next = [head.as_slice(), &cursor.key, &[0]].concat();
            from = from.max(next);
        }
        let walk = Walk { function, head: &head, prefix, from, end, limit, now };
        loop {
            let base = self.base();
            let recent = walk.recent(self, clean_below(&base));
            if self.is_current(&base) {
                return walk.merge(&base, recent);
            }
        }
    }
}

/// The range of one listing.
struct Walk<'a> {
    function: &'a FunctionName,
    /// What all keys of the function begin with.
    head: &'a [u8],
    prefix: &'a str,
    from: Vec<u8>,
    end: Vec<u8>,
    limit: usize,
    now: Timestamp,
}

type Recent = (Vec<u8>, Option<Versioned>);

impl Walk<'_> {
    /// What only memory has, in order.
    fn recent(&self, state: &StateStore, clean_below: u64) -> Vec<Recent> {
        let mut recent = Vec::new();
        let mut key = Vec::new();
        for shard in state.shards() {
            shard.each_dirty(self.function, clean_below, |space, name, entry| {
                write_space(&mut key, self.function, space.key());
                key.extend_from_slice(name.as_bytes());
                if key >= self.from && key < self.end {
                    recent.push((key.clone(), entry.versioned()));
                }
            });
        }
        recent.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        recent
    }

    fn merge(&self, base: &Base, recent: Vec<Recent>) -> Result<StateList, StoreError> {
        let mut list = StateList::default();
        let mut recent = recent.into_iter().peekable();
        let view = &base.view;
        let mut looks = 0;
        let mut full = false;
        view.walk(&view.state, &self.from, Some(&self.end), |key, sealed| {
            while let Some((key, found)) = recent.next_if(|(recent, _)| recent.as_slice() < key) {
                full |= !self.take(&mut list, &mut looks, &key, found);
            }
            let found = match recent.next_if(|(recent, _)| recent == key) {
                Some((_, found)) => found,
                None => {
                    let row = view.state_value(key, sealed)?;
                    (!base.is_wiped(self.function, row.seq)).then_some(row)
                }
            };
            full |= !self.take(&mut list, &mut looks, key, found);
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if full {
            return Ok(list);
        }
        for (key, found) in recent {
            if !self.take(&mut list, &mut looks, &key, found) {
                return Ok(list);
            }
        }
        list.next = None;
        Ok(list)
    }

    /// False when the list is complete.
    fn take(
        &self,
        list: &mut StateList,
        looks: &mut usize,
        key: &[u8],
        found: Option<Versioned>,
    ) -> bool {
        // Set while there is room, so that the next part begins behind what was looked at.
        if list.entries.len() >= self.limit || *looks >= LOOKS_MAX {
            return false;
        }
        *looks += 1;
        list.next = Some(StateCursor { key: key[self.head.len()..].to_vec() });
        let Some((ordering_key, name)) = parse_state_key(self.head, key) else { return true };
        let found = found.filter(|found| found.is_live(self.now) && name.starts_with(self.prefix));
        let Some(Versioned { value, seq, expires }) = found else { return true };
        // A key that was written was one.
        let ordering_key = ordering_key.and_then(|key| OrderingKey::new(key).ok());
        let entry =
            StateListEntry { key: ordering_key, name: name.to_owned(), value, seq, expires };
        list.entries.push(entry);
        true
    }
}

impl fmt::Display for StateCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for StateCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let key: Option<Vec<u8>> = pairs.iter().map(|p| pair(p)).collect();
        match key {
            Some(key) if rest.is_empty() && !key.is_empty() => Ok(Self { key }),
            _ => Err(InvalidCursor),
        }
    }
}
