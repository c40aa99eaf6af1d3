//! One attempt: a fresh store and instance, one call, and whatever came of it. Dropping the future
//! ends the guest; nothing of it is left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use triphammer_model::{Delivery, Effects, Event, ExtensionValue, Limits, LogLine, Reply};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::bindings;
use crate::bindings::imports::types::{ExtensionValueParam, Fault};
use crate::error::{HostError, InvokeError, Limit};
use crate::failure::{self, Phase};
use crate::host::{Given, Guest};
use crate::logs::{Written, cut};
use crate::module::Module;
use crate::state::StateReader;

/// One attempt at a delivery.
pub struct Call {
    pub module: Module,
    pub event: Event,
    pub delivery: Delivery,
    pub idempotency_key: String,
    pub config: Arc<BTreeMap<String, String>>,
    pub state: Arc<dyn StateReader>,
    /// Of the manifest; more than the host's own limit counts as that.
    pub timeout: Duration,
    /// Of the manifest; more than the host's own limit counts as that.
    pub memory_bytes: u64,
}

/// What came of an attempt.
#[derive(Debug)]
pub struct Invoked {
    pub result: Result<Effects, InvokeError>,
    pub logs: Vec<LogLine>,
    /// Log lines that were not kept.
    pub logs_left_out: u32,
    /// From the start of the instance; waiting for a slot is not in it.
    pub elapsed: Duration,
    /// The most that all memories and tables had together.
    pub memory_bytes: u64,
}

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

    pub(crate) async fn describe(mut self, module: &Module) -> (Result<String, InvokeError>, u64) {
        let store = &mut self.store;
        let call = async {
            let instance = module.0.pre.instantiate_async(&mut *store).await;
            let instance = instance.map_err(|error| (Phase::Start, error))?;
            instance.call_describe(&mut *store).await.map_err(|error| (Phase::Call, error))
        };
        let ended = within(self.started + self.timeout, call).await;
        let guest = self.store.data();
        let (memory_bytes, written) = (guest.memory.used(), guest.logs.finish());
        let explained = |failed| failure::explain(failed, &written, self.timeout, None);
        (ended.map_err(explained), memory_bytes)
    }

    pub(crate) async fn handle(mut self, call: &Call, limits: &Limits) -> Invoked {
        let store = &mut self.store;
        let extensions: Vec<_> = call.event.extensions().collect();
        let extensions: Vec<_> = extensions.iter().map(|(name, v)| (*name, lower(v))).collect();
        let run = async {
            let instance = call.module.0.pre.instantiate_async(&mut *store).await;
            let instance = instance.map_err(|error| (Phase::Start, error))?;
            let event = event(&call.event, &extensions);
            let seq = call.delivery.id.seq.to_string();
            let revision = call.delivery.revision.to_string();
            let delivery = delivery(call, &seq, &revision);
            let handled = instance.call_handle(&mut *store, event, delivery).await;
            handled.map_err(|error| (Phase::Call, error))
        };
        let ended = within(self.started + self.timeout, run).await;
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

fn event<'a>(
    event: &'a Event,
    extensions: &'a [(&'a str, ExtensionValueParam<'a>)],
) -> bindings::Event<'a> {
    bindings::Event {
        id: event.id(),
        source: event.source(),
        type_: event.ty(),
        subject: event.subject(),
        time: event.time(),
        datacontenttype: event.datacontenttype(),
        dataschema: event.dataschema(),
        extensions,
        data: event.data(),
    }
}

fn lower(value: &ExtensionValue) -> ExtensionValueParam<'_> {
    match value {
        ExtensionValue::Boolean(value) => ExtensionValueParam::Boolean(*value),
        ExtensionValue::Integer(value) => ExtensionValueParam::Integer(*value),
        ExtensionValue::Text(value) => ExtensionValueParam::Text(value),
    }
}

fn delivery<'a>(call: &'a Call, seq: &'a str, revision: &'a str) -> bindings::Delivery<'a> {
    let delivery = &call.delivery;
    bindings::Delivery {
        seq,
        function: delivery.id.function.as_str(),
        revision,
        attempt: delivery.attempt,
        key: delivery.key.as_ref().map(|key| key.as_str()),
        accepted_ms: delivery.accepted.ms(),
        deadline_ms: delivery.deadline.ms(),
        idempotency_key: &call.idempotency_key,
    }
}

impl From<HostError> for InvokeError {
    fn from(error: HostError) -> Self {
        Self::Host { message: error.to_string() }
    }
}
