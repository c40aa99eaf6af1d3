//! The pipeline as its users see it: open it, give it events and functions, ask it questions.
//! Only puts the parts together; each part decides for itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;
use triphammer_journal::{Entrance, LogPause as Pause};
use triphammer_model::{Event, FunctionName, RevisionId, Seq, Timestamp};

use crate::alert::Alert;
use crate::canary::Share;
use crate::core::Core;
use crate::deploy::Deployer;
use crate::error::{AcceptError, ChangeError, DeployError, NotReady, OpenError, QueryError};
use crate::feed::FeedItem;
use crate::info::{
    Counts, Deploy, Deployed, DryRun, FunctionInfo, Receipt, Remove, Removed, Replayed, Selection,
    Stats, Waited,
};
use crate::measure::{Measures, PoolUse};
use crate::open::{Engine, open};
use crate::options::Options;
use crate::replays::{NewReplay, ReplayInfo};
use crate::wait::{Wait, Waiting};

/// A handle to the pipeline; cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    pub(crate) core: Arc<Core>,
    deployer: Arc<Deployer>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("host", &self.core.host_id).finish_non_exhaustive()
    }
}

/// The threads of a pipeline. They end with [`Running::shutdown`].
#[derive(Debug)]
pub struct Running {
    engine: Engine,
}

impl Running {
    /// Lets running attempts finish for at most `grace`, checkpoints, and ends all threads.
    /// Attempts that take longer are given up: their deliveries run again at the next start.
    pub fn shutdown(self, grace: Duration) {
        self.engine.shutdown(grace);
    }

    /// Resolves with the reason when the journal fails: the process has to end.
    pub fn failed(&mut self) -> impl Future<Output = String> + use<'_> {
        self.engine.failed()
    }
}

impl Pipeline {
    /// Opens the data directory, brings back what was open, and starts working. Blocks.
    pub fn open(options: &Options) -> Result<(Self, Running), OpenError> {
        let (core, deployer, engine) = open(options)?;
        Ok((Self { core, deployer }, Running { engine }))
    }

    /// Takes in all the events or none; resolves when they are on disk.
    pub async fn accept(
        &self,
        entrance: Entrance,
        events: Vec<Event>,
    ) -> Result<Vec<Receipt>, AcceptError> {
        self.core.accept(&entrance, &events, None).await
    }

    /// The same, then waits until every delivery of these events has settled, those of
    /// duplicates and of emitted events as deep as is asked included, or the time has passed.
    pub async fn accept_and_wait(
        &self,
        entrance: Entrance,
        events: Vec<Event>,
        wait: Wait,
    ) -> Result<Waited, AcceptError> {
        let mut waiting = Waiting::new(Arc::clone(&self.core), wait.depth);
        let receipts = self.core.accept(&entrance, &events, Some(waiting.watch())).await?;
        let results = tokio::time::timeout(wait.time, waiting.results(&receipts)).await;
        Ok(Waited { receipts, results: results.ok().flatten() })
    }

    /// Of the data directory, and the same for as long as it is there.
    pub fn host_id(&self) -> &str {
        &self.core.host_id
    }

    /// The host's own time, which never goes back.
    pub fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    /// An id that no other event has, for one that came without.
    pub fn new_id(&self) -> String {
        let disk = &self.core.disk;
        format!("{:016x}{:016x}", disk.random(), disk.random())
    }

    /// Makes a module a revision, under its own name when none is given.
    pub async fn deploy(
        &self,
        name: Option<FunctionName>,
        deploy: Deploy,
    ) -> Result<Deployed, DeployError> {
        self.deployer.deploy(name, deploy).await
    }

    /// Makes a manifest with a sink, as JSON, a subscription of this name, or another revision of it.
    pub async fn set_subscription(
        &self,
        name: FunctionName,
        manifest: &str,
    ) -> Result<Deployed, DeployError> {
        self.deployer.subscribe(name, manifest).await
    }

    /// By name.
    pub async fn functions(&self) -> Result<Vec<FunctionInfo>, QueryError> {
        let functions = self.core.function_infos();
        // What they count must not be taken back by a crash.
        self.caught_up().await?;
        Ok(functions)
    }

    pub async fn function(&self, name: &FunctionName) -> Result<FunctionInfo, ChangeError> {
        let function = self.info(name);
        self.caught_up().await?;
        function
    }

    /// Makes an earlier revision the active one again, or a later one that was not yet, or makes it
    /// a canary. The active revision alone decides what the function subscribes to, its ordering key
    /// and its limits; a canary's own manifest decides timeout, memory and retries of its attempts.
    pub async fn activate(
        &self,
        name: &FunctionName,
        revision: RevisionId,
        share: Share,
    ) -> Result<FunctionInfo, ChangeError> {
        self.deployer.activate(name, revision, share).await?;
        self.info(name)
    }

    /// Ends the canary, if there is one; else makes the revision active that was before.
    pub async fn rollback(&self, name: &FunctionName) -> Result<FunctionInfo, ChangeError> {
        self.deployer.rollback(name).await?;
        self.info(name)
    }

    /// Its deliveries wait until it is resumed, whatever is deployed or restarted meanwhile.
    pub async fn pause(&self, name: &FunctionName) -> Result<FunctionInfo, ChangeError> {
        self.deployer.set_paused(name, Some("paused by an operator".into())).await?;
        self.info(name)
    }

    pub async fn resume(&self, name: &FunctionName) -> Result<FunctionInfo, ChangeError> {
        self.deployer.set_paused(name, None).await?;
        self.info(name)
    }

    pub async fn remove(&self, name: &FunctionName, how: Remove) -> Result<Removed, ChangeError> {
        Ok(Removed { dropped: self.deployer.remove(name, how).await? })
    }

    /// Runs an event through a revision, the active one unless another is named, and keeps nothing of it.
    pub async fn test(
        &self,
        name: &FunctionName,
        revision: Option<RevisionId>,
        event: Event,
    ) -> Result<DryRun, ChangeError> {
        self.deployer.test(name, revision, event).await
    }

    /// The same for a module that is not deployed.
    pub async fn test_module(
        &self,
        wasm: Bytes,
        config: BTreeMap<String, String>,
        event: Event,
    ) -> Result<DryRun, DeployError> {
        self.deployer.test_module(wasm, config, event).await
    }

    /// Waits until all that has happened so far is on disk, where history is read: whoever has been
    /// told of an event, by a listing or a count, finds it.
    pub(crate) async fn caught_up(&self) -> Result<(), QueryError> {
        let last = Seq::new(self.core.lock().log.next_seq().get() - 1);
        let Some(last) = last else { return Ok(()) };
        let waited = self.core.durable.wait(last).await;
        waited.map_err(|failure| QueryError::Read(Box::new(failure)))
    }

    /// Begins to replay events of the past, as new events. It goes on by itself.
    pub async fn replay(&self, new: NewReplay) -> Result<ReplayInfo, ChangeError> {
        self.core.start_replay(new).await
    }

    /// Newest first: those that run, and the last hundred that have ended.
    pub async fn replays(&self) -> Result<Vec<ReplayInfo>, QueryError> {
        let infos = self.core.replay_infos();
        self.caught_up().await?;
        Ok(infos)
    }

    pub async fn replay_info(&self, id: u64) -> Result<ReplayInfo, ChangeError> {
        let info = self.core.replay_info(id);
        self.caught_up().await?;
        info.ok_or(ChangeError::NoReplay(id))
    }

    /// What it has made by then stays.
    pub async fn cancel_replay(&self, id: u64) -> Result<ReplayInfo, ChangeError> {
        self.core.cancel_replay(id).await
    }

    /// One event of the past again, now, with another payload where one is given. None when it is kept
    /// no longer.
    pub async fn replay_one(
        &self,
        seq: Seq,
        function: &FunctionName,
        data: Option<Bytes>,
    ) -> Result<Option<Replayed>, ChangeError> {
        self.caught_up().await?;
        let replayed = self.core.replay_one(seq, function, data).await?;
        Ok(replayed.map(|seq| Replayed { seq }))
    }

    /// Reopens dead letters; answers how many.
    pub async fn redrive(&self, selection: &Selection) -> Result<u64, ChangeError> {
        self.core.redrive(selection).await
    }

    /// Gives deliveries up; answers how many.
    pub async fn drop_deliveries(&self, selection: &Selection) -> Result<u64, ChangeError> {
        self.core.drop_deliveries(selection).await
    }

    /// What happens from now on, once it is on disk. A slow listener loses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<FeedItem>> {
        self.core.lock().feed.subscribe()
    }

    pub fn stats(&self) -> Stats {
        let core = &self.core;
        let inner = core.lock();
        let totals = inner.totals;
        let mut now = Counts::default();
        for function in inner.queue.functions() {
            now.ready += function.counts.ready;
            now.running += function.counts.running;
            now.waiting += function.counts.waiting;
            now.blocked += function.counts.blocked;
            now.dead += function.counts.dead;
        }
        let log = core.reader.stats();
        let stats = Stats {
            accepted: totals.accepted,
            duplicates: totals.duplicates,
            committed: totals.committed,
            retried: totals.retried,
            dead: totals.dead,
            dropped: totals.dropped,
            redriven: totals.redriven,
            conflicts: core.conflicts.load(Ordering::Relaxed),
            rolledback: totals.rolledback,
            breakers: totals.breakers,
            ready_now: now.ready,
            running_now: now.running,
            waiting_now: now.waiting,
            blocked_now: now.blocked,
            dead_now: now.dead,
            journal_syncs: log.syncs,
            journal_bytes: log.bytes,
            journal_batches: log.batches,
            durable_seq: core.durable.position(),
            disk_free_bytes: core.disk.free_bytes().unwrap_or(0),
            payload_bytes: inner.queue.payload_bytes(),
            dedup_window: inner.dedup.window_in_force(core.clock.now()),
            dedup_entries: inner.dedup.entries(),
            requests: self.deployer.sandbox.client().counts(),
            traces_ratio: core.tracing.begins().then(|| core.tracing.shares.latest().ratio()),
        };
        drop(inner);
        stats
    }

    /// Raises an event of the host's own. None when the journal takes none at the moment.
    pub async fn alert(&self, alert: Alert) -> Result<Option<Seq>, QueryError> {
        self.core.alert(alert).await
    }

    /// The host as of now, with what it has measured.
    pub fn measures(&self) -> Measures {
        let sandbox = &self.deployer.sandbox;
        let pool = PoolUse { slots: sandbox.slots(), used: sandbox.slots_used() };
        Measures { pool, ..self.core.measures() }
    }

    /// Whether events can be taken in at the moment.
    pub fn readiness(&self) -> Result<(), NotReady> {
        if self.core.is_stopping() {
            return Err(NotReady::Stopping);
        }
        match self.core.lock().log.may_accept() {
            Ok(()) => Ok(()),
            Err(Pause::Disk) => Err(NotReady::Disk),
            Err(Pause::Behind) => Err(NotReady::Behind),
            Err(Pause::Failed) => Err(NotReady::Journal),
        }
    }

    fn info(&self, name: &FunctionName) -> Result<FunctionInfo, ChangeError> {
        self.core.function_info(name).ok_or_else(|| ChangeError::NoFunction(name.clone()))
    }
}
