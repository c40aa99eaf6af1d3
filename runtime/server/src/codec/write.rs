//! An event as structured JSON again, its payload byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use triphammer_model::{Event, ExtensionValue};

use crate::json;

/// The event as a JSON value that can stand inside another document.
pub(crate) fn event_json(event: &Event) -> Box<RawValue> {
    let mut out = Vec::with_capacity(event.as_bytes().len() + 256);
    write_event(&mut out, event);
    raw(out)
}

/// The hand-written text as a value for the serializer.
fn raw(out: Vec<u8>) -> Box<RawValue> {
    let text = String::from_utf8(out).unwrap_or_default();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Appends the event as `application/cloudevents+json`.
pub(crate) fn write_event(out: &mut Vec<u8>, event: &Event) {
    out.extend_from_slice(br#"{"specversion":"1.0""#);
    let attributes = [
        ("id", Some(event.id())),
        ("source", Some(event.source())),
        ("type", Some(event.ty())),
        ("subject", event.subject()),
        ("time", event.time()),
        ("datacontenttype", event.datacontenttype()),
        ("dataschema", event.dataschema()),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            out.push(b',');
            json::name(out, name);
            json::string(out, value);
        }
    }
    for (name, value) in event.extensions() {
        out.push(b',');
        json::name(out, name);
        match value {
            ExtensionValue::Text(text) => json::string(out, &text),
            ExtensionValue::Boolean(_) | ExtensionValue::Integer(_) => {
                out.extend_from_slice(value.to_text().as_bytes());
            }
        }
    }
    if let Some(data) = event.data() {
        out.push(b',');
        write_payload(out, ["data", "data_base64"], event.is_json(), data);
    }
    out.push(b'}');
}

/// Appends a payload as a member: under the first name as JSON or, where it is text of another
/// media type, as a string; under the second name as Base64 when it is neither.
pub(crate) fn write_payload(out: &mut Vec<u8>, names: [&str; 2], is_json: bool, data: &[u8]) {
    if is_json && serde_json::from_slice::<&RawValue>(data).is_ok() {
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
