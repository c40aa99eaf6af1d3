//! A disk in memory that behaves as badly as a real one may: what is not synced can be lost in any
//! part when the power goes, and operations fail on request. Everything follows from a seed.
//! Knows nothing of what is stored.
//!
//! [`SimDisk`] is the hand of the test; the program under test gets a [`Disk`] from
//! [`SimDisk::boot`], which goes dead with the next crash.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};
use crate::sim_state::{Change, State};

/// What goes wrong, and when. Operations that change something are counted from 1 for the life of
/// the disk: writes, length changes, creations, renames, removals, syncs of files and of the
/// directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The power goes during this operation: it and all after it fail, until the next boot.
    pub halt_at: Option<u64>,
    /// This operation fails if it is a write; some of it may have happened.
    pub fail_write_at: Option<u64>,
    /// This operation fails if it is a sync; what a file's was to sync may never be.
    pub fail_sync_at: Option<u64>,
    /// File contents together may have this many bytes.
    pub capacity: Option<u64>,
    /// Syncs report success and do nothing: a disk that lies.
    pub lie_about_syncs: bool,
}

/// Cheap to clone: the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The disk as a program sees it that starts now.
    pub fn boot(&self) -> Arc<dyn Disk> {
        let mut state = self.state();
        state.epoch += 1;
        state.halted = false;
        Arc::new(Booted { state: Arc::clone(&self.state), epoch: state.epoch })
    }

    /// The power goes: of what is not synced, any part is lost.
    pub fn crash(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.faults.halt_at = None;
        state.crash();
    }

    /// The program ends at once, but the operating system goes on: nothing is lost yet.
    pub fn kill(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.faults.halt_at = None;
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Another disk that holds the same.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())) }
    }

    /// Like [`SimDisk::fork`], with another fate from here on.
    #[must_use]
    pub fn fork_with_seed(&self, seed: u64) -> Self {
        let fork = self.fork();
        fork.state().rng = Rng::new(seed);
        fork
    }

    /// How many operations there have been that changed something.
    pub fn ops(&self) -> u64 {
        self.state().ops
    }

    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// A file's contents; none if there is no such file.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.state().visible(name).cloned()
    }

    /// Flips one bit, as ageing media does: neither an operation nor lost in a crash.
    pub fn flip_bit(&self, name: &str, byte: u64, bit: u8) {
        self.state().flip_bit(name, byte, bit);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A test that has failed may still look.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Booted {
    state: Arc<Mutex<State>>,
    epoch: u64,
}

impl Booted {
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        alive(&self.state, self.epoch)
    }

    fn file(&self, name: &str, inode: u64) -> Arc<dyn DiskFile> {
        let (state, path) = (Arc::clone(&self.state), self.path(name));
        Arc::new(SimFile { state, epoch: self.epoch, inode, path })
    }
}

/// Handles from before a crash are dead, as the process that held them is.
fn alive(state: &Mutex<State>, epoch: u64) -> io::Result<MutexGuard<'_, State>> {
    let state = lock(state);
    if state.epoch != epoch || state.halted {
        return Err(io::Error::other("simulated: the power is off"));
    }
    Ok(state)
}

impl Disk for Booted {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.alive()?;
        let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(name, inode))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.alive()?.create(name)?;
        Ok(self.file(name, inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.alive()?.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.alive()?.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.alive()?.names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.alive()?.sync_dir()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.alive()?.free_bytes())
    }

    fn random(&self) -> u64 {
        lock(&self.state).rng.next()
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new("/sim").join(name)
    }
}

#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    epoch: u64,
    inode: u64,
    path: PathBuf,
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = alive(&self.state, self.epoch)?;
        let contents = state.inode(self.inode);
        let from = (offset as usize).min(contents.len());
        let len = buffer.len().min(contents.len() - from);
        buffer[..len].copy_from_slice(&contents[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let change = Change::Write { offset, data: data.to_vec() };
        alive(&self.state, self.epoch)?.change(self.inode, change)
    }

    fn sync_data(&self) -> io::Result<()> {
        alive(&self.state, self.epoch)?.sync(self.inode)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(alive(&self.state, self.epoch)?.inode(self.inode).len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        alive(&self.state, self.epoch)?.change(self.inode, Change::SetLen { len })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// The generator behind every choice: SplitMix64. Public, so that tests need no other.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[expect(clippy::should_implement_trait, reason = "it has no end, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seed: u64, sync: bool, sync_dir: bool) -> Option<Vec<u8>> {
        let sim = SimDisk::new(seed);
        let disk = sim.boot();
        let file = disk.create("a").unwrap();
        file.write_at(0, &[7; 2000]).unwrap();
        if sync {
            file.sync_data().unwrap();
        }
        if sync_dir {
            disk.sync_dir().unwrap();
        }
        sim.crash();
        assert!(file.write_at(0, &[1]).is_err(), "handles do not survive");
        sim.contents("a")
    }

    #[test]
    fn what_is_synced_survives_and_what_is_not_may_not() {
        for seed in 0..100 {
            assert_eq!(written(seed, true, true), Some(vec![7; 2000]));
        }
        let outcomes: std::collections::BTreeSet<_> =
            (0..200).map(|seed| written(seed, false, true)).collect();
        assert!(outcomes.len() > 10, "sectors are lost independently");
        assert!(outcomes.iter().all(|kept| kept.is_some()));
        assert!(outcomes.contains(&Some(vec![])) && outcomes.contains(&Some(vec![7; 2000])));
        assert!((0..100).any(|seed| written(seed, true, false).is_none()), "so are names");
    }

    #[test]
    fn a_seed_replays() {
        for seed in 0..50 {
            assert_eq!(written(seed, false, false), written(seed, false, false));
        }
    }

    #[test]
    fn a_kill_loses_nothing_until_the_power_goes() {
        let sim = SimDisk::new(1);
        let disk = sim.boot();
        disk.create("a").unwrap().write_at(0, b"abc").unwrap();
        sim.kill();
        assert_eq!(sim.contents("a"), Some(b"abc".to_vec()));
        assert_eq!(sim.boot().open("a").unwrap().len().unwrap(), 3);
        assert!(disk.open("a").is_err());
    }

    #[test]
    fn operations_fail_on_request() {
        let sim = SimDisk::new(1);
        let disk = sim.boot();
        let file = disk.create("a").unwrap();
        assert_eq!(sim.ops(), 1);
        sim.set_faults(Faults {
            fail_write_at: Some(2),
            fail_sync_at: Some(3),
            capacity: Some(10),
            ..Faults::default()
        });
        assert!(file.write_at(0, b"abc").is_err());
        assert!(file.sync_data().is_err());
        assert!(file.sync_data().is_ok());
        file.write_at(0, &[1; 10]).unwrap();
        assert_eq!(disk.free_bytes().unwrap(), 0);
        let error = file.write_at(1, &[1; 10]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        file.write_at(1, &[1; 9]).unwrap();
        sim.set_faults(Faults { halt_at: Some(sim.ops() + 1), ..Faults::default() });
        assert!(file.sync_data().is_err());
        assert!(file.len().is_err());
    }

    #[test]
    fn what_a_failed_sync_was_to_sync_is_forgotten() {
        let lost = (0..100).any(|seed| {
            let sim = SimDisk::new(seed);
            let disk = sim.boot();
            let file = disk.create("a").unwrap();
            disk.sync_dir().unwrap();
            file.write_at(0, b"abc").unwrap();
            sim.set_faults(Faults { fail_sync_at: Some(sim.ops() + 1), ..Faults::default() });
            file.sync_data().unwrap_err();
            file.sync_data().unwrap();
            sim.crash();
            sim.contents("a") != Some(b"abc".to_vec())
        });
        assert!(lost);
    }
}
