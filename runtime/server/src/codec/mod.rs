//! CloudEvents 1.0.2 over HTTP, in and out. Knows no journal, no routes and no status codes.
//!
//! Three ways in: *binary* (attributes in `ce-*` headers, the payload as the body), *structured*
//! (one JSON object) and *batched* (a JSON array of them). The payload is never parsed: what came
//! in as JSON text is kept and given out again as the same bytes.

mod binary;
mod binary_write;
mod envelope;
mod plain;
mod structured;
mod trace;
mod write;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use triphammer_model::{Event, InvalidEvent};

pub(crate) use binary::{decode as decode_binary, percent_decoded};
pub(crate) use binary_write::write as write_binary;
pub(crate) use plain::{Plain, decode as decode_plain};
pub(crate) use trace::carry;
pub(crate) use write::{event_json, is_shown_as_json, new_event_json, write_event};

/// How an event, or a batch of them, is carried by a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Binary,
    Structured,
    Batch,
}

/// How large events and batches may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub event_bytes_max: usize,
    pub batch_events_max: usize,
}

/// What is wrong with an event that came in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error(
        "the content type {found} carries no event: send `application/cloudevents+json`, \
         `application/cloudevents-batch+json`, or any other with `ce-*` headers"
    )]
    UnsupportedFormat { found: String },
    #[error("{}specversion `{found}` is not supported: this is a host of CloudEvents 1.0", at(*index))]
    SpecVersion { index: Option<usize>, found: String },
    #[error("{}{detail}", at(*index))]
    Malformed { index: Option<usize>, detail: String },
    #[error("{}{source}", at(*index))]
    Invalid { index: Option<usize>, source: InvalidEvent },
    #[error("{}the event has more than {limit} bytes", at(*index))]
    TooLarge { index: Option<usize>, limit: usize },
    #[error("the batch has more than {limit} events")]
    TooMany { limit: usize },
}

/// Names the event of a batch.
fn at(index: Option<usize>) -> String {
    index.map_or_else(String::new, |index| format!("event {index} of the batch: "))
}

impl CodecError {
    /// Stable, for clients to match on.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::UnsupportedFormat { .. } => "event.unsupported_format",
            Self::SpecVersion { .. } => "event.specversion",
            Self::Malformed { .. } | Self::Invalid { .. } => "event.malformed",
            Self::TooLarge { .. } => "event.too_large",
            Self::TooMany { .. } => "event.batch_too_long",
        }
    }

    /// The event of the batch that is wrong, counted from 0.
    pub(crate) fn index(&self) -> Option<usize> {
        match self {
            Self::SpecVersion { index, .. }
            | Self::Malformed { index, .. }
            | Self::Invalid { index, .. }
            | Self::TooLarge { index, .. } => *index,
            Self::UnsupportedFormat { .. } | Self::TooMany { .. } => None,
        }
    }

    fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { index: None, detail: detail.into() }
    }
}

/// Tells by its headers what a request carries.
pub(crate) fn mode(headers: &HeaderMap) -> Result<Mode, CodecError> {
    let Some(value) = content_type(headers)? else {
        return binary_or_nothing(headers, "(none)");
    };
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let essence = essence.trim();
    if !is_cloudevents(essence) {
        return binary_or_nothing(headers, value);
    }
    let mode = match essence[PREFIX.len()..].to_ascii_lowercase().as_str() {
        "+json" => Mode::Structured,
        "-batch+json" => Mode::Batch,
        _ => return Err(unsupported(value)),
    };
    if is_utf8(parameters) { Ok(mode) } else { Err(unsupported(value)) }
}

const PREFIX: &str = "application/cloudevents";

fn is_cloudevents(essence: &str) -> bool {
    essence.get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX))
}

/// Reads the events that a request carries.
pub(crate) fn decode(
    mode: Mode,
    headers: &HeaderMap,
    body: Bytes,
    bounds: &Bounds,
) -> Result<Vec<Event>, CodecError> {
    match mode {
        Mode::Binary => Ok(vec![binary::decode(headers, body, bounds)?]),
        Mode::Structured => Ok(vec![structured::decode(&body, bounds)?]),
        Mode::Batch => structured::decode_batch(&body, bounds),
    }
}

/// Reads one structured event, whatever the content type says.
pub(crate) fn decode_structured(body: &Bytes, bounds: &Bounds) -> Result<Event, CodecError> {
    structured::decode(body, bounds)
}

fn content_type(headers: &HeaderMap) -> Result<Option<&str>, CodecError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(CodecError::malformed("the header `content-type` is given twice"));
    }
    let text = value
        .to_str()
        .map_err(|_| CodecError::malformed("the header `content-type` is not plain ASCII"))?;
    Ok(Some(text))
}

fn binary_or_nothing(headers: &HeaderMap, found: &str) -> Result<Mode, CodecError> {
    if headers.keys().any(|name| name.as_str().starts_with("ce-")) {
        Ok(Mode::Binary)
    } else {
        Err(unsupported(found))
    }
}

fn unsupported(found: &str) -> CodecError {
    CodecError::UnsupportedFormat { found: found.chars().take(128).collect() }
}

/// Whether the parameters name no other charset than the one that JSON has.
fn is_utf8(parameters: &str) -> bool {
    parameters.split(';').filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || value.eq_ignore_ascii_case("utf-8")
            || value.eq_ignore_ascii_case("utf8")
    })
}

fn finish(
    parts: &triphammer_model::EventParts,
    index: Option<usize>,
    bounds: &Bounds,
) -> Result<Event, CodecError> {
    let event = Event::new(parts).map_err(|source| CodecError::Invalid { index, source })?;
    if event.as_bytes().len() > bounds.event_bytes_max.saturating_add(ENCODING_BYTES) {
        return Err(CodecError::TooLarge { index, limit: bounds.event_bytes_max });
    }
    Ok(event)
}

/// The encoded form has a header that the sender's form had not.
pub(crate) const ENCODING_BYTES: usize = 64;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
