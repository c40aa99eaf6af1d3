//! From a disk to a sequencer: everything that was open is back, and nothing runs yet. Starts no
//! thread and knows no wasm, so a simulation comes up exactly as the host does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use triphammer_journal::{
    Blobs, CheckpointOptions, CheckpointParts, Checkpointer, Dedup, DedupOptions, Definition, Disk,
    History, Log, LogOptions, Preparer, Retention, RevisionDef, StateStore, Store, StoreOptions,
    Writer,
};
use triphammer_model::{Digest, FunctionName, Limits, Seq, Timestamp};

use crate::clock::Clock;
use crate::core::{Core, Inner, Parts, Totals};
use crate::error::OpenError;
use crate::feed::Feed;
use crate::measure::Meter;
use crate::options::Options;
use crate::queue::Queue;
use crate::recover::{Recovered, Recovery};
use crate::registry::{Function, Functions, Revision, active_manifest, find_revision, routes};
use crate::replays::Replays;
use crate::sampling::{Pace, Shares};
use crate::schedules::Schedules;
use crate::shed::Surplus;
use crate::traces::Tracing;
use crate::waiters::Waiters;

/// What stands after a start, and what its threads are to drive.
pub(crate) struct Booted {
    pub(crate) core: Arc<Core>,
    pub(crate) blobs: Blobs,
    pub(crate) writer: Writer,
    pub(crate) preparer: Preparer,
    pub(crate) checkpointer: Checkpointer,
}

/// How much longer than the longest attempt expired state stays on disk.
const EXPIRED_KEPT: Duration = Duration::from_secs(60);

/// The sizes of the journal's parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes {
    pub(crate) store: StoreOptions,
    pub(crate) log: LogOptions,
    pub(crate) checkpoint: CheckpointOptions,
}

impl Sizes {
    pub(crate) fn new(options: &Options) -> Self {
        let retention = Retention { age: options.retention_age, bytes: options.retention_bytes };
        let checkpoint = CheckpointOptions {
            log_bytes: options.checkpoint_bytes,
            retention,
            expired_kept: options.limits.timeout_max + EXPIRED_KEPT,
            ..CheckpointOptions::default()
        };
        Self { checkpoint, ..Self::default() }
    }
}

/// Brings back what was open. Functions have no active revision yet: see [`Core::set_active`].
pub(crate) fn boot(
    disk: Arc<dyn Disk>,
    clock: Clock,
    options: &Options,
    sizes: &Sizes,
) -> Result<Booted, OpenError> {
    let store = Store::open(&disk, &sizes.store)?;
    let dedup_options =
        DedupOptions { window: options.dedup_window, bytes_max: options.dedup_bytes };
    let dedup = Dedup::open(&store, &disk, dedup_options)?;
    let state = StateStore::new(&store, options.state_cache_bytes)?;
    let mut recovery = Recovery::new(
        Queue::new(options.payload_bytes_max),
        store.definitions()?,
        store.counters()?,
        store.replays()?,
    );
    store.deliveries(|row, payload| recovery.row(&row, payload))?;
    let log = Log::open(Arc::clone(&disk), sizes.log, store.known())?;
    let Log { appender, durable, reader, writer, preparer, .. } = log;
    let history = History::open(&store, &disk, reader.clone())?;
    for stored in reader.scan(store.position().unwrap_or(Seq::FIRST), None) {
        let stored = stored?;
        state.replay(&stored);
        dedup.replay(&stored);
        history.note(stored.seq, &stored.record, stored.location);
        recovery.replay(&stored);
    }
    let Recovered { mut queue, replaced, definitions, replays, latest } =
        recovery.finish(clock.now());
    clock.advance_to(latest);
    let parts = CheckpointParts {
        store: store.clone(),
        reader: reader.clone(),
        state: state.clone(),
        dedup: dedup.clone(),
        history: history.clone(),
    };
    let checkpointer = Checkpointer::new(parts, sizes.checkpoint, clock.now());
    let blobs = Blobs::new(&disk);
    forget_unused(&blobs, definitions.values())?;
    let functions: Functions =
        definitions.into_iter().map(|(name, def)| (name, Function::new(def))).collect();
    use_up_throttles(&mut queue, &functions, &options.limits, clock.now());
    let table = routes(&functions, 1, &options.limits);
    let (schedules, missed) = Schedules::recovered(&queue);
    let shares = Arc::new(Shares::new(options.sampling));
    let pace = Pace::new(Arc::clone(&shares), options.traces_per_second, clock.now());
    let tracing = Tracing { observer: options.observer.clone(), shares };
    let core = Core::new(Parts {
        inner: Inner {
            log: appender,
            dedup,
            queue,
            functions,
            schedules,
            routes_version: table.version,
            waiters: Waiters::default(),
            feed: Feed::new(),
            notices: Vec::new(),
            replays: Replays::new(replays),
            surplus: Surplus::default(),
            totals: Totals::default(),
            pace: tracing.begins().then_some(pace),
            begun: Vec::new(),
            meter: Meter::default(),
        },
        state,
        durable,
        reader,
        fingerprint: store.fingerprint(),
        host_id: store.host_id().to_owned(),
        tracing,
        store,
        disk,
        history,
        clock,
        limits: options.limits.clone(),
        event_bytes_max: options.event_bytes_max,
        routes: table,
    });
    core.shed_replaced(&mut core.lock(), &replaced);
    core.drop_missed(&mut core.lock(), &missed);
    core.finish_removals();
    Ok(Booted { core: Arc::new(core), blobs, writer, preparer, checkpointer })
}

/// Removes components that no revision is made of any more. Before anything can be deployed.
fn forget_unused<'a>(
    blobs: &Blobs,
    definitions: impl Iterator<Item = &'a Definition>,
) -> Result<(), OpenError> {
    let used: BTreeSet<Digest> =
        definitions.flat_map(|def| &def.revisions).map(|revision| revision.digest).collect();
    let removed = blobs.retain(&used)?;
    if removed > 0 {
        tracing::info!(removed, "unused components removed");
    }
    Ok(())
}

/// What began before the start is not known, so it may have been all that a throttle lets begin.
fn use_up_throttles(queue: &mut Queue, functions: &Functions, limits: &Limits, now: Timestamp) {
    for (name, function) in functions {
        let manifest = active_manifest(&function.definition, limits).and_then(Result::ok);
        if let Some(rate) = manifest.and_then(|manifest| manifest.throttle) {
            let id = queue.function_id(name);
            queue.use_up_throttle(id, rate, now);
        }
    }
}

impl Core {
    /// The modules that revisions are made of, those that are not active included.
    pub(crate) fn modules(&self) -> BTreeSet<Digest> {
        let inner = self.lock();
        let definitions = inner.functions.values().map(|function| &function.definition);
        definitions.flat_map(|def| &def.revisions).map(|revision| revision.digest).collect()
    }

    /// The revisions to load after a start, in the order of the functions' names.
    pub(crate) fn active_definitions(&self) -> Vec<(FunctionName, RevisionDef)> {
        let inner = self.lock();
        let active = |(name, function): (&FunctionName, &Function)| {
            let id = function.definition.active?;
            Some((name.clone(), find_revision(&function.definition, id)?.clone()))
        };
        let mut active: Vec<_> = inner.functions.iter().filter_map(active).collect();
        drop(inner);
        active.sort_by(|(a, _), (b, _)| a.cmp(b));
        active
    }

    /// Lets a function run what was active. A revision that can't be loaded pauses its function,
    /// and only it.
    pub(crate) fn set_active(&self, name: &FunctionName, loaded: Result<Arc<Revision>, String>) {
        let mut inner = self.lock();
        let Some(function) = inner.functions.get_mut(name) else { return };
        match loaded {
            Ok(revision) => function.active = Some(revision),
            Err(why) => {
                tracing::error!(function = %name, why, "a function could not be loaded");
                function.broken = Some(why);
            }
        }
        let rules = function.rules();
        let since = rules.runnable.then(Timestamp::default);
        let id = inner.queue.function_id(name);
        inner.queue.configure(id, rules);
        self.plan(&mut inner, name, since);
    }
}
