//! The host as it stands between a start and a crash: the real sequencer, log and checkpointer,
//! with everything that threads and tasks do done by hand.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use triphammer_journal::sim::SimDisk;
use triphammer_journal::{
    CheckpointOptions, Checkpointer, Entrance, LogOptions, Prepared, Preparer, Record, Retention,
    RevisionDef, StateListQuery, StateUsage, Step, StoreOptions, Writer,
};
use triphammer_model::{DeliveryId, Event, FunctionName, Limits, Manifest, Seq, Timestamp};
use triphammer_sandbox::StateReader;

use super::HOPS_MAX;
use super::observed::{Answer, Entry};
use super::script::Script;
use crate::boot::{Booted, Sizes, boot};
use crate::clock::Clock;
use crate::core::Core;
use crate::dispatch;
use crate::error::{ChangeError, OpenError};
use crate::info::{Counts, DeliveryQuery, Status};
use crate::lease::Lease;
use crate::options::Options;
use crate::registry::{Revision, read_filter};
use crate::replay_run::Runs;
use crate::replays::NewReplay;

/// A thing in progress, and what comes of it.
type Job<T> = Pin<Box<dyn Future<Output = T>>>;

pub(super) struct Host {
    pub(super) core: Arc<Core>,
    pub(super) writer: Writer,
    pub(super) preparer: Preparer,
    pub(super) checkpointer: Checkpointer,
    pub(super) script: Arc<Script>,
    pub(super) runs: BTreeMap<u32, Running>,
    pub(super) sends: BTreeMap<u32, Job<Option<Vec<Answer>>>>,
    pub(super) orders: BTreeMap<u32, Job<Option<u64>>>,
    /// The worker has had something to do the last time that it looked.
    awake: bool,
    /// When the timers look again.
    pub(super) look: Option<Timestamp>,
    replays: Runs,
    /// The last number that was seen of the log.
    seen: u64,
    pub(super) failed: bool,
}

/// A lease that is being worked on.
pub(super) struct Running {
    job: Job<()>,
    /// While the handler runs.
    pub(super) handler: Option<Handler>,
}

/// What the host tells of its deliveries.
pub(super) struct Shown {
    pub(super) exact: bool,
    pub(super) counts: BTreeMap<FunctionName, Counts>,
    pub(super) deliveries: Vec<(DeliveryId, Status, u32)>,
}

pub(super) struct Handler {
    pub(super) state: Arc<dyn StateReader>,
    /// What it has read of its counter.
    pub(super) count: Option<u64>,
}

fn poll<T>(job: &mut Job<T>) -> Poll<T> {
    job.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Whether it was notified since the last time.
fn notified(notify: &tokio::sync::Notify) -> bool {
    let notified = std::pin::pin!(notify.notified());
    notified.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn options() -> Options {
    Options {
        limits: Limits { hops_max: HOPS_MAX, ..Limits::default() },
        // Small, so that some payloads are read back.
        payload_bytes_max: 600,
        state_cache_bytes: 1024,
        ..Options::default()
    }
}

/// Batches of the log are small at times, so that a crash comes between records that are made
/// together.
fn sizes(sim: &SimDisk) -> Sizes {
    let batch_bytes_max = [1, 200, 4 << 20][sim.ops() as usize % 3];
    Sizes {
        store: StoreOptions { cache_bytes: 1 << 20, shrink_from: 0 },
        log: LogOptions {
            segment_bytes: LogOptions::SEGMENT_BYTES_MIN,
            free_bytes_min: 0,
            segments_ahead: 1,
            batch_bytes_max,
            ..LogOptions::default()
        },
        checkpoint: CheckpointOptions {
            fold_bytes: 3000,
            free_bytes_min: 0,
            retention: Retention { age: std::time::Duration::from_secs(60), bytes: 1 << 15 },
            ..CheckpointOptions::default()
        },
    }
}

impl Host {
    /// The start of the host, as far as the disk lets it.
    pub(super) fn open(sim: &SimDisk, clock: &Clock) -> Result<Self, OpenError> {
        let booted = boot(sim.boot(), clock.clone(), &options(), &sizes(sim))?;
        let Booted { core, writer, preparer, checkpointer, .. } = booted;
        for (name, def) in core.active_definitions() {
            core.set_active(&name, Ok(revision(&name, &def)));
        }
        for (name, def) in core.canaries() {
            core.resume_canary(&name, Ok(revision(&name, &def)));
        }
        let seen = core.durable.position();
        let mut host = Self {
            core,
            writer,
            preparer,
            checkpointer,
            script: Arc::default(),
            runs: BTreeMap::new(),
            sends: BTreeMap::new(),
            orders: BTreeMap::new(),
            awake: true,
            look: None,
            replays: Runs::default(),
            seen,
            failed: false,
        };
        host.look = host.core.release_due();
        Ok(host)
    }

    /// Whether the log after the checkpoint held anything.
    pub(super) fn was_unclean(&self) -> bool {
        let next = self.core.store.position().map_or(1, Seq::get);
        next <= self.core.durable.position()
    }

    /// The records that were appended since the last call.
    pub(super) fn appended(&mut self) -> Vec<(Seq, Record)> {
        let mut found = Vec::new();
        for location in self.core.reader.waiting() {
            let stored = self.core.reader.read(location).expect("what waits is in memory");
            if stored.seq.get() > self.seen {
                self.seen = stored.seq.get() + stored.record.span() - 1;
                found.push((stored.seq, stored.record));
            }
        }
        found
    }

    /// A worker looks for something to do, if anything has woken it.
    pub(super) fn lease(&mut self) -> Option<Lease> {
        self.awake |= notified(&self.core.work);
        let lease = if self.awake { self.core.lease() } else { None };
        self.awake = lease.is_some();
        lease
    }

    pub(super) fn begin(&mut self, run: u32, lease: Lease) {
        let (core, script) = (Arc::clone(&self.core), Arc::clone(&self.script));
        let job: Job<()> = Box::pin(dispatch::run(core, script, lease));
        self.runs.insert(run, Running { job, handler: None });
    }

    /// Goes on with a run, as far as it goes; whether it has ended.
    pub(super) fn go_on(&mut self, run: u32) -> bool {
        self.script.enter(run);
        let Some(running) = self.runs.get_mut(&run) else { return false };
        let ended = poll(&mut running.job).is_ready();
        if ended {
            self.runs.remove(&run);
        }
        ended
    }

    pub(super) fn send(&mut self, send: u32, events: Vec<Event>) {
        let core = Arc::clone(&self.core);
        let job = async move {
            let receipts = core.accept(&Entrance::Ingress, &events, None).await.ok()?;
            let answer = |receipt: crate::info::Receipt| Answer {
                seq: receipt.seq,
                duplicate: receipt.duplicate,
                differs: receipt.differs,
                functions: receipt.functions,
            };
            Some(receipts.into_iter().map(answer).collect())
        };
        self.sends.insert(send, Box::pin(job));
    }

    /// Those who are answered now.
    pub(super) fn answers(&mut self) -> Vec<(u32, Option<Vec<Answer>>)> {
        ready(&mut self.sends)
    }

    pub(super) fn order(
        &mut self,
        order: u32,
        job: impl Future<Output = Result<u64, ChangeError>> + 'static,
    ) {
        self.orders.insert(order, Box::pin(async move { job.await.ok() }));
    }

    pub(super) fn obeyed(&mut self) -> Vec<(u32, Option<u64>)> {
        ready(&mut self.orders)
    }

    /// Writes a batch, if one waits; whether it did.
    pub(super) fn write(&mut self) -> bool {
        loop {
            match self.writer.step() {
                Step::Wrote => return true,
                Step::NeedsSegment if self.preparer.step() == Prepared::Step => {}
                Step::Idle | Step::NeedsSegment | Step::Failed => return false,
            }
        }
    }

    /// The timers look, if it is their time or something has woken them; whether they did.
    pub(super) fn timers(&mut self) -> bool {
        let woken = notified(&self.core.timer);
        let due = self.look.is_some_and(|look| look <= self.core.clock.now());
        if woken || due {
            self.look = self.core.release_due();
        }
        woken || due
    }

    /// When the next step of a replay is due.
    pub(super) fn replay_due(&mut self) -> Option<Timestamp> {
        self.replays.look(&self.core)
    }

    /// Takes a step of a replay, if one is due; whether it did.
    pub(super) fn replay(&mut self) -> bool {
        let due = self.replay_due().is_some_and(|due| due <= self.core.clock.now());
        // A step waits for the disk, and nobody else is there to write to it.
        let durable = self.core.durable.position();
        let waits = |replay: &triphammer_journal::Replay| replay.end.get() > durable + 1;
        let waits = self.core.lock().replays.running().any(waits);
        if !due || waits || self.failed {
            return false;
        }
        let Some(mut run) = self.replays.take_first() else { return false };
        let stepped = self.core.step(&mut run);
        self.replays.go_on(&self.core, run, stepped);
        true
    }

    pub(super) fn start_replay(&mut self, order: u32, new: NewReplay) {
        let core = Arc::clone(&self.core);
        self.order(order, async move { core.start_replay(new).await.map(|info| info.replay.id) });
    }

    pub(super) fn cancel_replay(&mut self, order: u32, id: u64) {
        let core = Arc::clone(&self.core);
        self.order(order, async move { core.cancel_replay(id).await.map(|info| info.replay.id) });
    }

    /// The number of the first record that the log keeps.
    pub(super) fn oldest(&self) -> u64 {
        self.core.reader.segments().first().map_or(0, |segment| segment.first.get())
    }

    pub(super) fn shown(&self) -> Shown {
        let query = DeliveryQuery { limit: usize::MAX - 1, ..DeliveryQuery::default() };
        let page = self.core.find_deliveries(&query).expect("there is no cursor in it");
        let deliveries = page.deliveries.into_iter();
        let deliveries = deliveries.map(|info| (info.id, info.status, info.attempts)).collect();
        let inner = self.core.lock();
        let functions = inner.queue.functions().iter();
        let counts = functions.map(|f| (f.name.clone(), f.counts)).collect();
        let now = self.core.clock.now();
        let exact = inner.queue.next_due().is_none_or(|due| due > now);
        Shown { exact, counts, deliveries }
    }

    pub(super) fn state(&self, functions: &[FunctionName]) -> Vec<Entry> {
        let query = StateListQuery { key: None, prefix: "", after: None, limit: 10_000 };
        let list = |name: &FunctionName| {
            let now = self.core.clock.now();
            let list = self.core.state.list(name, &query, now).expect("it is there");
            let name = name.clone();
            list.entries.into_iter().map(move |e| (name.clone(), e.key, e.name, e.value))
        };
        let mut entries: Vec<Entry> = functions.iter().flat_map(list).collect();
        entries.sort();
        entries
    }

    /// How much state the host says that there is, by function.
    pub(super) fn usage(&self, functions: &[FunctionName]) -> Vec<(FunctionName, StateUsage)> {
        let usage = |name: &FunctionName| self.core.state.usage(name, self.core.clock.now());
        functions.iter().map(|name| (name.clone(), usage(name))).collect()
    }
}

fn ready<T>(jobs: &mut BTreeMap<u32, Job<T>>) -> Vec<(u32, T)> {
    let mut done = Vec::new();
    for (number, job) in jobs.iter_mut() {
        if let Poll::Ready(result) = poll(job) {
            done.push((*number, result));
        }
    }
    done.iter().for_each(|(number, _)| drop(jobs.remove(number)));
    done
}

/// What a deploy or a start makes of a definition, without a module.
pub(super) fn revision(name: &FunctionName, def: &RevisionDef) -> Arc<Revision> {
    let manifest = Manifest::from_json(&def.manifest, &Limits::default()).expect("it was made so");
    let filter = read_filter(&manifest).expect("it was checked");
    Arc::new(Revision {
        function: name.clone(),
        id: def.id,
        manifest,
        config: Arc::default(),
        filter,
        module: None,
    })
}
