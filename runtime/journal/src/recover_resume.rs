//! Begins a new segment behind the log's end: the last part of recovery, and the only one that
//! changes anything.
//!
//! Nothing is ever appended behind a recovered tail: there a record of the same size would make
//! stale ones behind it valid again. The old segment is sealed, by the header of the new one, at
//! its last record that is proven durable. The records after that are only known to be readable,
//! which is less: they are copied into the new segment. All of that takes effect at once, when
//! the new segment gets its name; before, another start finds everything as it was.

use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, ZEROS_MAX};
use crate::error::OpenError;
use crate::log_queue::salt;
use crate::recover::{Inventory, io_error};
use crate::recover_walk::Tail;
use crate::segment::{
    BATCH_HEADER, BatchHeader, HEADER_PAGE, PAGE, RECORD_HEADER, RecordHeader, SegmentHeader,
    Stamp, Start, sector_up, segment_name, spare_name,
};
use crate::segment_pool::name_segment;

/// The size of a first segment when no spare is ready: small, so that a start is quick.
const FIRST_BYTES: u32 = 8 << 20;
/// What a start can do with on a disk that has no more: once it has begun, it gives back what the
/// segment before has too much.
const FIRST_BYTES_MIN: u32 = 1 << 20;
/// The least that is allocated at once.
const STEP_BYTES_MIN: u32 = 16 << 10;

/// The segment that a run of the program begins with.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) stamp: Stamp,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) capacity: u32,
    /// The end of the records that were copied into it; 0 without any.
    pub(crate) end: u32,
    /// Where the next batch goes.
    pub(crate) offset: u32,
    pub(crate) first: u64,
    /// The number of the record before `first`, 0 when there is none.
    pub(crate) before: u64,
    /// The number that the next record gets.
    pub(crate) next: u64,
    /// The number of the record before that, 0 when there is none.
    pub(crate) previous: u64,
}

/// Makes the log's end durable, and a segment to go on with.
pub(crate) fn resume(
    disk: &dyn Disk,
    inventory: &mut Inventory,
    tail: &Tail,
    segment_bytes: u32,
    secret: u64,
) -> Result<Fresh, OpenError> {
    let Some(generation) = inventory.newest_generation.checked_add(1) else {
        let source = io::Error::other("all segment numbers are used up");
        return Err(io_error(disk, "begin a segment in", "", source));
    };
    let name = segment_name(generation);
    let io = |doing| {
        let name = name.clone();
        move |source| io_error(disk, doing, &name, source)
    };
    // The names as they are seen may not be durable: a host that was killed leaves them so. A file
    // must not be used under one name while it could come back under another.
    disk.sync_dir().map_err(io("sync the directory of"))?;
    let stamp = Stamp::new(generation, salt(secret, generation));
    let copies = copies(tail, stamp);
    let (number, capacity) =
        take_spare(disk, inventory, copies.len(), segment_bytes).map_err(io("allocate segment"))?;
    let resumed = tail.resumed();
    let start = Start::Resumed(resumed);
    let header = SegmentHeader { generation, salt: stamp.salt, capacity, start };
    let file = name_segment(disk, number, &header, &copies.bytes).map_err(io("begin segment"))?;
    inventory.newest_generation = generation;
    let Copies { end, .. } = copies;
    Ok(Fresh {
        stamp,
        file,
        capacity,
        end,
        offset: if end == 0 { HEADER_PAGE } else { sector_up(end) },
        first: resumed.first,
        before: resumed.previous,
        next: resumed.durable + 1,
        previous: tail.survivors.last().map_or(resumed.previous, |last| last.header.seq),
    })
}

/// Gives back what is no part of the log any more. Nothing here is needed for it to be right: a
/// crash in the middle leaves the rest to the next start.
pub(crate) fn tidy(
    disk: &dyn Disk,
    inventory: &mut Inventory,
    tail: &Tail,
    segment_bytes: u32,
    spares_max: usize,
) -> Result<(), OpenError> {
    let kept = tail.kept.generation;
    let (chain, after) =
        std::mem::take(&mut inventory.chain).into_iter().partition(|s| s.generation <= kept);
    inventory.chain = chain;
    let after: Vec<_> = after;
    inventory.void.extend(after.iter().map(|segment| segment.generation));
    if let Some(sealed) = inventory.chain.last_mut()
        && sealed.generation == kept
    {
        sealed.sealed_end = Some(tail.kept.end);
        let cut = sealed.open(disk)?.set_len(u64::from(tail.kept.end));
        cut.map_err(|source| io_error(disk, "cut", &segment_name(kept), source))?;
        sealed.len = tail.kept.end;
    }
    recycle_void(disk, inventory, segment_bytes, spares_max)?;
    let spares = &mut inventory.spares;
    while spares.full.len() + spares.short.len() > spares_max {
        // The short ones first: they are of less use.
        let Some(number) = spares.short.pop().or_else(|| spares.full.pop()) else { break };
        let name = spare_name(number);
        disk.remove(&name).map_err(|source| io_error(disk, "remove", &name, source))?;
    }
    disk.sync_dir().map_err(|source| io_error(disk, "sync", "", source))
}

fn recycle_void(
    disk: &dyn Disk,
    inventory: &mut Inventory,
    segment_bytes: u32,
    spares_max: usize,
) -> Result<(), OpenError> {
    let spares = &mut inventory.spares;
    for generation in std::mem::take(&mut inventory.void) {
        let name = segment_name(generation);
        let io = |source| io_error(disk, "recycle", &name, source);
        let full =
            disk.open(&name).and_then(|file| file.len()).map_err(io)? >= u64::from(segment_bytes);
        if full && spares.full.len() < spares_max {
            spares.last_number += 1;
            disk.rename(&name, &spare_name(spares.last_number)).map_err(io)?;
            spares.full.push(spares.last_number);
        } else {
            disk.remove(&name).map_err(io)?;
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Copies {
    /// One batch, padded; empty when there is nothing to copy.
    bytes: Vec<u8>,
    end: u32,
}

impl Copies {
    fn len(&self) -> usize {
        self.bytes.len()
    }
}

fn copies(tail: &Tail, stamp: Stamp) -> Copies {
    if tail.survivors.is_empty() {
        return Copies::default();
    }
    let mut bytes = vec![0; BATCH_HEADER];
    for survivor in &tail.survivors {
        let header: RecordHeader = survivor.header;
        bytes.extend_from_slice(&header.encode(stamp));
        bytes.extend_from_slice(&survivor.body);
    }
    let header = BatchHeader {
        records: tail.survivors.len() as u32,
        len: (bytes.len() - BATCH_HEADER) as u32,
        first: tail.kept.next,
        durable: tail.kept.next - 1,
    };
    header.encode(stamp, &mut bytes);
    let end = HEADER_PAGE + bytes.len() as u32;
    bytes.resize(bytes.len().next_multiple_of(PAGE as usize), 0);
    Copies { bytes, end }
}

/// A file with room for the copies and a while of work: its number, and how much it holds.
fn take_spare(
    disk: &dyn Disk,
    inventory: &mut Inventory,
    copies: usize,
    segment_bytes: u32,
) -> io::Result<(u64, u32)> {
    let needed = HEADER_PAGE + copies as u32;
    let spares = &mut inventory.spares;
    if needed <= segment_bytes
        && let Some(number) = spares.full.pop()
    {
        return Ok((number, segment_bytes));
    }
    spares.last_number += 1;
    let number = spares.last_number;
    let first_bytes = FIRST_BYTES.min(segment_bytes - HEADER_PAGE);
    let allocated = allocate(disk, &spare_name(number), needed, first_bytes);
    if allocated.is_err() {
        // It would keep what room there is from the next start.
        let _ = disk.remove(&spare_name(number));
    }
    Ok((number, allocated?))
}

/// A file of `needed` bytes and as many as there are of `more`; answers how many there are.
fn allocate(disk: &dyn Disk, name: &str, needed: u32, more: u32) -> io::Result<u32> {
    let file = disk.create(name)?;
    let capacity = needed.saturating_add(more);
    let (mut offset, mut step) = (0, ZEROS_MAX as u32);
    while offset < capacity {
        let len = step.min(capacity - offset);
        match file.write_zeros(u64::from(offset), len as usize) {
            Ok(()) => offset += len,
            Err(error) if error.kind() != io::ErrorKind::StorageFull => return Err(error),
            // In smaller steps to the end of the disk: what is left over here the next start lacks.
            Err(_) if step > STEP_BYTES_MIN => step /= 2,
            Err(error) if offset < needed.saturating_add(FIRST_BYTES_MIN) => return Err(error),
            Err(_) => return Ok(offset),
        }
    }
    Ok(capacity)
}

const _: () = assert!(RECORD_HEADER + BATCH_HEADER < HEADER_PAGE as usize);
