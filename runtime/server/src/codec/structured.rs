//! Structured and batched mode: the JSON format of CloudEvents.
//!
//! Only the envelope is parsed. The payload stays the text that it came as, found by
//! [`RawValue`], and is cut out of the body without a copy.

use std::cell::Cell;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use triphammer_model::{Event, is_json_media_type};

use super::envelope::Envelope;
use super::{Bounds, CodecError, finish};

/// How deep a JSON payload may nest; the parsers of guests give up a little later.
const NESTING_MAX: usize = 100;

pub(super) fn decode(body: &Bytes, bounds: &Bounds) -> Result<Event, CodecError> {
    if body.len() > bounds.event_bytes_max {
        return Err(CodecError::TooLarge { index: None, limit: bounds.event_bytes_max });
    }
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| {
        CodecError::malformed(format!("the body is no CloudEvent in JSON: {error}"))
    })?;
    envelope.into_event(body, None, bounds)
}

pub(super) fn decode_batch(body: &Bytes, bounds: &Bounds) -> Result<Vec<Event>, CodecError> {
    let reading = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let visitor = BatchVisitor { events_max: bounds.batch_events_max, reading: &reading };
    let envelopes = deserializer
        .deserialize_seq(visitor)
        .and_then(|envelopes| deserializer.end().map(|()| envelopes))
        .map_err(|error| batch_error(&error, reading.get(), bounds))?;
    let events = envelopes.into_iter().enumerate();
    events.map(|(index, envelope)| envelope.into_event(body, Some(index), bounds)).collect()
}

fn batch_error(error: &serde_json::Error, index: Option<usize>, bounds: &Bounds) -> CodecError {
    if index.is_some_and(|index| index >= bounds.batch_events_max) {
        return CodecError::TooMany { limit: bounds.batch_events_max };
    }
    let what = if index.is_some() { "no CloudEvent in JSON" } else { "the body is no JSON array" };
    CodecError::Malformed { index, detail: format!("{what}: {error}") }
}

/// Collects envelopes, and leaves in `reading` which one it was at when it failed.
struct BatchVisitor<'c> {
    events_max: usize,
    reading: &'c Cell<Option<usize>>,
}

impl<'de> Visitor<'de> for BatchVisitor<'_> {
    type Value = Vec<Envelope<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut envelopes = Vec::new();
        self.reading.set(Some(0));
        while let Some(envelope) = seq.next_element()? {
            envelopes.push(envelope);
            self.reading.set(Some(envelopes.len()));
            if envelopes.len() > self.events_max {
                return Err(A::Error::custom("too many events"));
            }
        }
        self.reading.set(None);
        Ok(envelopes)
    }
}

impl Envelope<'_> {
    fn into_event(
        self,
        body: &Bytes,
        index: Option<usize>,
        bounds: &Bounds,
    ) -> Result<Event, CodecError> {
        let malformed = |detail: String| CodecError::Malformed { index, detail };
        let missing = |name: &str| malformed(format!("the member `{name}` is missing"));
        let specversion = self.specversion.ok_or_else(|| missing("specversion"))?;
        if specversion != "1.0" {
            let found = specversion.chars().take(64).collect();
            return Err(CodecError::SpecVersion { index, found });
        }
        let mut parts = self.parts;
        parts.id = self.id.ok_or_else(|| missing("id"))?;
        parts.source = self.source.ok_or_else(|| missing("source"))?;
        parts.ty = self.ty.ok_or_else(|| missing("type"))?;
        parts.data = match (self.data, self.data_base64) {
            (None, None) => None,
            (Some(raw), None) => {
                let json = parts.datacontenttype.as_deref().is_none_or(is_json_media_type);
                Some(payload(raw, json, body).map_err(malformed)?)
            }
            (None, Some(text)) => Some(
                STANDARD
                    .decode(&text)
                    .map_err(|error| malformed(format!("`data_base64` is not Base64: {error}")))?
                    .into(),
            ),
            (Some(_), Some(_)) => {
                return Err(malformed("`data` and `data_base64` exclude each other".into()));
            }
        };
        finish(&parts, index, bounds)
    }
}

/// The bytes of the member `data`: its JSON text, or for a string of another media type the text
/// that the string holds.
fn payload(raw: &RawValue, json: bool, body: &Bytes) -> Result<Bytes, String> {
    let text = raw.get();
    if !json && text.starts_with('"') {
        let text: String = serde_json::from_str(text).map_err(|e| format!("`data`: {e}"))?;
        return Ok(text.into());
    }
    if nests_too_deep(text.as_bytes()) {
        return Err(format!("`data` nests more than {NESTING_MAX} deep"));
    }
    Ok(body.slice_ref(text.as_bytes()))
}

/// Of valid JSON.
pub(super) fn nests_too_deep(json: &[u8]) -> bool {
    // Most payloads have few brackets, and counting them is cheap: sums of a byte each, of so few
    // that none overflows, are what the compiler makes vector code of.
    let opens = |chunk: &[u8]| chunk.iter().map(|&b| u8::from(b == b'[' || b == b'{')).sum::<u8>();
    if json.chunks(128).map(|chunk| usize::from(opens(chunk))).sum::<usize>() <= NESTING_MAX {
        return false;
    }
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = depth.max(deepest);
            }
            // Valid JSON closes only what it opened.
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest > NESTING_MAX
}
