//! The one writer of the log: takes all that waits, writes it in one piece, syncs once, and says
//! so. Knows nothing of records.
//!
//! While a batch is being synced the next one gathers, so the size of the batches follows from the
//! load and from the disk. What nobody waits for gathers for [`LINGER`]. It is a step function: a
//! thread drives it in production, the test itself in a simulation.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::DiskFile;
use crate::error::Failure;
use crate::log_durable::Durable;
use crate::log_queue::{Queue, Written};
use crate::log_stats::Counters;
use crate::segment_pool::SegmentPool;
use crate::segment_table::{Segment, SegmentTable};

/// How long records may wait for the disk that nobody waits for, as when a backlog is worked off.
/// A crash repeats the attempts of that time; a follower of the log hears of it that much later.
const LINGER: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) pool: Arc<SegmentPool>,
    pub(crate) table: Arc<SegmentTable>,
    pub(crate) durable: Durable,
    pub(crate) counters: Arc<Counters>,
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn DiskFile>,
    /// The number of the last record written, for the next segment.
    pub(crate) previous: u64,
}

/// What a step of the [`Writer`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Wrote and synced a batch.
    Wrote,
    /// Nothing: nothing waits.
    Idle,
    /// Nothing: the next batch goes into a segment that is not ready yet.
    NeedsSegment,
    /// Nothing, and never again.
    Failed,
}

impl Writer {
    /// Writes one batch, if one waits.
    pub fn step(&mut self) -> Step {
        if self.durable.failure().is_some() {
            return Step::Failed;
        }
        let Some(generation) = self.queue.lock().next_generation() else { return Step::Idle };
        if generation != self.segment.stamp.generation && !self.roll(generation) {
            return Step::NeedsSegment;
        }
        let durable = self.durable.position();
        // The appender may have closed the batch that was next, but never takes one away.
        let Some(written) = self.queue.lock().take(durable) else { return Step::Idle };
        match self.write(&written) {
            Ok(()) => Step::Wrote,
            Err(failure) => self.fail(failure),
        }
    }

    /// Proves that everything written is durable, so that the next start need not copy it, and
    /// can tell damage to the last batch from a torn one.
    pub fn close(&mut self) -> Step {
        if self.durable.failure().is_some() {
            return Step::Failed;
        }
        let durable = self.durable.position();
        let Some(proof) = self.queue.lock().proof(durable) else { return Step::Idle };
        match self.write_and_sync(&proof) {
            Ok(_) => Step::Wrote,
            Err(failure) => self.fail(failure),
        }
    }

    /// Goes over to the next segment. The one before was synced with its last batch.
    fn roll(&mut self, generation: u32) -> bool {
        let Some(ready) = self.pool.take_next() else { return false };
        debug_assert_eq!(ready.generation, generation);
        let (stamp, first, last) = {
            let queue = self.queue.lock();
            let position = self.durable.position();
            (queue.layout().stamp(generation), position + 1, position)
        };
        let segment = Segment::new(stamp, first, self.previous, 0, last);
        self.segment = Arc::new(segment);
        self.file = ready.file;
        self.table.insert(Arc::clone(&self.segment));
        self.table.offer(generation, &self.file);
        true
    }

    fn write(&mut self, written: &Written) -> Result<(), Failure> {
        let sync = self.write_and_sync(written)?;
        self.counters.batch(u64::from(written.records), written.bytes.len() as u64, sync);
        self.segment.extend(written.end, written.last);
        self.previous = written.last_record;
        self.durable.publish(written.last);
        Ok(())
    }

    fn write_and_sync(&self, written: &Written) -> Result<Duration, Failure> {
        let failed = |doing| {
            move |source: io::Error| {
                let file = self.file.path().to_owned();
                Failure { doing, file, source: Arc::new(source) }
            }
        };
        self.file.write_at(u64::from(written.start), &written.bytes).map_err(failed("write to"))?;
        let begun = Instant::now();
        self.file.sync_data().map_err(failed("sync"))?;
        Ok(begun.elapsed())
    }

    /// What the disk holds now is unknown. A second sync could succeed without having written
    /// what the first one failed to: the kernel forgets.
    fn fail(&self, failure: Failure) -> Step {
        tracing::error!(code = failure.code(), %failure, "nothing more is acknowledged");
        self.durable.fail(failure);
        self.pool.stop();
        Step::Failed
    }

    /// Told to stop, with records that there is no room for.
    fn give_up(&self) {
        let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
        let file = self.file.path().to_owned();
        self.durable.fail(Failure { doing: "begin another segment after", file, source });
    }

    /// Until everything is written and stopping was asked, or the log has failed.
    pub(crate) fn run(mut self) {
        while self.queue.wait_for_work() {
            if !self.queue.is_stopping() {
                self.durable.linger(LINGER);
            }
            match self.step() {
                Step::Wrote | Step::Idle => {}
                Step::NeedsSegment => {
                    if !self.pool.wait_for_next(|| self.queue.is_stopping()) {
                        self.give_up();
                        return;
                    }
                }
                Step::Failed => return,
            }
        }
        self.close();
        self.pool.stop();
    }
}
