//! Runs of known events: found again, merged, forgotten, and told when they are damaged.

use std::sync::Arc;
use std::time::Duration;

use triphammer_model::{Seq, Timestamp};

use crate::dedup::{Dedup, DedupOptions, Hit};
use crate::dedup_run::{RunFile, RunMark};
use crate::disk::Disk;
use crate::fold::Mark;
use crate::record::DedupEntry;
use crate::sim::SimDisk;
use crate::store::Store;
use crate::store_commit::Commit;
use crate::store_file::StoreOptions;

fn id(n: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&blake3::hash(&n.to_le_bytes()).as_bytes()[..16]);
    id
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

fn run(disk: &dyn Disk, name: &str, count: u64) -> RunFile {
    let mut marks: Vec<_> =
        (1..=count).map(|n| RunMark { id: id(n), seq: seq(n), payload: n * 3 }).collect();
    marks.sort_by_key(|mark| mark.id);
    RunFile::write(disk, name, marks.len(), marks.into_iter().map(Ok)).unwrap()
}

#[test]
fn a_run_finds_what_it_has_and_nothing_else() {
    let disk = SimDisk::new(1).boot();
    for count in [1, 2, 126, 127, 128, 254, 255, 5000] {
        let name = format!("run-{count}");
        let written = run(&*disk, &name, count);
        let opened = RunFile::open(&*disk, &name).unwrap();
        for run in [&written, &opened] {
            assert_eq!(run.count(), count);
            for n in 1..=count {
                let mark = run.find(&id(n)).unwrap().unwrap();
                assert_eq!((mark.seq, mark.payload), (seq(n), n * 3));
            }
            for n in count + 1..count + 2000 {
                assert_eq!(run.find(&id(n)).unwrap(), None);
            }
            assert_eq!(run.find(&[0; 16]).unwrap(), None);
            assert_eq!(run.find(&[255; 16]).unwrap(), None);
            let ids: Vec<_> = run.iter().map(|mark| mark.unwrap().id).collect();
            assert!(ids.len() as u64 == count && ids.is_sorted());
        }
    }
}

#[test]
fn a_flipped_bit_in_a_run_is_damage_and_no_false_answer() {
    let sim = SimDisk::new(1);
    let disk = sim.boot();
    run(&*disk, "run", 500);
    let len = sim.contents("run").unwrap().len() as u64;
    for byte in (0..len).step_by(97).chain(len - 6..len) {
        sim.flip_bit("run", byte, (byte % 8) as u8);
        let found = RunFile::open(&*disk, "run").and_then(|run| {
            (1..=500).try_for_each(|n| run.find(&id(n)).map(|mark| assert!(mark.is_some())))
        });
        assert_eq!(found.unwrap_err().code(), "journal.damaged", "byte {byte}");
        sim.flip_bit("run", byte, (byte % 8) as u8);
    }
    RunFile::open(&*disk, "run").unwrap();
}

struct Fixture {
    sim: SimDisk,
    disk: Arc<dyn Disk>,
    store: Store,
    dedup: Dedup,
    marks: Vec<Mark>,
    next: u64,
}

impl Fixture {
    fn new(options: DedupOptions) -> Self {
        let sim = SimDisk::new(1);
        let disk = sim.boot();
        let store = Store::open(&disk, &StoreOptions::default()).unwrap();
        let dedup = Dedup::open(&store, &disk, options).unwrap();
        Self { sim, disk, store, dedup, marks: Vec::new(), next: 1 }
    }

    fn insert(&mut self, count: u64, at: Timestamp) {
        for _ in 0..count {
            let entry = DedupEntry { id: id(self.next), payload: self.next };
            self.dedup.insert(entry, seq(self.next), at);
            self.marks.push(Mark { entry, seq: seq(self.next), at });
            self.next += 1;
        }
    }

    fn checkpoint(&mut self, now: Timestamp) {
        self.dedup.freeze();
        let runs = self.dedup.prepare(&mut std::mem::take(&mut self.marks), now).unwrap();
        let commit = Commit::begin(&self.store).unwrap();
        runs.commit(&commit).unwrap();
        commit.finish().unwrap();
        self.dedup.install(runs, seq(self.next)).unwrap();
    }

    fn known(&self, n: u64) -> bool {
        let hit = self.dedup.lookup(&id(n));
        assert!(hit.is_none_or(|hit| hit == Hit { seq: seq(n), payload: n }));
        hit.is_some()
    }

    fn files(&self) -> usize {
        self.sim.names().iter().filter(|name| name.ends_with(".run")).count()
    }

    fn reopen(&mut self, options: DedupOptions) {
        self.store = Store::open(&self.disk, &StoreOptions::default()).unwrap();
        self.dedup = Dedup::open(&self.store, &self.disk, options).unwrap();
    }
}

#[test]
fn runs_are_merged_and_everything_in_the_window_stays_known() {
    let options = DedupOptions { window: Duration::from_secs(800), ..DedupOptions::default() };
    let mut f = Fixture::new(options.clone());
    for second in 0..160 {
        let now = Timestamp(second * 1000);
        f.insert(20, now);
        f.checkpoint(now);
    }
    assert_eq!(f.dedup.entries(), 3200);
    assert!(f.files() < 16, "{}", f.files());
    assert!((1..3201).all(|n| f.known(n)) && !f.known(3201));
    drop(f.disk.create("marks-00000000000003e8.run").unwrap());
    f.sim.kill();
    f.disk = f.sim.boot();
    f.reopen(options);
    assert!((1..3201).all(|n| f.known(n)) && !f.known(3201));
    assert_eq!(f.dedup.entries(), 3200);
    assert!(!f.sim.names().contains(&"marks-00000000000003e8.run".to_owned()), "nobody's file");
    let later = Timestamp(160_000 + 801_000);
    f.checkpoint(later);
    assert!((f.files(), f.known(1), f.known(3200)) == (0, false, false));
}

#[test]
fn the_newest_of_two_events_with_one_id_counts() {
    let mut f = Fixture::new(DedupOptions::default());
    for number in [1, 2, 3, 4, 5] {
        let entry = DedupEntry { id: id(1000), payload: number };
        f.insert(3, Timestamp(0));
        f.dedup.insert(entry, seq(f.next), Timestamp(0));
        f.marks.push(Mark { entry, seq: seq(f.next), at: Timestamp(0) });
        f.next += 1;
        f.checkpoint(Timestamp(0));
        assert_eq!(f.dedup.lookup(&id(1000)).unwrap().payload, number);
    }
}

#[test]
fn bytes_bound_the_window_and_it_says_so() {
    let options = DedupOptions { bytes_max: 200_000, ..DedupOptions::default() };
    let mut f = Fixture::new(options.clone());
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(f.dedup.window_in_force(Timestamp(0)), day);
    for minute in 0..100 {
        let now = Timestamp(minute * 60_000);
        f.insert(200, now);
        f.checkpoint(now);
        assert!(f.dedup.bytes() <= 200_000);
    }
    let now = Timestamp(100 * 60_000);
    for _ in 0..2 {
        let window = f.dedup.window_in_force(now);
        assert!(window < Duration::from_secs(30 * 60) && window > Duration::from_secs(600));
        // The last minute was the one before now.
        let known = (window.as_secs() / 60 - 1) * 200;
        assert!((20_001 - known..20_001).all(|n| f.known(n)), "{window:?}");
        assert!(!f.known(1));
        f.sim.kill();
        f.disk = f.sim.boot();
        f.reopen(options.clone());
    }
}
