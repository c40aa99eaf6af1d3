//! What is in the directory, and how it hangs together: the first part of recovery. Changes
//! nothing.
//!
//! The log is a chain of segments, found from its newest end: each continues the one before it
//! by number, or says in its header which one it continues, and where that one ends.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use triphammer_model::Seq;

use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;
use crate::segment::{
    BATCH_HEADER, BatchHeader, HEADER_PAGE, SEGMENT_HEADER, SegmentHeader, Stamp, Start,
    parse_segment_name, parse_spare_name, segment_name,
};
use crate::segment_pool::Spares;

/// A segment file with a valid header.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) generation: u32,
    pub(crate) start: Start,
    pub(crate) stamp: Stamp,
    pub(crate) len: u32,
    /// How long the file was made.
    pub(crate) capacity: u32,
    /// Where a later segment says that this one ends.
    pub(crate) sealed_end: Option<u32>,
    /// The number that it begins with; none for one that was made ready and never written to, or
    /// whose first batch is not intact.
    pub(crate) first: Option<u64>,
}

/// Everything that there is.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// The log, oldest segment first.
    pub(crate) chain: Vec<Found>,
    /// Segments that are no part of it: made ready ahead of a stop, and passed over by the start
    /// after it.
    pub(crate) void: Vec<u32>,
    pub(crate) newest_generation: u32,
    pub(crate) spares: Spares,
}

impl Found {
    /// Where reading has to stop, if nothing stops it before.
    pub(crate) fn limit(&self) -> u32 {
        self.sealed_end.unwrap_or(self.len)
    }

    /// Opened when it is needed: there may be more segments than files that can be open.
    pub(crate) fn open(&self, disk: &dyn Disk) -> Result<Arc<dyn DiskFile>, OpenError> {
        let name = segment_name(self.generation);
        disk.open(&name).map_err(|source| io_error(disk, "open", &name, source))
    }

    /// The segment that it continues.
    fn before(&self) -> u32 {
        match self.start {
            Start::Rolled => self.generation - 1,
            Start::Resumed(resumed) => resumed.sealed,
        }
    }

    /// The number before its first record, where its header says so.
    pub(crate) fn previous(&self) -> u64 {
        match self.start {
            Start::Rolled => 0,
            Start::Resumed(resumed) => resumed.previous,
        }
    }
}

/// Looks at every name and every segment's header.
pub(crate) fn inventory(disk: &dyn Disk, segment_bytes: u32) -> Result<Inventory, OpenError> {
    let list = disk.list();
    let names = list.map_err(|source| io_error(disk, "list", "", source))?;
    let mut found = BTreeMap::new();
    let mut spares = Spares::default();
    for name in &names {
        if let Some(generation) = parse_segment_name(name) {
            found.insert(generation, open_segment(disk, name, generation)?);
        } else if let Some(number) = parse_spare_name(name) {
            let len = disk.open(name).and_then(|file| file.len());
            let len = len.map_err(|source| io_error(disk, "open", name, source))?;
            let full = len >= u64::from(segment_bytes);
            if full { &mut spares.full } else { &mut spares.short }.push(number);
            spares.last_number = spares.last_number.max(number);
        }
    }
    let newest_generation = found.keys().next_back().copied().unwrap_or(0);
    let (chain, void) = chain(disk, found)?;
    chain.iter().try_for_each(|segment| check_len(disk, segment))?;
    Ok(Inventory { chain, void, newest_generation, spares })
}

/// A segment's file has its full length, durably, before it has its name.
fn check_len(disk: &dyn Disk, segment: &Found) -> Result<(), OpenError> {
    if segment.len >= segment.sealed_end.unwrap_or(segment.capacity) {
        return Ok(());
    }
    let file = disk.path(&segment_name(segment.generation));
    let what = "the file is shorter than it was";
    Err(OpenError::Damaged { file, offset: u64::from(segment.len), what })
}

/// What a checkpoint knows of the log from before. Nothing, if it is new.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Known {
    /// The first number that it has not seen.
    pub replay_from: Option<Seq>,
    /// The oldest segment that there was and the newest.
    pub segments: Option<(u32, u32)>,
}

impl From<Option<Seq>> for Known {
    fn from(replay_from: Option<Seq>) -> Self {
        Self { replay_from, segments: None }
    }
}

/// Refuses a log of which a part is missing: an end that was there, or the beginning that reading
/// needs.
pub(crate) fn check_ends(
    disk: &dyn Disk,
    inventory: &Inventory,
    known: &Known,
) -> Result<(), OpenError> {
    let missing =
        |generation| Err(OpenError::Missing { file: disk.path(&segment_name(generation)) });
    if let Some((oldest, newest)) = known.segments {
        // Segments that were made ready, and never used, are given new numbers.
        if newest > inventory.newest_generation {
            return missing(newest);
        }
        // A start that copies all of a segment forward continues what was before that one.
        match inventory.chain.first().map(Found::before) {
            None => return missing(oldest),
            Some(before) if before >= oldest => return missing(before),
            Some(_) => {}
        }
    }
    let Some(oldest) = inventory.chain.first() else { return Ok(()) };
    let Some(first) = oldest.first.and_then(Seq::new) else {
        // The oldest segment is never one that waits to be used: something was in it.
        let file = disk.path(&segment_name(oldest.generation));
        let what = "the first batch of the oldest segment is not intact";
        return Err(OpenError::Damaged { file, offset: u64::from(HEADER_PAGE), what });
    };
    match known.replay_from {
        // Without a checkpoint nothing has ever been dropped: the beginning was taken away.
        None if first.get() > 1 => missing(oldest.before()),
        Some(needed) if needed < first => Err(OpenError::CheckpointBehind { needed, first }),
        _ => Ok(()),
    }
}

fn open_segment(disk: &dyn Disk, name: &str, generation: u32) -> Result<Found, OpenError> {
    let io = |doing| move |source| io_error(disk, doing, name, source);
    let file = disk.open(name).map_err(io("open"))?;
    let mut bytes = [0; SEGMENT_HEADER];
    file.read_at(0, &mut bytes).map_err(io("read"))?;
    let Some(header) = SegmentHeader::decode(&bytes, generation) else {
        let what = "the segment's header is not intact";
        return Err(OpenError::Damaged { file: disk.path(name), offset: 0, what });
    };
    let len = u32::try_from(file.len().map_err(io("read"))?).unwrap_or(u32::MAX);
    let stamp = Stamp::new(generation, header.salt);
    let first = match header.start {
        Start::Resumed(resumed) => Some(resumed.first),
        Start::Rolled => first_batch(&*file, stamp).map_err(io("read"))?.map(|batch| batch.first),
    };
    Ok(Found {
        generation,
        start: header.start,
        stamp,
        len,
        capacity: header.capacity,
        sealed_end: None,
        first,
    })
}

fn first_batch(file: &dyn DiskFile, stamp: Stamp) -> io::Result<Option<BatchHeader>> {
    let mut bytes = [0; BATCH_HEADER];
    let read = file.read_at(u64::from(HEADER_PAGE), &mut bytes)?;
    Ok(BatchHeader::decode(&bytes[..read], stamp))
}

type Chain = (Vec<Found>, Vec<u32>);

fn chain(disk: &dyn Disk, mut found: BTreeMap<u32, Found>) -> Result<Chain, OpenError> {
    let mut chain: Vec<Found> = Vec::new();
    let mut void = Vec::new();
    let Some((_, newest)) = found.pop_last() else { return Ok((chain, void)) };
    let mut current = newest;
    loop {
        let before = current.before();
        let sealed_end = match current.start {
            Start::Rolled => None,
            Start::Resumed(resumed) => Some(resumed.sealed_end),
        };
        chain.push(current);
        void.extend(found.range(before.saturating_add(1)..).map(|(generation, _)| *generation));
        found.retain(|generation, _| *generation <= before);
        match found.remove(&before) {
            Some(mut older) => {
                older.sealed_end = sealed_end;
                current = older;
            }
            // Dropped by retention, as everything before it was.
            None if found.is_empty() => break,
            None => {
                return Err(OpenError::Missing { file: disk.path(&segment_name(before)) });
            }
        }
    }
    chain.reverse();
    Ok((chain, void))
}

pub(crate) fn io_error(
    disk: &dyn Disk,
    doing: &'static str,
    name: &str,
    source: io::Error,
) -> OpenError {
    OpenError::Io { doing, path: disk.path(name), source }
}
