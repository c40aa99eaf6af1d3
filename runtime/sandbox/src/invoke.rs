//! One attempt: a fresh store and instance, one call, and whatever came of it. Dropping the future
//! ends the guest; nothing of it is left.

use std::time::{Duration, Instant};

use triphammer_model::{Limits, Reply};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::bindings::batch::BatchFunctionPre;
use crate::bindings::imports::types::Fault;
use crate::bindings::{self, FunctionPre};
use crate::call::{Handed, Invoked};
use crate::error::{HostError, InvokeError, Limit};
use crate::failure::{self, Phase};
use crate::host::{Given, Guest};
use crate::logs::{Written, cut};
use crate::module::Entry;

/// Ticks until a guest first comes back to the scheduler: between one and two, so that a short
/// call is rarely interrupted.
const FIRST_TICKS: u64 = 2;
/// What one call may pass to the host, and what a guest may return, in bytes. The host copies it
/// before it can look at it; the limits proper are lower.
pub(crate) const CALL_BYTES_MAX: usize = 32 << 20;
/// The longest message of a fault that is kept.
const MESSAGE_LEN_MAX: usize = 4 << 10;

/// A guest with its time running.
pub(crate) struct Attempt {
    store: Store<Guest>,
    started: Instant,
    timeout: Duration,
}

impl Attempt {
    pub(crate) fn new(engine: &Engine, given: Given, timeout: Duration) -> Self {
        let started = Instant::now();
        let mut store = Store::new(engine, Guest::new(given));
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(CALL_BYTES_MAX);
        store.set_epoch_deadline(FIRST_TICKS);
        let deadline = started + timeout;
        store.epoch_deadline_callback(move |_| {
            // Wall-clock time, looked at wherever the guest could go on: a chain of host calls
            // comes back here as well as a loop.
            if Instant::now() < deadline {
                Ok(UpdateDeadline::Yield(1))
            } else {
                Err(crate::error::Stop::Deadline.into())
            }
        });
        Self { store, started, timeout }
    }

    pub(crate) async fn describe(mut self, entry: &Entry) -> (Result<String, InvokeError>, u64) {
        let store = &mut self.store;
        let call = async {
            match entry {
                Entry::Single(pre) => {
                    let instance = pre.instantiate_async(&mut *store).await.map_err(start)?;
                    instance.call_describe(&mut *store).await.map_err(called)
                }
                Entry::Batch(pre) => {
                    let instance = pre.instantiate_async(&mut *store).await.map_err(start)?;
                    instance.call_describe(&mut *store).await.map_err(called)
                }
            }
        };
        let ended = within(self.started + self.timeout, call).await;
        let guest = self.store.data();
        let (memory_bytes, written) = (guest.memory.used(), guest.logs.finish());
        let explained = |failed| failure::explain(failed, &written, self.timeout, None);
        (ended.map_err(explained), memory_bytes)
    }

    pub(crate) async fn handle(
        mut self,
        pre: &FunctionPre<Guest>,
        handed: &Handed<'_>,
        limits: &Limits,
    ) -> Invoked {
        let store = &mut self.store;
        let run = async {
            let instance = pre.instantiate_async(&mut *store).await.map_err(start)?;
            let extensions = handed.extensions();
            let event = handed.event(&extensions);
            instance.call_handle(&mut *store, event, handed.delivery()).await.map_err(called)
        };
        let ended = within(self.started + self.timeout, run).await;
        self.ended(ended, limits)
    }

    pub(crate) async fn handle_batch(
        mut self,
        pre: &BatchFunctionPre<Guest>,
        handed: &[Handed<'_>],
        limits: &Limits,
    ) -> Invoked {
        let store = &mut self.store;
        let run = async {
            let instance = pre.instantiate_async(&mut *store).await.map_err(start)?;
            let extensions: Vec<_> = handed.iter().map(Handed::extensions).collect();
            let events = handed.iter().zip(&extensions);
            let events: Vec<_> =
                events.map(|(handed, own)| (handed.event(own), handed.delivery())).collect();
            instance.call_handle_batch(&mut *store, &events).await.map_err(called)
        };
        let ended = within(self.started + self.timeout, run).await;
        self.ended(ended, limits)
    }

    /// Nothing that the guest asked for goes on, unless it has succeeded.
    fn ended(self, ended: Result<Handled, Failed>, limits: &Limits) -> Invoked {
        let elapsed = self.started.elapsed();
        let guest = self.store.into_data();
        let written = guest.logs.finish();
        let memory_bytes = guest.memory.used();
        let result = match ended {
            Ok(Ok(reply)) => checked(reply, limits).map(|reply| guest.into_effects(reply)),
            Ok(Err(fault)) => Err(faulted(fault)),
            Err(failed) => {
                Err(failure::explain(failed, &written, self.timeout, Some(limits.reply_len_max)))
            }
        };
        let Written { lines, left_out, .. } = written;
        Invoked { result, logs: lines, logs_left_out: left_out, elapsed, memory_bytes }
    }
}

/// What a handler returns.
type Handled = Result<Option<bindings::Reply>, Fault>;

fn start(error: wasmtime::Error) -> (Phase, wasmtime::Error) {
    (Phase::Start, error)
}

fn called(error: wasmtime::Error) -> (Phase, wasmtime::Error) {
    (Phase::Call, error)
}

/// How a call failed: none is the deadline, met while the guest was waiting.
pub(crate) type Failed = Option<(Phase, wasmtime::Error)>;

async fn within<T>(
    deadline: Instant,
    call: impl Future<Output = Result<T, (Phase, wasmtime::Error)>>,
) -> Result<T, Failed> {
    // The timer is registered only if the guest has to wait, which most never do.
    match tokio::time::timeout_at(deadline.into(), call).await {
        Ok(ended) => ended.map_err(Some),
        Err(_) => Err(None),
    }
}

fn checked(reply: Option<bindings::Reply>, limits: &Limits) -> Result<Option<Reply>, InvokeError> {
    let Some(bindings::Reply { content_type, data }) = reply else { return Ok(None) };
    if content_type.len() + data.len() > limits.reply_len_max {
        return Err(Limit::Reply.exceeded(limits.reply_len_max).into());
    }
    Ok(Some(Reply { content_type, data: data.into() }))
}

fn faulted(fault: Fault) -> InvokeError {
    let kept = |mut message: String| {
        message.truncate(cut(&message, MESSAGE_LEN_MAX).len());
        message
    };
    match fault {
        Fault::Reject(message) => InvokeError::Rejected { message: kept(message) },
        Fault::Retry(retry) => InvokeError::Retry {
            message: kept(retry.message),
            after: retry.after_ms.map(Duration::from_millis),
        },
    }
}

impl From<HostError> for InvokeError {
    fn from(error: HostError) -> Self {
        Self::Host { message: error.to_string() }
    }
}
