//! Whether a request is its sender's. Reads nothing of a body but what the signature covers: the
//! bytes, or for one scheme the form's fields. Knows nothing of events.

use std::borrow::Cow;

use ring::digest;
use subtle::ConstantTimeEq;
use triphammer_model::Timestamp;

use crate::error::Refused;
use crate::event;
use crate::key::{Key, Message};
use crate::provider::{Provider, TimestampAt};
use crate::raw::TimeUnit;
use crate::request::{Fields, Media};
use crate::template::{Part, Place, Template};

/// What is known of a request beside what stands in it.
struct Known<'a> {
    id: Option<&'a str>,
    timestamp: Option<&'a str>,
}

/// Refuses a request that none of the keys proves, or that was signed too long before `now` or
/// too long after.
pub(crate) fn prove<'a>(
    provider: &'a Provider,
    keys: &[Key],
    fields: &Fields<'a>,
    now: Timestamp,
) -> Result<(), Refused> {
    let signature = &provider.signature;
    let missing = || Refused::SignatureMissing { name: signature.header.to_string() };
    let header = fields.header(&signature.header)?.ok_or_else(missing)?;
    let candidates = signature.candidates(header)?;
    let timestamp = timestamp(provider, fields, header, now)?;
    let known = Known { timestamp, id: id(provider, fields)? };
    if let Some(name) = &signature.body_hash {
        check_body_hash(fields, name)?;
    }
    let proven = |message: &Message<'_>| keys.iter().any(|key| key.proves(message, &candidates));
    if provider.signed.is_empty() {
        let nothing = Message::new(Vec::new());
        return if proven(&nothing) { Ok(()) } else { Err(Refused::SignatureWrong) };
    }
    for template in &provider.signed {
        if proven(&message(template, fields, &known)?) {
            return Ok(());
        }
    }
    Err(Refused::SignatureWrong)
}

/// The time of signing as it is written, when it is near enough to now.
fn timestamp<'a>(
    provider: &Provider,
    fields: &Fields<'a>,
    signature: &'a str,
    now: Timestamp,
) -> Result<Option<&'a str>, Refused> {
    let Some(rule) = &provider.timestamp else { return Ok(None) };
    let text = match &rule.at {
        TimestampAt::Header(name) => fields.header(name)?,
        TimestampAt::Part(name) => provider.signature.part(signature, name)?,
    };
    let text = text.ok_or(Refused::TimestampMissing)?;
    let number = event::whole(text).ok_or(Refused::TimestampMalformed)?;
    let ms = match rule.unit {
        TimeUnit::S => number.saturating_mul(1000),
        TimeUnit::Ms => number,
    };
    match ms.abs_diff(now.ms()) <= rule.tolerance_ms {
        true => Ok(Some(text)),
        false => Err(Refused::TimestampStale),
    }
}

/// The id when it is signed, which makes it needed.
fn id<'a>(provider: &Provider, fields: &Fields<'a>) -> Result<Option<&'a str>, Refused> {
    let signed = provider.signed.iter().flat_map(Template::places);
    if !signed.into_iter().any(|place| *place == Place::Id) {
        return Ok(None);
    }
    let mut places = provider.event.id.iter().flat_map(Template::places);
    let Some(Place::Header(name)) = places.next() else { return Err(Refused::IdMissing) };
    let id = fields.header(name)?.filter(|id| !id.is_empty()).ok_or(Refused::IdMissing)?;
    event::check_id(id)?;
    Ok(Some(id))
}

/// What was signed, if it was.
fn message<'a>(
    template: &'a Template,
    fields: &Fields<'a>,
    known: &Known<'a>,
) -> Result<Message<'a>, Refused> {
    let mut pieces: Vec<Cow<'a, [u8]>> = Vec::with_capacity(template.parts().len());
    let mut parts = template.parts().iter().peekable();
    while let Some(part) = parts.next() {
        let place = match part {
            Part::Text(text) => {
                pieces.push(text.as_bytes().into());
                continue;
            }
            Part::Place(place) => place,
            Part::Optional(_) => continue,
        };
        let value = match place {
            Place::Body => Cow::Borrowed(fields.body().as_ref()),
            Place::Id => known.id.unwrap_or_default().as_bytes().into(),
            Place::Timestamp => known.timestamp.unwrap_or_default().as_bytes().into(),
            place => bytes(fields.at(place)?.unwrap_or_default()),
        };
        let end = match parts.peek() {
            Some(Part::Text(text)) => text.as_bytes().first(),
            _ => None,
        };
        if end.is_some_and(|end| value.contains(end)) {
            return Err(shiftable(place));
        }
        pieces.push(value);
    }
    Ok(Message::new(pieces))
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => text.as_bytes().into(),
        Cow::Owned(text) => text.into_bytes().into(),
    }
}

/// The same signature would fit another request, in which the next place begins earlier or later.
fn shiftable(place: &Place) -> Refused {
    let rule = "has the character that ends it where it is signed";
    match place {
        Place::Header(name) => Refused::HeaderMalformed { name: name.to_string(), rule },
        Place::Url(_) => Refused::UrlMalformed { rule },
        _ => Refused::IdMalformed { rule },
    }
}

/// Whether the body is that of which the signed URL has the digest. A form needs none, for its
/// fields are signed; when there is one, it must be right all the same.
fn check_body_hash(fields: &Fields<'_>, name: &str) -> Result<(), Refused> {
    let body = fields.body();
    match fields.query(name)? {
        Some(given) => {
            let given = hex::decode(given).map_err(|_| Refused::SignatureWrong)?;
            let digest = digest::digest(&digest::SHA256, body);
            match bool::from(digest.as_ref().ct_eq(&given)) {
                true => Ok(()),
                false => Err(Refused::SignatureWrong),
            }
        }
        None if body.is_empty() => Ok(()),
        None if fields.media() != Media::Form => Err(Refused::SignatureWrong),
        None if fields.form()?.is_empty() => {
            Err(Refused::BodyMalformed { rule: "it is a form without fields" })
        }
        None => Ok(()),
    }
}
