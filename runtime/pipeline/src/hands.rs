//! What runs attempts: the sandbox for modules, somebody's requests for sinks, and how many may be under
//! way. Knows no queue and no outcomes.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use triphammer_model::Sink;
use triphammer_sandbox::{BatchCall, BatchItem, Call, Invoked, Sandbox};

use crate::dispatch::{Executor, Invocation, Ran};
use crate::push::{Push, PushResult, Pushed, push};
use crate::settle::AttemptError;

/// The sandbox for modules, and what reaches sinks for subscriptions.
pub(crate) struct Hands {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) push: Option<Arc<dyn Push>>,
}

impl Executor for Hands {
    async fn invoke(&self, invocation: Invocation) -> Ran {
        match &invocation.revision.manifest.sink {
            Some(sink) => {
                let sink = Arc::clone(sink);
                // Boxed, so that an attempt in the sandbox is not as large as this.
                Box::pin(self.push(sink, invocation)).await
            }
            None => self.run(invocation).await.into(),
        }
    }
}

impl Hands {
    async fn push(&self, sink: Arc<Sink>, invocation: Invocation) -> Ran {
        let Invocation { revision, event, delivery, idempotency_key, trace, .. } = invocation;
        let timeout = revision.manifest.timeout;
        let began = Instant::now();
        let pushed = Pushed { sink, event, delivery, idempotency_key, timeout, trace };
        let PushResult { result, logs } = push(self.push.as_ref(), pushed).await;
        let result = result.map_err(AttemptError::from);
        Ran { result, logs, logs_left_out: 0, elapsed: began.elapsed() }
    }

    async fn run(&self, invocation: Invocation) -> Invoked {
        let Invocation { revision, event, delivery, idempotency_key, along, trace, state } =
            invocation;
        let Some(module) = revision.module.clone() else {
            unreachable!("a revision that a sandbox runs was loaded by it")
        };
        let config = Arc::clone(&revision.config);
        let timeout = revision.manifest.timeout;
        let memory_bytes = revision.manifest.memory_bytes;
        let http = revision.manifest.http.clone();
        if along.is_empty() {
            let call = Call {
                module,
                event,
                delivery,
                idempotency_key,
                config,
                state,
                timeout,
                memory_bytes,
                http,
                trace,
                dry_run: false,
            };
            return self.sandbox.invoke(call).await;
        }
        let first = BatchItem { event, delivery, idempotency_key };
        let items = std::iter::once(first).chain(along).collect();
        let call = BatchCall { module, items, config, state, timeout, memory_bytes, http, trace };
        self.sandbox.invoke_batch(call).await
    }
}

/// How many attempts may be under way. They have their places to the end.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) attempts: Arc<Semaphore>,
    /// What waits for a sink has one of these instead, so that slow sinks take no place from functions.
    pub(crate) pushes: Arc<Semaphore>,
}

/// Attempts at sinks that may wait at the same time without a place among the others.
pub(crate) const PUSHES_MAX: u32 = 1024;

impl Places {
    pub(crate) fn new(attempts_max: usize) -> Self {
        let attempts = Arc::new(Semaphore::new(attempts_max));
        Self { attempts, pushes: Arc::new(Semaphore::new(PUSHES_MAX as usize)) }
    }

    /// The place that a delivery to a sink has while it waits. Without one it keeps what it has.
    pub(crate) fn change(&self, permit: OwnedSemaphorePermit) -> OwnedSemaphorePermit {
        Arc::clone(&self.pushes).try_acquire_owned().unwrap_or(permit)
    }
}
