//! The primitives that records are encoded with: varints, lengths before bytes, tags. Knows no
//! record.
//!
//! Numbers are LEB128, low seven bits first, in their shortest form. Reading is safe on any input:
//! it never panics, and never allocates more than a small multiple of what it was given.

use bytes::Bytes;
use triphammer_model::{FunctionName, OrderingKey, Seq, Timestamp};

use crate::error::CodecError;

/// Appends to one buffer.
#[derive(Debug)]
pub(crate) struct Encoder {
    buffer: Vec<u8>,
}

impl Encoder {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes) }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.buffer
    }

    pub(crate) fn byte(&mut self, value: u8) {
        self.buffer.push(value);
    }

    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.buffer.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.push(value as u8);
    }

    pub(crate) fn len(&mut self, value: usize) {
        self.varint(value as u64);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.raw(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn time(&mut self, time: Timestamp) {
        self.varint(time.0);
    }

    pub(crate) fn seq(&mut self, seq: Seq) {
        self.varint(seq.get());
    }

    pub(crate) fn function(&mut self, name: &FunctionName) {
        self.text(name.as_str());
    }

    /// A byte 0 or 1, and the value after a 1.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.byte(0),
            Some(value) => {
                self.byte(1);
                write(self, value);
            }
        }
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.len(items.len());
        for item in items {
            write(self, item);
        }
    }

    pub(crate) fn key(&mut self, key: Option<&OrderingKey>) {
        self.option(key, |e, key| e.text(key.as_str()));
    }
}

/// Reads from one buffer; byte strings are slices of it, not copies.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    source: &'a Bytes,
    at: usize,
}

type Decoded<T> = Result<T, CodecError>;

impl<'a> Decoder<'a> {
    pub(crate) fn new(source: &'a Bytes) -> Self {
        Self { source, at: 0 }
    }

    /// How much has been read, in bytes.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// An error that says what was expected at this point.
    pub(crate) fn expected<T>(&self, expected: &'static str) -> Decoded<T> {
        Err(CodecError { offset: self.at, expected })
    }

    pub(crate) fn end(&self) -> Decoded<()> {
        if self.at == self.source.len() { Ok(()) } else { self.expected("end of the record") }
    }

    pub(crate) fn byte(&mut self) -> Decoded<u8> {
        match self.source.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => self.expected("byte"),
        }
    }

    pub(crate) fn varint(&mut self) -> Decoded<u64> {
        let start = self.at;
        let bad = |expected| Err(CodecError { offset: start, expected });
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            // The tenth byte holds one bit, and a last byte of zero would be a longer spelling.
            if (shift == 63 && byte > 1) || (shift > 0 && byte == 0) {
                return bad("number in its shortest form");
            }
            value |= low << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        bad("number of at most ten bytes")
    }

    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Decoded<T> {
        let start = self.at;
        let value = self.varint()?;
        value.try_into().map_err(|_| CodecError { offset: start, expected: "number of that size" })
    }

    pub(crate) fn slice(&mut self, len: usize) -> Decoded<&'a [u8]> {
        let source: &'a Bytes = self.source;
        match self.at.checked_add(len).and_then(|end| source.get(self.at..end)) {
            Some(slice) => {
                self.at += len;
                Ok(slice)
            }
            None => self.expected("string of that length"),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }

    pub(crate) fn bytes(&mut self) -> Decoded<Bytes> {
        let len = self.number()?;
        let slice = self.slice(len)?;
        Ok(self.source.slice_ref(slice))
    }

    pub(crate) fn text(&mut self) -> Decoded<&'a str> {
        let len = self.number()?;
        let start = self.at;
        let slice = self.slice(len)?;
        std::str::from_utf8(slice).map_err(|_| CodecError { offset: start, expected: "UTF-8 text" })
    }

    pub(crate) fn string(&mut self) -> Decoded<String> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn time(&mut self) -> Decoded<Timestamp> {
        self.varint().map(Timestamp)
    }

    pub(crate) fn seq(&mut self) -> Decoded<Seq> {
        let start = self.at;
        let error = CodecError { offset: start, expected: "sequence number" };
        Seq::new(self.varint()?).ok_or(error)
    }

    pub(crate) fn function(&mut self) -> Decoded<FunctionName> {
        let start = self.at;
        let text = self.text()?;
        text.parse().map_err(|_| CodecError { offset: start, expected: "function name" })
    }

    pub(crate) fn flag(&mut self) -> Decoded<bool> {
        match self.source.get(self.at) {
            Some(&byte @ 0..=1) => {
                self.at += 1;
                Ok(byte == 1)
            }
            _ => self.expected("flag of 0 or 1"),
        }
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Reserves for few items only: a hostile count costs nothing.
    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Decoded<T>,
    ) -> Decoded<Vec<T>> {
        let count: usize = self.number()?;
        // Every item takes a byte at least.
        if count > self.source.len() - self.at {
            return self.expected("list of that length");
        }
        let mut items = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    pub(crate) fn key(&mut self) -> Decoded<Option<OrderingKey>> {
        self.option(|d| {
            let start = d.at;
            OrderingKey::new(d.text()?)
                .map_err(|_| CodecError { offset: start, expected: "ordering key" })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: u64, bytes: &[u8]) {
        let mut encoder = Encoder::with_capacity(0);
        encoder.varint(value);
        let encoded = Bytes::from(encoder.finish());
        assert_eq!(&encoded[..], bytes);
        let mut decoder = Decoder::new(&encoded);
        assert_eq!(decoder.varint(), Ok(value));
        decoder.end().unwrap();
    }

    #[test]
    fn numbers_are_leb128() {
        check(0, &[0]);
        check(127, &[127]);
        check(128, &[0x80, 1]);
        check(300, &[0xac, 2]);
        check(u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }

    #[test]
    fn numbers_have_one_spelling() {
        for bytes in [&[0x80, 0][..], &[0xff; 10], &[0x80], &[]] {
            let source = Bytes::copy_from_slice(bytes);
            assert!(Decoder::new(&source).varint().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_hostile_length_is_refused_before_it_is_believed() {
        let mut encoder = Encoder::with_capacity(0);
        encoder.varint(u64::MAX);
        let source = Bytes::from(encoder.finish());
        assert!(Decoder::new(&source).bytes().is_err());
        assert!(Decoder::new(&source).list(Decoder::byte).is_err());
        assert!(Decoder::new(&source).number::<u32>().is_err());
    }
}
