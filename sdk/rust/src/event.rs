//! The event that a handler is given, and the events that it emits. Knows nothing of the host.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::delivery::Delivery;
use crate::outcome::{Error, Fault};

/// The value of an extension attribute. URIs and timestamps are text, binary is base64 text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExtensionValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// Any other value, in its text form.
    Text(String),
}

impl ExtensionValue {
    /// The text, or none for a boolean or an integer.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Boolean(_) | Self::Integer(_) => None,
        }
    }
}

impl fmt::Display for ExtensionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl From<bool> for ExtensionValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for ExtensionValue {
    fn from(value: i32) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for ExtensionValue {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<&String> for ExtensionValue {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for ExtensionValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// An event's context attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) ty: String,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) datacontenttype: Option<String>,
    pub(crate) dataschema: Option<String>,
    pub(crate) extensions: Vec<(String, ExtensionValue)>,
}

/// A CloudEvent: its attributes and its payload.
///
/// The payload is any type that `serde` reads from JSON. Three types are special: `Vec<u8>` is the
/// payload's bytes as they came, `()` ignores the payload, and `serde_json::Value` takes any JSON.
/// An event without a payload reads as JSON's `null`. A payload that does not parse never reaches
/// the handler: its delivery becomes a dead letter that says where it went wrong.
///
/// ```
/// use triphammer_sdk::{Event, testing};
///
/// let event: Event<Vec<u32>> =
///     testing::event("numbers.drawn").id("n-1").data("[4, 8, 15]").build().unwrap();
/// assert_eq!(event.data, [4, 8, 15]);
/// assert_eq!((event.ty(), event.id(), event.subject()), ("numbers.drawn", "n-1", None));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Event<T = serde_json::Value> {
    /// The payload.
    pub data: T,
    attributes: Attributes,
    delivery: Arc<Delivery>,
}

impl<T> Event<T> {
    /// Unique together with [`source`](Self::source).
    pub fn id(&self) -> &str {
        &self.attributes.id
    }

    /// Where the event happened: a URI reference.
    pub fn source(&self) -> &str {
        &self.attributes.source
    }

    /// What happened: `user.registered`.
    pub fn ty(&self) -> &str {
        &self.attributes.ty
    }

    /// What it happened to.
    pub fn subject(&self) -> Option<&str> {
        self.attributes.subject.as_deref()
    }

    /// When it happened, in RFC 3339 as the sender wrote it.
    pub fn time(&self) -> Option<&str> {
        self.attributes.time.as_deref()
    }

    /// The payload's media type.
    pub fn content_type(&self) -> Option<&str> {
        self.attributes.datacontenttype.as_deref()
    }

    /// The URI of the schema that the payload adheres to.
    pub fn schema(&self) -> Option<&str> {
        self.attributes.dataschema.as_deref()
    }

    /// An extension attribute.
    pub fn extension(&self, name: &str) -> Option<&ExtensionValue> {
        self.extensions().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Which attempt at this event's delivery this is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.delivery.attempt
    }

    /// The same for every attempt at this event's delivery, and for no other delivery: what to hand
    /// to an outside service so that it does its part once.
    pub fn idempotency_key(&self) -> &str {
        &self.delivery.idempotency_key
    }

    /// The event's sequence number on this host.
    pub fn seq(&self) -> &str {
        &self.delivery.seq
    }

    /// When the event was accepted, in milliseconds since 1970.
    pub fn accepted_ms(&self) -> u64 {
        self.delivery.accepted_ms
    }

    /// All extension attributes.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &ExtensionValue)> {
        self.attributes.extensions.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<T: DeserializeOwned + 'static> Event<T> {
    /// Reads the payload. A payload of another shape is a reject: it will not change by waiting.
    pub(crate) fn read(
        attributes: Attributes,
        data: Option<Vec<u8>>,
        delivery: Arc<Delivery>,
    ) -> Result<Self, Fault> {
        let data = match payload(data) {
            Ok(data) => data,
            Err(error) => return Err(unreadable(&attributes, &error)),
        };
        Ok(Self { data, attributes, delivery })
    }

    /// The same for one of several: the reject says which.
    pub(crate) fn read_of_batch(
        attributes: Attributes,
        data: Option<Vec<u8>>,
        delivery: Arc<Delivery>,
    ) -> Result<Self, Fault> {
        let which = Arc::clone(&delivery);
        Self::read(attributes, data, delivery)
            .map_err(|fault| Fault::reject(format!("event {}: {}", which.seq, fault.message())))
    }
}

/// For a handler of several event types, each with a payload of its own.
impl Event<Vec<u8>> {
    /// The payload, read as JSON; the reject of any other payload when it is not a `T`.
    ///
    /// ```
    /// use triphammer_sdk::{Context, Event, Fault, function};
    ///
    /// #[function(on = ["stock.received", "stock.counted"])]
    /// fn stock(event: Event<Vec<u8>>, ctx: &mut Context) -> Result<(), Fault> {
    ///     let units = match event.ty() {
    ///         "stock.counted" => event.json::<u64>()?,
    ///         _ => ctx.state().get::<u64>("units")?.unwrap_or(0) + event.json::<Vec<u64>>()?.len() as u64,
    ///     };
    ///     Ok(ctx.state().set("units", &units)?)
    /// }
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        // As everywhere, no payload reads as `null`.
        let data = if self.data.is_empty() { b"null" } else { self.data.as_slice() };
        serde_json::from_slice(data).map_err(|error| unreadable(&self.attributes, &error))
    }
}

/// The payload as `T`. The comparisons of types are decided at compile time.
fn payload<T: DeserializeOwned + 'static>(data: Option<Vec<u8>>) -> Result<T, serde_json::Error> {
    if let Some(unit) = same_type(&mut Some(())) {
        return Ok(unit);
    }
    let mut data = Some(data.unwrap_or_default());
    if let Some(bytes) = same_type(&mut data) {
        return Ok(bytes);
    }
    match data.as_deref() {
        Some([]) | None => serde_json::from_slice(b"null"),
        Some(data) => serde_json::from_slice(data),
    }
}

/// Takes the value if it is a `T`.
fn same_type<T: 'static>(value: &mut dyn Any) -> Option<T> {
    value.downcast_mut::<Option<T>>().and_then(Option::take)
}

#[cold]
fn unreadable(attributes: &Attributes, error: &serde_json::Error) -> Fault {
    let mut message = format!("the payload is not what this handler takes: {error}");
    // The usual reason, when it is not the sender's JSON that is wrong.
    if let Some(media) = attributes.datacontenttype.as_deref().filter(|m| !m.contains("json")) {
        message.push_str(" (its content type is ");
        message.push_str(media);
        message.push(')');
    }
    Fault::reject(message)
}

/// An event to be emitted with [`Context::emit`](crate::Context::emit).
///
/// What is left out the host fills in: an id made from the delivery, so that it is the same
/// however often the attempt is repeated, and the source `/functions/NAME`.
///
/// ```
/// use std::time::Duration;
/// use triphammer_sdk::NewEvent;
///
/// # fn main() -> Result<(), triphammer_sdk::Error> {
/// let reminder = NewEvent::new("invoice.due")
///     .subject("invoice-7")
///     .extension("tenant", "acme")
///     .json(&serde_json::json!({"days": 14}))?
///     .delay(Duration::from_secs(14 * 24 * 3600));
/// # let _ = reminder;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an event is emitted by `ctx.emit(event)`"]
pub struct NewEvent {
    pub(crate) ty: String,
    pub(crate) id: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) datacontenttype: Option<String>,
    pub(crate) dataschema: Option<String>,
    pub(crate) extensions: Vec<(String, ExtensionValue)>,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) delay: Option<Duration>,
}

impl NewEvent {
    /// An event of this type, with no payload yet.
    pub fn new(ty: impl Into<String>) -> Self {
        Self {
            ty: ty.into(),
            id: None,
            source: None,
            subject: None,
            time: None,
            datacontenttype: None,
            dataschema: None,
            extensions: Vec::new(),
            data: None,
            delay: None,
        }
    }

    /// An id of one's own. The same id again, from the same function, is a duplicate.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Where it happened, in place of `/functions/NAME`.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it happened to.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// When it happened, in RFC 3339.
    pub fn time(mut self, time: impl Into<String>) -> Self {
        self.time = Some(time.into());
        self
    }

    /// The URI of the schema that the payload adheres to.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.dataschema = Some(schema.into());
        self
    }

    /// An extension attribute: a name of `a-z` and `0-9`, and its value. Set twice, the last holds.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<ExtensionValue>) -> Self {
        let name = name.into();
        self.extensions.retain(|(known, _)| *known != name);
        self.extensions.push((name, value.into()));
        self
    }

    /// The payload, written as JSON.
    pub fn json<T: Serialize + ?Sized>(self, data: &T) -> Result<Self, Error> {
        let data = serde_json::to_vec(data).map_err(Error::encode("an event's payload"))?;
        Ok(self.bytes("application/json", data))
    }

    /// The payload as bytes, with its media type.
    pub fn bytes(mut self, content_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        self.datacontenttype = Some(content_type.into());
        self.data = Some(data.into());
        self
    }

    /// Deliver no sooner than this long after the commit; whole milliseconds, rounded up.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }
}
