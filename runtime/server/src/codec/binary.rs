//! Binary mode: attributes in `ce-*` headers, the payload as the body.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::HeaderMap;
use triphammer_model::{Event, EventParts, ExtensionValue};

use super::{Bounds, CodecError, content_type, finish};

pub(crate) fn decode(
    headers: &HeaderMap,
    body: Bytes,
    bounds: &Bounds,
) -> Result<Event, CodecError> {
    if body.len() > bounds.event_bytes_max {
        return Err(CodecError::TooLarge { index: None, limit: bounds.event_bytes_max });
    }
    let Attributes { specversion, id, source, ty, mut parts } = Attributes::of(headers)?;
    let specversion = specversion.ok_or_else(|| missing("specversion"))?;
    if specversion != "1.0" {
        let found = specversion.chars().take(64).collect();
        return Err(CodecError::SpecVersion { index: None, found });
    }
    parts.id = id.ok_or_else(|| missing("id"))?;
    parts.source = source.ok_or_else(|| missing("source"))?;
    parts.ty = ty.ok_or_else(|| missing("type"))?;
    parts.datacontenttype = content_type(headers)?.map(str::to_owned);
    // HTTP can't tell an empty payload from none.
    parts.data = (!body.is_empty()).then_some(body);
    finish(&parts, None, bounds)
}

/// What the `ce-*` headers of a request say.
#[derive(Default)]
pub(super) struct Attributes {
    pub(super) specversion: Option<String>,
    pub(super) id: Option<String>,
    pub(super) source: Option<String>,
    pub(super) ty: Option<String>,
    /// The other attributes, and the extensions.
    pub(super) parts: EventParts,
}

impl Attributes {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, CodecError> {
        let mut attributes = Self::default();
        for (name, value) in headers {
            if let Some(attribute) = name.as_str().strip_prefix("ce-") {
                attributes.take(attribute, text(attribute, value.as_bytes())?)?;
            }
        }
        Ok(attributes)
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), CodecError> {
        let slot = match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.ty,
            "subject" => &mut self.parts.subject,
            "time" => &mut self.parts.time,
            "dataschema" => &mut self.parts.dataschema,
            _ => {
                self.parts.extensions.push((name.to_owned(), ExtensionValue::Text(value)));
                return Ok(());
            }
        };
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(CodecError::malformed(format!("the header `ce-{name}` is given twice"))),
        }
    }
}

fn missing(name: &str) -> CodecError {
    CodecError::malformed(format!("the header `ce-{name}` is missing"))
}

/// Undoes the quoting of RFC 9110, then the percent-encoding, as section 3.1.3.2 of the binding
/// asks. What is left must be UTF-8.
fn text(name: &str, value: &[u8]) -> Result<String, CodecError> {
    let wrong = |rule: &str| CodecError::malformed(format!("the header `ce-{name}` {rule}"));
    let value = unquoted(value).ok_or_else(|| wrong("has a quote that is not closed"))?;
    let bytes = percent_decoded(&value)
        .ok_or_else(|| wrong("has a percent sign that is not followed by two hex digits"))?;
    String::from_utf8(bytes.into_owned()).map_err(|_| wrong("is not UTF-8"))
}

fn unquoted(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(inner) = value.strip_prefix(b"\"") else {
        return Some(value.into());
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.iter();
    loop {
        match rest.next()? {
            b'"' => return rest.as_slice().is_empty().then_some(out.into()),
            b'\\' => out.push(*rest.next()?),
            byte => out.push(*byte),
        }
    }
}

/// None when a percent sign begins no escape.
pub(crate) fn percent_decoded(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !value.contains(&b'%') {
        return Some(value.into());
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_first_chunk::<2>()?;
        out.push(hex(digits[0])? << 4 | hex(digits[1])?);
        rest = tail;
    }
    Some(out.into())
}

fn hex(digit: u8) -> Option<u8> {
    // A base of 16 yields at most 15.
    char::from(digit).to_digit(16).map(|value| value as u8)
}
