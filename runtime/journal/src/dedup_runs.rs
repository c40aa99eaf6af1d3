//! The runs of known events: which there are, when they are merged, and when they are forgotten.
//! Pure bookkeeping over [`RunFile`]s; the list itself is kept in the checkpoint.
//!
//! Four neighbours of one level become one of the next, so that a lookup asks few filters. A run
//! never grows beyond an eighth of the window or of the bytes: what is forgotten is forgotten a
//! run at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_model::Timestamp;

use crate::codec::{Decoder, Encoder};
use crate::dedup::DedupOptions;
use crate::dedup_run::{PAGE, RunFile, RunMark};
use crate::disk::Disk;
use crate::error::CodecError;
use crate::fold::Mark;
use crate::store::Store;
use crate::store_commit::Commit;
use crate::store_error::StoreError;

/// Oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    runs: Vec<Run>,
    next_id: u64,
    /// The newest event that was forgotten for want of bytes.
    forgotten: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Run {
    id: u64,
    level: u8,
    first: Timestamp,
    last: Timestamp,
    file: Arc<RunFile>,
}

/// A list of runs whose files are on disk, to be committed and then installed.
pub(crate) struct NextRuns {
    runs: Runs,
    added: Vec<(u64, Vec<u8>)>,
    removed: Vec<u64>,
    /// Files that nothing refers to when all is done.
    gone: Vec<String>,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Neighbours that are merged.
const FAN: usize = 4;
/// No run takes more than one of so many parts of the window, or of the bytes.
const PARTS: u32 = 8;
/// The row that is no run, but the time of what was forgotten.
const FORGOTTEN: u64 = 0;

fn name(id: u64) -> String {
    format!("marks-{id:016x}.run")
}

impl Runs {
    /// Opens what the checkpoint names, and removes files that it does not.
    pub(crate) fn open(store: &Store, disk: &dyn Disk) -> Result<Self> {
        let mut found = Self { next_id: 1, ..Self::default() };
        let view = store.view();
        for (id, value) in store.runs()? {
            if id == FORGOTTEN {
                found.forgotten = Some(view.decode(Decoder::new(&value).time())?);
                continue;
            }
            let (level, first, last) = view.decode(decode(&value))?;
            let file = Arc::new(RunFile::open(disk, &name(id))?);
            found.runs.push(Run { id, level, first, last, file });
            found.next_id = found.next_id.max(id + 1);
        }
        found.runs.sort_by_key(|run| run.last);
        let known: BTreeSet<String> = found.runs.iter().map(|run| name(run.id)).collect();
        let io = || StoreError::io(disk.path(&name(0)));
        for file in disk.list().map_err(io())? {
            if file.starts_with("marks-") && file.ends_with(".run") && !known.contains(&file) {
                disk.remove(&file).map_err(io())?;
            }
        }
        Ok(found)
    }

    pub(crate) fn find(&self, id: &[u8; 16]) -> Result<Option<RunMark>> {
        for run in self.runs.iter().rev() {
            if let Some(mark) = run.file.find(id)? {
                return Ok(Some(mark));
            }
        }
        Ok(None)
    }

    pub(crate) fn forgotten(&self) -> Option<Timestamp> {
        self.forgotten
    }

    pub(crate) fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.file.count()).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.file.bytes()).sum()
    }

    /// The list with `marks` in it, merged and trimmed. All its files are synced.
    pub(crate) fn next(
        &self,
        disk: &dyn Disk,
        options: &DedupOptions,
        marks: &mut Vec<Mark>,
        now: Timestamp,
    ) -> Result<NextRuns> {
        let mut next = self.clone();
        let mut made = Vec::new();
        next.runs.retain(|run| run.last.plus(options.window) >= now);
        if !marks.is_empty() {
            made.push(next.next_id);
            next.push(disk, marks)?;
        }
        while let Some(group) = next.mergeable(options) {
            made.push(next.next_id);
            next.merge(disk, group)?;
        }
        while next.bytes() > options.bytes_max && next.runs.len() > 1 {
            let oldest = next.runs.remove(0);
            next.forgotten = next.forgotten.max(Some(oldest.last));
        }
        if !made.is_empty() {
            disk.sync_dir().map_err(StoreError::io(disk.path(&name(0))))?;
        }
        Ok(self.difference(next, made))
    }

    fn difference(&self, next: Self, made: Vec<u64>) -> NextRuns {
        let before: BTreeSet<u64> = self.runs.iter().map(|run| run.id).collect();
        let after: BTreeSet<u64> = next.runs.iter().map(|run| run.id).collect();
        let new = next.runs.iter().filter(|run| !before.contains(&run.id));
        let mut added: Vec<_> = new.map(|run| (run.id, encode(run))).collect();
        if let Some(forgotten) = next.forgotten.filter(|_| next.forgotten != self.forgotten) {
            let mut e = Encoder::with_capacity(10);
            e.time(forgotten);
            added.push((FORGOTTEN, e.finish()));
        }
        let removed: Vec<u64> = before.difference(&after).copied().collect();
        let unused = made.iter().filter(|id| !after.contains(id));
        let gone = removed.iter().chain(unused).map(|id| name(*id)).collect();
        NextRuns { runs: next, added, removed, gone }
    }

    fn push(&mut self, disk: &dyn Disk, marks: &mut Vec<Mark>) -> Result<()> {
        let times = || marks.iter().map(|mark| mark.at);
        let (first, last) = (times().min(), times().max());
        // The newest of several with one id comes first, and is the one that stays.
        marks.sort_unstable_by_key(|mark| (mark.entry.id, std::cmp::Reverse(mark.seq)));
        marks.dedup_by_key(|mark| mark.entry.id);
        let sorted = marks.iter().map(|mark| {
            Ok(RunMark { id: mark.entry.id, seq: mark.seq, payload: mark.entry.payload })
        });
        let id = self.take_id();
        let file = Arc::new(RunFile::write(disk, &name(id), marks.len(), sorted)?);
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        self.runs.push(Run { id, level: 0, first, last, file });
        Ok(())
    }

    /// The index of the first of the last runs that may become one.
    fn mergeable(&self, options: &DedupOptions) -> Option<usize> {
        let start = self.runs.len().checked_sub(FAN)?;
        let group = &self.runs[start..];
        let level = group[0].level;
        let bytes: u64 = group.iter().map(|run| run.file.bytes()).sum();
        let first = group.iter().map(|run| run.first).min()?;
        let last = group.iter().map(|run| run.last).max()?;
        let fits = group.iter().all(|run| run.level == level)
            && last.since(first) <= options.window / PARTS
            && bytes <= (options.bytes_max / u64::from(PARTS)).max(PAGE as u64 * 8);
        fits.then_some(start)
    }

    fn merge(&mut self, disk: &dyn Disk, start: usize) -> Result<()> {
        let id = self.take_id();
        let group = self.runs.split_off(start);
        let count: u64 = group.iter().map(|run| run.file.count()).sum();
        // The newest first: of equal ids, its mark stays.
        let sources = group.iter().rev().map(|run| run.file.iter().peekable()).collect();
        let file = RunFile::write(disk, &name(id), count as usize, Merge { sources })?;
        self.runs.push(Run {
            id,
            level: group[0].level + 1,
            first: group.iter().map(|run| run.first).min().unwrap_or_default(),
            last: group.iter().map(|run| run.last).max().unwrap_or_default(),
            file: Arc::new(file),
        });
        Ok(())
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}

impl NextRuns {
    pub(crate) fn commit(&self, commit: &Commit<'_>) -> Result<()> {
        for (id, value) in &self.added {
            commit.add_run(*id, value)?;
        }
        self.removed.iter().try_for_each(|id| commit.remove_run(*id))
    }

    /// The list, and the names of files that it leaves over.
    pub(crate) fn into_parts(self) -> (Runs, Vec<String>) {
        (self.runs, self.gone)
    }
}

/// Sorted sources made one. Of equal ids the one of the earliest source is taken.
struct Merge<I: Iterator<Item = Result<RunMark>>> {
    sources: Vec<std::iter::Peekable<I>>,
}

impl<I: Iterator<Item = Result<RunMark>>> Iterator for Merge<I> {
    type Item = Result<RunMark>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut least: Option<(usize, [u8; 16])> = None;
        for (index, source) in self.sources.iter_mut().enumerate() {
            match source.peek() {
                Some(Ok(mark)) if least.is_none_or(|(_, id)| mark.id < id) => {
                    least = Some((index, mark.id));
                }
                Some(Err(_)) => return source.next(),
                Some(Ok(_)) | None => {}
            }
        }
        let (winner, id) = least?;
        let same = |item: &Result<RunMark>| item.as_ref().is_ok_and(|mark| mark.id == id);
        let mut taken = None;
        for (index, source) in self.sources.iter_mut().enumerate() {
            let item = source.next_if(same);
            if index == winner {
                taken = item;
            }
        }
        taken
    }
}

fn encode(run: &Run) -> Vec<u8> {
    let mut e = Encoder::with_capacity(24);
    e.byte(run.level);
    e.time(run.first);
    e.time(run.last);
    e.finish()
}

fn decode(value: &Bytes) -> Result<(u8, Timestamp, Timestamp), CodecError> {
    let mut d = Decoder::new(value);
    let run = (d.byte()?, d.time()?, d.time()?);
    d.end()?;
    Ok(run)
}
