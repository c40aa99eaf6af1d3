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

/// What an attempt does to an entry.
pub(crate) enum Write {
    Delete,
    /// The value, and how long it stays, in milliseconds from the commit.
    Set(Bytes, Option<u64>),
}

impl Write {
    fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Delete => None,
            Self::Set(value, _) => Some(value),
        }
    }

    fn len(&self) -> usize {
        self.value().map_or(0, Bytes::len)
    }
}

pub(crate) struct State {
    committed: Arc<dyn StateReader>,
    own: BTreeMap<String, Write>,
    own_bytes: usize,
}

impl State {
    pub(crate) fn new(committed: Arc<dyn StateReader>) -> Self {
        Self { committed, own: BTreeMap::new(), own_bytes: 0 }
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Bytes>, HostError> {
        match self.own.get(name) {
            Some(own) => Ok(own.value().cloned()),
            None => self.committed.get(name),
        }
    }

    pub(crate) fn write(
        &mut self,
        name: String,
        write: Write,
        limits: &Limits,
    ) -> Result<(), Stop> {
        let (name_len, value_len) = (name.len(), write.len());
        match self.own.insert(name, write) {
            Some(earlier) => self.own_bytes = self.own_bytes - earlier.len() + value_len,
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
        let write = |(name, write)| match write {
            Write::Delete => StateWrite { name, value: None, ttl_ms: None },
            Write::Set(value, ttl_ms) => StateWrite { name, value: Some(value), ttl_ms },
        };
        self.own.into_iter().map(write).collect()
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
                    found.push(own_name, own_value.value());
                }
                match own.next_if(|(own, _)| **own == name) {
                    Some((_, own_value)) => found.push(&name, own_value.value()),
                    None => found.push(&name, Some(&value)),
                }
                cursor = Some(name);
            }
            if last {
                own.by_ref().for_each(|(name, write)| found.push(name, write.value()));
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Committed entries `a` to `a+n`, and how much was asked for.
    struct Committed {
        entries: BTreeMap<String, Bytes>,
        asked: Mutex<Vec<usize>>,
    }

    impl Committed {
        fn new(entries: impl IntoIterator<Item = (String, Bytes)>) -> Arc<Self> {
            Arc::new(Self { entries: entries.into_iter().collect(), asked: Mutex::default() })
        }
    }

    impl StateReader for Committed {
        fn get(&self, name: &str) -> Result<Option<Bytes>, HostError> {
            Ok(self.entries.get(name).cloned())
        }

        fn scan(
            &self,
            prefix: &str,
            after: Option<&str>,
            limit: usize,
        ) -> Result<Vec<(String, Bytes)>, HostError> {
            self.asked.lock().unwrap().push(limit);
            let after = |name: &String| after.is_none_or(|after| name.as_str() > after);
            let entries = self.entries.iter().filter(|(name, _)| name.starts_with(prefix));
            let entries = entries.filter(|(name, _)| after(name)).take(limit);
            Ok(entries.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
    }

    fn entry(name: &str) -> (String, Bytes) {
        (name.to_owned(), Bytes::from_static(b"old"))
    }

    /// Committed `a1`, `a3`, `a5`, `b1`; written `a0`, `a3`, `a6`, `b2`; deleted `a5`.
    fn state() -> State {
        let mut state = State::new(Committed::new(["a1", "a3", "a5", "b1"].map(entry)));
        let new = || Some(Bytes::from_static(b"new"));
        for (name, value) in
            [("a0", new()), ("a3", new()), ("a6", new()), ("b2", new()), ("a5", None)]
        {
            let write = value.map_or(Write::Delete, |value| Write::Set(value, None));
            state.write(name.to_owned(), write, &Limits::default()).unwrap();
        }
        state
    }

    #[track_caller]
    fn check(prefix: &str, after: Option<&str>, limit: usize, expect: &str) {
        let found = state().scan(prefix, after, limit).unwrap();
        let text =
            |(name, value): &(String, Bytes)| format!("{name}={}", String::from_utf8_lossy(value));
        assert_eq!(found.iter().map(text).collect::<Vec<_>>().join(" "), expect);
    }

    #[test]
    fn a_scan_sees_own_writes_over_committed_ones() {
        check("a", None, 10, "a0=new a1=old a3=new a6=new");
        check("a", None, 3, "a0=new a1=old a3=new");
        check("a", Some("a1"), 10, "a3=new a6=new");
        check("a", Some("a3"), 10, "a6=new");
        check("a", Some("a6"), 10, "");
        check("b", Some("a1"), 10, "b1=old b2=new");
        check("a", Some("b"), 10, "");
        check("", None, 10, "a0=new a1=old a3=new a6=new b1=old b2=new");
        check("a", None, 0, "");
        check("c", None, 10, "");
    }

    #[test]
    fn a_get_sees_own_writes_over_committed_ones() {
        let state = state();
        let get = |name: &str| state.get(name).unwrap();
        assert_eq!(get("a1").as_deref(), Some(&b"old"[..]));
        assert_eq!(get("a3").as_deref(), Some(&b"new"[..]));
        assert_eq!((get("a5"), get("a2")), (None, None));
    }

    #[test]
    fn a_scan_goes_on_behind_deleted_entries() {
        let names = |n: usize| (0..n).map(|n| format!("a{n:04}"));
        let committed = Committed::new(names(300).map(|name| entry(&name)));
        let mut state = State::new(Arc::clone(&committed) as Arc<dyn StateReader>);
        for name in names(250) {
            state.write(name, Write::Delete, &Limits::default()).unwrap();
        }
        let found = state.scan("a", None, 20).unwrap();
        assert_eq!(found.first().map(|(name, _)| name.as_str()), Some("a0250"));
        assert_eq!(found.len(), 20);
        assert!(committed.asked.lock().unwrap().iter().all(|limit| *limit <= PAGE));
    }

    #[test]
    fn a_scan_ends_before_it_is_too_large() {
        let large = |n: usize| (format!("a{n}"), Bytes::from(vec![0; 1 << 20]));
        let state = State::new(Committed::new((0..8).map(large)));
        let found = state.scan("a", None, 100).unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(state.scan("a", Some("a3"), 100).unwrap().len(), 4);
    }

    #[test]
    fn writes_are_counted_by_what_they_leave() {
        let limits = Limits { state_writes_max: 2, state_bytes_max: 10, ..Limits::default() };
        let mut state = State::new(Arc::new(NoState));
        let mut write = |name: &str, len: usize| {
            let set = || Write::Set(vec![0; len].into(), None);
            let write = if len > 0 { set() } else { Write::Delete };
            state.write(name.to_owned(), write, &limits).map_err(|stop| stop.to_string())
        };
        assert_eq!(write("a", 9), Ok(()));
        assert_eq!(write("a", 2), Ok(()));
        assert_eq!(write("b", 6), Ok(()));
        assert!(write("b", 7).unwrap_err().contains("10 bytes"));
        assert_eq!(write("b", 0), Ok(()));
        assert!(write("c", 0).unwrap_err().contains("2 state entries"));
    }
}
