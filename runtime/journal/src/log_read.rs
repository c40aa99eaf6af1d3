//! Reads records back: from memory while they are on their way, from their segment afterwards.
//! Knows nothing of what they say.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_model::Seq;

use crate::disk::Disk;
use crate::error::ReadError;
use crate::log_durable::Durable;
use crate::log_queue::Queue;
use crate::log_scan::{RawScan, Scan};
use crate::log_stats::{Counters, LogStats};
use crate::record::{Location, Record, Stored};
use crate::segment::{RECORD_HEADER, RecordHeader, Stamp, segment_name};
use crate::segment_pool::SegmentPool;
use crate::segment_table::{Segment, SegmentInfo, SegmentTable};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) table: Arc<SegmentTable>,
    pub(crate) pool: Arc<SegmentPool>,
    pub(crate) durable: Durable,
    pub(crate) counters: Arc<Counters>,
}

/// A record's body, read back and checked, but not decoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawRecord {
    pub seq: Seq,
    /// How many numbers it takes.
    pub span: u32,
    pub location: Location,
    pub body: Bytes,
}

impl LogReader {
    /// Reads any record that was appended, durable or not.
    pub fn read(&self, location: Location) -> Result<Stored, ReadError> {
        let raw = self.read_raw(location)?;
        self.decode(&raw)
    }

    /// Like [`LogReader::read`], without decoding.
    pub fn read_raw(&self, location: Location) -> Result<RawRecord, ReadError> {
        let Location { segment, offset, len } = location;
        let (in_memory, stamp) = {
            let queue = self.queue.lock();
            (queue.read(segment, offset, len), queue.layout().stamp(segment))
        };
        if let Some(bytes) = in_memory {
            return check(&bytes, stamp, location)
                .ok_or_else(|| self.damaged(location, "no record begins there"));
        }
        let gone = ReadError::Gone { segment };
        let Some(known) = self.table.find(segment) else { return Err(gone) };
        match self.read_file(&known, location) {
            // The file was taken away, or used again, while it was being read.
            Err(_) if self.table.find(segment).is_none() => Err(gone),
            other => other,
        }
    }

    fn read_file(&self, segment: &Segment, location: Location) -> Result<RawRecord, ReadError> {
        let generation = segment.stamp.generation;
        let path = || self.disk.path(&segment_name(generation));
        let io = |source: io::Error| ReadError::Io { file: path(), source };
        let file = self.table.file(generation).map_err(io)?;
        let end = u64::from(location.offset) + RECORD_HEADER as u64 + u64::from(location.len);
        // Also keeps a made-up length from being allocated.
        if end > u64::from(segment.end()) {
            return Err(self.damaged(location, "the segment ends before the record does"));
        }
        let mut bytes = vec![0; RECORD_HEADER + location.len as usize];
        let read = file.read_at(u64::from(location.offset), &mut bytes).map_err(io)?;
        bytes.truncate(read);
        check(&bytes.into(), segment.stamp, location)
            .ok_or_else(|| self.damaged(location, "no intact record begins there"))
    }

    /// Decodes what [`LogReader::read_raw`] or a scan has given.
    pub fn decode(&self, raw: &RawRecord) -> Result<Stored, ReadError> {
        match Record::decode(&raw.body) {
            Ok(record) => Ok(Stored { seq: raw.seq, location: raw.location, record }),
            // Its checksum was right: another version of the program wrote it.
            Err(error) => Err(self.damaged(raw.location, error.expected)),
        }
    }

    fn damaged(&self, location: Location, what: &'static str) -> ReadError {
        let file = self.disk.path(&segment_name(location.segment));
        ReadError::Damaged { file, offset: u64::from(location.offset), what }
    }

    /// The durable records in order, from the one that holds `from` to the one that holds `to`,
    /// or to the last that is durable now.
    pub fn scan(&self, from: Seq, to: Option<Seq>) -> Scan {
        Scan::new(self.scan_raw(from, to))
    }

    /// Like [`LogReader::scan`], without decoding.
    pub fn scan_raw(&self, from: Seq, to: Option<Seq>) -> RawScan {
        let durable = self.durable.position();
        RawScan::new(self.clone(), from.get(), to.map_or(durable, |to| to.get().min(durable)))
    }

    /// Where the records lie that are appended and that the writer has not taken yet, oldest first:
    /// for whoever follows the log ahead of the disk.
    pub fn waiting(&self) -> Vec<Location> {
        self.queue.lock().waiting_records()
    }

    /// Oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.table.list()
    }

    /// Drops the oldest segment, if all in it is older than `keep_from` and it is not the newest:
    /// its file is used again or removed. Says whether it has.
    pub fn drop_oldest(&self, keep_from: Seq) -> io::Result<bool> {
        let Some(generation) = self.table.take_oldest(keep_from.get()) else { return Ok(false) };
        self.pool.recycle(generation)?;
        Ok(true)
    }

    pub fn stats(&self) -> LogStats {
        self.counters.stats()
    }
}

fn check(bytes: &Bytes, stamp: Stamp, location: Location) -> Option<RawRecord> {
    let header = RecordHeader::decode(bytes, stamp)?;
    let body = bytes.slice(RECORD_HEADER..);
    let valid = header.len == location.len
        && body.len() == location.len as usize
        && crc32c::crc32c(&body) == header.body_crc;
    let seq = Seq::new(header.seq)?;
    valid.then_some(RawRecord { seq, span: header.span, location, body })
}
