//! Segments made ready ahead of need, so that the writer never waits for a file to be filled with
//! zeros, and a full disk is noticed while there is still room for what has begun. Knows nothing
//! of records.
//!
//! A file waits as a spare. It becomes a segment in three steps, each durable before the next:
//! allocated and zeroed, given its header, renamed. So every file that is named as a segment has
//! a valid header, and no generation is ever used twice.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::disk::{Disk, DiskFile, ZEROS_MAX};
use crate::error::Failure;
use crate::log_durable::Durable;
use crate::log_queue::salt;
use crate::segment::{HEADER_PAGE, PAGE, SegmentHeader, Start, segment_name, spare_name};

/// How much is zeroed in one step.
const STEP_BYTES: u64 = ZEROS_MAX as u64;
/// How many steps are synced together.
const STEPS_PER_SYNC: u64 = 4;

#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolOptions {
    pub(crate) segment_bytes: u32,
    /// How many segments are kept ready, the named one included.
    pub(crate) ahead: usize,
    /// Below this, nothing is allocated and nothing taken in.
    pub(crate) free_bytes_min: u64,
    pub(crate) secret: u64,
}

#[derive(Debug)]
pub(crate) struct SegmentPool {
    disk: Arc<dyn Disk>,
    options: PoolOptions,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// The newest generation that there is a file for.
    allocated_through: AtomicU32,
    low: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    /// The generation of the newest named segment.
    named: u32,
    /// Named, and not taken yet.
    next: Option<Ready>,
    /// Numbers of files that are allocated in full.
    spares: Vec<u64>,
    /// Numbers of files that are not.
    short: Vec<u64>,
    last_number: u64,
    stopping: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) generation: u32,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// What is known of the files at the start.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    pub(crate) full: Vec<u64>,
    pub(crate) short: Vec<u64>,
    pub(crate) last_number: u64,
}

/// What a step of the [`Preparer`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prepared {
    /// Something; there may be more to do.
    Step,
    /// Nothing: everything is ready.
    Idle,
    /// Nothing, because the disk is full.
    Low,
    Failed,
}

impl SegmentPool {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: PoolOptions,
        named: u32,
        spares: Spares,
    ) -> Self {
        let inner = Inner {
            named,
            next: None,
            spares: spares.full,
            short: spares.short,
            last_number: spares.last_number,
            stopping: false,
        };
        let pool = Self {
            disk,
            options,
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            allocated_through: AtomicU32::new(named),
            low: AtomicBool::new(false),
        };
        pool.publish(&pool.lock());
        pool
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, inner: &Inner) {
        let through = inner.named.saturating_add(inner.spares.len() as u32);
        self.allocated_through.store(through, Ordering::Release);
    }

    /// The newest generation that there is room for without allocating.
    pub(crate) fn allocated_through(&self) -> u32 {
        self.allocated_through.load(Ordering::Acquire)
    }

    /// Whether the disk is too full to go on taking events in.
    pub(crate) fn is_low(&self) -> bool {
        self.low.load(Ordering::Acquire)
    }

    pub(crate) fn take_next(&self) -> Option<Ready> {
        let next = self.lock().next.take();
        self.changed.notify_all();
        next
    }

    /// Blocks until the next segment is ready; false when that is not to be expected: the log has
    /// failed, or is to stop while the disk is full.
    pub(crate) fn wait_for_next(&self, stopping: impl Fn() -> bool) -> bool {
        let mut inner = self.lock();
        while inner.next.is_none() && !inner.stopping && !(self.is_low() && stopping()) {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.next.is_some()
    }

    /// Has everybody who waits look again.
    pub(crate) fn wake(&self) {
        // Under the lock, or it could fall between somebody's look and wait.
        let _inner = self.lock();
        self.changed.notify_all();
    }

    /// Ends all waiting, for good.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// Takes a segment's file that is no longer part of the log: to be used again, or removed.
    pub(crate) fn recycle(&self, generation: u32) -> io::Result<()> {
        let name = segment_name(generation);
        let full = self.disk.open(&name)?.len()? >= u64::from(self.options.segment_bytes);
        let number = {
            let mut inner = self.lock();
            // One more than is kept ready: it will be needed soon.
            if !full || inner.spares.len() > self.options.ahead {
                None
            } else {
                inner.last_number += 1;
                Some(inner.last_number)
            }
        };
        match number {
            Some(number) => self.disk.rename(&name, &spare_name(number))?,
            None => self.disk.remove(&name)?,
        }
        // One at a time, or a crash could keep a later removal and lose an earlier one.
        self.disk.sync_dir()?;
        if let Some(number) = number {
            let mut inner = self.lock();
            inner.spares.push(number);
            self.publish(&inner);
        }
        self.changed.notify_all();
        Ok(())
    }

    fn set_low(&self, low: bool) {
        if self.low.swap(low, Ordering::AcqRel) != low {
            if low {
                tracing::warn!("the disk is nearly full: no more events are taken in");
            } else {
                tracing::info!("the disk has room again: events are taken in");
            }
            self.wake();
        }
    }
}

impl Inner {
    /// How many segments there is no need to allocate.
    fn ready(&self) -> usize {
        self.spares.len() + usize::from(self.next.is_some())
    }
}

/// Fills the pool, in small steps.
#[derive(Debug)]
pub struct Preparer {
    pool: Arc<SegmentPool>,
    durable: Durable,
    filling: Option<Filling>,
}

#[derive(Debug)]
struct Filling {
    number: u64,
    file: Arc<dyn DiskFile>,
    offset: u64,
}

impl Preparer {
    pub(crate) fn new(pool: Arc<SegmentPool>, durable: Durable) -> Self {
        Self { pool, durable, filling: None }
    }

    /// Does one small thing towards the pool being full.
    pub fn step(&mut self) -> Prepared {
        if self.durable.failure().is_some() {
            return Prepared::Failed;
        }
        match self.try_step() {
            Ok(prepared) => prepared,
            Err((_, source)) if source.kind() == io::ErrorKind::StorageFull => {
                self.pool.set_low(true);
                Prepared::Low
            }
            Err((doing, source)) => {
                let file = self.pool.disk.path("");
                let failure = Failure { doing, file, source: Arc::new(source) };
                tracing::error!(code = failure.code(), %failure, "nothing more is acknowledged");
                self.durable.fail(failure);
                Prepared::Failed
            }
        }
    }

    fn try_step(&mut self) -> Result<Prepared, (&'static str, io::Error)> {
        if self.name_next().map_err(|error| ("name a segment in", error))? {
            return Ok(Prepared::Step);
        }
        let allocate = |error| ("allocate a segment in", error);
        if self.filling.is_none() {
            let wanted = self.pool.lock().ready() < self.pool.options.ahead;
            let free = self.pool.disk.free_bytes().map_err(allocate)?;
            let floor = self.pool.options.free_bytes_min;
            let need = if wanted { u64::from(self.pool.options.segment_bytes) } else { 0 };
            self.pool.set_low(free < floor.saturating_add(need));
            if self.pool.is_low() {
                return Ok(Prepared::Low);
            }
            if !wanted {
                return Ok(Prepared::Idle);
            }
            self.filling = Some(self.begin().map_err(allocate)?);
        }
        self.fill().map_err(allocate)?;
        Ok(Prepared::Step)
    }

    fn begin(&self) -> io::Result<Filling> {
        let disk = &self.pool.disk;
        let number = {
            let mut inner = self.pool.lock();
            inner.short.pop().unwrap_or_else(|| {
                inner.last_number += 1;
                inner.last_number
            })
        };
        let file = disk.open_or_create(&spare_name(number))?;
        // A page that is only begun is done again.
        let offset = file.len()? / u64::from(PAGE) * u64::from(PAGE);
        Ok(Filling { number, file, offset })
    }

    fn fill(&mut self) -> io::Result<()> {
        let Some(filling) = &mut self.filling else { return Ok(()) };
        let target = u64::from(self.pool.options.segment_bytes);
        let len = STEP_BYTES.min(target.saturating_sub(filling.offset));
        if let Err(error) = filling.file.write_zeros(filling.offset, len as usize) {
            // Kept as it is, to be gone on with when there is room.
            self.pool.lock().short.push(filling.number);
            self.filling = None;
            return Err(error);
        }
        filling.offset += len;
        let done = filling.offset >= target;
        if done || filling.offset.is_multiple_of(STEP_BYTES * STEPS_PER_SYNC) {
            // Little by little, so that the log's own syncs never wait for many zeros.
            if let Err(error) = filling.file.sync_data() {
                // It reads as full, and need not be.
                let _ = self.pool.disk.remove(&spare_name(filling.number));
                self.filling = None;
                return Err(error);
            }
        }
        if done {
            let mut inner = self.pool.lock();
            inner.spares.push(filling.number);
            self.pool.publish(&inner);
            self.filling = None;
        }
        Ok(())
    }

    /// Makes a spare the next segment, if there is none.
    fn name_next(&self) -> io::Result<bool> {
        let pool = &self.pool;
        let (number, generation) = {
            let mut inner = pool.lock();
            if inner.next.is_some() {
                return Ok(false);
            }
            let Some(number) = inner.spares.pop() else { return Ok(false) };
            (number, inner.named + 1)
        };
        let salt = salt(pool.options.secret, generation);
        let header = SegmentHeader {
            generation,
            salt,
            capacity: pool.options.segment_bytes,
            start: Start::Rolled,
        };
        let named = name_segment(&*pool.disk, number, &header, &[]);
        let mut inner = pool.lock();
        let named = named.map(|file| {
            inner.named = generation;
            inner.next = Some(Ready { generation, file });
            true
        });
        pool.publish(&inner);
        pool.changed.notify_all();
        named
    }

    /// Blocks until there may be something to do; false to stop.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let inner = self.pool.lock();
        let wanted = inner.ready() < self.pool.options.ahead && !self.pool.is_low();
        if inner.stopping || wanted || (inner.next.is_none() && !inner.spares.is_empty()) {
            return !inner.stopping;
        }
        let waited = self.pool.changed.wait_timeout(inner, at_most);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }
}

/// Gives a spare its header, and `content` behind it; syncs; and only then names it as a segment.
/// A spare that can't be written or synced is removed: what it holds is not known any more.
pub(crate) fn name_segment(
    disk: &dyn Disk,
    number: u64,
    header: &SegmentHeader,
    content: &[u8],
) -> io::Result<Arc<dyn DiskFile>> {
    let spare = spare_name(number);
    let name = segment_name(header.generation);
    let file = disk.open(&spare)?;
    let mut page = vec![0; HEADER_PAGE as usize];
    let bytes = header.encode();
    page[..bytes.len()].copy_from_slice(&bytes);
    page.extend_from_slice(content);
    if let Err(error) = file.write_at(0, &page).and_then(|()| file.sync_data()) {
        let _ = disk.remove(&spare);
        return Err(error);
    }
    drop(file);
    disk.rename(&spare, &name)?;
    disk.sync_dir()?;
    // Opened by its new name, so that messages have it.
    disk.open(&name)
}
