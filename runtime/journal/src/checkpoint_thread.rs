//! The thread that makes checkpoints when they are due. Takes its clock as a function.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use triphammer_model::Timestamp;

use crate::checkpoint::Checkpointer;
use crate::store_error::StoreError;

/// Dropped, it ends the thread without a last checkpoint.
#[derive(Debug)]
pub struct CheckpointThread {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Checkpoint,
    /// A last checkpoint, then the end.
    Finish,
    End,
}

/// How often it looks whether a checkpoint is due.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl Checkpointer {
    /// `failed` is told the first error, once, and the thread ends: the process has to end too. A
    /// full disk is none: the checkpoint is tried again.
    pub fn spawn(
        mut self,
        clock: impl Fn() -> Timestamp + Send + 'static,
        failed: impl FnOnce(StoreError) + Send + 'static,
    ) -> io::Result<CheckpointThread> {
        let (orders, inbox) = channel();
        let thread = Builder::new().name("checkpoint".into()).spawn(move || {
            if let Err(error) = self.run(&inbox, &clock) {
                failed(error);
            }
        })?;
        Ok(CheckpointThread { orders, thread: Some(thread) })
    }

    fn run(
        &mut self,
        inbox: &Receiver<Order>,
        clock: &impl Fn() -> Timestamp,
    ) -> Result<(), StoreError> {
        loop {
            let order = inbox.recv_timeout(LOOK_AGAIN);
            let now = clock();
            match order {
                Err(RecvTimeoutError::Timeout) if !self.is_due(now) => {}
                Err(RecvTimeoutError::Timeout) | Ok(Order::Checkpoint) => self.attempt(now)?,
                Ok(Order::Finish) => return self.attempt(now),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn attempt(&mut self, now: Timestamp) -> Result<(), StoreError> {
        match self.step(now) {
            Ok(done) => {
                tracing::debug!(
                    done.records,
                    done.transactions,
                    done.segments_dropped,
                    "checkpoint"
                );
                Ok(())
            }
            Err(error @ StoreError::DiskFull { .. }) => {
                tracing::warn!(code = error.code(), %error, "no checkpoint");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl CheckpointThread {
    /// Makes a checkpoint soon, due or not.
    pub fn request(&self) {
        // The thread has failed, and has said so.
        let _ = self.orders.send(Order::Checkpoint);
    }

    /// A last checkpoint of all that is durable; returns when it is done.
    pub fn stop(mut self) {
        self.end(Order::Finish);
    }

    fn end(&mut self, order: Order) {
        let _ = self.orders.send(order);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for CheckpointThread {
    fn drop(&mut self) {
        self.end(Order::End);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use triphammer_model::{FunctionName, Seq};

    use super::*;
    use crate::checkpoint::{CheckpointOptions, CheckpointParts};
    use crate::dedup::{Dedup, DedupOptions};
    use crate::history::History;
    use crate::log::{Log, LogOptions, LogThreads};
    use crate::record::{Body, Definition, Record};
    use crate::sim::SimDisk;
    use crate::state::StateStore;
    use crate::store::Store;
    use crate::store_file::StoreOptions;

    const INTERVAL: Duration = Duration::from_secs(30);

    struct Host {
        sim: SimDisk,
        store: Store,
        log: LogThreads,
        thread: CheckpointThread,
        failure: Receiver<String>,
    }

    /// A host with one durable record that no checkpoint has seen.
    fn host(now: Timestamp) -> Host {
        let sim = SimDisk::new(1);
        let disk = sim.boot();
        let store = Store::open(&disk, &StoreOptions::default()).unwrap();
        let options =
            LogOptions { segment_bytes: 1 << 16, free_bytes_min: 0, ..LogOptions::default() };
        let mut log = Log::open(Arc::clone(&disk), options, None).unwrap();
        let reader = log.reader.clone();
        let parts = CheckpointParts {
            dedup: Dedup::open(&store, &disk, DedupOptions::default()).unwrap(),
            state: StateStore::new(&store, 1 << 20).unwrap(),
            history: History::open(&store, &disk, reader.clone()).unwrap(),
            store: store.clone(),
            reader,
        };
        let threads = LogThreads::start(log.writer, log.preparer).unwrap();
        let name: FunctionName = "f".parse().unwrap();
        let definition = Definition::default();
        let record = Record::Define { at: Timestamp(0), name, definition, raised: Vec::new() };
        let (seq, location) = log.appender.append(&Body::encode(&record)).unwrap();
        parts.history.note(seq, &record, location);
        log.durable.wait_blocking(seq).unwrap();
        let options = CheckpointOptions { interval: INTERVAL, ..CheckpointOptions::default() };
        let (tell, failure) = channel();
        let thread = Checkpointer::new(parts, options, Timestamp(0))
            .spawn(move || now, move |error| tell.send(error.code().to_owned()).unwrap())
            .unwrap();
        Host { sim, store, log: threads, thread, failure }
    }

    #[test]
    fn a_clean_stop_leaves_nothing_to_replay() {
        let host = host(Timestamp(0));
        assert_eq!(host.store.position(), None);
        host.thread.stop();
        assert_eq!(host.store.position(), Seq::new(2));
        host.log.stop();
    }

    #[test]
    fn a_checkpoint_is_made_when_it_is_due_or_asked_for() {
        for (now, ask) in [(Timestamp(0).plus(INTERVAL), false), (Timestamp(0), true)] {
            let host = host(now);
            if ask {
                host.thread.request();
            }
            while host.store.position().is_none() {
                std::thread::yield_now();
            }
            drop(host.thread);
            host.log.stop();
        }
    }

    #[test]
    fn a_failure_is_told_once_and_ends_the_thread() {
        let host = host(Timestamp(0));
        // From here on every operation fails.
        host.sim.kill();
        host.thread.request();
        assert_eq!(host.failure.recv().unwrap(), "journal.io");
        assert!(host.failure.recv().is_err());
        host.thread.stop();
    }
}
