//! Opens everything in the right order, and ends it in the reverse one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use triphammer_journal::{
    Blobs, CheckpointOptions, CheckpointParts, CheckpointThread, Checkpointer, Dedup, DedupOptions,
    Definition, Disk, FsDisk, History, Log, LogOptions, LogThreads, Retention, StateStore, Store,
    StoreOptions,
};
use triphammer_model::{Digest, FunctionName, Seq};
use triphammer_sandbox::{Sandbox, SandboxOptions};

use crate::clock::Clock;
use crate::core::{Core, Inner, Parts, Totals};
use crate::deploy::Deployer;
use crate::dispatch;
use crate::error::OpenError;
use crate::feed::Feed;
use crate::options::Options;
use crate::queue::Queue;
use crate::recover::{Recovered, Recovery};
use crate::registry::{Function, Functions, find_revision, routes};
use crate::waiters::Waiters;

/// The threads and tasks behind a pipeline.
#[derive(Debug)]
pub(crate) struct Engine {
    core: Arc<Core>,
    runtime: Runtime,
    tasks: JoinSet<()>,
    /// One for each attempt that may run; all are free when none does.
    attempts: (Arc<Semaphore>, u32),
    checkpoints: CheckpointThread,
    threads: LogThreads,
    failures: tokio::sync::mpsc::Receiver<String>,
}

/// What a checkpoint that failed leaves to say.
const FAILURES_MAX: usize = 4;

pub(crate) fn open(options: &Options) -> Result<(Arc<Core>, Arc<Deployer>, Engine), OpenError> {
    let disk: Arc<dyn Disk> = FsDisk::open(&options.data)?;
    let store = Store::open(&disk, &StoreOptions::default())?;
    let dedup_options =
        DedupOptions { window: options.dedup_window, bytes_max: options.dedup_bytes };
    let dedup = Dedup::open(&store, &disk, dedup_options)?;
    let state = StateStore::new(&store, options.state_cache_bytes);
    let mut recovery = Recovery::new(
        Queue::new(options.payload_bytes_max),
        store.definitions()?,
        store.counters()?,
    );
    store.deliveries(|row, payload| recovery.row(&row, payload))?;
    let clock = Clock::system();
    let log = Log::open(Arc::clone(&disk), LogOptions::default(), store.position())?;
    let Log { appender, durable, reader, writer, preparer, .. } = log;
    let history = History::open(&store, &disk, reader.clone())?;
    for stored in reader.scan(store.position().unwrap_or(Seq::FIRST), None) {
        let stored = stored?;
        state.replay(&stored);
        dedup.replay(&stored);
        history.note(stored.seq, &stored.record, stored.location);
        recovery.replay(&stored);
    }
    let threads = LogThreads::start(writer, preparer).map_err(OpenError::Threads)?;
    let recovered = recovery.finish(clock.now());
    clock.advance_to(recovered.latest);
    let sandbox = Sandbox::new(sandbox_options(options))?;
    let workers = options.workers.max(1);
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("trip-worker")
        .enable_time()
        .build()
        .map_err(OpenError::Threads)?;
    let checkpoint_options = CheckpointOptions {
        log_bytes: options.checkpoint_bytes,
        retention: Retention { age: options.retention_age, bytes: options.retention_bytes },
        ..CheckpointOptions::default()
    };
    let parts = CheckpointParts {
        store: store.clone(),
        reader: reader.clone(),
        state: state.clone(),
        dedup: dedup.clone(),
        history: history.clone(),
    };
    let (failed, failures) = tokio::sync::mpsc::channel(FAILURES_MAX);
    let time = clock.clone();
    let checkpoints = Checkpointer::new(parts, checkpoint_options, clock.now()).spawn(
        move || time.now(),
        move |error| {
            // Nobody listens only when the host is stopping already.
            let _ = failed.try_send(error.to_string());
        },
    );
    let checkpoints = checkpoints.map_err(OpenError::Threads)?;
    let Recovered { queue, definitions, .. } = recovered;
    let blobs = Blobs::new(&disk);
    forget_unused(&blobs, definitions.values())?;
    let functions: Functions =
        definitions.into_iter().map(|(name, def)| (name, Function::new(def, None))).collect();
    let table = routes(&functions, 1, &options.limits);
    let core = Arc::new(Core::new(Parts {
        inner: Inner {
            log: appender,
            dedup,
            queue,
            functions,
            routes_version: table.version,
            waiters: Waiters::default(),
            feed: Feed::new(),
            notices: Vec::new(),
            totals: Totals::default(),
        },
        state,
        durable,
        reader,
        fingerprint: store.fingerprint(),
        host_id: store.host_id().to_owned(),
        store,
        disk: Arc::clone(&disk),
        history,
        clock,
        limits: options.limits.clone(),
        event_bytes_max: options.event_bytes_max,
        routes: table,
    }));
    let deployer = Arc::new(Deployer {
        core: Arc::clone(&core),
        sandbox: Arc::clone(&sandbox),
        blobs,
        changes: tokio::sync::Mutex::new(()),
    });
    runtime.block_on(load_active(&deployer));
    let attempts_max = options.attempts_max.clamp(1, sandbox.slots() as usize);
    let permits = Arc::new(Semaphore::new(attempts_max));
    let tasks = start(&runtime, &core, &sandbox, (&permits, workers));
    let attempts = (permits, attempts_max as u32);
    let core_of_engine = Arc::clone(&core);
    let engine =
        Engine { core: core_of_engine, runtime, tasks, attempts, checkpoints, threads, failures };
    Ok((core, deployer, engine))
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

fn sandbox_options(options: &Options) -> SandboxOptions {
    let mut sandbox = SandboxOptions::new(options.data.join("artefacts"));
    sandbox.limits = options.limits.clone();
    sandbox
}

/// Loads what was active. A module that can't be loaded pauses its function, and only it.
async fn load_active(deployer: &Deployer) {
    let core = &deployer.core;
    let active: Vec<(FunctionName, triphammer_journal::RevisionDef)> = {
        let inner = core.lock();
        let active = |(name, function): (&FunctionName, &Function)| {
            let id = function.definition.active?;
            Some((name.clone(), find_revision(&function.definition, id)?.clone()))
        };
        inner.functions.iter().filter_map(active).collect()
    };
    for (name, def) in active {
        let loaded = deployer.load(&name, &def).await;
        let mut inner = core.lock();
        let Some(function) = inner.functions.get_mut(&name) else { continue };
        match loaded {
            Ok(revision) => function.active = Some(revision),
            Err(why) => {
                tracing::error!(function = %name, why, "a function could not be loaded");
                function.broken = Some(why);
            }
        }
        let rules = function.rules();
        let id = inner.queue.function_id(&name);
        inner.queue.configure(id, rules);
    }
}

fn start(
    runtime: &Runtime,
    core: &Arc<Core>,
    sandbox: &Arc<Sandbox>,
    (permits, workers): (&Arc<Semaphore>, usize),
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let handle = runtime.handle();
    for _ in 0..workers {
        let work = dispatch::work(Arc::clone(core), Arc::clone(sandbox), Arc::clone(permits));
        tasks.spawn_on(work, handle);
    }
    tasks.spawn_on(dispatch::timers(Arc::clone(core)), handle);
    tasks.spawn_on(dispatch::feed(Arc::clone(core)), handle);
    core.work.notify_one();
    tasks
}

impl Engine {
    /// In the reverse order: no new leases, running attempts, the last checkpoint, the log.
    pub(crate) fn shutdown(mut self, grace: Duration) {
        self.core.stop();
        let (tasks, (attempts, all)) = (&mut self.tasks, &self.attempts);
        let drained = self.runtime.block_on(async {
            let drain = async {
                while tasks.join_next().await.is_some() {}
                // It is never closed, and its permits come back with the attempts.
                let _ = attempts.acquire_many(*all).await;
            };
            tokio::time::timeout(grace, drain).await
        });
        if drained.is_err() {
            tracing::warn!("attempts were still running; their deliveries run again");
        }
        self.runtime.shutdown_background();
        let last = self.core.lock().log.next_seq().get() - 1;
        if let Some(last) = Seq::new(last) {
            // A failed journal has been reported already.
            let _ = self.core.durable.wait_blocking(last);
        }
        self.checkpoints.stop();
        self.threads.stop();
    }

    /// Resolves with the reason when the journal fails.
    pub(crate) async fn failed(&mut self) -> String {
        let durable = self.core.durable.clone();
        tokio::select! {
            failure = durable.failed() => failure.to_string(),
            Some(reason) = self.failures.recv() => reason,
        }
    }
}
