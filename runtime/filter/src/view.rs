//! An event as filters look at it: attributes by name, and its payload read once for all of them.
//! Knows nothing of filters.
//!
//! A view is made for one event and shown to as many filters as there are. What it reads of the
//! event it keeps.

use std::sync::OnceLock;

use serde_json::Value;
use triphammer_model::{Event, ExtensionValue};

use crate::cel;

/// The longest name an attribute can have, in bytes.
pub(crate) const NAME_LEN_MAX: usize = 64;

/// The one version of CloudEvents that a host accepts.
const SPECVERSION: &str = "1.0";

/// An event and what was read of it so far.
#[derive(Debug)]
pub struct View<'a> {
    event: &'a Event,
    extensions: OnceLock<Vec<Extension<'a>>>,
    payload: OnceLock<Result<Value, PayloadError>>,
    cel_data: OnceLock<Result<cel::Data, PayloadError>>,
}

/// An attribute's value, by its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attribute<'v> {
    Text(&'v str),
    Integer(i32),
    Boolean(bool),
}

/// Why an event's payload can't be looked into.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PayloadError {
    #[error("the event has no payload")]
    Absent,
    #[error("the payload's media type is not JSON")]
    NotJson,
    #[error("the payload is not JSON, though its media type says so")]
    Invalid,
    #[error("the payload is longer than {} bytes", View::PAYLOAD_LEN_MAX)]
    TooLarge,
}

#[derive(Debug)]
struct Extension<'a> {
    name: &'a str,
    value: ExtensionValue,
    /// The canonical text, where the value is none itself.
    text: String,
}

impl<'a> View<'a> {
    /// The longest payload that filters look into, in bytes: what one costs grows with it.
    pub const PAYLOAD_LEN_MAX: usize = 64 << 10;

    pub fn new(event: &'a Event) -> Self {
        Self {
            event,
            extensions: OnceLock::new(),
            payload: OnceLock::new(),
            cel_data: OnceLock::new(),
        }
    }

    pub fn event(&self) -> &'a Event {
        self.event
    }

    /// A context attribute or an extension; `data` is neither.
    pub fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        if is_core(name) {
            return self.core(name).map(Attribute::Text);
        }
        self.extension(name).map(|extension| match &extension.value {
            ExtensionValue::Boolean(value) => Attribute::Boolean(*value),
            ExtensionValue::Integer(number) => Attribute::Integer(*number),
            ExtensionValue::Text(text) => Attribute::Text(text),
        })
    }

    /// The canonical text of an attribute, whatever its type.
    pub fn text(&self, name: &str) -> Option<&str> {
        if is_core(name) {
            return self.core(name);
        }
        self.extension(name).map(Extension::as_str)
    }

    /// Every attribute that the event has, as text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let core = CORE.iter().filter_map(|name| Some((*name, self.core(name)?)));
        core.chain(self.extensions().iter().map(|e| (e.name, e.as_str())))
    }

    /// The payload as JSON, parsed when it is first asked for.
    pub fn payload(&self) -> Result<&Value, PayloadError> {
        self.payload.get_or_init(|| self.read_payload()).as_ref().map_err(|error| *error)
    }

    /// The payload as CEL has it, made when it is first asked for.
    pub(crate) fn cel_data(&self) -> Result<&cel::Data, PayloadError> {
        let make = || self.payload().map(cel::Data::new);
        self.cel_data.get_or_init(make).as_ref().map_err(|error| *error)
    }

    fn read_payload(&self) -> Result<Value, PayloadError> {
        let data = self.event.data().ok_or(PayloadError::Absent)?;
        if !self.event.is_json() {
            return Err(PayloadError::NotJson);
        }
        if data.len() > Self::PAYLOAD_LEN_MAX {
            return Err(PayloadError::TooLarge);
        }
        serde_json::from_slice(data).map_err(|_| PayloadError::Invalid)
    }

    fn core(&self, name: &str) -> Option<&'a str> {
        match name {
            "type" => Some(self.event.ty()),
            "source" => Some(self.event.source()),
            "subject" => self.event.subject(),
            "id" => Some(self.event.id()),
            "time" => self.event.time(),
            "datacontenttype" => self.event.datacontenttype(),
            "dataschema" => self.event.dataschema(),
            "specversion" => Some(SPECVERSION),
            _ => None,
        }
    }

    fn extension(&self, name: &str) -> Option<&Extension<'a>> {
        self.extensions().iter().find(|extension| extension.name == name)
    }

    fn extensions(&self) -> &[Extension<'a>] {
        let read = |(name, value): (&'a str, ExtensionValue)| {
            let text = match &value {
                ExtensionValue::Text(_) => String::new(),
                other => other.to_text(),
            };
            Extension { name, value, text }
        };
        self.extensions.get_or_init(|| self.event.extensions().map(read).collect())
    }
}

impl Extension<'_> {
    fn as_str(&self) -> &str {
        match &self.value {
            ExtensionValue::Text(text) => text,
            _ => &self.text,
        }
    }
}

/// The attributes that CloudEvents defines, all of them text to a filter.
const CORE: [&str; 8] =
    ["type", "source", "subject", "id", "time", "datacontenttype", "dataschema", "specversion"];

pub(crate) fn is_core(name: &str) -> bool {
    CORE.contains(&name)
}

/// Whether an attribute can have this name: 1 to 64 of `a-z` and `0-9`, and not `data`, which is
/// the payload.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(allowed) && name != "data"
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use triphammer_model::EventParts;

    use super::*;

    fn event(datacontenttype: Option<&str>, data: Option<&'static [u8]>) -> Event {
        Event::new(&EventParts {
            id: "1".into(),
            source: "/s".into(),
            ty: "t".into(),
            datacontenttype: datacontenttype.map(Into::into),
            extensions: vec![
                ("flag".into(), ExtensionValue::Boolean(true)),
                ("note".into(), ExtensionValue::Text("x".into())),
            ],
            data: data.map(Bytes::from_static),
            ..EventParts::default()
        })
        .unwrap()
    }

    #[test]
    fn attributes_have_types_and_texts() {
        let event = event(None, None);
        let view = View::new(&event);
        assert_eq!(view.attribute("flag"), Some(Attribute::Boolean(true)));
        assert_eq!(view.text("flag"), Some("true"));
        assert_eq!(view.attribute("note"), Some(Attribute::Text("x")));
        assert_eq!(view.text("specversion"), Some("1.0"));
        assert_eq!(view.attribute("subject"), None);
        assert_eq!(view.attribute("data"), None);
        let texts: Vec<_> = view.texts().map(|(name, _)| name).collect();
        assert_eq!(texts, ["type", "source", "id", "specversion", "flag", "note"]);
    }

    #[test]
    fn a_payload_is_json_or_an_error() {
        let check = |datacontenttype, data, expect: Result<i64, PayloadError>| {
            let event = event(datacontenttype, data);
            let view = View::new(&event);
            let first = view.payload().map(|value| value["a"].as_i64().unwrap());
            assert_eq!(first, expect);
            assert_eq!(view.payload().is_ok(), expect.is_ok());
        };
        check(None, Some(b"{\"a\":1}"), Ok(1));
        check(Some("application/x+json"), Some(b"{\"a\":1}"), Ok(1));
        check(Some("text/plain"), Some(b"{}"), Err(PayloadError::NotJson));
        check(None, Some(b"{"), Err(PayloadError::Invalid));
        check(None, None, Err(PayloadError::Absent));
        let long: &'static [u8] = vec![b' '; View::PAYLOAD_LEN_MAX + 1].leak();
        check(None, Some(long), Err(PayloadError::TooLarge));
    }
}
