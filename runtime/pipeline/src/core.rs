//! The sequencer: one lock under which everything that must have one order gets it.
//!
//! Under the lock a record is checked, numbered, applied to the views in memory and handed to
//! the journal's writer; encoding, hashing, routing and everything that waits happen outside.
//! Later attempts may read what is appended and not yet on disk; whatever leaves the host waits
//! for the durable position. Knows no wasm.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use triphammer_journal::{
    Accepted, Appender, Dedup, DeliveryRow, Disk, Durable, Fingerprint, History, Location,
    LogReader, Record, RowStatus, StateStore, Store,
};
use triphammer_model::{Event, FunctionName, Limits, Seq, Timestamp};

use crate::clock::Clock;
use crate::entry::{DeadLetter, Entry, Payload};
use crate::feed::{Feed, FeedItem};
use crate::info::{BreakerSteps, DeliveryResult, Status};
use crate::intake::nth;
use crate::measure::Meter;
use crate::notice::{self, Notice};
use crate::queue::Queue;
use crate::record_cache::RecordCache;
use crate::registry::Functions;
use crate::replays::Replays;
use crate::route::RouteTable;
use crate::sampling::Pace;
use crate::schedules::Schedules;
use crate::shed::Surplus;
use crate::traces::Tracing;
use crate::waiters::{News, Waiters};

/// Shared by every task of the pipeline.
#[derive(Debug)]
pub(crate) struct Core {
    inner: Mutex<Inner>,
    pub(crate) state: StateStore,
    pub(crate) durable: Durable,
    pub(crate) reader: LogReader,
    pub(crate) records: RecordCache,
    pub(crate) store: Store,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) history: History,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) event_bytes_max: usize,
    /// Of this data directory; part of every idempotency key.
    pub(crate) host_id: String,
    pub(crate) tracing: Tracing,
    routes: Mutex<Arc<RouteTable>>,
    /// A delivery can run, or the host stops.
    pub(crate) work: Notify,
    /// There is an earlier timer than before.
    pub(crate) timer: Notify,
    /// The feed has something for its listeners.
    pub(crate) news: Notify,
    /// A replay has begun, or was cancelled, or the host stops.
    pub(crate) replays: Notify,
    stopping: AtomicBool,
    pub(crate) conflicts: AtomicU64,
}

/// All that the lock guards.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) log: Appender,
    pub(crate) dedup: Dedup,
    pub(crate) queue: Queue,
    pub(crate) functions: Functions,
    pub(crate) schedules: Schedules,
    pub(crate) routes_version: u64,
    pub(crate) waiters: Waiters,
    pub(crate) feed: Feed,
    /// To be raised before the lock is given back.
    pub(crate) notices: Vec<Notice>,
    pub(crate) replays: Replays,
    /// To be given up before the lock is given back.
    pub(crate) surplus: Surplus,
    pub(crate) totals: Totals,
    /// Where events that bring no trace are given one.
    pub(crate) pace: Option<Pace>,
    /// Events that the host has made and that begin one, to be told of.
    pub(crate) begun: Vec<(Seq, Event)>,
    pub(crate) meter: Meter,
}

/// Counted since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) committed: u64,
    pub(crate) retried: u64,
    pub(crate) dead: u64,
    pub(crate) dropped: u64,
    pub(crate) rolledback: u64,
    pub(crate) breakers: BreakerSteps,
    pub(crate) redriven: u64,
}

/// What the pipeline is made of once it has recovered.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) inner: Inner,
    pub(crate) state: StateStore,
    pub(crate) durable: Durable,
    pub(crate) reader: LogReader,
    pub(crate) store: Store,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) history: History,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) event_bytes_max: usize,
    pub(crate) host_id: String,
    pub(crate) tracing: Tracing,
    pub(crate) routes: RouteTable,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            inner: Mutex::new(parts.inner),
            state: parts.state,
            durable: parts.durable,
            reader: parts.reader,
            records: RecordCache::default(),
            store: parts.store,
            disk: parts.disk,
            history: parts.history,
            fingerprint: parts.fingerprint,
            clock: parts.clock,
            limits: parts.limits,
            event_bytes_max: parts.event_bytes_max,
            host_id: parts.host_id,
            tracing: parts.tracing,
            routes: Mutex::new(Arc::new(parts.routes)),
            work: Notify::new(),
            timer: Notify::new(),
            news: Notify::new(),
            replays: Notify::new(),
            stopping: AtomicBool::new(false),
            conflicts: AtomicU64::new(0),
        }
    }

    /// A panic under the lock would leave the views half changed: better to end with it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn routes(&self) -> Arc<RouteTable> {
        Arc::clone(&self.routes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Swaps the table. Called under the lock, so that the version and the table agree.
    pub(crate) fn set_routes(&self, inner: &mut Inner, table: RouteTable) {
        inner.routes_version = table.version;
        *self.routes.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// No lease is given out from now on, and no event taken in.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.work.notify_waiters();
        self.timer.notify_one();
        self.news.notify_one();
        self.replays.notify_one();
    }

    /// Makes ready what has come due, and says when to look again.
    pub(crate) fn release_due(&self) -> Option<Timestamp> {
        let mut inner = self.lock();
        let now = self.clock.now();
        inner.queue.release_due(now);
        self.forget_old_letters(&mut inner, now);
        self.mend_schedules(&mut inner);
        let next = inner.queue.next_due();
        let more = inner.queue.has_next();
        drop(inner);
        if more {
            self.work.notify_one();
        }
        next
    }

    /// Tells the workers, the timers and the feed what `inner` now holds, and unlocks it.
    pub(crate) fn wake(&self, mut inner: MutexGuard<'_, Inner>, due_before: Option<Timestamp>) {
        let more = inner.queue.has_next();
        let due = inner.queue.next_due();
        let news = inner.feed.is_waiting();
        let begun = std::mem::take(&mut inner.begun);
        drop(inner);
        if !begun.is_empty() {
            self.tell_begun(begun);
        }
        if more {
            self.work.notify_one();
        }
        if due.is_some_and(|due| due_before.is_none_or(|before| due < before)) {
            self.timer.notify_one();
        }
        if news {
            self.news.notify_one();
        }
    }
}

/// An event as its record has just numbered it.
pub(crate) struct Numbered<'a> {
    pub(crate) seq: Seq,
    pub(crate) location: Location,
    /// Among the events of its record.
    pub(crate) index: u32,
    pub(crate) accepted: &'a Accepted,
}

impl Inner {
    /// Before something comes in: what has come due was there before it, so it is first in its
    /// lane. Answers when the timers were to look next.
    pub(crate) fn catch_up(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.queue.seen(now);
        let due_before = self.queue.next_due();
        if due_before.is_some_and(|due| due <= now) {
            self.queue.release_due(now);
        }
        due_before
    }

    /// Takes the events of a record that has just been appended into the queue.
    pub(crate) fn admit(&mut self, numbered: &Numbered<'_>, at: Timestamp, now: Timestamp) {
        let Numbered { seq, location, index, accepted } = *numbered;
        self.totals.accepted += 1;
        if let Some(entry) = accepted.dedup {
            self.dedup.insert(entry, seq, at);
        }
        for delivery in &accepted.deliveries {
            let function = self.queue.function_id(&delivery.function);
            let memory = Some(Box::new(accepted.event.clone()));
            let payload = Payload::new(memory, Some(location), index);
            let key = delivery.key.clone();
            let mut entry = Entry::new((seq, function), key, (at, accepted.hops), payload);
            entry.priority = delivery.priority;
            entry.set_expiry_and_name(delivery.expires, delivery.name.as_deref());
            match &delivery.dead {
                None => {
                    let slot = self.take_in(entry, delivery.due.unwrap_or(at), now);
                    if let (Some(slot), Some(name)) = (slot, &delivery.name) {
                        self.schedules.saw(function, name, seq, slot);
                    }
                }
                Some(error) => {
                    let status = RowStatus::Dead { at, error: error.clone() };
                    let row = entry.to_row(&delivery.function, status.clone());
                    let notice = notice::of_dead(&row, &accepted.event, None, u16::MAX);
                    self.notices.extend(notice);
                    self.bury(entry, &delivery.function, status, seq);
                }
            }
        }
        self.announce(seq, at, accepted);
    }

    /// Keeps a dead letter. `record` is what makes it one.
    pub(crate) fn bury(
        &mut self,
        entry: Entry,
        name: &FunctionName,
        status: RowStatus,
        record: Seq,
    ) {
        let row = entry.to_row(name, status);
        self.tell_dead(&row, record);
        self.queue.bury(entry.function, DeadLetter::new(row, entry.payload));
    }

    /// Counts a dead letter, and tells of it once `record` is on disk.
    pub(crate) fn tell_dead(&mut self, row: &DeliveryRow, record: Seq) {
        let RowStatus::Dead { at, error } = row.status.clone() else { return };
        self.totals.dead += 1;
        let id = row.id.clone();
        let attempts = row.attempts;
        self.feed.push(record.get(), || FeedItem::Dead {
            id: id.clone(),
            at,
            error: error.clone(),
        });
        self.waiters.tell(id.seq, || News {
            event: id.seq,
            record,
            result: DeliveryResult {
                function: id.function.clone(),
                revision: None,
                status: Status::Dead,
                attempts,
                reply: None,
                error: Some(error.clone()),
            },
        });
    }

    /// Takes the events of a record that is in the log as (its number, its place).
    pub(crate) fn admit_all(
        &mut self,
        record: &Record,
        (seq, location): (Seq, Location),
        now: Timestamp,
    ) {
        let (offset, events) = record.events();
        for (index, accepted) in events.iter().enumerate() {
            let seq = nth(seq, offset as usize + index);
            let index = index as u32;
            self.note_begun(seq, &accepted.event, now);
            self.admit(&Numbered { seq, location, index, accepted }, record.at(), now);
        }
    }

    fn announce(&mut self, seq: Seq, at: Timestamp, accepted: &Accepted) {
        self.feed.push(seq.get(), || FeedItem::Accepted {
            seq,
            at,
            source: accepted.event.source().to_owned(),
            id: accepted.event.id().to_owned(),
            ty: accepted.event.ty().to_owned(),
            subject: accepted.event.subject().map(str::to_owned),
            functions: accepted.deliveries.iter().map(|d| d.function.clone()).collect(),
        });
    }
}
