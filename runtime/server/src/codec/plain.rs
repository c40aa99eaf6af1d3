//! Any body as the payload of one event, whose type is in the path. For senders that know nothing
//! of CloudEvents; attributes that they do know come as in binary mode. Knows no idempotency keys.

use bytes::Bytes;
use hyper::header::HeaderMap;
use triphammer_model::Event;

use super::binary::Attributes;
use super::{Bounds, CodecError, content_type, finish, is_cloudevents, unsupported};

/// What a request says beside its headers and its body.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) ty: String,
    pub(crate) source: Option<String>,
    pub(crate) subject: Option<String>,
    /// The event's id; the header `ce-id` when none.
    pub(crate) id: Option<String>,
}

/// Where an event comes from that does not say it.
const SOURCE: &str = "/http";
const CONTENT_TYPE: &str = "application/octet-stream";

/// `made` is its id when nobody gives it one.
pub(crate) fn decode(
    plain: Plain,
    headers: &HeaderMap,
    body: Bytes,
    bounds: &Bounds,
    made: impl FnOnce() -> String,
) -> Result<Event, CodecError> {
    if body.len() > bounds.event_bytes_max {
        return Err(CodecError::TooLarge { index: None, limit: bounds.event_bytes_max });
    }
    let Attributes { specversion, id, source, ty, mut parts } = Attributes::of(headers)?;
    if specversion.is_some() || ty.is_some() {
        return Err(CodecError::malformed(
            "the type is in the path: send neither `ce-type` nor `ce-specversion`, \
             or the whole CloudEvent to /events",
        ));
    }
    parts.ty = plain.ty;
    parts.id = plain.id.or(id).unwrap_or_else(made);
    let source = either("source", plain.source, source)?;
    parts.source = source.unwrap_or_else(|| SOURCE.to_owned());
    parts.subject = either("subject", plain.subject, parts.subject.take())?;
    parts.datacontenttype = match content_type(headers)? {
        Some(text) if is_cloudevents(text.trim_start()) => return Err(unsupported(text)),
        Some(text) => Some(text.to_owned()),
        None => (!body.is_empty()).then(|| CONTENT_TYPE.to_owned()),
    };
    // HTTP can't tell an empty payload from none.
    parts.data = (!body.is_empty()).then_some(body);
    finish(&parts, None, bounds)
}

/// An attribute from the query or from its header, and not from both.
fn either(
    name: &str,
    query: Option<String>,
    header: Option<String>,
) -> Result<Option<String>, CodecError> {
    if query.is_some() && header.is_some() {
        let detail = format!("`{name}` is given by the query and by the header `ce-{name}`");
        return Err(CodecError::malformed(detail));
    }
    Ok(query.or(header))
}
