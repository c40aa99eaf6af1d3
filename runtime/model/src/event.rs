//! A CloudEvent 1.0 as one immutable buffer: encoded once where it enters, sliced ever after.
//!
//! The same bytes go into the journal, wait in the queue and are lowered into a guest. Knows no
//! wire format: JSON and HTTP headers are the server's.
//!
//! Layout, little-endian: nine `u32` ends (id, source, type, subject, time, datacontenttype,
//! dataschema, extensions, data), a `u32` of presence bits in the same order, then the fields one
//! after the other. An extension is: name length `u8`, kind `u8`, value length `u32`, name, value.

use bytes::Bytes;

use crate::event_check::InvalidEvent;

/// An event's context attributes and payload. Cheap to clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    raw: Bytes,
}

/// The fields of an event on its way to becoming one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventParts {
    pub id: String,
    pub source: String,
    pub ty: String,
    pub subject: Option<String>,
    /// RFC 3339, kept as written.
    pub time: Option<String>,
    pub datacontenttype: Option<String>,
    pub dataschema: Option<String>,
    pub extensions: Vec<(String, ExtensionValue)>,
    pub data: Option<Bytes>,
}

/// An extension's value. URIs and timestamps are text, binary is base64 text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExtensionValue {
    Boolean(bool),
    Integer(i32),
    Text(String),
}

/// The attributes that every CloudEvent may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Id,
    Source,
    Type,
    Subject,
    Time,
    DataContentType,
    DataSchema,
    Extensions,
    Data,
}

const FIELDS: usize = 9;
const HEADER_LEN: usize = FIELDS * 4 + 4;
impl Event {
    /// The most extensions that an event has.
    pub const EXTENSIONS_MAX: usize = crate::event_check::EXTENSIONS_MAX;

    /// Checks the attributes by CloudEvents 1.0.2 and encodes them.
    pub fn new(parts: &EventParts) -> Result<Self, InvalidEvent> {
        parts.check()?;
        Ok(Self { raw: parts.encode().into() })
    }

    /// Takes back what [`Event::as_bytes`] gave out; none when it can't have.
    pub fn from_bytes(raw: Bytes) -> Option<Self> {
        if raw.len() < HEADER_LEN {
            return None;
        }
        let event = Self { raw };
        let mut start = HEADER_LEN;
        for index in 0..FIELDS {
            let end = HEADER_LEN.checked_add(event.end(index))?;
            let field = event.raw.get(start..end)?;
            let textual = index < Field::Extensions as usize;
            if textual && std::str::from_utf8(field).is_err() {
                return None;
            }
            start = end;
        }
        let extensions = Extensions { rest: event.field(Field::Extensions) };
        let whole = start == event.raw.len() && extensions.check();
        whole.then_some(event)
    }

    /// The encoded form.
    pub fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    pub fn id(&self) -> &str {
        self.text(Field::Id)
    }

    pub fn source(&self) -> &str {
        self.text(Field::Source)
    }

    pub fn ty(&self) -> &str {
        self.text(Field::Type)
    }

    pub fn subject(&self) -> Option<&str> {
        self.optional(Field::Subject)
    }

    pub fn time(&self) -> Option<&str> {
        self.optional(Field::Time)
    }

    pub fn datacontenttype(&self) -> Option<&str> {
        self.optional(Field::DataContentType)
    }

    pub fn dataschema(&self) -> Option<&str> {
        self.optional(Field::DataSchema)
    }

    /// The payload; none when the event has none, which is not the same as an empty one.
    pub fn data(&self) -> Option<&[u8]> {
        self.has(Field::Data).then(|| self.field(Field::Data))
    }

    /// In the order in which they were given.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, ExtensionValue)> {
        self.raw_extensions().map(|(name, kind, text)| (name, ExtensionValue::of(kind, text)))
    }

    pub fn extension(&self, name: &str) -> Option<ExtensionValue> {
        let found = self.raw_extensions().find(|(n, ..)| *n == name);
        found.map(|(_, kind, text)| ExtensionValue::of(kind, text))
    }

    /// The same without making values of them: the name, the kind, the text.
    pub(crate) fn raw_extensions(&self) -> impl Iterator<Item = (&str, u8, &str)> {
        Extensions { rest: self.field(Field::Extensions) }
    }

    /// Whether the payload is JSON by its media type. An event without one is JSON, as the
    /// specification says.
    pub fn is_json(&self) -> bool {
        self.datacontenttype().is_none_or(is_json_media_type)
    }

    pub fn to_parts(&self) -> EventParts {
        EventParts {
            id: self.id().into(),
            source: self.source().into(),
            ty: self.ty().into(),
            subject: self.subject().map(Into::into),
            time: self.time().map(Into::into),
            datacontenttype: self.datacontenttype().map(Into::into),
            dataschema: self.dataschema().map(Into::into),
            extensions: self.extensions().map(|(n, v)| (n.into(), v)).collect(),
            data: self.data().map(|data| self.raw.slice_ref(data)),
        }
    }

    fn end(&self, index: usize) -> usize {
        self.word(index) as usize
    }

    fn word(&self, index: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.raw[index * 4..index * 4 + 4]);
        u32::from_le_bytes(bytes)
    }

    fn has(&self, field: Field) -> bool {
        self.word(FIELDS) & (1 << field as u32) != 0
    }

    fn field(&self, field: Field) -> &[u8] {
        let index = field as usize;
        let start = if index == 0 { 0 } else { self.end(index - 1) };
        &self.raw[HEADER_LEN + start..HEADER_LEN + self.end(index)]
    }

    fn text(&self, field: Field) -> &str {
        // Checked to be UTF-8 when the buffer was taken in.
        std::str::from_utf8(self.field(field)).unwrap_or_default()
    }

    fn optional(&self, field: Field) -> Option<&str> {
        self.has(field).then(|| self.text(field))
    }
}

/// `application/json`, `text/json` and `…+json`, whatever the case and the parameters.
pub fn is_json_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
    subtype == "json" || subtype.ends_with("+json")
}

struct Extensions<'a> {
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    fn check(mut self) -> bool {
        while !self.rest.is_empty() {
            if self.next().is_none() {
                return false;
            }
        }
        true
    }
}

impl<'a> Iterator for Extensions<'a> {
    /// The name, the kind of value, and the value's text.
    type Item = (&'a str, u8, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[name_len, kind, a, b, c, d], rest) = self.rest.split_first_chunk::<6>()?;
        let value_len = u32::from_le_bytes([a, b, c, d]) as usize;
        let (name, rest) = rest.split_at_checked(usize::from(name_len))?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
        if kind == ExtensionValue::INTEGER {
            value.parse::<i32>().ok()?;
        }
        self.rest = rest;
        Some((name, kind, value))
    }
}

impl ExtensionValue {
    const BOOLEAN: u8 = 0;
    const INTEGER: u8 = 1;
    const TEXT: u8 = 2;

    fn of(kind: u8, text: &str) -> Self {
        match kind {
            Self::BOOLEAN => Self::Boolean(text == "true"),
            // Checked to be a number when the buffer was taken in.
            Self::INTEGER => Self::Integer(text.parse().unwrap_or_default()),
            _ => Self::Text(text.into()),
        }
    }

    /// The canonical string of the CloudEvents type system.
    pub fn to_text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Boolean(_) => Self::BOOLEAN,
            Self::Integer(_) => Self::INTEGER,
            Self::Text(_) => Self::TEXT,
        }
    }
}

impl EventParts {
    fn encode(&self) -> Vec<u8> {
        let fields: [Option<&[u8]>; FIELDS] = [
            Some(self.id.as_bytes()),
            Some(self.source.as_bytes()),
            Some(self.ty.as_bytes()),
            self.subject.as_deref().map(str::as_bytes),
            self.time.as_deref().map(str::as_bytes),
            self.datacontenttype.as_deref().map(str::as_bytes),
            self.dataschema.as_deref().map(str::as_bytes),
            None,
            self.data.as_deref(),
        ];
        let total: usize = fields.iter().flatten().map(|f| f.len()).sum();
        let mut raw = Vec::with_capacity(HEADER_LEN + total + self.extensions.len() * 48);
        raw.resize(HEADER_LEN, 0);
        let mut present = 0u32;
        for (index, field) in fields.iter().enumerate() {
            if index == Field::Extensions as usize {
                self.encode_extensions(&mut raw);
            }
            if let Some(field) = field {
                raw.extend_from_slice(field);
                present |= 1 << index;
            }
            let end = (raw.len() - HEADER_LEN) as u32;
            raw[index * 4..index * 4 + 4].copy_from_slice(&end.to_le_bytes());
        }
        raw[FIELDS * 4..HEADER_LEN].copy_from_slice(&present.to_le_bytes());
        raw
    }

    fn encode_extensions(&self, raw: &mut Vec<u8>) {
        for (name, value) in &self.extensions {
            let text = value.to_text();
            // Both lengths were checked against much smaller limits.
            raw.extend_from_slice(&[name.len() as u8, value.kind()]);
            raw.extend_from_slice(&(text.len() as u32).to_le_bytes());
            raw.extend_from_slice(name.as_bytes());
            raw.extend_from_slice(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> EventParts {
        EventParts {
            id: "1".into(),
            source: "/s".into(),
            ty: "t".into(),
            subject: Some("ü".into()),
            time: Some("2026-01-02T03:04:05.678Z".into()),
            extensions: vec![
                ("flag".into(), ExtensionValue::Boolean(true)),
                ("count".into(), ExtensionValue::Integer(-7)),
                ("note".into(), ExtensionValue::Text("x".into())),
            ],
            data: Some(Bytes::from_static(b"{}")),
            ..EventParts::default()
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let event = Event::new(&parts()).unwrap();
        assert_eq!(event.to_parts(), parts());
        assert_eq!(Event::from_bytes(event.as_bytes().clone()), Some(event));
    }

    #[test]
    fn no_payload_is_not_an_empty_payload() {
        let none = Event::new(&EventParts { data: None, ..parts() }).unwrap();
        let empty = Event::new(&EventParts { data: Some(Bytes::new()), ..parts() }).unwrap();
        assert_eq!(none.data(), None);
        assert_eq!(empty.data(), Some(&b""[..]));
    }

    #[test]
    fn cut_or_bent_buffers_are_refused() {
        let event = Event::new(&parts()).unwrap();
        let raw = event.as_bytes();
        for len in 0..raw.len() {
            assert!(Event::from_bytes(raw.slice(..len)).is_none(), "{len}");
        }
        for index in 0..HEADER_LEN - 4 {
            let mut bent = raw.to_vec();
            bent[index] ^= 0x80;
            // It may still be an event, of other fields: it must not be a panic.
            if let Some(event) = Event::from_bytes(bent.into()) {
                let _ = event.to_parts();
            }
        }
    }
}
