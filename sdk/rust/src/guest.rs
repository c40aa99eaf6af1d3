//! The guest's side of the interface in `sdk/wit`: turns the generated types into this crate's.
//! Compiled for WebAssembly only.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use self::bindings::triphammer::function as wit;
use crate::context::{Context, Level};
use crate::delivery::Delivery;
use crate::event::{Attributes, Event, ExtensionValue, NewEvent};
use crate::http::{Request, Response};
use crate::outcome::{Error, Fault, IntoReply, whole_ms};

/// Generated from `sdk/wit`. The path is relative to this crate, so the two travel together.
#[allow(missing_docs, unsafe_code, unreachable_pub, reason = "generated code")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated code")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "function",
        pub_export_macro: true,
        export_macro_name: "export_function",
        default_bindings_module: "::triphammer_sdk::guest::bindings",
    });
}

/// The world of batches: its own exports, and the types and imports of the other one.
#[allow(missing_docs, unsafe_code, unreachable_pub, reason = "generated code")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated code")]
pub mod batch_bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "batch-function",
        pub_export_macro: true,
        export_macro_name: "export_batch_function",
        default_bindings_module: "::triphammer_sdk::guest::batch_bindings",
        with: {
            "triphammer:function/types@1.1.0": crate::guest::bindings::triphammer::function::types,
            "triphammer:function/outbox@1.1.0": crate::guest::bindings::triphammer::function::outbox,
            "triphammer:function/state@1.1.0": crate::guest::bindings::triphammer::function::state,
            "triphammer:function/timers@1.1.0": crate::guest::bindings::triphammer::function::timers,
            "triphammer:function/config@1.1.0": crate::guest::bindings::triphammer::function::config,
            "triphammer:function/log@1.1.0": crate::guest::bindings::triphammer::function::log,
        },
    });
}

pub use self::batch_bindings::{Guest as BatchGuest, export_batch_function};
pub use self::bindings::{Guest, export_function};
pub use wit::types::{
    Delivery as WitDelivery, Event as WitEvent, Fault as WitFault, Reply as WitReply,
};

/// The manifest: the members that the attribute was given, and the package's name as a function's.
pub fn manifest(package: &str, members: &str) -> String {
    // What a package's name may have and a function's may not.
    let name = package.replace('_', "-").to_ascii_lowercase();
    format!("{{\"name\":\"{name}\",{members}}}")
}

/// Runs a handler for one event; what `handle` of the world does.
pub fn handle<T, R>(
    handler: fn(Event<T>, &mut Context) -> Result<R, Fault>,
    event: WitEvent,
    delivery: WitDelivery,
) -> Result<Option<WitReply>, WitFault>
where
    T: DeserializeOwned + 'static,
    R: IntoReply,
{
    let delivery = Arc::new(delivery_in(delivery));
    let (attributes, data) = event_in(event);
    let event = Event::read(attributes, data, Arc::clone(&delivery)).map_err(fault_out)?;
    let mut ctx = Context { calls: HostCalls, delivery };
    replied(handler(event, &mut ctx))
}

/// Runs a handler for a batch; what `handle-batch` of the world does.
pub fn handle_batch<T, R>(
    handler: fn(Vec<Event<T>>, &mut Context) -> Result<R, Fault>,
    events: Vec<(WitEvent, WitDelivery)>,
) -> Result<Option<WitReply>, WitFault>
where
    T: DeserializeOwned + 'static,
    R: IntoReply,
{
    let mut first = None;
    let read = |(event, delivery)| {
        let delivery = Arc::new(delivery_in(delivery));
        first.get_or_insert_with(|| Arc::clone(&delivery));
        let (attributes, data) = event_in(event);
        Event::read_of_batch(attributes, data, delivery)
    };
    let events = events.into_iter().map(read).collect::<Result<Vec<_>, _>>().map_err(fault_out)?;
    let mut ctx = Context { calls: HostCalls, delivery: first.unwrap_or_default() };
    replied(handler(events, &mut ctx))
}

fn replied<R: IntoReply>(returned: Result<R, Fault>) -> Result<Option<WitReply>, WitFault> {
    let reply = returned.map_err(fault_out)?;
    let reply = reply.into_reply().map_err(|error| fault_out(error.into()))?;
    Ok(reply.map(|reply| WitReply { content_type: reply.content_type, data: reply.data }))
}

fn event_in(event: WitEvent) -> (Attributes, Option<Vec<u8>>) {
    let extension_in = |value| match value {
        wit::types::ExtensionValue::Boolean(value) => ExtensionValue::Boolean(value),
        wit::types::ExtensionValue::Integer(value) => ExtensionValue::Integer(value),
        wit::types::ExtensionValue::Text(value) => ExtensionValue::Text(value),
    };
    let extensions = event.extensions.into_iter();
    let attributes = Attributes {
        id: event.id,
        source: event.source,
        ty: event.type_,
        subject: event.subject,
        time: event.time,
        datacontenttype: event.datacontenttype,
        dataschema: event.dataschema,
        extensions: extensions.map(|(name, value)| (name, extension_in(value))).collect(),
    };
    (attributes, event.data)
}

fn delivery_in(delivery: WitDelivery) -> Delivery {
    Delivery {
        seq: delivery.seq,
        function: delivery.function,
        revision: delivery.revision,
        attempt: delivery.attempt,
        key: delivery.key,
        accepted_ms: delivery.accepted_ms,
        deadline_ms: delivery.deadline_ms,
        idempotency_key: delivery.idempotency_key,
    }
}

#[cold]
fn fault_out(fault: Fault) -> WitFault {
    match fault {
        Fault::Retry { message, after } => {
            WitFault::Retry(wit::types::Retry { message, after_ms: after.map(whole_ms) })
        }
        Fault::Reject { message } => WitFault::Reject(message),
    }
}

/// The host that runs this component. Nothing to hold: its calls are the component's imports.
#[derive(Debug)]
pub struct HostCalls;

impl HostCalls {
    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        wit::state::get(name).map_err(refused)
    }

    pub(crate) fn set(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        wit::state::set(name, value).map_err(refused)
    }

    pub(crate) fn set_with_ttl(&self, name: &str, value: &[u8], ttl_ms: u64) -> Result<(), Error> {
        wit::state::set_with_ttl(name, value, ttl_ms).map_err(refused)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        wit::state::delete(name).map_err(refused)
    }

    pub(crate) fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        wit::state::scan(prefix, after, limit).map_err(refused)
    }

    pub(crate) fn emit(&self, event: NewEvent) -> Result<(), Error> {
        let event = wit::outbox::NewEvent {
            type_: event.ty,
            id: event.id,
            source: event.source,
            subject: event.subject,
            time: event.time,
            datacontenttype: event.datacontenttype,
            dataschema: event.dataschema,
            extensions: extensions_out(event.extensions),
            data: event.data,
            delay_ms: event.delay.map(whole_ms),
        };
        wit::outbox::emit(&event).map_err(refused)
    }

    /// Its `id`, `source` and `delay` are none.
    pub(crate) fn set_timer(
        &self,
        name: &str,
        after_ms: u64,
        event: NewEvent,
    ) -> Result<(), Error> {
        let event = wit::timers::TimerEvent {
            type_: event.ty,
            subject: event.subject,
            time: event.time,
            datacontenttype: event.datacontenttype,
            dataschema: event.dataschema,
            extensions: extensions_out(event.extensions),
            data: event.data,
        };
        wit::timers::set(name, after_ms, &event).map_err(refused)
    }

    pub(crate) fn cancel_timer(&self, name: &str) -> Result<(), Error> {
        wit::timers::cancel(name).map_err(refused)
    }

    pub(crate) fn fetch(&self, request: Request) -> Result<Response, Error> {
        crate::guest_http::fetch(&request)
    }

    pub(crate) fn config(&self, name: &str) -> Option<String> {
        wit::config::get(name)
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Trace => wit::log::Level::Trace,
            Level::Debug => wit::log::Level::Debug,
            Level::Info => wit::log::Level::Info,
            Level::Warn => wit::log::Level::Warn,
            Level::Error => wit::log::Level::Error,
        };
        wit::log::write(level, message);
    }
}

fn extensions_out(
    extensions: Vec<(String, ExtensionValue)>,
) -> Vec<(String, wit::types::ExtensionValue)> {
    let value_out = |value| match value {
        ExtensionValue::Boolean(value) => wit::types::ExtensionValue::Boolean(value),
        ExtensionValue::Integer(value) => wit::types::ExtensionValue::Integer(value),
        ExtensionValue::Text(value) => wit::types::ExtensionValue::Text(value),
    };
    extensions.into_iter().map(|(name, value)| (name, value_out(value))).collect()
}

#[cold]
fn refused(error: wit::types::Error) -> Error {
    Error::Refused { code: error.code, message: error.message }
}
