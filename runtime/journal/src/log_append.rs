//! Takes records into the log, in order, without ever waiting for a disk. Knows nothing of what
//! they say.

use std::sync::Arc;

use triphammer_model::Seq;

use crate::error::AppendError;
use crate::log_durable::Durable;
use crate::log_queue::Queue;
use crate::record::{Body, Location};
use crate::segment_pool::SegmentPool;

/// The most events in a record: far more than fit into a segment.
const SPAN_MAX: u64 = u32::MAX as u64;

/// There is one. Whoever owns it decides the order of the log.
#[derive(Debug)]
pub struct Appender {
    pub(crate) queue: Arc<Queue>,
    pub(crate) pool: Arc<SegmentPool>,
    pub(crate) durable: Durable,
    pub(crate) next: Seq,
    /// The number of the record before, if there is one.
    pub(crate) previous: Option<Seq>,
    pub(crate) waiting_bytes_max: usize,
}

/// Why events can't be taken in, or attempts begun, for the time being.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pause {
    /// The disk is nearly full.
    Disk,
    /// More is waiting to be written than may be held in memory.
    Behind,
    /// The log has failed, and the process will end.
    Failed,
}

impl Appender {
    /// The number that the next record will have.
    pub fn next_seq(&self) -> Seq {
        self.next
    }

    /// Numbers the record and hands it over. It can be read at once, but does not survive a crash
    /// until [`Durable::wait`] says so.
    pub fn append(&mut self, body: &Body) -> Result<(Seq, Location), AppendError> {
        if let Some(failure) = self.durable.failure() {
            return Err(failure.clone().into());
        }
        let seq = self.next;
        let back = self.previous.map_or(0, |previous| seq.get() - previous.get());
        let next = seq.get().checked_add(body.span).and_then(Seq::new);
        let mut queue = self.queue.lock();
        let max = queue.layout().body_max();
        let (Some(next), true) = (next, body.len() <= max && body.span <= SPAN_MAX) else {
            return Err(AppendError::TooLarge { len: body.len(), max });
        };
        if self.pool.is_low()
            && queue.layout().generation + queue.segments_needed(body.len())
                > self.pool.allocated_through()
        {
            return Err(AppendError::DiskFull);
        }
        let (segment, offset) = queue.push(seq.get(), back as u32, body);
        self.queue.wake(queue);
        self.previous = Some(seq);
        self.next = next;
        Ok((seq, Location { segment, offset, len: body.len() as u32 }))
    }

    /// Whether events may be taken in: the first thing to stop.
    pub fn may_accept(&self) -> Result<(), Pause> {
        if self.durable.failure().is_some() {
            return Err(Pause::Failed);
        }
        if self.pool.is_low() {
            return Err(Pause::Disk);
        }
        if self.queue.lock().waiting_bytes() > self.waiting_bytes_max {
            return Err(Pause::Behind);
        }
        Ok(())
    }

    /// Whether attempts may begin: what is left on a nearly full disk is for the commits of those
    /// that have.
    pub fn may_dispatch(&self) -> Result<(), Pause> {
        if self.durable.failure().is_some() {
            return Err(Pause::Failed);
        }
        if self.pool.is_low() && self.reserve() < self.segment_bytes() {
            return Err(Pause::Disk);
        }
        Ok(())
    }

    /// What can be appended without allocating anything, in bytes.
    fn reserve(&self) -> u64 {
        let queue = self.queue.lock();
        let layout = queue.layout();
        let ahead = self.pool.allocated_through().saturating_sub(layout.generation);
        u64::from(queue.segment_left()) + u64::from(ahead) * u64::from(layout.segment_bytes)
    }

    fn segment_bytes(&self) -> u64 {
        u64::from(self.queue.lock().layout().segment_bytes)
    }
}
