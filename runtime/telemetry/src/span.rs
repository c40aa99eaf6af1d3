//! A span as OTLP has it (`opentelemetry.proto.trace.v1.Span`). Knows no names of attributes.

use triphammer_model::{SpanId, TraceContext};

use crate::wire::{self, Attributes, Buffer};

/// A finished span.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    /// Its own place.
    pub context: &'a TraceContext,
    /// None of the first of its trace.
    pub parent: Option<SpanId>,
    pub name: &'a str,
    pub kind: Kind,
    /// Nanoseconds since 1970.
    pub began_ns: u64,
    pub ended_ns: u64,
    /// What it follows from besides its parent.
    pub links: &'a [TraceContext],
    /// What went wrong, if something did.
    pub error: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// Of the fields of a span.
pub(crate) const ATTRIBUTES: u8 = 9;
/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;
/// The longest description of a status, in bytes.
const ERROR_LEN_MAX: usize = 1024;

/// Writes the message, without its length.
pub(crate) fn encode(
    out: &mut Buffer,
    span: &Span<'_>,
    attributes: impl FnOnce(&mut Attributes<'_>),
) {
    wire::ids(out, [1, 2], span.context);
    if let Some(state) = span.context.state() {
        wire::text(out, 3, state);
    }
    if let Some(parent) = span.parent {
        wire::bytes(out, 4, parent.as_bytes());
    }
    wire::text(out, 5, span.name);
    wire::number(out, 6, span.kind as u64);
    wire::fixed64(out, 7, span.began_ns);
    wire::fixed64(out, 8, span.ended_ns.max(span.began_ns));
    attributes(&mut Attributes::new(out, ATTRIBUTES));
    for link in span.links {
        wire::message(out, 13, |out| {
            wire::ids(out, [1, 2], link);
            if let Some(state) = link.state() {
                wire::text(out, 3, state);
            }
            wire::fixed32(out, 6, link.flags().into());
        });
    }
    if let Some(error) = span.error {
        wire::message(out, 15, |out| {
            wire::text(out, 2, &error[..error.floor_char_boundary(ERROR_LEN_MAX)]);
            wire::number(out, 3, ERROR);
        });
    }
    wire::fixed32(out, 16, span.context.flags().into());
}
