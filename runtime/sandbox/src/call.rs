//! What an attempt is given and what comes of it, and how an event and its delivery are handed to
//! a guest. Runs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use triphammer_model::{
    Delivery, Effects, Event, ExtensionValue, HttpRules, LogLine, TraceContext,
};

use crate::bindings;
use crate::bindings::imports::types::ExtensionValueParam;
use crate::error::InvokeError;
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
    /// Of the manifest: the requests that it may make.
    pub http: Option<Arc<HttpRules>>,
    /// The attempt's place in its trace, which its requests carry on.
    pub trace: Option<TraceContext>,
    /// Whether what it does is thrown away, so that it makes no requests.
    pub dry_run: bool,
}

/// One attempt at several deliveries together. All of them are in one space of state, and have one
/// outcome.
pub struct BatchCall {
    /// One that handles batches.
    pub module: Module,
    /// In the order in which the handler gets them.
    pub items: Vec<BatchItem>,
    pub config: Arc<BTreeMap<String, String>>,
    pub state: Arc<dyn StateReader>,
    /// Of the manifest; more than the host's own limit counts as that.
    pub timeout: Duration,
    /// Of the manifest; more than the host's own limit counts as that.
    pub memory_bytes: u64,
    /// Of the manifest: the requests that it may make.
    pub http: Option<Arc<HttpRules>>,
    /// The attempt's place in its trace, which its requests carry on.
    pub trace: Option<TraceContext>,
}

/// One of a batch.
pub struct BatchItem {
    pub event: Event,
    pub delivery: Delivery,
    pub idempotency_key: String,
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

/// An event and its delivery, with the texts that they are not stored as.
pub(crate) struct Handed<'a> {
    event: &'a Event,
    delivery: &'a Delivery,
    idempotency_key: &'a str,
    extensions: Vec<(&'a str, ExtensionValue)>,
    seq: String,
    revision: String,
}

impl<'a> Handed<'a> {
    pub(crate) fn new(event: &'a Event, delivery: &'a Delivery, idempotency_key: &'a str) -> Self {
        Self {
            event,
            delivery,
            idempotency_key,
            extensions: event.extensions().collect(),
            seq: delivery.id.seq.to_string(),
            revision: delivery.revision.to_string(),
        }
    }

    /// The extensions as a guest takes them: what [`event`](Self::event) is made with.
    pub(crate) fn extensions(&self) -> Vec<(&str, ExtensionValueParam<'_>)> {
        self.extensions.iter().map(|(name, value)| (*name, lower(value))).collect()
    }

    pub(crate) fn event<'b>(
        &'b self,
        extensions: &'b [(&'b str, ExtensionValueParam<'b>)],
    ) -> bindings::Event<'b> {
        let event = self.event;
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

    pub(crate) fn delivery(&self) -> bindings::Delivery<'_> {
        let delivery = self.delivery;
        bindings::Delivery {
            seq: &self.seq,
            function: delivery.id.function.as_str(),
            revision: &self.revision,
            attempt: delivery.attempt,
            key: delivery.key.as_ref().map(|key| key.as_str()),
            accepted_ms: delivery.accepted.ms(),
            deadline_ms: delivery.deadline.ms(),
            idempotency_key: self.idempotency_key,
        }
    }
}

fn lower(value: &ExtensionValue) -> ExtensionValueParam<'_> {
    match value {
        ExtensionValue::Boolean(value) => ExtensionValueParam::Boolean(*value),
        ExtensionValue::Integer(value) => ExtensionValueParam::Integer(*value),
        ExtensionValue::Text(value) => ExtensionValueParam::Text(value),
    }
}
