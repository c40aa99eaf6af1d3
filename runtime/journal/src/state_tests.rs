//! The state in memory over the checkpoint's, without a log: records are folded by hand.

use std::sync::Arc;

use bytes::Bytes;
use triphammer_model::{DeliveryId, OrderingKey, RevisionId, Seq, StateWrite, Timestamp};

use crate::disk::Disk;
use crate::fold::Fold;
use crate::record::{Location, Outcome, Record, Settle, Stored};
use crate::sim::SimDisk;
use crate::state::{Range, ReadVersion, StateStore};
use crate::state_list::{StateCursor, StateListQuery};
use crate::store::Store;
use crate::store_commit::Commit;
use crate::store_file::StoreOptions;
use crate::store_keys::Space;

pub(crate) struct Fixture {
    sim: SimDisk,
    pub(crate) store: Store,
    pub(crate) state: StateStore,
    fold: Fold,
    next: u64,
    pub(crate) now: Timestamp,
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

pub(crate) fn space(function: &str, key: Option<&str>) -> Space {
    let key = key.map(|key| OrderingKey::new(key).unwrap());
    Space::new(function.parse().unwrap(), key)
}

pub(crate) fn write(name: &str, value: Option<&str>) -> StateWrite {
    StateWrite {
        name: name.into(),
        value: value.map(|v| Bytes::copy_from_slice(v.as_bytes())),
        ttl_ms: None,
    }
}

impl Fixture {
    pub(crate) fn new(cache_bytes: usize) -> Self {
        let sim = SimDisk::new(1);
        let disk: Arc<dyn Disk> = sim.boot();
        let store = Store::open(&disk, &StoreOptions::default()).unwrap();
        let state = StateStore::new(&store, cache_bytes).unwrap();
        Self { sim, store, state, fold: Fold::default(), next: 1, now: Timestamp(0) }
    }

    fn take(&mut self, record: Record) -> Seq {
        let location = Location { segment: 1, offset: 0, len: 0 };
        let stored = Stored { seq: seq(self.next), location, record };
        self.next += 1;
        self.state.replay(&stored);
        self.fold.apply(&stored);
        stored.seq
    }

    pub(crate) fn commit(&mut self, space: &Space, writes: Vec<StateWrite>) -> Seq {
        self.take(Record::Settle(Box::new(Settle {
            id: DeliveryId { seq: seq(1), function: space.function().clone() },
            key: space.key().cloned(),
            attempt: 1,
            revision: RevisionId::new(1).unwrap(),
            started: self.now,
            at: self.now,
            logs: Vec::new(),
            logs_left_out: 0,
            outcome: Outcome::Committed {
                writes,
                emitted: Vec::new(),
                reply: None,
                also: Vec::new(),
                cancelled: Vec::new(),
            },
        })))
    }

    pub(crate) fn wipe(&mut self, function: &str) {
        let function = function.parse().unwrap();
        self.take(Record::WipeState { at: Timestamp(0), function });
    }

    /// Removes from disk what had expired before `before`; answers how much.
    pub(crate) fn sweep(&mut self, before: u64) -> usize {
        self.state.expire(self.now).unwrap();
        let commit = Commit::begin(&self.store).unwrap();
        let swept = commit.sweep(Timestamp(before), 2).unwrap();
        commit.finish().unwrap();
        self.state.adopt_view();
        swept
    }

    /// Entries and bytes.
    pub(crate) fn usage(&self, function: &str) -> (u64, u64) {
        let usage = self.state.usage(&function.parse().unwrap(), self.now);
        (usage.entries, usage.bytes)
    }

    /// Without what is in memory, as a start finds it when all is in the checkpoint.
    pub(crate) fn reopen(&mut self) {
        self.state = StateStore::new(&self.store, 1 << 20).unwrap();
    }

    pub(crate) fn checkpoint(&mut self) {
        let commit = Commit::begin(&self.store).unwrap();
        commit.fold(&std::mem::take(&mut self.fold), &|_| Ok(None)).unwrap();
        commit.finish().unwrap();
        self.state.checkpointed();
    }

    pub(crate) fn names(
        &self,
        space: &Space,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> String {
        let found = self.state.scan(space, Range { prefix, after, limit }, self.now).unwrap();
        let text = |v: &Bytes| String::from_utf8(v.to_vec()).unwrap();
        found.iter().map(|(n, v)| format!("{n}={} ", text(&v.value))).collect()
    }

    pub(crate) fn value(&self, space: &Space, name: &str) -> Option<Bytes> {
        self.state.get(space, name, self.now).unwrap().map(|versioned| versioned.value)
    }
}

#[test]
fn scans_merge_memory_and_checkpoint_in_the_order_of_names() {
    for cache_bytes in [0, 1 << 20] {
        let mut f = Fixture::new(cache_bytes);
        let s = space("f", Some("k"));
        let old = ["a1", "a2", "a3", "b1", "c"].map(|name| write(name, Some("old")));
        f.commit(&s, old.to_vec());
        f.commit(&space("f", Some("l")), vec![write("a9", Some("other"))]);
        f.checkpoint();
        f.commit(&s, vec![write("a0", Some("new")), write("a2", None), write("a3", Some("new"))]);
        f.commit(&s, vec![write("b0", Some("new"))]);
        assert_eq!(f.names(&s, "a", None, 10), "a0=new a1=old a3=new ");
        assert_eq!(f.names(&s, "", None, 10), "a0=new a1=old a3=new b0=new b1=old c=old ");
        assert_eq!(f.names(&s, "", None, 3), "a0=new a1=old a3=new ");
        assert_eq!(f.names(&s, "a", Some("a1"), 10), "a3=new ");
        assert_eq!(f.names(&s, "", Some("a1"), 2), "a3=new b0=new ");
        assert_eq!(f.names(&s, "b", Some("a"), 10), "b0=new b1=old ");
        assert_eq!(f.names(&s, "b", Some("b1"), 10), "");
        assert_eq!(f.names(&s, "x", None, 10), "");
        assert_eq!(f.names(&s, "", None, 0), "");
        assert_eq!(f.names(&space("f", None), "", None, 10), "");
        f.checkpoint();
        assert_eq!(f.names(&s, "", None, 10), "a0=new a1=old a3=new b0=new b1=old c=old ");
    }
}

#[test]
fn what_was_read_is_validated_by_version_and_by_range() {
    let mut f = Fixture::new(1 << 20);
    let s = space("f", None);
    let one = f.commit(&s, vec![write("a", Some("1")), write("b", Some("1"))]);
    let name = |name: &str, version| ReadVersion::Name { name: name.into(), version };
    let range = |seen: &[(&str, Seq)], limit| ReadVersion::Range {
        prefix: String::new(),
        after: None,
        limit,
        seen: seen.iter().map(|(name, seq)| ((*name).to_owned(), *seq)).collect(),
    };
    let reads = [
        name("a", Some(one)),
        name("x", None),
        range(&[("a", one), ("b", one)], 5),
        range(&[("a", one)], 1),
    ];
    assert!(f.state.unchanged(&s, &reads, f.now));
    f.checkpoint();
    assert!(f.state.unchanged(&s, &reads, f.now));
    f.commit(&space("g", None), vec![write("a", Some("2"))]);
    assert!(f.state.unchanged(&s, &reads, f.now), "another space");
    f.commit(&s, vec![write("c", Some("1"))]);
    let unchanged: Vec<_> =
        reads.iter().map(|r| f.state.unchanged(&s, std::slice::from_ref(r), f.now)).collect();
    assert_eq!(unchanged, [true, true, false, true], "only the whole range has a new name");
    f.commit(&s, vec![write("x", Some("1"))]);
    assert!(!f.state.unchanged(&s, &reads[1..2], f.now), "it was absent");
    f.commit(&s, vec![write("x", None)]);
    assert!(f.state.unchanged(&s, &reads[1..2], f.now), "it is absent again");
    f.commit(&s, vec![write("a", Some("1"))]);
    assert!(!f.state.unchanged(&s, &reads[..1], f.now), "the same value by another record");
    assert!(!f.state.unchanged(&s, &reads[3..], f.now));
}

#[test]
fn a_wiped_function_is_empty_at_once_and_after_a_checkpoint() {
    let mut f = Fixture::new(1 << 20);
    let (s, other) = (space("f", Some("k")), space("f-1", Some("k")));
    f.commit(&s, vec![write("a", Some("1")), write("b", Some("1"))]);
    f.commit(&other, vec![write("a", Some("1"))]);
    f.checkpoint();
    f.commit(&s, vec![write("c", Some("1"))]);
    f.wipe("f");
    for _ in 0..2 {
        assert_eq!(f.names(&s, "", None, 10), "");
        assert_eq!(f.value(&s, "a"), None);
        assert_eq!(f.names(&other, "", None, 10), "a=1 ");
        f.checkpoint();
    }
    f.commit(&s, vec![write("b", Some("2"))]);
    f.wipe("f-1");
    f.commit(&other, vec![write("z", Some("3"))]);
    for _ in 0..2 {
        assert_eq!(f.names(&s, "", None, 10), "b=2 ");
        assert_eq!(f.names(&other, "", None, 10), "z=3 ");
        f.checkpoint();
    }
}

#[test]
fn the_cache_is_bounded_and_loses_nothing() {
    let mut f = Fixture::new(64 << 10);
    let spaces: Vec<_> = (0..200).map(|n| space("f", Some(&format!("k{n}")))).collect();
    let large = space("g", None);
    for n in 0..3000u64 {
        let value = n.to_string();
        f.commit(&spaces[n as usize % 200], vec![write(&format!("n{}", n / 200), Some(&value))]);
        f.commit(&large, vec![write(&format!("n{n:05}"), Some(&value))]);
    }
    let held = |f: &Fixture| f.state.shards().map(|shard| shard.bytes()).sum::<usize>();
    assert!(held(&f) > 500_000, "what no checkpoint has is kept");
    assert!(f.state.dirty_bytes() > 20_000);
    f.checkpoint();
    assert!(held(&f) <= 64 << 10, "{}", held(&f));
    assert_eq!(f.state.dirty_bytes(), 0);
    for n in 0..3000u64 {
        let value = Some(Bytes::from(n.to_string()));
        assert_eq!(f.value(&spaces[n as usize % 200], &format!("n{}", n / 200)), value);
        assert_eq!(f.value(&large, &format!("n{n:05}")), value);
        assert_eq!(f.value(&large, &format!("m{n:05}")), None);
    }
    assert!(held(&f) <= 80 << 10, "{}", held(&f));
    assert_eq!(f.names(&large, "n0", None, 5000).matches('=').count(), 3000);
}

#[test]
fn a_listing_goes_over_all_keys_in_pages() {
    let mut f = Fixture::new(1 << 20);
    let name = "f".parse().unwrap();
    for (round, key) in [None, Some("b"), Some("a"), Some("aa"), Some("")].into_iter().enumerate() {
        f.commit(&space("f", key), vec![write("x1", Some("v")), write("y", Some("v"))]);
        f.commit(&space("g", key), vec![write("x1", Some("v"))]);
        if round == 2 {
            f.checkpoint();
        }
    }
    f.commit(&space("f", Some("b")), vec![write("x1", None), write("x2", Some("v"))]);
    let all = |f: &Fixture, key: Option<Option<&OrderingKey>>, prefix: &str, limit: usize| {
        let (mut text, mut cursor) = (String::new(), None::<StateCursor>);
        loop {
            let query = StateListQuery { key, prefix, after: cursor.as_ref(), limit };
            let list = f.state.list(&name, &query, f.now).unwrap();
            for entry in &list.entries {
                let key = entry.key.as_ref().map_or("-", |key| key.as_str());
                text += &format!("{key}/{} ", entry.name);
            }
            let Some(next) = list.next else { return text };
            cursor = Some(next.to_string().parse().unwrap());
        }
    };
    let expect = "-/x1 -/y /x1 /y a/x1 a/y b/x2 b/y aa/x1 aa/y ";
    for _ in 0..2 {
        for limit in [1, 2, 3, 100] {
            assert_eq!(all(&f, None, "", limit), expect);
            assert_eq!(all(&f, None, "x", limit), "-/x1 /x1 a/x1 b/x2 aa/x1 ");
        }
        let b = OrderingKey::new("b").unwrap();
        assert_eq!(all(&f, Some(Some(&b)), "", 1), "b/x2 b/y ");
        assert_eq!(all(&f, Some(None), "", 1), "-/x1 -/y ");
        f.checkpoint();
    }
    for text in ["", "0", "0g", "ä"] {
        assert!(text.parse::<StateCursor>().is_err());
    }
}

#[test]
fn readers_see_whole_commits_while_checkpoints_come_and_go() {
    let mut f = Fixture::new(2000);
    let s = space("f", None);
    let done = std::sync::atomic::AtomicBool::new(false);
    let names = || ["a", "b", "c"].map(|name| write(name, Some("v"))).to_vec();
    let first = f.commit(&s, names());
    let state = f.state.clone();
    let all = Range { prefix: "", after: None, limit: 10 };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut last, mut scans) = (first, 0u64);
                    while !done.load(std::sync::atomic::Ordering::Relaxed) || scans < 10 {
                        let scan = state.scan(&s, all, Timestamp(0)).unwrap();
                        let versions: Vec<Seq> = scan.iter().map(|(_, v)| v.seq).collect();
                        assert_eq!(versions, vec![versions[0]; 3], "all of one record");
                        assert!(versions[0] >= last, "never back");
                        let one = state.get(&s, "b", Timestamp(0)).unwrap().unwrap().seq;
                        assert!(one >= versions[0]);
                        last = one;
                        scans += 1;
                    }
                })
            })
            .collect();
        for n in 0..1500 {
            f.commit(&s, names());
            if n % 10 == 0 {
                f.checkpoint();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_checkpoint_that_is_mostly_empty_is_written_anew_at_a_start() {
    let mut f = Fixture::new(1 << 20);
    let len = |f: &Fixture| f.sim.contents("checkpoint.redb").unwrap().len();
    let fresh = len(&f);
    let value = "x".repeat(2000);
    for n in 0..1500 {
        f.commit(&space("f", None), vec![write(&format!("n{n}"), Some(&value))]);
    }
    f.commit(&space("g", None), vec![write("kept", Some("v"))]);
    f.checkpoint();
    f.wipe("f");
    f.checkpoint();
    let (full, host) = (len(&f), f.store.host_id().to_owned());
    assert!(full > 2 * fresh);
    for (shrink_from, expect) in [(full + 1, full), (full, fresh), (0, fresh)] {
        f.sim.kill();
        let options = StoreOptions { shrink_from: shrink_from as u64, ..StoreOptions::default() };
        f.store = Store::open(&f.sim.boot(), &options).unwrap();
        f.state = StateStore::new(&f.store, 0).unwrap();
        assert_eq!(len(&f), expect);
        assert_eq!(f.names(&space("g", None), "", None, 9), "kept=v ");
        assert_eq!(f.names(&space("f", None), "", None, 9), "");
        assert_eq!((f.store.host_id(), f.store.position()), (host.as_str(), Some(seq(f.next))));
    }
}
