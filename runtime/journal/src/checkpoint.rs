//! Brings the tables forward to where the log is durable, and drops what nothing needs any more.
//!
//! A checkpoint is a fold of the log: durable records that it has not seen are read back and
//! folded, and what comes of it is committed with the log position in one transaction. Nothing is
//! taken from memory, so nothing in memory has to stand still, and the tables are a state that
//! the log has been in by construction. Driven step by step, by a thread or by a test.

use std::time::Duration;

use triphammer_model::{Seq, Timestamp};

use crate::dedup::Dedup;
use crate::error::ReadError;
use crate::fold::{Fold, PayloadRef};
use crate::history::History;
use crate::log_read::LogReader;
use crate::record::Stored;
use crate::retention::{self, Retention};
use crate::state::StateStore;
use crate::store::Store;
use crate::store_commit::Commit;
use crate::store_error::StoreError;

#[derive(Clone, Copy, Debug)]
pub struct CheckpointOptions {
    /// Due when so much was appended since the last; it is what a restart has to read.
    pub log_bytes: u64,
    /// Due when anything was appended and so much time has passed since the last.
    pub interval: Duration,
    /// Due when so much state is in memory only.
    pub dirty_bytes: u64,
    /// What one transaction may take up in memory, roughly.
    pub fold_bytes: usize,
    /// Not begun with less room than this on the disk, and what the fold may write.
    pub free_bytes_min: u64,
    pub retention: Retention,
    /// How long a row of state stays after its time is over. Longer than any attempt takes: one
    /// that began before sees it to its end.
    pub expired_kept: Duration,
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self {
            log_bytes: 128 << 20,
            interval: Duration::from_secs(30),
            dirty_bytes: 64 << 20,
            fold_bytes: 16 << 20,
            free_bytes_min: 32 << 20,
            retention: Retention::default(),
            expired_kept: Duration::from_secs(16 * 60),
        }
    }
}

/// What is brought forward together.
#[derive(Clone, Debug)]
pub struct CheckpointParts {
    pub store: Store,
    pub reader: LogReader,
    pub state: StateStore,
    pub dedup: Dedup,
    pub history: History,
}

/// There is one, and it alone writes to the store.
#[derive(Debug)]
pub struct Checkpointer {
    parts: CheckpointParts,
    options: CheckpointOptions,
    /// As of the last step.
    log_bytes: u64,
    at: Timestamp,
}

/// What a step has done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Checkpointed {
    pub records: u64,
    pub transactions: u32,
    pub segments_dropped: u32,
    /// Rows of state whose time was over.
    pub rows_swept: u64,
}

/// Rows of state that one transaction removes because their time is over.
const SWEEP_ROWS: usize = 10_000;
/// Such transactions in one step.
const SWEEPS_MAX: usize = 20;

type Result<T, E = StoreError> = std::result::Result<T, E>;

impl Checkpointer {
    pub fn new(parts: CheckpointParts, options: CheckpointOptions, now: Timestamp) -> Self {
        Self { parts, options, log_bytes: 0, at: now }
    }

    /// Whether a step should be made.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let grown = self.parts.reader.stats().bytes.saturating_sub(self.log_bytes);
        grown >= self.options.log_bytes
            || self.parts.state.dirty_bytes() >= self.options.dirty_bytes
            || (now.since(self.at) >= self.options.interval
                && (self.has_work() || self.has_expired(now)))
    }

    /// Brings everything forward to the durable position, in as many transactions as memory asks
    /// for, writes the indexes of sealed segments, and drops segments that have had their time.
    /// When the disk is full, what was committed so far stays, and the next step goes on.
    pub fn step(&mut self, now: Timestamp) -> Result<Checkpointed> {
        self.at = now;
        self.log_bytes = self.parts.reader.stats().bytes;
        match self.bring_forward(now) {
            Err(error) if error.is_out_of_space() => {
                self.parts.store.reopen()?;
                self.parts.state.adopt_view();
                Err(StoreError::DiskFull { free: self.free()?, needed: self.needed() })
            }
            other => other,
        }
    }

    fn bring_forward(&self, now: Timestamp) -> Result<Checkpointed> {
        let mut done = Checkpointed::default();
        if self.has_work() {
            self.parts.dedup.freeze();
            self.fold(now, &mut done)?;
        }
        self.sweep(now, &mut done)?;
        self.parts.history.seal()?;
        let CheckpointParts { store, reader, state, history, .. } = &self.parts;
        let retention = &self.options.retention;
        done.segments_dropped = retention::apply(retention, store, reader, history, now)?;
        // The view before the last transaction must not be held: it keeps pages from reuse.
        state.adopt_view();
        Ok(done)
    }

    fn has_work(&self) -> bool {
        self.parts.reader.durable.position() >= self.next().get()
    }

    /// The first record that the tables have not seen.
    fn next(&self) -> Seq {
        self.parts.store.position().unwrap_or(Seq::FIRST)
    }

    fn fold(&self, now: Timestamp, done: &mut Checkpointed) -> Result<()> {
        let mut records = self.parts.reader.scan(self.next(), None);
        loop {
            self.check_room()?;
            let fold = self.gather(&mut records)?;
            if fold.records == 0 {
                return Ok(());
            }
            done.records += fold.records;
            done.transactions += 1;
            self.commit(fold, now)?;
        }
    }

    /// What can be removed from disk because its time is over.
    fn expired_before(&self, now: Timestamp) -> Timestamp {
        let kept = u64::try_from(self.options.expired_kept.as_millis()).unwrap_or(u64::MAX);
        Timestamp(now.0.saturating_sub(kept))
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.parts.store.view().first_expiry.is_some_and(|at| at < self.expired_before(now))
    }

    /// Removes state whose time is over, a bounded part of it.
    fn sweep(&self, now: Timestamp, done: &mut Checkpointed) -> Result<()> {
        let CheckpointParts { store, state, .. } = &self.parts;
        for _ in 0..SWEEPS_MAX {
            if !self.has_expired(now) {
                return Ok(());
            }
            self.check_room()?;
            // What is not counted any more can go without a word to the count.
            state.expire(now)?;
            let commit = Commit::begin(store)?;
            let swept = commit.sweep(self.expired_before(now), SWEEP_ROWS)?;
            commit.finish()?;
            state.adopt_view();
            done.rows_swept += swept as u64;
            done.transactions += 1;
        }
        Ok(())
    }

    fn gather(
        &self,
        records: &mut impl Iterator<Item = Result<Stored, ReadError>>,
    ) -> Result<Fold> {
        let mut fold = Fold::default();
        for stored in records {
            fold.apply(&stored?);
            if fold.bytes() >= self.options.fold_bytes {
                break;
            }
        }
        Ok(fold)
    }

    fn commit(&self, mut fold: Fold, now: Timestamp) -> Result<()> {
        let CheckpointParts { store, state, dedup, history, .. } = &self.parts;
        // On disk before the position passes them.
        let runs = dedup.prepare(&mut fold.marks, now)?;
        let commit = Commit::begin(store)?;
        commit.fold(&fold, &|seq| {
            let found = history.locate(seq)?;
            Ok(found.map(|(location, index)| PayloadRef { location: Some(location), index }))
        })?;
        runs.commit(&commit)?;
        commit.finish()?;
        state.checkpointed();
        if let Some(next) = fold.next {
            dedup.install(runs, next)?;
        }
        Ok(())
    }

    /// A full disk is told apart before anything is written, where that is possible.
    fn check_room(&self) -> Result<()> {
        let (free, needed) = (self.free()?, self.needed());
        if free < needed { Err(StoreError::DiskFull { free, needed }) } else { Ok(()) }
    }

    fn free(&self) -> Result<u64> {
        let disk = &self.parts.reader.disk;
        disk.free_bytes().map_err(StoreError::io(disk.path("")))
    }

    fn needed(&self) -> u64 {
        // Every page that changes is written anew, and half-full.
        self.options.free_bytes_min + 2 * self.options.fold_bytes as u64
    }
}
