//! Handlers without wasm: each run waits until the world says how it ends. Knows no order.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use triphammer_model::Event;
use triphammer_sandbox::{BatchItem, InvokeError, StateReader};

use super::observed::{End, Item};
use crate::dispatch::{Executor, Invocation, Ran};
use crate::settle::AttemptError;

#[derive(Debug, Default)]
pub(super) struct Script {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Of the run that is being polled.
    current: u32,
    begun: Vec<Begun>,
    ends: BTreeMap<u32, End>,
}

/// A handler that has just begun.
pub(super) struct Begun {
    pub(super) run: u32,
    pub(super) attempt: u32,
    pub(super) event: Event,
    pub(super) along: Vec<Item>,
    pub(super) state: Arc<dyn StateReader>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Script {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run that is polled next.
    pub(super) fn enter(&self, run: u32) {
        self.table().current = run;
    }

    /// The handlers that have begun since the last call.
    pub(super) fn begun(&self) -> Vec<Begun> {
        std::mem::take(&mut self.table().begun)
    }

    /// Ends a run's handler, the next time that the run is polled.
    pub(super) fn end(&self, run: u32, end: End) {
        self.table().ends.insert(run, end);
    }
}

impl Executor for Script {
    async fn invoke(&self, invocation: Invocation) -> Ran {
        let run = {
            let mut table = self.table();
            let run = table.current;
            let Invocation { event, delivery, along, state, .. } = invocation;
            let item = |item: BatchItem| (item.delivery.id, item.event, item.delivery.attempt);
            let along = along.into_iter().map(item).collect();
            table.begun.push(Begun { run, attempt: delivery.attempt, event, along, state });
            run
        };
        let end = poll_fn(|_| match self.table().ends.remove(&run) {
            Some(end) => Poll::Ready(end),
            None => Poll::Pending,
        });
        let message = || "as the script says".to_owned();
        let result = match end.await {
            End::Commit(effects) => Ok(effects),
            End::Trap => Err(InvokeError::Trap { message: message() }),
            End::Retry { after_ms } => {
                let after = after_ms.map(Duration::from_millis);
                Err(InvokeError::Retry { message: message(), after })
            }
            End::Reject => Err(InvokeError::Rejected { message: message() }),
            End::HostFault => Err(InvokeError::Host { message: message() }),
        };
        let result = result.map_err(AttemptError::from);
        Ran { result, logs: Vec::new(), logs_left_out: 0, elapsed: Duration::ZERO }
    }
}
