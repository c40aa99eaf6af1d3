//! The workers: take a lease, run it, settle it. And the two tasks that only watch: timers, feed.
//!
//! Nothing polls. A worker sleeps until a delivery can run; workers wake each other while there
//! is work for one more. Knows neither lanes nor what records say.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use triphammer_journal::{Body, Record, RowChange, RowStatus, Space};
use triphammer_model::{Delivery, Effects, Event, LogLine, Seq, Timestamp, TraceContext};
use triphammer_sandbox::{BatchItem, Invoked, StateReader};

use crate::commit::{Attempt, Settled};
use crate::core::Core;
use crate::entry::{Entry, Payload};
use crate::hands::{Hands, Places};
use crate::lease::Lease;
use crate::reads::Reader;
use crate::registry::Revision;
use crate::settle::AttemptError;

/// Starts without an outcome after which a delivery is a dead letter.
const STARTS_MAX: u8 = 3;
/// How often a full disk is looked at again.
const DISK_LOOK: Duration = Duration::from_secs(1);

/// While something waits for its time the clock is looked at this often: it may have been set, or the
/// machine was asleep.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// Leases that a worker runs before it lets the runtime look at what else there is to do.
const SLICE: u32 = 32;

/// What runs an attempt's handler: the sandbox, a sink, or a script in a simulation.
pub(crate) trait Executor: Send + Sync + 'static {
    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Ran> + Send;
}

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) result: Result<Effects, AttemptError>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) logs_left_out: u32,
    pub(crate) elapsed: Duration,
}

impl From<Invoked> for Ran {
    fn from(invoked: Invoked) -> Self {
        let Invoked { result, logs, logs_left_out, elapsed, .. } = invoked;
        Self { result: result.map_err(AttemptError::from), logs, logs_left_out, elapsed }
    }
}

/// One run of a handler.
pub(crate) struct Invocation {
    pub(crate) revision: Arc<Revision>,
    pub(crate) event: Event,
    pub(crate) delivery: Delivery,
    pub(crate) idempotency_key: String,
    /// The others of its batch.
    pub(crate) along: Vec<BatchItem>,
    /// The attempt's place in its trace.
    pub(crate) trace: Option<TraceContext>,
    pub(crate) state: Arc<dyn StateReader>,
}

/// Runs deliveries until the host stops. Each thread has one such task.
///
/// Most attempts end the first time they are polled, so they run right here. One that does not (a
/// guest that runs longer than a tick, a wait for the disk) goes on as a task of its own, and the
/// runtime divides the time between it and this one.
pub(crate) async fn work(core: Arc<Core>, hands: Arc<Hands>, places: Places) {
    let mut leases: u32 = 0;
    loop {
        // Closed only by dropping it, which no one does while this task runs.
        let Ok(mut permit) = Arc::clone(&places.attempts).acquire_owned().await else { return };
        let Some(lease) = next_lease(&core).await else { return };
        let pushes = lease.revision.manifest.sink.is_some();
        let mut attempt = Box::pin(run(Arc::clone(&core), Arc::clone(&hands), lease));
        let polled = poll_fn(|cx| Poll::Ready(attempt.as_mut().poll(cx))).await;
        if polled.is_pending() {
            if pushes {
                permit = places.change(permit);
            }
            tokio::spawn(async move {
                attempt.await;
                drop(permit);
            });
        }
        leases = leases.wrapping_add(1);
        if leases.is_multiple_of(SLICE) {
            tokio::task::yield_now().await;
        }
    }
}

/// The next delivery to run, as soon as there is one; none when the host stops.
async fn next_lease(core: &Core) -> Option<Lease> {
    loop {
        if let Some(lease) = core.lease() {
            return Some(lease);
        }
        let notified = core.work.notified();
        tokio::pin!(notified);
        // Listen before looking again, or what became ready in between would wake nobody.
        notified.as_mut().enable();
        if let Some(lease) = core.lease() {
            return Some(lease);
        }
        if core.is_stopping() {
            return None;
        }
        notified.await;
    }
}

/// Makes ready what has come due, whenever something has.
pub(crate) async fn timers(core: Arc<Core>) {
    while !core.is_stopping() {
        let next = core.release_due();
        let blocked = core.lock().log.may_dispatch().is_err();
        let wait = match next {
            _ if blocked => DISK_LOOK,
            // A timer is late by less than a millisecond, and never early.
            Some(due) => due.since(core.clock.now()).clamp(Duration::from_millis(1), CLOCK_LOOK),
            None => Duration::from_secs(3600),
        };
        tokio::select! {
            () = core.timer.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        if blocked {
            core.work.notify_one();
        }
    }
}

/// Publishes what has happened, as soon as it is on disk.
pub(crate) async fn feed(core: Arc<Core>) {
    while !core.is_stopping() {
        core.news.notified().await;
        let last = core.lock().log.next_seq().get() - 1;
        let Some(last) = Seq::new(last) else { continue };
        if core.durable.wait(last).await.is_err() {
            return;
        }
        core.lock().feed.publish(last.get());
    }
}

/// Runs one delivery until it is settled, or goes back to the queue.
pub(crate) async fn run(core: Arc<Core>, executor: Arc<impl Executor>, mut lease: Lease) {
    let (core, executor) = (&*core, &*executor);
    if lease.entry.recovered && !journal_start(core, &mut lease).await {
        let event = load(core, lease.entry.seq, &lease.entry.payload);
        let Ok(event) = event else { return give_up(core, lease, "its event can't be read") };
        let attempt = attempt(core, &lease, event);
        core.settle(lease, attempt, Err(AttemptError::Crashed { starts: STARTS_MAX }));
        return;
    }
    loop {
        let event = match load(core, lease.entry.seq, &lease.entry.payload) {
            Ok(event) => event,
            Err(message) => return give_up(core, lease, &message),
        };
        let along = core.load_along(&mut lease, &event);
        if std::mem::take(&mut lease.probes) {
            core.begin_probe(&lease, &event);
        }
        let mut attempt = attempt(core, &lease, event.clone());
        core.link(&mut attempt.traced, &lease, &along);
        let (space, now) = (Arc::clone(&attempt.space), core.clock.now());
        // As of the same moment at which it is looked at again before it settles.
        let reader = Arc::new(Reader::new(&core.state, space, lease.started, lease.validated));
        let trace = attempt.traced.context().cloned();
        let mut invoked =
            invoke(core, executor, &lease, (event, along), (now, &reader), trace).await;
        attempt.reads = reader.take_noted();
        attempt.elapsed = invoked.elapsed;
        attempt.logs = std::mem::take(&mut invoked.logs);
        attempt.logs_left_out = invoked.logs_left_out;
        match core.settle(lease, attempt, invoked.result) {
            Settled::Yes => return,
            Settled::Conflict(again) => lease = again,
        }
    }
}

async fn invoke(
    core: &Core,
    executor: &impl Executor,
    lease: &Lease,
    (event, along): (Event, Vec<Event>),
    (now, reader): (Timestamp, &Arc<Reader>),
    trace: Option<TraceContext>,
) -> Ran {
    let item = |entry: &Entry, event: Event| {
        let delivery = delivery(lease, entry, now);
        let idempotency_key = delivery.idempotency_key(&core.host_id);
        BatchItem { event, delivery, idempotency_key }
    };
    let others = lease.along.iter().zip(along);
    let along = others.map(|(along, event)| item(&along.entry, event)).collect();
    let BatchItem { event, delivery, idempotency_key } = item(&lease.entry, event);
    let invocation = Invocation {
        revision: Arc::clone(&lease.revision),
        event,
        delivery,
        idempotency_key,
        along,
        trace,
        state: Arc::clone(reader) as _,
    };
    executor.invoke(invocation).await
}

fn delivery(lease: &Lease, entry: &Entry, now: Timestamp) -> Delivery {
    Delivery {
        id: lease.id_of(entry),
        revision: lease.revision.id,
        attempt: entry.attempts + 1,
        key: entry.key.clone(),
        accepted: entry.accepted,
        deadline: now.plus(lease.revision.manifest.timeout),
    }
}

fn attempt(core: &Core, lease: &Lease, event: Event) -> Attempt {
    let space = Space::new(lease.revision.function.clone(), lease.entry.key.clone());
    Attempt {
        traced: core.traced(lease, &event),
        event,
        space: Arc::new(space),
        reads: Vec::new(),
        started: lease.started,
        elapsed: Duration::ZERO,
        logs: Vec::new(),
        logs_left_out: 0,
    }
}

/// Puts on disk that an attempt begins which may have ended the host before. False when it has
/// begun too often, and the delivery is not to be run again.
async fn journal_start(core: &Core, lease: &mut Lease) -> bool {
    if lease.entry.starts >= STARTS_MAX {
        return false;
    }
    lease.entry.starts += 1;
    let at = core.clock.now();
    let row = lease.entry.to_row(&lease.revision.function, RowStatus::Due(at));
    let record = Record::Rows { at, why: RowChange::Started, rows: vec![row] };
    let body = Body::encode(&record);
    let appended = core.lock().log.append(&body);
    if let Ok((seq, location)) = appended {
        core.history.note(seq, &record, location);
        // A failed journal ends the process; the attempt may as well not begin.
        if core.durable.wait(seq).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
    true
}

/// The event of a delivery: from memory, the log, or the checkpoint, in this order.
pub(crate) fn load(core: &Core, seq: Seq, payload: &Payload) -> Result<Event, String> {
    if let Some(event) = &payload.memory {
        return Ok((**event).clone());
    }
    if let Some(location) = payload.location() {
        // A segment that was dropped meanwhile has left what is open in the checkpoint.
        if let Ok(stored) = core.records.read(&core.reader, location)
            && let Some(accepted) = stored.record.events().1.get(payload.index as usize)
        {
            return Ok(accepted.event.clone());
        }
    }
    match core.store.payload(seq) {
        Ok(Some(pinned)) => Ok(pinned.accepted.event),
        Ok(None) => Err(format!("event {seq} is neither in the log nor in the checkpoint")),
        Err(error) => Err(format!("event {seq} can't be read: {error}")),
    }
}

/// A delivery whose event can't be read: the host's fault, so it waits, and nothing is lost.
fn give_up(core: &Core, mut lease: Lease, message: &str) {
    tracing::error!(
        event = %lease.entry.seq,
        function = %lease.revision.function,
        revision = %lease.revision.id,
        attempt = lease.attempt(),
        error = message,
        "the event of a delivery can't be read"
    );
    let now = core.clock.now();
    let mut inner = core.lock();
    let due_before = inner.queue.next_due();
    let along = std::mem::take(&mut lease.along);
    inner.put_back(&lease, along, now);
    inner.queue.retry(lease.slot, now.plus(Duration::from_secs(60)), now);
    core.wake(inner, due_before);
}
