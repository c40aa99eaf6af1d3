//! The events that an attempt emits, checked as they come. Knows nothing of where they go.

use bytes::Bytes;
use triphammer_model::{Event, EventParts, ExtensionValue, Limits, NewEvent};

use crate::bindings::imports::outbox;
use crate::error::{Limit, Stop};
use crate::host::Refusal;

/// The longest delay that an event may ask for: ten years.
const DELAY_MS_MAX: u64 = 3650 * 86_400_000;

#[derive(Default)]
pub(crate) struct Outbox {
    emits: Vec<NewEvent>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn emit(
        &mut self,
        event: outbox::NewEvent,
        limits: &Limits,
    ) -> Result<Result<(), Refusal>, Stop> {
        // The limits come first, so that a guest can't make the host check too much either.
        self.bytes = self.bytes.saturating_add(size(&event));
        if self.emits.len() >= limits.emits_max {
            return Err(Limit::Emits.exceeded(limits.emits_max).into());
        }
        if self.bytes > limits.emit_bytes_max {
            return Err(Limit::EmitBytes.exceeded(limits.emit_bytes_max).into());
        }
        Ok(check(event).map(|event| self.emits.push(event)))
    }

    pub(crate) fn into_emits(self) -> Vec<NewEvent> {
        self.emits
    }
}

fn size(event: &outbox::NewEvent) -> usize {
    let optional = [
        &event.id,
        &event.source,
        &event.subject,
        &event.time,
        &event.datacontenttype,
        &event.dataschema,
    ];
    let attributes: usize = optional.into_iter().flatten().map(String::len).sum();
    let extension = |value: &outbox::ExtensionValue| match value {
        outbox::ExtensionValue::Boolean(_) | outbox::ExtensionValue::Integer(_) => 8,
        outbox::ExtensionValue::Text(text) => text.len(),
    };
    let extensions: usize = event.extensions.iter().map(|(n, v)| n.len() + extension(v)).sum();
    event.type_.len() + attributes + extensions + event.data.as_ref().map_or(0, Vec::len)
}

fn check(event: outbox::NewEvent) -> Result<NewEvent, Refusal> {
    if event.type_.split('.').next() == Some("triphammer") {
        let message = format!("`{}` is one of the host's own types", event.type_);
        return Err(Refusal::new("event.reserved_type", message));
    }
    if event.delay_ms.is_some_and(|delay| delay > DELAY_MS_MAX) {
        return Err(Refusal::new("event.malformed", "`delay-ms` is longer than 3650 days"));
    }
    let (id, source) = (event.id.is_none(), event.source.is_none());
    // Stand-ins for what the host makes later, so that the rest can be checked now; the payload
    // stays out of it, because checking encodes the event.
    let mut parts = EventParts {
        id: event.id.unwrap_or_else(|| "-".to_owned()),
        source: event.source.unwrap_or_else(|| "-".to_owned()),
        ty: event.type_,
        subject: event.subject,
        time: event.time,
        datacontenttype: event.datacontenttype,
        dataschema: event.dataschema,
        extensions: event.extensions.into_iter().map(|(n, v)| (n, extension(v))).collect(),
        data: None,
    };
    Event::new(&parts).map_err(|e| Refusal::new("event.malformed", e.to_string()))?;
    if id {
        parts.id.clear();
    }
    if source {
        parts.source.clear();
    }
    parts.data = event.data.map(Bytes::from);
    Ok(NewEvent { parts, delay_ms: event.delay_ms })
}

fn extension(value: outbox::ExtensionValue) -> ExtensionValue {
    match value {
        outbox::ExtensionValue::Boolean(value) => ExtensionValue::Boolean(value),
        outbox::ExtensionValue::Integer(value) => ExtensionValue::Integer(value),
        outbox::ExtensionValue::Text(value) => ExtensionValue::Text(value),
    }
}
