//! The log, put together: what is found on the disk, what goes on from there, and the threads
//! that do the writing. Knows nothing of what records say.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use triphammer_model::Seq;

use crate::disk::Disk;
use crate::error::{Failure, OpenError};
use crate::log_append::Appender;
use crate::log_durable::Durable;
use crate::log_queue::{Layout, Queue};
use crate::log_read::LogReader;
use crate::log_stats::Counters;
use crate::recover::{Found, Inventory, Known, check_ends, inventory};
use crate::recover_resume::{Fresh, resume, tidy};
use crate::recover_walk::find_tail;
use crate::segment::PAGE;
use crate::segment_pool::{PoolOptions, Prepared, Preparer, SegmentPool};
use crate::segment_table::{Segment, SegmentTable};
use crate::writer::Writer;

/// How often the helper looks at a disk that has room, and at one that has not.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN_LOW: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Of every segment but a run's first; rounded to whole pages.
    pub segment_bytes: u32,
    /// A batch takes no more records once it has this many bytes.
    pub batch_bytes_max: usize,
    /// How much that was written not long ago is kept in memory for readers.
    pub recent_bytes_max: usize,
    /// How much may wait to be written before intake has to pause.
    pub waiting_bytes_max: usize,
    /// How many segments are allocated ahead of need.
    pub segments_ahead: usize,
    /// Kept free on the disk, for checkpoints: below this, intake pauses.
    pub free_bytes_min: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            batch_bytes_max: 4 << 20,
            recent_bytes_max: 1 << 20,
            waiting_bytes_max: 64 << 20,
            segments_ahead: 2,
            free_bytes_min: 256 << 20,
        }
    }
}

impl LogOptions {
    /// The smallest segment that is of any use.
    pub const SEGMENT_BYTES_MIN: u32 = 16 << 10;
    /// Offsets have 32 bits.
    pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;

    fn segment_bytes(&self) -> u32 {
        let bytes = self.segment_bytes.clamp(Self::SEGMENT_BYTES_MIN, Self::SEGMENT_BYTES_MAX);
        bytes.next_multiple_of(PAGE)
    }

    fn layout(&self, fresh: &Fresh, secret: u64) -> Layout {
        Layout {
            generation: fresh.stamp.generation,
            offset: fresh.offset,
            capacity: fresh.capacity,
            segment_bytes: self.segment_bytes(),
            batch_bytes_max: self.batch_bytes_max,
            recent_bytes_max: self.recent_bytes_max,
            secret,
        }
    }

    fn pool(&self, secret: u64) -> PoolOptions {
        PoolOptions {
            segment_bytes: self.segment_bytes(),
            ahead: self.segments_ahead,
            free_bytes_min: self.free_bytes_min,
            secret,
        }
    }
}

/// An opened log, not running yet: its parts.
#[derive(Debug)]
pub struct Log {
    pub appender: Appender,
    pub durable: Durable,
    pub reader: LogReader,
    pub recovered: Recovered,
    pub writer: Writer,
    pub preparer: Preparer,
}

/// What recovery has found and done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Recovered {
    /// The last number in the log: 0 when it is empty. All up to it is durable.
    pub last: u64,
    /// Records copied forward, because nothing proved that they were durable.
    pub copied: usize,
    /// The segment and the offset where the last batch was torn, if it can be told.
    pub torn: Option<(u32, u32)>,
}

impl Log {
    /// Recovers the log from `disk`. What is before [`Known::replay_from`] is neither read nor
    /// checked, and proven durable. Afterwards everything in the log is durable, and
    /// [`LogReader::scan`] gives it.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        known: impl Into<Known>,
    ) -> Result<Self, OpenError> {
        let known = known.into();
        let replay_from = known.replay_from;
        let segment_bytes = options.segment_bytes();
        let secret = disk.random();
        let mut inventory = inventory(&*disk, segment_bytes)?;
        check_ends(&*disk, &inventory, &known)?;
        let tail = find_tail(&*disk, &inventory, replay_from)?;
        let fresh = resume(&*disk, &mut inventory, &tail, segment_bytes, secret)?;
        let spares_max = options.segments_ahead + 1;
        tidy(&*disk, &mut inventory, &tail, segment_bytes, spares_max)?;
        let recovered =
            Recovered { last: fresh.next - 1, copied: tail.survivors.len(), torn: tail.torn };
        Ok(Self::assemble(disk, options, secret, inventory, &fresh, recovered))
    }

    fn assemble(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        secret: u64,
        inventory: Inventory,
        fresh: &Fresh,
        recovered: Recovered,
    ) -> Self {
        let durable = Durable::new(recovered.last);
        let table = Arc::new(SegmentTable::new(Arc::clone(&disk)));
        let segment = fill_table(&table, &inventory.chain, fresh);
        let queue = Arc::new(Queue::new(options.layout(fresh, secret)));
        let pool = Arc::new(SegmentPool::new(
            Arc::clone(&disk),
            options.pool(secret),
            inventory.newest_generation,
            inventory.spares,
        ));
        let counters = Arc::<Counters>::default();
        Self {
            appender: Appender {
                queue: Arc::clone(&queue),
                pool: Arc::clone(&pool),
                durable: durable.clone(),
                next: Seq::new(fresh.next).unwrap_or(Seq::FIRST),
                previous: Seq::new(fresh.previous),
                waiting_bytes_max: options.waiting_bytes_max,
            },
            reader: LogReader {
                disk,
                queue: Arc::clone(&queue),
                table: Arc::clone(&table),
                pool: Arc::clone(&pool),
                durable: durable.clone(),
                counters: Arc::clone(&counters),
            },
            preparer: Preparer::new(Arc::clone(&pool), durable.clone()),
            writer: Writer {
                queue,
                pool,
                table,
                durable: durable.clone(),
                counters,
                segment,
                file: Arc::clone(&fresh.file),
                previous: fresh.previous,
            },
            durable,
            recovered,
        }
    }
}

/// Returns the newest segment, which is the one to go on with.
fn fill_table(table: &SegmentTable, chain: &[Found], fresh: &Fresh) -> Arc<Segment> {
    let firsts: Vec<u64> = {
        let own = chain.iter().map(|segment| segment.first.unwrap_or(fresh.first));
        own.chain([fresh.first]).collect()
    };
    for (found, firsts) in chain.iter().zip(firsts.windows(2)) {
        let (first, last) = (firsts[0], firsts[1] - 1);
        let segment = Segment::new(found.stamp, first, found.previous(), found.limit(), last);
        table.insert(Arc::new(segment));
    }
    let last = fresh.next - 1;
    let segment = Arc::new(Segment::new(fresh.stamp, fresh.first, fresh.before, fresh.end, last));
    table.insert(Arc::clone(&segment));
    table.offer(fresh.stamp.generation, &fresh.file);
    segment
}

/// The log's threads. Dropped, it writes what waits, and ends them.
#[derive(Debug)]
pub struct LogThreads {
    queue: Arc<Queue>,
    pool: Arc<SegmentPool>,
    threads: Vec<JoinHandle<()>>,
}

impl LogThreads {
    /// Starts the writer and the helper that makes segments ready.
    pub fn start(writer: Writer, mut preparer: Preparer) -> io::Result<Self> {
        let (queue, pool) = (Arc::clone(&writer.queue), Arc::clone(&writer.pool));
        let mut threads = Self { queue, pool, threads: Vec::new() };
        let guard =
            FailOnPanic { durable: writer.durable.clone(), file: writer.file.path().into() };
        threads.spawn("journal-writer", move || {
            writer.run();
            mem::forget(guard);
        })?;
        threads.spawn("journal-segments", move || {
            loop {
                let at_most = match preparer.step() {
                    Prepared::Step => continue,
                    Prepared::Idle => LOOK_AGAIN,
                    Prepared::Low => LOOK_AGAIN_LOW,
                    Prepared::Failed => return,
                };
                if !preparer.wait(at_most) {
                    return;
                }
            }
        })?;
        Ok(threads)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }

    /// Writes and syncs everything appended so far, then ends the threads.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for LogThreads {
    fn drop(&mut self) {
        self.queue.stop();
        self.pool.wake();
        let mut threads = mem::take(&mut self.threads).into_iter();
        // The writer first: it may need the helper to be able to end.
        if let Some(writer) = threads.next() {
            let _ = writer.join();
        }
        self.pool.stop();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// Tells those who wait that nothing will come of it, should the writer's thread panic.
struct FailOnPanic {
    durable: Durable,
    file: std::path::PathBuf,
}

impl Drop for FailOnPanic {
    fn drop(&mut self) {
        let source = Arc::new(io::Error::other("the writer has panicked"));
        self.durable.fail(Failure { doing: "write to", file: self.file.clone(), source });
    }
}
