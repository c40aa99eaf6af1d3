//! Goes through one segment, batch by batch and record by record, as far as everything is valid.
//! Knows no other segment, and does not judge why it had to stop.

use std::io;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::segment::{
    BATCH_HEADER, BatchHeader, HEADER_PAGE, RECORD_HEADER, RecordHeader, SECTOR, Stamp, sector_up,
};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// What stands where the walk has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Walked {
    Batch(BatchHeader),
    /// Its body is [`Walk::body`] until the next step.
    Record {
        at: u32,
        header: RecordHeader,
    },
    /// No valid batch or record begins at `at`, or the limit is reached there.
    End {
        at: u32,
        /// In the middle of a batch.
        torn: bool,
    },
}

/// The numbers that the next record must have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Expected {
    pub(crate) next: u64,
    /// The number of the record before it, 0 when there is none.
    pub(crate) previous: u64,
}

#[derive(Debug)]
pub(crate) struct Walk {
    window: Window,
    stamp: Stamp,
    at: u32,
    batch: Option<InBatch>,
    /// None until the first batch of a segment whose beginning nothing else says.
    expected: Option<Expected>,
    body_len: usize,
}

#[derive(Debug)]
struct InBatch {
    end: u64,
    records_left: u32,
}

impl Walk {
    /// From the first batch up to `limit`, or the end of the file.
    pub(crate) fn new(
        file: Arc<dyn DiskFile>,
        stamp: Stamp,
        limit: u32,
        expected: Option<Expected>,
    ) -> Self {
        let window = Window { file, limit, start: 0, buffer: Vec::new() };
        Self { window, stamp, at: HEADER_PAGE, batch: None, expected, body_len: 0 }
    }

    /// None while no batch has been seen.
    pub(crate) fn expected(&self) -> Option<Expected> {
        self.expected
    }

    pub(crate) fn next(&mut self) -> io::Result<Walked> {
        if let Some(batch) = &self.batch
            && batch.records_left > 0
        {
            return self.record();
        }
        self.batch()
    }

    /// The body of the record that [`Walk::next`] has just given.
    pub(crate) fn body(&self) -> &[u8] {
        let end = (self.at - self.window.start) as usize;
        &self.window.buffer[end - self.body_len..end]
    }

    fn batch(&mut self) -> io::Result<Walked> {
        let end = Walked::End { at: self.at, torn: false };
        let at = sector_up(self.at);
        if at >= self.window.limit {
            return Ok(end);
        }
        let end = Walked::End { at, torn: false };
        let Some(bytes) = self.window.at(at, BATCH_HEADER)? else { return Ok(end) };
        let Some(header) = BatchHeader::decode(bytes, self.stamp) else { return Ok(end) };
        let follows = self.expected.is_none_or(|expected| expected.next == header.first);
        if !follows || header.durable >= header.first || (header.records == 0) != (header.len == 0)
        {
            return Ok(end);
        }
        self.at = at + BATCH_HEADER as u32;
        let end = u64::from(self.at) + u64::from(header.len);
        self.batch = Some(InBatch { end, records_left: header.records });
        if self.expected.is_none() && header.records == 0 {
            self.expected = Some(Expected { next: header.first, previous: 0 });
        }
        Ok(Walked::Batch(header))
    }

    fn record(&mut self) -> io::Result<Walked> {
        let at = self.at;
        let end = Walked::End { at, torn: true };
        let Some(bytes) = self.window.at(at, RECORD_HEADER)? else { return Ok(end) };
        let Some(header) = RecordHeader::decode(bytes, self.stamp) else { return Ok(end) };
        let body_at = u64::from(at) + RECORD_HEADER as u64;
        let body_end = body_at + u64::from(header.len);
        let batch = self.batch.as_mut().filter(|batch| {
            let whole = batch.records_left > 1 || batch.end == body_end;
            whole && body_end <= batch.end
        });
        let Some(batch) = batch else { return Ok(end) };
        if header.span == 0 || !follows(self.expected, &header) {
            return Ok(end);
        }
        let Some(body) = self.window.at(body_at as u32, header.len as usize)? else {
            return Ok(end);
        };
        if crc32c::crc32c(body) != header.body_crc {
            return Ok(end);
        }
        batch.records_left -= 1;
        self.body_len = header.len as usize;
        self.at = body_end as u32;
        self.expected = Some(Expected { next: header.last() + 1, previous: header.seq });
        Ok(Walked::Record { at, header })
    }
}

fn follows(expected: Option<Expected>, header: &RecordHeader) -> bool {
    match expected {
        None => true,
        // What was before is not known where the segments before were dropped.
        Some(Expected { next, previous: 0 }) => header.seq == next,
        Some(Expected { next, previous }) => {
            header.seq == next && u64::from(header.back) == next - previous
        }
    }
}

/// The highest position that any intact batch header from `from` on says was durable.
pub(crate) fn durable_by(file: &Arc<dyn DiskFile>, stamp: Stamp, from: u32) -> io::Result<u64> {
    let limit = u32::try_from(file.len()?).unwrap_or(u32::MAX);
    let mut window = Window { file: Arc::clone(file), limit, start: 0, buffer: Vec::new() };
    let mut durable = 0;
    let mut at = u64::from(sector_up(from.max(HEADER_PAGE)));
    while at + (BATCH_HEADER as u64) <= u64::from(limit) {
        if let Some(bytes) = window.at(at as u32, BATCH_HEADER)?
            && let Some(header) = BatchHeader::decode(bytes, stamp)
        {
            durable = durable.max(header.durable);
        }
        at += u64::from(SECTOR);
    }
    Ok(durable)
}

/// A part of a file, read in large pieces.
#[derive(Debug)]
struct Window {
    file: Arc<dyn DiskFile>,
    limit: u32,
    start: u32,
    buffer: Vec<u8>,
}

impl Window {
    /// The `len` bytes from `at` on; none when they reach past the limit or the file's end.
    fn at(&mut self, at: u32, len: usize) -> io::Result<Option<&[u8]>> {
        let end = u64::from(at) + len as u64;
        if end > u64::from(self.limit) {
            return Ok(None);
        }
        let held_to = u64::from(self.start) + self.buffer.len() as u64;
        if at < self.start || end > held_to {
            self.fill(at, len)?;
        }
        let from = (at - self.start) as usize;
        Ok(self.buffer.get(from..from + len))
    }

    fn fill(&mut self, at: u32, len: usize) -> io::Result<()> {
        let most = (self.limit - at) as usize;
        self.buffer.resize(len.max(CHUNK).min(most), 0);
        self.start = at;
        let read = self.file.read_at(u64::from(at), &mut self.buffer)?;
        self.buffer.truncate(read);
        Ok(())
    }
}
