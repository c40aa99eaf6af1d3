//! An event as a guest makes it, on its way to being checked. Knows nothing of where it goes.

use bytes::Bytes;
use triphammer_model::{Event, EventParts, ExtensionValue};

use crate::bindings::imports::{outbox, timers};
use crate::host::Refusal;

/// What the host makes later is empty.
pub(crate) struct Unchecked {
    parts: EventParts,
    /// Given by the guest, and so checked as it is.
    has_id: bool,
    has_source: bool,
}

impl From<outbox::NewEvent> for Unchecked {
    fn from(event: outbox::NewEvent) -> Self {
        let (has_id, has_source) = (event.id.is_some(), event.source.is_some());
        let parts = EventParts {
            id: event.id.unwrap_or_default(),
            source: event.source.unwrap_or_default(),
            ty: event.type_,
            subject: event.subject,
            time: event.time,
            datacontenttype: event.datacontenttype,
            dataschema: event.dataschema,
            extensions: extensions(event.extensions),
            data: event.data.map(Bytes::from),
        };
        Self { parts, has_id, has_source }
    }
}

impl From<timers::TimerEvent> for Unchecked {
    fn from(event: timers::TimerEvent) -> Self {
        let parts = EventParts {
            id: String::new(),
            source: String::new(),
            ty: event.type_,
            subject: event.subject,
            time: event.time,
            datacontenttype: event.datacontenttype,
            dataschema: event.dataschema,
            extensions: extensions(event.extensions),
            data: event.data.map(Bytes::from),
        };
        Self { parts, has_id: false, has_source: false }
    }
}

impl Unchecked {
    /// In bytes, as the limits count it.
    pub(crate) fn size(&self) -> usize {
        let EventParts { id, source, ty, subject, time, datacontenttype, dataschema, .. } =
            &self.parts;
        let optional = [subject, time, datacontenttype, dataschema];
        let optional: usize = optional.into_iter().flatten().map(String::len).sum();
        let extension = |value: &ExtensionValue| match value {
            ExtensionValue::Boolean(_) | ExtensionValue::Integer(_) => 8,
            ExtensionValue::Text(text) => text.len(),
        };
        let extensions = self.parts.extensions.iter();
        let extensions: usize = extensions.map(|(name, v)| name.len() + extension(v)).sum();
        let data = self.parts.data.as_ref().map_or(0, Bytes::len);
        id.len() + source.len() + ty.len() + optional + extensions + data
    }

    pub(crate) fn checked(self) -> Result<EventParts, Refusal> {
        let Self { mut parts, has_id, has_source } = self;
        if parts.ty.split('.').next() == Some("triphammer") {
            let message = format!("`{}` is one of the host's own types", parts.ty);
            return Err(Refusal::new("event.reserved_type", message));
        }
        // Stand-ins for what the host makes later, so that the rest can be checked now; the payload
        // stays out of it, because checking encodes the event.
        let data = parts.data.take();
        if !has_id {
            "-".clone_into(&mut parts.id);
        }
        if !has_source {
            "-".clone_into(&mut parts.source);
        }
        Event::new(&parts).map_err(|e| Refusal::new("event.malformed", e.to_string()))?;
        if !has_id {
            parts.id.clear();
        }
        if !has_source {
            parts.source.clear();
        }
        parts.data = data;
        Ok(parts)
    }
}

fn extensions(given: Vec<(String, outbox::ExtensionValue)>) -> Vec<(String, ExtensionValue)> {
    let value = |value| match value {
        outbox::ExtensionValue::Boolean(value) => ExtensionValue::Boolean(value),
        outbox::ExtensionValue::Integer(value) => ExtensionValue::Integer(value),
        outbox::ExtensionValue::Text(value) => ExtensionValue::Text(value),
    };
    given.into_iter().map(|(name, given)| (name, value(given))).collect()
}
