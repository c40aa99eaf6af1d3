//! Opens everything in the right order, and ends it in the reverse one.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use triphammer_journal::{CheckpointThread, Disk, FsDisk, LogThreads, StoreError};
use triphammer_model::Seq;
use triphammer_sandbox::{Sandbox, SandboxOptions};

use crate::alert::{leave_word, pass_on_word};
use crate::boot::{Booted, Sizes, boot};
use crate::clock::Clock;
use crate::core::Core;
use crate::deploy::Deployer;
use crate::dispatch;
use crate::error::OpenError;
use crate::hands::{Hands, PUSHES_MAX, Places};
use crate::options::Options;
use crate::replay_run;

/// The threads and tasks behind a pipeline.
#[derive(Debug)]
pub(crate) struct Engine {
    core: Arc<Core>,
    runtime: Runtime,
    tasks: JoinSet<()>,
    /// One for each attempt that may run; all are free when none does.
    places: (Places, u32),
    checkpoints: CheckpointThread,
    threads: LogThreads,
    failures: tokio::sync::mpsc::Receiver<String>,
}

/// What a checkpoint that failed leaves to say.
const FAILURES_MAX: usize = 4;

pub(crate) fn open(options: &Options) -> Result<(Arc<Core>, Arc<Deployer>, Engine), OpenError> {
    let disk: Arc<dyn Disk> = FsDisk::open(&options.data)?;
    let booted = boot(disk, Clock::system(), options, &Sizes::new(options))?;
    let Booted { core, blobs, writer, preparer, checkpointer } = booted;
    let threads = LogThreads::start(writer, preparer).map_err(OpenError::Threads)?;
    let sandbox = Sandbox::new(sandbox_options(options))?;
    if let Err(error) = sandbox.retain(&core.modules()) {
        // They only take room.
        tracing::warn!(%error, "compiled modules that nobody uses could not be deleted");
    }
    let workers = options.workers.max(1);
    let runtime = runtime(workers, options).map_err(OpenError::Threads)?;
    let (failed, failures) = tokio::sync::mpsc::channel(FAILURES_MAX);
    let time = core.clock.clone();
    let checkpoints = checkpointer.spawn(
        move || time.now(),
        move |error| {
            let reason = checkpoint_failed(&error);
            tracing::error!(code = error.code(), reason, "no checkpoint can be made any more");
            // Nobody listens only when the host is stopping already.
            let _ = failed.try_send(reason);
        },
    );
    let checkpoints = checkpoints.map_err(OpenError::Threads)?;
    let deployer = Arc::new(Deployer {
        core: Arc::clone(&core),
        sandbox: Arc::clone(&sandbox),
        blobs,
        subscriptions_max: options.subscriptions_max,
        changes: tokio::sync::Mutex::new(()),
    });
    runtime.block_on(load_active(&deployer));
    runtime.block_on(load_canaries(&deployer));
    runtime.block_on(pass_on_word(&core));
    let attempts_max = options.attempts_max.clamp(1, sandbox.slots() as usize);
    let places = Places::new(attempts_max);
    let hands = Arc::new(Hands { sandbox, push: options.push.clone() });
    let tasks = start(&runtime, &core, &hands, (&places, workers));
    let places = (places, attempts_max as u32);
    let core_of_engine = Arc::clone(&core);
    let engine =
        Engine { core: core_of_engine, runtime, tasks, places, checkpoints, threads, failures };
    Ok((core, deployer, engine))
}

/// Where functions run.
fn runtime(workers: usize, options: &Options) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).thread_name("trip-worker").enable_time();
    // Where no request can go out nothing waits for a socket, and idle threads need not look.
    if !options.http_out.allow.is_empty() {
        builder.enable_io();
    }
    builder.build()
}

/// Why the host ends, with what is under it: it is read where the error is not any more.
fn checkpoint_failed(error: &StoreError) -> String {
    let mut reason = format!("the journal failed: {error}");
    let mut under = error.source();
    while let Some(cause) = under {
        reason = format!("{reason}: {cause}");
        under = cause.source();
    }
    reason
}

fn sandbox_options(options: &Options) -> SandboxOptions {
    let mut sandbox = SandboxOptions::new(options.data.join("artefacts"));
    sandbox.limits = options.limits.clone();
    sandbox.http_out = options.http_out.clone();
    sandbox
}

/// Loads what was active.
async fn load_active(deployer: &Deployer) {
    for (name, def) in deployer.core.active_definitions() {
        let loaded = deployer.load(&name, &def).await;
        deployer.core.set_active(&name, loaded);
    }
}

/// Loads what was a canary. One that can't be loaded is one no longer; its function goes on.
async fn load_canaries(deployer: &Deployer) {
    for (name, def) in deployer.core.canaries() {
        let loaded = deployer.load(&name, &def).await;
        deployer.core.resume_canary(&name, loaded);
    }
}

fn start(
    runtime: &Runtime,
    core: &Arc<Core>,
    hands: &Arc<Hands>,
    (places, workers): (&Places, usize),
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let handle = runtime.handle();
    for _ in 0..workers {
        let work = dispatch::work(Arc::clone(core), Arc::clone(hands), places.clone());
        tasks.spawn_on(work, handle);
    }
    tasks.spawn_on(dispatch::timers(Arc::clone(core)), handle);
    tasks.spawn_on(dispatch::feed(Arc::clone(core)), handle);
    tasks.spawn_on(replay_run::run(Arc::clone(core)), handle);
    core.work.notify_one();
    tasks
}

impl Engine {
    /// In the reverse order: no new leases, running attempts, the last checkpoint, the log.
    pub(crate) fn shutdown(mut self, grace: Duration) {
        self.core.stop();
        let (tasks, (places, all)) = (&mut self.tasks, &self.places);
        let drained = self.runtime.block_on(async {
            let drain = async {
                while tasks.join_next().await.is_some() {}
                // They are never closed, and the permits come back with the attempts.
                let _ = places.attempts.acquire_many(*all).await;
                let _ = places.pushes.acquire_many(PUSHES_MAX).await;
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
        let reason = tokio::select! {
            failure = durable.failed() => failure.to_string(),
            Some(reason) = self.failures.recv() => reason,
        };
        leave_word(&*self.core.disk, &reason);
        reason
    }
}
