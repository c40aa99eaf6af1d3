//! Reads a stretch of the log in order, over as many segments as it takes, and checks all of it.
//! Knows nothing of what the records say.

use std::sync::Arc;

use bytes::Bytes;
use triphammer_model::Seq;

use crate::error::ReadError;
use crate::log_read::{LogReader, RawRecord};
use crate::record::{Location, Stored};
use crate::segment::segment_name;
use crate::segment_table::Segment;
use crate::segment_walk::{Expected, Walk, Walked};

/// Decoded records; ends after the first error.
#[derive(Debug)]
pub struct Scan {
    raw: RawScan,
}

/// Records as bytes; ends after the first error.
#[derive(Debug)]
pub struct RawScan {
    reader: LogReader,
    from: u64,
    to: u64,
    current: Option<(Arc<Segment>, Walk)>,
    done: bool,
}

impl Scan {
    pub(crate) fn new(raw: RawScan) -> Self {
        Self { raw }
    }
}

impl Iterator for Scan {
    type Item = Result<Stored, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = match self.raw.next()? {
            Ok(raw) => raw,
            Err(error) => return Some(Err(error)),
        };
        let decoded = self.raw.reader.decode(&raw);
        self.raw.done |= decoded.is_err();
        Some(decoded)
    }
}

impl Iterator for RawScan {
    type Item = Result<RawRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl RawScan {
    pub(crate) fn new(reader: LogReader, from: u64, to: u64) -> Self {
        Self { reader, from, to, current: None, done: from > to }
    }

    fn advance(&mut self) -> Result<Option<RawRecord>, ReadError> {
        let (mut segment, mut walk) = match self.current.take() {
            Some(current) => current,
            None => self.begin()?,
        };
        loop {
            let generation = segment.stamp.generation;
            match walk.next().map_err(|source| self.io(generation, source))? {
                Walked::Batch(_) => {}
                Walked::Record { header, .. } if header.last() < self.from => {}
                Walked::Record { header, .. } if header.seq > self.to => return Ok(None),
                Walked::Record { at, header } => {
                    let Some(seq) = Seq::new(header.seq) else {
                        return Err(self.damaged(generation, at));
                    };
                    let location = Location { segment: generation, offset: at, len: header.len };
                    // A copy of its own, so that one record kept does not keep its neighbours.
                    let body = Bytes::copy_from_slice(walk.body());
                    self.current = Some((segment, walk));
                    return Ok(Some(RawRecord { seq, span: header.span, location, body }));
                }
                Walked::End { at, .. } => {
                    let next = walk.expected().map_or(segment.first, |expected| expected.next);
                    if next > self.to {
                        return Ok(None);
                    }
                    (segment, walk) = self.follow(generation, at, next)?;
                }
            }
        }
    }

    fn begin(&self) -> Result<(Arc<Segment>, Walk), ReadError> {
        let table = &self.reader.table;
        // What is older than all segments is no longer kept.
        self.open(table.holding(self.from).ok_or(ReadError::Gone { segment: 0 })?)
    }

    /// Goes over to the segment after `generation`, which must continue with `next`.
    fn follow(
        &self,
        generation: u32,
        at: u32,
        next: u64,
    ) -> Result<(Arc<Segment>, Walk), ReadError> {
        let table = &self.reader.table;
        match table.after(generation).filter(|segment| segment.first == next) {
            Some(segment) => self.open(segment),
            None if table.find(generation).is_none() => {
                Err(ReadError::Gone { segment: generation })
            }
            None => Err(self.damaged(generation, at)),
        }
    }

    fn open(&self, segment: Arc<Segment>) -> Result<(Arc<Segment>, Walk), ReadError> {
        let generation = segment.stamp.generation;
        let file = match self.reader.table.file(generation) {
            Ok(file) => file,
            Err(_) if self.reader.table.find(generation).is_none() => {
                return Err(ReadError::Gone { segment: generation });
            }
            Err(source) => return Err(self.io(generation, source)),
        };
        let expected = Expected { next: segment.first, previous: segment.previous };
        let walk = Walk::new(file, segment.stamp, segment.end(), Some(expected));
        Ok((segment, walk))
    }

    fn io(&self, generation: u32, source: std::io::Error) -> ReadError {
        ReadError::Io { file: self.reader.disk.path(&segment_name(generation)), source }
    }

    fn damaged(&self, generation: u32, at: u32) -> ReadError {
        let file = self.reader.disk.path(&segment_name(generation));
        let what = "no intact record begins there";
        ReadError::Damaged { file, offset: u64::from(at), what }
    }
}
