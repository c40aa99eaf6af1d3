//! An event as structured JSON again, its payload byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use triphammer_model::{Event, EventParts, ExtensionValue, NewEvent, is_json_media_type};

use super::structured::nests_too_deep;
use crate::json;

/// An event's attributes in the order in which they are written.
struct Fields<'a> {
    attributes: [(&'static str, Option<&'a str>); 7],
    extensions: Vec<(&'a str, ExtensionValue)>,
    is_json: bool,
    data: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn of_event(event: &'a Event) -> Self {
        Self {
            attributes: [
                ("id", Some(event.id())),
                ("source", Some(event.source())),
                ("type", Some(event.ty())),
                ("subject", event.subject()),
                ("time", event.time()),
                ("datacontenttype", event.datacontenttype()),
                ("dataschema", event.dataschema()),
            ],
            extensions: event.extensions().collect(),
            is_json: event.is_json(),
            data: event.data(),
        }
    }

    /// Of an event that may lack what the host fills in.
    fn of_parts(parts: &'a EventParts) -> Self {
        let filled = |text: &'a str| (!text.is_empty()).then_some(text);
        let extensions = parts.extensions.iter().map(|(name, value)| (&**name, value.clone()));
        Self {
            attributes: [
                ("id", filled(&parts.id)),
                ("source", filled(&parts.source)),
                ("type", filled(&parts.ty)),
                ("subject", parts.subject.as_deref()),
                ("time", parts.time.as_deref()),
                ("datacontenttype", parts.datacontenttype.as_deref()),
                ("dataschema", parts.dataschema.as_deref()),
            ],
            extensions: extensions.collect(),
            is_json: parts.datacontenttype.as_deref().is_none_or(is_json_media_type),
            data: parts.data.as_deref(),
        }
    }

    /// Appends all members but the braces.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""specversion":"1.0""#);
        for (name, value) in &self.attributes {
            if let Some(value) = value {
                out.push(b',');
                json::name(out, name);
                json::string(out, value);
            }
        }
        for (name, value) in &self.extensions {
            out.push(b',');
            json::name(out, name);
            match value {
                ExtensionValue::Text(text) => json::string(out, text),
                ExtensionValue::Boolean(_) | ExtensionValue::Integer(_) => {
                    out.extend_from_slice(value.to_text().as_bytes());
                }
            }
        }
        if let Some(data) = self.data {
            out.push(b',');
            write_payload(out, ["data", "data_base64"], self.is_json, data);
        }
    }
}

/// The event as a JSON value that can stand inside another document.
pub(crate) fn event_json(event: &Event) -> Box<RawValue> {
    let mut out = Vec::with_capacity(event.as_bytes().len() + 256);
    write_event(&mut out, event);
    raw(out)
}

/// An event that is not made yet, with its delay as `delayMs`.
pub(crate) fn new_event_json(event: &NewEvent) -> Box<RawValue> {
    let mut out = b"{".to_vec();
    Fields::of_parts(&event.parts).write(&mut out);
    if let Some(delay_ms) = event.delay_ms {
        out.extend_from_slice(br#","delayMs":"#);
        json::number(&mut out, delay_ms);
    }
    out.push(b'}');
    raw(out)
}

/// The hand-written text as a value for the serializer.
fn raw(out: Vec<u8>) -> Box<RawValue> {
    let text = String::from_utf8(out).unwrap_or_default();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Appends the event as `application/cloudevents+json`.
pub(crate) fn write_event(out: &mut Vec<u8>, event: &Event) {
    out.push(b'{');
    Fields::of_event(event).write(out);
    out.push(b'}');
}

/// Whether bytes can stand as JSON inside another document. Those that nest deeper than an event's
/// may come, in a body that nobody parsed, and the parser of whoever reads the document would give
/// up on all of it.
pub(crate) fn is_shown_as_json(data: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(data).is_ok() && !nests_too_deep(data)
}

/// Appends a payload as a member: under the first name as JSON or, where it is text of another
/// media type, as a string; under the second name as Base64 when it is neither.
fn write_payload(out: &mut Vec<u8>, names: [&str; 2], is_json: bool, data: &[u8]) {
    if is_json && is_shown_as_json(data) {
        json::name(out, names[0]);
        out.extend_from_slice(data);
        return;
    }
    match std::str::from_utf8(data) {
        Ok(text) if !is_json => {
            json::name(out, names[0]);
            json::string(out, text);
        }
        _ => {
            json::name(out, names[1]);
            json::string(out, &STANDARD.encode(data));
        }
    }
}
