//! Files that may change while the host runs: whether it is time to look, and whether they did.
//! Knows nothing of what is in them.
//!
//! Nothing waits in the background: who uses the files asks. A look costs a call of the system
//! for each file, and comes at most once a second.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    seen: Mutex<Vec<Option<Stamp>>>,
    started: Instant,
    /// In milliseconds since the start.
    look_again_at: AtomicU64,
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

const LOOK_EVERY_MS: u64 = 1000;

impl Watch {
    /// Takes note of the files as they are now. To be called before they are read.
    pub fn new(paths: Vec<PathBuf>) -> io::Result<Self> {
        let seen = Mutex::new(stamps(&paths)?);
        Ok(Self { paths, seen, started: Instant::now(), look_again_at: LOOK_EVERY_MS.into() })
    }

    /// Since this began to watch.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether it is time to look again. True for one caller only.
    pub fn is_due(&self) -> bool {
        let now = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.look_again_at.load(Ordering::Relaxed);
        let next = now.saturating_add(LOOK_EVERY_MS);
        let claim =
            || self.look_again_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        now >= due && claim().is_ok()
    }

    /// Calls `read` if a file has changed since the last look: once for each change, whether or
    /// not what it reads is any good. One look at a time. Blocks.
    pub fn if_changed<T, E: From<io::Error>>(
        &self,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the files are read: what changes meanwhile is found at the next look.
        let now = stamps(&self.paths)?;
        if *seen == now {
            return Ok(None);
        }
        *seen = now;
        read().map(Some)
    }
}

fn stamps(paths: &[PathBuf]) -> io::Result<Vec<Option<Stamp>>> {
    paths.iter().map(|path| stamp(path)).collect()
}

/// None when there is no such file.
fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(Stamp {
            device: found.dev(),
            inode: found.ino(),
            len: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(watch: &Watch) -> bool {
        watch.if_changed(|| Ok::<_, io::Error>(())).unwrap().is_some()
    }

    #[test]
    fn each_change_is_seen_once() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name| scratch.path().join(name);
        std::fs::write(path("a"), "1").unwrap();
        let watch = Watch::new(vec![path("a"), path("b")]).unwrap();
        assert!(!looks(&watch));
        std::fs::write(path("b"), "1").unwrap();
        assert!(looks(&watch) && !looks(&watch));
        std::fs::write(path("new"), "2").unwrap();
        std::fs::rename(path("new"), path("a")).unwrap();
        assert!(looks(&watch) && !looks(&watch));
        std::fs::remove_file(path("a")).unwrap();
        let failed = watch.if_changed(|| Err::<(), _>(io::Error::other("no good")));
        assert!(failed.is_err() && !looks(&watch));
    }

    #[test]
    fn one_caller_looks_at_a_time() {
        let watch = Watch::new(vec![]).unwrap();
        watch.look_again_at.store(0, Ordering::Relaxed);
        assert!(watch.is_due());
        assert!(!watch.is_due());
    }
}
