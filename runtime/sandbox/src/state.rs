//! What an attempt sees of its state: what is committed, under its own writes. Knows nothing of
//! keys or commits; whoever reads what is committed also remembers what was read.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_model::{Limits, StateWrite};

use crate::error::{HostError, Limit, Stop};

/// Committed state, of one function or of one ordering key. Called on the async workers' threads,
/// so an answer must not take long.
pub trait StateReader: Send + Sync {
    fn get(&self, name: &str) -> Result<Option<Bytes>, HostError>;

    /// The first `limit` entries whose names begin with `prefix`, in the order of their names'
    /// bytes, after the name `after`. Fewer than `limit` means that there are no more.
    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, HostError>;
}

/// No state at all: for `describe`, and for dry runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoState;

impl StateReader for NoState {
    fn get(&self, _: &str) -> Result<Option<Bytes>, HostError> {
        Ok(None)
    }

    fn scan(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<(String, Bytes)>, HostError> {
        Ok(Vec::new())
    }
}

/// Committed entries are asked for in pages, so that large values are not all in memory at once.
const PAGE: usize = 100;
/// What one scan returns at most, unless its first entry alone is larger.
const SCAN_BYTES_MAX: usize = 4 << 20;

pub(crate) struct State {
    committed: Arc<dyn StateReader>,
    own: BTreeMap<String, Option<Bytes>>,
    own_bytes: usize,
}

impl State {
    pub(crate) fn new(committed: Arc<dyn StateReader>) -> Self {
        Self { committed, own: BTreeMap::new(), own_bytes: 0 }
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Bytes>, HostError> {
        match self.own.get(name) {
            Some(own) => Ok(own.clone()),
            None => self.committed.get(name),
        }
    }

    pub(crate) fn write(
        &mut self,
        name: String,
        value: Option<Bytes>,
        limits: &Limits,
    ) -> Result<(), Stop> {
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let (name_len, value_len) = (name.len(), size(&value));
        match self.own.insert(name, value) {
            Some(earlier) => self.own_bytes = self.own_bytes - size(&earlier) + value_len,
            None => self.own_bytes += name_len + value_len,
        }
        if self.own.len() > limits.state_writes_max {
            return Err(Limit::StateWrites.exceeded(limits.state_writes_max).into());
        }
        if self.own_bytes > limits.state_bytes_max {
            return Err(Limit::StateBytes.exceeded(limits.state_bytes_max).into());
        }
        Ok(())
    }

    pub(crate) fn into_writes(self) -> Vec<StateWrite> {
        self.own.into_iter().map(|(name, value)| StateWrite { name, value }).collect()
    }

    pub(crate) fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, HostError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let own = self.own.range::<str, _>((from, Bound::Unbounded));
        let mut own = own.take_while(|(name, _)| name.starts_with(prefix)).peekable();
        let mut found = Found { entries: Vec::new(), bytes: 0, limit };
        let mut cursor = after.map(str::to_owned);
        while !found.is_full() {
            let want = (limit - found.entries.len()).min(PAGE);
            let page = self.committed.scan(prefix, cursor.as_deref(), want)?;
            let last = page.len() < want;
            for (name, value) in page {
                while let Some((own_name, own_value)) = own.next_if(|(own, _)| **own < name) {
                    found.push(own_name, own_value.as_ref());
                }
                match own.next_if(|(own, _)| **own == name) {
                    Some((_, own_value)) => found.push(&name, own_value.as_ref()),
                    None => found.push(&name, Some(&value)),
                }
                cursor = Some(name);
            }
            if last {
                own.by_ref().for_each(|(name, value)| found.push(name, value.as_ref()));
                break;
            }
        }
        Ok(found.entries)
    }
}

/// Takes entries in order, and none once it is full.
struct Found {
    entries: Vec<(String, Bytes)>,
    bytes: usize,
    limit: usize,
}

impl Found {
    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit || self.bytes >= SCAN_BYTES_MAX
    }

    /// An entry without a value was deleted.
    fn push(&mut self, name: &str, value: Option<&Bytes>) {
        if let (false, Some(value)) = (self.is_full(), value) {
            self.bytes += name.len() + value.len();
            self.entries.push((name.to_owned(), value.clone()));
        }
    }
}
