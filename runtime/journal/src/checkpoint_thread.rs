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
