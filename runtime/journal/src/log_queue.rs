//! Batches on their way from the appender to the writer, and a while beyond for readers. Knows no
//! file.
//!
//! Where a record will lie is decided when it is appended: batches are laid out one after the
//! other, each on a sector of its own, and none reaches over the end of a segment.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::record::{Body, Location};
use crate::segment::{
    BATCH_HEADER, BatchHeader, HEADER_PAGE, PAGE, RECORD_HEADER, RecordHeader, Stamp, sector_up,
};

/// How many buffers wait to be filled again.
const SPARE_BUFFERS: usize = 3;
/// What a new buffer has room for.
const BUFFER_CAPACITY: usize = 64 << 10;
/// A buffer that has grown beyond this is not kept.
const SPARE_BUFFER_MAX: usize = 8 << 20;

#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
}

#[derive(Debug)]
pub(crate) struct Inner {
    layout: Layout,
    /// Closed and waiting.
    closed: VecDeque<Batch>,
    /// Takes records.
    open: Option<Batch>,
    /// Bytes in `closed` and `open`.
    waiting: usize,
    /// Being written, or written not long ago: the newest at the back.
    recent: VecDeque<Written>,
    recent_bytes: usize,
    spare: Vec<BytesMut>,
    writer_asleep: bool,
    stopping: bool,
}

/// Where batches go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) generation: u32,
    pub(crate) offset: u32,
    /// Of this segment. Those that follow have `segment_bytes`.
    pub(crate) capacity: u32,
    pub(crate) segment_bytes: u32,
    pub(crate) batch_bytes_max: usize,
    pub(crate) recent_bytes_max: usize,
    /// Salts are made of this and the generation.
    pub(crate) secret: u64,
}

#[derive(Debug)]
struct Batch {
    generation: u32,
    start: u32,
    records: u32,
    first: u64,
    last: u64,
    last_record: u64,
    buffer: BytesMut,
}

/// What the writer writes: one piece, at one place.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) generation: u32,
    pub(crate) start: u32,
    /// The end of the last record, relative to the segment.
    pub(crate) end: u32,
    pub(crate) records: u32,
    pub(crate) last: u64,
    /// The number of the last record: `last` unless that takes more than one.
    pub(crate) last_record: u64,
    /// Header, records, and zeros to the end of the page.
    pub(crate) bytes: Bytes,
    /// Of the buffer behind `bytes`: what keeping them costs.
    capacity: usize,
}

impl Layout {
    pub(crate) fn stamp(&self, generation: u32) -> Stamp {
        Stamp::new(generation, salt(self.secret, generation))
    }

    /// The largest body that a segment can hold.
    pub(crate) fn body_max(&self) -> usize {
        self.segment_bytes as usize - HEADER_PAGE as usize - BATCH_HEADER - RECORD_HEADER
    }
}

/// A different one for each generation; a bijection, so no two are equal.
pub(crate) fn salt(secret: u64, generation: u32) -> u64 {
    let mut x = secret ^ u64::from(generation).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Queue {
    pub(crate) fn new(layout: Layout) -> Self {
        let inner = Inner {
            layout,
            closed: VecDeque::new(),
            open: None,
            waiting: 0,
            recent: VecDeque::new(),
            recent_bytes: 0,
            spare: Vec::new(),
            writer_asleep: false,
            stopping: false,
        };
        Self { inner: Mutex::new(inner), work: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the writer, if it sleeps: otherwise it looks before it does.
    pub(crate) fn wake(&self, mut inner: MutexGuard<'_, Inner>) {
        if inner.writer_asleep {
            inner.writer_asleep = false;
            drop(inner);
            self.work.notify_one();
        }
    }

    /// Asks the writer to end once nothing waits.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopping = true;
        self.wake(inner);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Blocks until there is something to write, or to stop for; false to stop.
    pub(crate) fn wait_for_work(&self) -> bool {
        let mut inner = self.lock();
        loop {
            if inner.has_work() {
                return true;
            }
            if inner.stopping {
                return false;
            }
            inner.writer_asleep = true;
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Inner {
    pub(crate) fn has_work(&self) -> bool {
        self.open.is_some() || !self.closed.is_empty()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes appended that the writer has not taken yet.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting
    }

    /// How many segments after the current one a body of `len` bytes needs: 0 or 1.
    pub(crate) fn segments_needed(&self, len: usize) -> u32 {
        let at = match &self.open {
            Some(open) => self.end_of(open),
            None => self.layout.offset as usize + BATCH_HEADER,
        };
        u32::from(at + RECORD_HEADER + len > self.layout.capacity as usize)
    }

    /// Where the records lie that the writer has not taken yet, oldest first.
    pub(crate) fn waiting_records(&self) -> Vec<Location> {
        let mut found = Vec::new();
        for batch in self.closed.iter().chain(&self.open) {
            let stamp = self.layout.stamp(batch.generation);
            let mut at = BATCH_HEADER;
            while let Some(header) = RecordHeader::decode(&batch.buffer[at..], stamp) {
                let (segment, offset) = (batch.generation, batch.start + at as u32);
                found.push(Location { segment, offset, len: header.len });
                at += RECORD_HEADER + header.len as usize;
            }
        }
        found
    }

    /// What is left of the current segment.
    pub(crate) fn segment_left(&self) -> u32 {
        let open = self.open.as_ref().map_or(0, |open| open.buffer.len() as u32);
        self.layout.capacity.saturating_sub(self.layout.offset + open)
    }

    fn end_of(&self, batch: &Batch) -> usize {
        batch.start as usize + batch.buffer.len()
    }

    /// Where the record begins: its segment and offset.
    pub(crate) fn push(&mut self, seq: u64, back: u32, body: &Body) -> (u32, u32) {
        let need = RECORD_HEADER + body.bytes.len();
        if let Some(open) = self.open.take() {
            let fits = self.end_of(&open) + need <= self.layout.capacity as usize;
            if fits && open.buffer.len() + need <= self.layout.batch_bytes_max {
                self.open = Some(open);
            } else {
                self.layout.offset = sector_up(self.end_of(&open) as u32);
                self.closed.push_back(open);
            }
        }
        let stamp_of = self.layout;
        let batch = match &mut self.open {
            Some(open) => open,
            None => {
                let batch = self.begin(seq, need);
                self.open.insert(batch)
            }
        };
        let stamp = stamp_of.stamp(batch.generation);
        let header = RecordHeader {
            len: body.bytes.len() as u32,
            body_crc: body.crc,
            seq,
            back,
            span: body.span as u32,
        };
        let offset = batch.start + batch.buffer.len() as u32;
        batch.buffer.extend_from_slice(&header.encode(stamp));
        batch.buffer.extend_from_slice(&body.bytes);
        batch.records += 1;
        batch.last = header.last();
        batch.last_record = seq;
        self.waiting += need;
        (batch.generation, offset)
    }

    fn begin(&mut self, first: u64, need: usize) -> Batch {
        let layout = &mut self.layout;
        if layout.offset as usize + BATCH_HEADER + need > layout.capacity as usize {
            layout.generation += 1;
            layout.offset = HEADER_PAGE;
            layout.capacity = layout.segment_bytes;
        }
        let (generation, start) = (layout.generation, layout.offset);
        let mut buffer =
            self.spare.pop().unwrap_or_else(|| BytesMut::with_capacity(BUFFER_CAPACITY));
        buffer.resize(BATCH_HEADER, 0);
        Batch { generation, start, records: 0, first, last: first - 1, last_record: 0, buffer }
    }

    /// The generation of the batch that comes next.
    pub(crate) fn next_generation(&self) -> Option<u32> {
        self.closed.front().or(self.open.as_ref()).map(|batch| batch.generation)
    }

    /// The next batch, ready to be written, and readable from here on until it is no longer
    /// recent.
    pub(crate) fn take(&mut self, durable: u64) -> Option<Written> {
        let batch = match self.closed.pop_front() {
            Some(batch) => batch,
            None => {
                let open = self.open.take()?;
                self.layout.offset = sector_up(self.end_of(&open) as u32);
                open
            }
        };
        self.waiting -= batch.buffer.len() - BATCH_HEADER;
        let written = self.finish(batch, durable);
        self.retire();
        self.recent_bytes += written.capacity;
        self.recent.push_back(written.clone());
        Some(written)
    }

    /// A batch without records: it proves that everything up to `durable` was.
    pub(crate) fn proof(&mut self, durable: u64) -> Option<Written> {
        let layout = &self.layout;
        if self.has_work() || layout.offset + PAGE > layout.capacity {
            return None;
        }
        let batch = self.begin(durable + 1, 0);
        self.layout.offset = sector_up(self.end_of(&batch) as u32);
        Some(self.finish(batch, durable))
    }

    fn finish(&self, mut batch: Batch, durable: u64) -> Written {
        let header = BatchHeader {
            records: batch.records,
            len: (batch.buffer.len() - BATCH_HEADER) as u32,
            first: batch.first,
            durable,
        };
        header.encode(self.layout.stamp(batch.generation), &mut batch.buffer);
        let end = self.end_of(&batch);
        let padded = end.next_multiple_of(PAGE as usize) - batch.start as usize;
        batch.buffer.resize(padded, 0);
        Written {
            generation: batch.generation,
            start: batch.start,
            end: end as u32,
            records: batch.records,
            last: batch.last,
            last_record: batch.last_record,
            capacity: batch.buffer.capacity(),
            bytes: batch.buffer.freeze(),
        }
    }

    /// Lets go of the oldest batches, all of which are written, down to the bound.
    fn retire(&mut self) {
        while self.recent_bytes > self.layout.recent_bytes_max {
            let Some(oldest) = self.recent.pop_front() else { return };
            self.recent_bytes -= oldest.capacity;
            if self.spare.len() < SPARE_BUFFERS
                && let Ok(mut buffer) = oldest.bytes.try_into_mut()
                && buffer.capacity() <= SPARE_BUFFER_MAX
            {
                buffer.clear();
                self.spare.push(buffer);
            }
        }
    }

    /// The record's header and body, if it is waiting, being written or recent.
    pub(crate) fn read(&self, generation: u32, offset: u32, len: u32) -> Option<Bytes> {
        let place = (generation, offset);
        let at = |batch: &Batch| (batch.generation, batch.start);
        let open = self.open.as_ref().filter(|open| at(open) <= place);
        let waiting = open.or_else(|| last_by(&self.closed, place, at));
        let (begins, bytes) = match waiting {
            Some(batch) => (at(batch), &batch.buffer[..]),
            None => {
                let batch = last_by(&self.recent, place, |b| (b.generation, b.start))?;
                ((batch.generation, batch.start), &batch.bytes[..])
            }
        };
        let from = offset.checked_sub(begins.1).filter(|_| begins.0 == generation)? as usize;
        let slice = bytes.get(from..from + RECORD_HEADER + len as usize)?;
        // A copy, so that a small record does not keep a whole batch.
        Some(Bytes::copy_from_slice(slice))
    }
}

/// The last of the batches, which are in order, that begins at or before `place`.
fn last_by<T>(
    batches: &VecDeque<T>,
    place: (u32, u32),
    at: impl Fn(&T) -> (u32, u32),
) -> Option<&T> {
    let after = batches.partition_point(|batch| at(batch) <= place);
    batches.get(after.checked_sub(1)?)
}
