//! Where the log ends, and whether it is whole up to there: the second part of recovery. Changes
//! nothing.
//!
//! Every batch header says what was durable when it was written. So a bad record is damage if any
//! intact header after it says that it was durable; otherwise it is the torn tail of what was
//! being written when the host stopped. The last batch before a stop has no header after it: a
//! bit flipped there can't be told from a tear.

use bytes::Bytes;
use triphammer_model::Seq;

use crate::disk::Disk;
use crate::error::OpenError;
use crate::recover::{Found, Inventory, io_error};
use crate::segment::{
    BATCH_HEADER, HEADER_PAGE, RECORD_HEADER, RecordHeader, Resumed, Start, segment_name,
};
use crate::segment_walk::{Expected, Walk, Walked, durable_by};

/// The log's end, and what is known of it.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// The end of the last record that is proven durable.
    pub(crate) kept: Kept,
    /// Intact records after that, which nothing proves durable.
    pub(crate) survivors: Vec<Survivor>,
    /// Where the last batch was torn, if there is more of it than its header.
    pub(crate) torn: Option<(u32, u32)>,
}

/// A point between two records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Kept {
    /// 0 when no segment has a record.
    pub(crate) generation: u32,
    pub(crate) end: u32,
    pub(crate) next: u64,
    /// The number of the record before, 0 when there is none.
    pub(crate) previous: u64,
}

#[derive(Debug)]
pub(crate) struct Survivor {
    pub(crate) generation: u32,
    pub(crate) at: u32,
    pub(crate) header: RecordHeader,
    pub(crate) body: Bytes,
}

impl Tail {
    /// What the header of a segment says that begins with the survivors.
    pub(crate) fn resumed(&self) -> Resumed {
        let kept = &self.kept;
        let last = self.survivors.last().map(|survivor| survivor.header.last());
        let previous = match self.survivors.first().map(|survivor| survivor.header) {
            Some(header) if header.back > 0 => header.seq.saturating_sub(u64::from(header.back)),
            _ => kept.previous,
        };
        Resumed {
            sealed: kept.generation,
            sealed_end: kept.end,
            first: kept.next,
            previous,
            durable: last.unwrap_or(kept.next - 1),
        }
    }
}

/// Goes through all that may have to be replayed, and to the log's end.
pub(crate) fn find_tail(
    disk: &dyn Disk,
    inventory: &Inventory,
    replay_from: Option<Seq>,
) -> Result<Tail, OpenError> {
    let checkpoint = replay_from.map_or(0, |from| from.get() - 1);
    let mut search = Search { disk, checkpoint, proven: checkpoint, tail: Tail::default() };
    let chain = &inventory.chain;
    let Some(first_index) = start_index(chain, replay_from) else {
        search.tail.kept.next = 1;
        let file = disk.path("");
        return search.end_of_log(file, 0);
    };
    search.begin(&chain[first_index]);
    for (index, segment) in chain.iter().enumerate().skip(first_index) {
        let (stop, torn) = search.walk(segment)?;
        let Some(next) = chain.get(index + 1) else {
            return search.stop(chain, index, stop, torn);
        };
        if !continues(segment, next, stop, search.next()) {
            return search.stop(chain, index, stop, torn);
        }
    }
    search.end_of_log(disk.path(""), 0)
}

/// The last segment that begins before the first record to replay, so that something in it is
/// proven durable by the checkpoint.
fn start_index(chain: &[Found], replay_from: Option<Seq>) -> Option<usize> {
    let from = replay_from.map_or(1, Seq::get);
    let before = chain.iter().rposition(|s| s.first.is_some_and(|first| first < from));
    before.or(if chain.is_empty() { None } else { Some(0) })
}

/// Whether the log goes on in `next` with the record numbered `number`.
fn continues(segment: &Found, next: &Found, stop: u32, number: u64) -> bool {
    let seam = segment.sealed_end.is_none_or(|sealed_end| sealed_end == stop);
    seam && next.first == Some(number)
}

struct Search<'a> {
    disk: &'a dyn Disk,
    /// What the checkpoint has seen: proven, but not by the log.
    checkpoint: u64,
    /// Everything up to here is durable.
    proven: u64,
    tail: Tail,
}

impl Search<'_> {
    fn begin(&mut self, first: &Found) {
        // `check_beginning` has seen to it that the number is known.
        let next = first.first.unwrap_or(1);
        self.tail.kept = match first.start {
            Start::Rolled => Kept { generation: 0, end: 0, next, previous: 0 },
            Start::Resumed(resumed) => Kept {
                generation: resumed.sealed,
                end: resumed.sealed_end,
                next,
                previous: resumed.previous,
            },
        };
    }

    /// The number of the record that should come next.
    fn next(&self) -> u64 {
        self.tail.survivors.last().map_or(self.tail.kept.next, |s| s.header.last() + 1)
    }

    fn expected(&self) -> Expected {
        let kept = &self.tail.kept;
        let previous = self.tail.survivors.last().map_or(kept.previous, |s| s.header.seq);
        Expected { next: self.next(), previous }
    }

    /// Goes through one segment; returns where something is that is not a valid continuation, and
    /// whether that is in the middle of a batch.
    fn walk(&mut self, segment: &Found) -> Result<(u32, bool), OpenError> {
        if let Start::Resumed(resumed) = segment.start {
            self.prove(resumed.durable);
        }
        let file = segment.open(self.disk)?;
        let mut walk = Walk::new(file, segment.stamp, segment.limit(), Some(self.expected()));
        loop {
            let name = segment_name(segment.generation);
            let step = walk.next();
            match step.map_err(|source| io_error(self.disk, "read", &name, source))? {
                Walked::Batch(header) => self.prove(header.durable),
                Walked::Record { at, header } if header.seq <= self.proven => {
                    // A checkpoint is made between records, so the rest of it is proven too.
                    self.proven = self.proven.max(header.last());
                    self.keep(segment.generation, at, &header);
                }
                Walked::Record { at, header } => {
                    let body = Bytes::copy_from_slice(walk.body());
                    let generation = segment.generation;
                    self.tail.survivors.push(Survivor { generation, at, header, body });
                }
                Walked::End { at, torn } => return Ok((at, torn)),
            }
        }
    }

    fn prove(&mut self, durable: u64) {
        self.proven = self.proven.max(durable);
        let proven = self.tail.survivors.iter().take_while(|s| s.header.last() <= self.proven);
        let count = proven.count();
        let mut last = None;
        for survivor in self.tail.survivors.drain(..count) {
            last = Some((survivor.generation, survivor.at, survivor.header));
        }
        if let Some((generation, at, header)) = last {
            self.keep(generation, at, &header);
        }
    }

    fn keep(&mut self, generation: u32, at: u32, header: &RecordHeader) {
        let end = at + RECORD_HEADER as u32 + header.len;
        self.tail.kept = Kept { generation, end, next: header.last() + 1, previous: header.seq };
    }

    /// At the first place where the log does not go on: damage, or its end?
    fn stop(
        mut self,
        chain: &[Found],
        index: usize,
        at: u32,
        torn: bool,
    ) -> Result<Tail, OpenError> {
        let mut durable = 0;
        for (later, segment) in chain.iter().enumerate().skip(index) {
            let from = if later == index { at } else { HEADER_PAGE };
            let name = segment_name(segment.generation);
            let found = durable_by(&segment.open(self.disk)?, segment.stamp, from)
                .map_err(|source| io_error(self.disk, "read", &name, source))?;
            durable = durable.max(found);
            if let Start::Resumed(resumed) = segment.start {
                durable = durable.max(resumed.durable);
            }
        }
        let (generation, at) = self.blame(chain, index, at)?;
        let file = self.disk.path(&segment_name(generation));
        if durable >= self.next() {
            let what = "a record that was durable is not intact";
            return Err(OpenError::Damaged { file, offset: u64::from(at), what });
        }
        self.tail.torn = torn.then_some((generation, at));
        self.end_of_log(file, at)
    }

    /// The place that is to be named: where the walk stopped, unless the next segment begins with
    /// the right record behind a batch header that is not intact.
    fn blame(&self, chain: &[Found], index: usize, at: u32) -> Result<(u32, u32), OpenError> {
        let here = (chain[index].generation, at);
        let Some(next) = chain.get(index + 1) else { return Ok(here) };
        let mut bytes = [0; RECORD_HEADER];
        let offset = u64::from(HEADER_PAGE) + BATCH_HEADER as u64;
        let name = segment_name(next.generation);
        let read = next.open(self.disk)?.read_at(offset, &mut bytes);
        let read = read.map_err(|source| io_error(self.disk, "read", &name, source))?;
        let header = RecordHeader::decode(&bytes[..read], next.stamp);
        let follows = header.is_some_and(|header| header.seq == self.next());
        Ok(if follows && next.first.is_none() { (next.generation, HEADER_PAGE) } else { here })
    }

    fn end_of_log(self, file: std::path::PathBuf, offset: u32) -> Result<Tail, OpenError> {
        let log = self.next() - 1;
        if log < self.checkpoint {
            let (checkpoint, offset) = (self.checkpoint, u64::from(offset));
            return Err(OpenError::CheckpointAhead { checkpoint, log, file, offset });
        }
        Ok(self.tail)
    }
}
