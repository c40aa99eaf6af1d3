//! Events for tests: those that go in, and those that a handler emitted.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::delivery::Delivery;
use crate::event::{Attributes, Event, ExtensionValue, NewEvent};
use crate::outcome::Fault;

/// An event of this type to hand to a handler.
///
/// Its source is `/test` and its id `test`, unless others are given.
pub fn event(ty: impl Into<String>) -> TestEvent {
    TestEvent {
        attributes: Attributes {
            id: "test".into(),
            source: "/test".into(),
            ty: ty.into(),
            ..Attributes::default()
        },
        data: None,
        attempt: 1,
        key: Key::Found,
    }
}

/// An event to hand to a handler; made by [`event`], or from an [`Emitted`] one.
#[derive(Clone, Debug)]
#[must_use = "an event does nothing until `host.call(handler, event)`"]
pub struct TestEvent {
    attributes: Attributes,
    data: Option<Vec<u8>>,
    pub(crate) attempt: u32,
    pub(crate) key: Key,
}

/// Where an event's ordering key comes from.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// It is looked for where the host was told.
    Found,
    /// It is that of the delivery that has set the timer.
    Of(Option<String>),
}

impl TestEvent {
    /// Its id.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.attributes.id = id.into();
        self
    }

    /// Where it happened.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.attributes.source = source.into();
        self
    }

    /// What it happened to.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.attributes.subject = Some(subject.into());
        self
    }

    /// When it happened, in RFC 3339.
    pub fn time(mut self, time: impl Into<String>) -> Self {
        self.attributes.time = Some(time.into());
        self
    }

    /// An extension attribute.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<ExtensionValue>) -> Self {
        self.attributes.extensions.push((name.into(), value.into()));
        self
    }

    /// The payload, written as JSON.
    ///
    /// # Panics
    /// When the value can't be written as JSON.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(self, data: &T) -> Self {
        match serde_json::to_vec(data) {
            Ok(data) => self.data(data),
            Err(error) => panic!("the payload can't be written as JSON: {error}"),
        }
    }

    /// The payload as it is, with the content type of JSON.
    pub fn data(self, data: impl Into<Vec<u8>>) -> Self {
        self.bytes("application/json", data)
    }

    /// The payload as bytes, with its media type.
    pub fn bytes(mut self, content_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        self.attributes.datacontenttype = Some(content_type.into());
        self.data = Some(data.into());
        self
    }

    /// Which attempt this is, counted from 1.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The event as a handler gets it, or the reject when its payload is not a `T`.
    pub fn build<T: DeserializeOwned + 'static>(self) -> Result<Event<T>, Fault> {
        let delivery = Delivery { attempt: self.attempt, ..Delivery::default() };
        self.delivered(Arc::new(delivery))
    }

    pub(crate) fn delivered<T: DeserializeOwned + 'static>(
        self,
        delivery: Arc<Delivery>,
    ) -> Result<Event<T>, Fault> {
        Event::read(self.attributes, self.data, delivery)
    }

    pub(crate) fn delivered_in_batch<T: DeserializeOwned + 'static>(
        self,
        delivery: Arc<Delivery>,
    ) -> Result<Event<T>, Fault> {
        Event::read_of_batch(self.attributes, self.data, delivery)
    }

    pub(crate) fn id_text(&self) -> &str {
        &self.attributes.id
    }

    pub(crate) fn source_text(&self) -> &str {
        &self.attributes.source
    }

    /// The ordering key, if a manifest's `key` says where it is.
    pub(crate) fn ordering_key(&self, expression: Option<&str>) -> Result<Option<String>, Fault> {
        match (&self.key, expression) {
            (Key::Of(key), _) => Ok(key.clone()),
            (Key::Found, Some(expression)) => self.find_key(expression).map(Some),
            (Key::Found, None) => Ok(None),
        }
    }

    fn find_key(&self, expression: &str) -> Result<String, Fault> {
        let found = match expression.strip_prefix("data.") {
            Some(pointer) => self.key_in_data(pointer),
            None => match expression {
                "subject" => self.attributes.subject.clone(),
                "source" => Some(self.attributes.source.clone()),
                name => {
                    let mut extensions = self.attributes.extensions.iter();
                    let value = extensions.find(|(known, _)| known == name);
                    value.map(|(_, value)| value.to_string())
                }
            },
        };
        found.ok_or_else(|| {
            Fault::reject(format!("the event has no key `{expression}` (route.key_missing)"))
        })
    }

    fn key_in_data(&self, pointer: &str) -> Option<String> {
        let data: serde_json::Value = serde_json::from_slice(self.data.as_deref()?).ok()?;
        match data.pointer(pointer)? {
            serde_json::Value::String(text) => Some(text.clone()),
            value @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => {
                Some(value.to_string())
            }
            _ => None,
        }
    }
}

/// An event that a handler emitted, with what the host fills in.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Emitted {
    /// Its own, or one made from the delivery and the event's position.
    pub id: String,
    /// Its own, or `/functions/NAME`.
    pub source: String,
    /// Its type.
    pub ty: String,
    /// What it happened to.
    pub subject: Option<String>,
    /// When it happened.
    pub time: Option<String>,
    /// The payload's media type.
    pub content_type: Option<String>,
    /// The URI of the payload's schema.
    pub schema: Option<String>,
    /// The extension attributes.
    pub extensions: Vec<(String, ExtensionValue)>,
    /// The payload.
    pub data: Option<Vec<u8>>,
    /// How long its delivery waits after the commit.
    pub delay: Option<Duration>,
}

impl Emitted {
    pub(crate) fn new(event: NewEvent, function: &str, id: impl FnOnce() -> String) -> Self {
        Self {
            id: event.id.unwrap_or_else(id),
            source: event.source.unwrap_or_else(|| format!("/functions/{function}")),
            ty: event.ty,
            subject: event.subject,
            time: event.time,
            content_type: event.datacontenttype,
            schema: event.dataschema,
            extensions: event.extensions,
            data: event.data,
            delay: event.delay,
        }
    }

    /// The payload, read as JSON.
    ///
    /// # Panics
    /// When it is not JSON of this type.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        read_json("the payload", self.data.as_deref().unwrap_or(b"null"))
    }

    /// An extension attribute.
    pub fn extension(&self, name: &str) -> Option<&ExtensionValue> {
        self.extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// The event as it comes round the ring.
impl From<Emitted> for TestEvent {
    fn from(event: Emitted) -> Self {
        Self {
            attributes: Attributes {
                id: event.id,
                source: event.source,
                ty: event.ty,
                subject: event.subject,
                time: event.time,
                datacontenttype: event.content_type,
                dataschema: event.schema,
                extensions: event.extensions,
            },
            data: event.data,
            attempt: 1,
            key: Key::Found,
        }
    }
}

#[track_caller]
pub(crate) fn read_json<T: DeserializeOwned>(what: &str, data: &[u8]) -> T {
    match serde_json::from_slice(data) {
        Ok(value) => value,
        Err(error) => {
            panic!("{what} is not what was asked for: {error}: {}", String::from_utf8_lossy(data))
        }
    }
}
