//! What the log counts, for metrics. Knows no metric's name.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Sync times are counted in classes: up to 64 µs, up to 128 µs, and so on; the last is open.
pub const SYNC_CLASSES: usize = 16;
const FIRST_CLASS_US: u64 = 64;

/// Since the log was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogStats {
    pub batches: u64,
    pub records: u64,
    /// Headers and padding included.
    pub bytes: u64,
    pub syncs: u64,
    pub sync_time: Duration,
    pub sync_time_max: Duration,
    /// How many syncs fell into each class; see [`LogStats::class_limit`].
    pub sync_classes: [u64; SYNC_CLASSES],
}

impl LogStats {
    /// The longest time of a class; none for the last.
    pub fn class_limit(class: usize) -> Option<Duration> {
        (class + 1 < SYNC_CLASSES).then(|| Duration::from_micros(FIRST_CLASS_US << class))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    sync_us: AtomicU64,
    sync_us_max: AtomicU64,
    classes: [AtomicU64; SYNC_CLASSES],
}

impl Counters {
    /// One batch, written and synced.
    pub(crate) fn batch(&self, records: u64, bytes: u64, sync: Duration) {
        let us = u64::try_from(sync.as_micros()).unwrap_or(u64::MAX);
        self.batches.fetch_add(1, Relaxed);
        self.records.fetch_add(records, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.sync_us.fetch_add(us, Relaxed);
        self.sync_us_max.fetch_max(us, Relaxed);
        self.classes[class(us)].fetch_add(1, Relaxed);
    }

    pub(crate) fn stats(&self) -> LogStats {
        let batches = self.batches.load(Relaxed);
        LogStats {
            batches,
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            // Every batch is synced by itself, once.
            syncs: batches,
            sync_time: Duration::from_micros(self.sync_us.load(Relaxed)),
            sync_time_max: Duration::from_micros(self.sync_us_max.load(Relaxed)),
            sync_classes: std::array::from_fn(|class| self.classes[class].load(Relaxed)),
        }
    }
}

fn class(us: u64) -> usize {
    let classes = us.saturating_sub(1) / FIRST_CLASS_US;
    (64 - classes.leading_zeros() as usize).min(SYNC_CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_first_class_that_holds_it() {
        for (us, expect) in [(0, 0), (64, 0), (65, 1), (128, 1), (129, 2), (u64::MAX, 15)] {
            assert_eq!(class(us), expect, "{us}");
        }
        for us in 0..10_000 {
            let limit = LogStats::class_limit(class(us)).unwrap();
            assert!(Duration::from_micros(us) <= limit, "{us}");
        }
        assert_eq!(LogStats::class_limit(15), None);
    }
}
