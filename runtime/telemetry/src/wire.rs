//! The little of protobuf that OTLP needs, written straight into a buffer: a span is a few hundred bytes,
//! and messages of generated types would cost an allocation for each of its attributes. The tests read it
//! back with the published types.

use triphammer_model::TraceContext;

/// The longest text of an attribute, in bytes; the rest is cut.
const TEXT_LEN_MAX: usize = 1024;

/// Where messages are written to.
pub(crate) type Buffer = Vec<u8>;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

#[inline]
pub(crate) fn varint(out: &mut Buffer, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`varint`] writes.
fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn tag(out: &mut Buffer, field: u8, kind: u8) {
    varint(out, u64::from(field) << 3 | u64::from(kind));
}

pub(crate) fn bytes(out: &mut Buffer, field: u8, value: &[u8]) {
    tag(out, field, BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// The beginning of a message that takes so many bytes, which follow.
pub(crate) fn len(out: &mut Buffer, field: u8, len: usize) {
    tag(out, field, BYTES);
    varint(out, len as u64);
}

pub(crate) fn text(out: &mut Buffer, field: u8, value: &str) {
    bytes(out, field, value.as_bytes());
}

pub(crate) fn number(out: &mut Buffer, field: u8, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

pub(crate) fn fixed64(out: &mut Buffer, field: u8, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn fixed32(out: &mut Buffer, field: u8, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A message within this one.
pub(crate) fn message(out: &mut Buffer, field: u8, write: impl FnOnce(&mut Buffer)) {
    let mut inner = Buffer::new();
    write(&mut inner);
    bytes(out, field, &inner);
}

/// Both ids of a place in a trace, under these fields.
pub(crate) fn ids(out: &mut Buffer, fields: [u8; 2], context: &TraceContext) {
    bytes(out, fields[0], context.trace.as_bytes());
    bytes(out, fields[1], context.span.as_bytes());
}

/// `AnyValue.string_value`, as the whole of a field.
pub(crate) fn any_text(out: &mut Buffer, field: u8, value: &str) {
    tag(out, field, BYTES);
    varint(out, (1 + varint_len(value.len() as u64) + value.len()) as u64);
    text(out, STRING, value);
}

const STRING: u8 = 1;
const BOOL: u8 = 2;
const INT: u8 = 3;

/// The attributes of a span, a log record or a resource.
#[derive(Debug)]
pub struct Attributes<'a> {
    out: &'a mut Buffer,
    /// Of the message that they are of.
    field: u8,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(out: &'a mut Buffer, field: u8) -> Self {
        Self { out, field }
    }

    #[inline]
    pub fn text(&mut self, name: &str, value: &str) {
        let value = &value[..value.floor_char_boundary(TEXT_LEN_MAX)];
        let len = 1 + varint_len(value.len() as u64) + value.len();
        self.pair(name, len, |out| text(out, STRING, value));
    }

    pub fn number(&mut self, name: &str, value: i64) {
        // Two's complement, as protobuf has it.
        let value = value as u64;
        self.pair(name, 1 + varint_len(value), |out| number(out, INT, value));
    }

    pub fn flag(&mut self, name: &str, value: bool) {
        self.pair(name, 2, |out| number(out, BOOL, value.into()));
    }

    /// Those that are always the same.
    pub fn fixed(&mut self, fixed: &Fixed) {
        self.out.extend_from_slice(&fixed.0);
    }

    /// A `KeyValue` whose value takes so many bytes.
    fn pair(&mut self, name: &str, len: usize, value: impl FnOnce(&mut Buffer)) {
        let out = &mut *self.out;
        let key_len = 1 + varint_len(name.len() as u64) + name.len();
        let all_len = key_len + 2 + len;
        if all_len < 0x80 {
            // Nearly all of them: every length is one byte.
            out.extend_from_slice(&[
                self.field << 3 | BYTES,
                all_len as u8,
                1 << 3 | BYTES,
                name.len() as u8,
            ]);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&[2 << 3 | BYTES, len as u8]);
            return value(out);
        }
        tag(out, self.field, BYTES);
        varint(out, (key_len + 1 + varint_len(len as u64) + len) as u64);
        text(out, 1, name);
        tag(out, 2, BYTES);
        varint(out, len as u64);
        value(out);
    }
}

/// Attributes of many spans, written once.
#[derive(Clone, Debug)]
pub struct Fixed(Buffer);

impl Fixed {
    /// Of spans alone: those of log records have another place.
    pub fn of_span(write: impl FnOnce(&mut Attributes<'_>)) -> Self {
        let mut out = Buffer::new();
        write(&mut Attributes::new(&mut out, crate::span::ATTRIBUTES));
        Self(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_that_are_written() {
        for shift in 0..64 {
            for value in [(1_u64 << shift) - 1, 1 << shift] {
                let mut out = Buffer::new();
                varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
            }
        }
        let mut out = Buffer::new();
        varint(&mut out, u64::MAX);
        assert_eq!((out.len(), varint_len(u64::MAX)), (10, 10));
    }
}
