//! The values of the checkpoint's tables: each under a checksum of its key and itself, so that a
//! flipped bit is found where it is read. Knows no table.
//!
//! A value is a CRC-32C (`u32`, little-endian) of the key and the rest, then the rest.

use bytes::Bytes;
use triphammer_model::{DeliveryId, Seq, Timestamp};

use crate::codec::{Decoder, Encoder};
use crate::codec_parts::{decode_delivery_id, decode_row, encode_delivery_id, encode_row};
use crate::error::CodecError;
use crate::fold::PayloadRef;
use crate::record::{Accept, Body, DeliveryRow, Location, Record};
use crate::store_error::Found;

const CRC_LEN: usize = 4;

/// A sealed value, the number of the record that wrote it, and when it expires.
const STATE_HEAD: usize = CRC_LEN + 8 + 8;
/// Set in the number when the time follows. No record has so high a number.
const EXPIRES: u64 = 1 << 63;

/// A row of the state, as far as it is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StateRow<'a> {
    /// The record that wrote it.
    pub(crate) seq: Seq,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) value: &'a [u8],
}

/// Puts the checksum of `key` and `rest` before it.
pub(crate) fn seal(key: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(CRC_LEN + rest.len());
    sealed.extend_from_slice(&crc(key, rest).to_le_bytes());
    sealed.extend_from_slice(rest);
    sealed
}

/// What was sealed; none when a bit of it or of its key has changed.
pub(crate) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (stored, rest) = sealed.split_first_chunk::<CRC_LEN>()?;
    (u32::from_le_bytes(*stored) == crc(key, rest)).then_some(rest)
}

fn crc(key: &[u8], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), rest)
}

/// Writes a sealed state value over `out`.
pub(crate) fn state_value(out: &mut Vec<u8>, key: &[u8], row: StateRow<'_>) {
    out.clear();
    out.reserve(STATE_HEAD + row.value.len());
    out.extend_from_slice(&[0; CRC_LEN]);
    match row.expires {
        None => out.extend_from_slice(&row.seq.get().to_le_bytes()),
        Some(at) => {
            out.extend_from_slice(&(row.seq.get() | EXPIRES).to_le_bytes());
            out.extend_from_slice(&at.0.to_le_bytes());
        }
    }
    out.extend_from_slice(row.value);
    let crc = crc(key, &out[CRC_LEN..]);
    out[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
}

pub(crate) fn read_state_value<'a>(key: &[u8], sealed: &'a [u8]) -> Option<StateRow<'a>> {
    let (number, value) = unseal(key, sealed)?.split_first_chunk()?;
    let number = u64::from_le_bytes(*number);
    let seq = Seq::new(number & !EXPIRES)?;
    if number & EXPIRES == 0 {
        return Some(StateRow { seq, expires: None, value });
    }
    let (at, value) = value.split_first_chunk()?;
    Some(StateRow { seq, expires: Some(Timestamp(u64::from_le_bytes(*at))), value })
}

/// A delivery's row and where its event is.
pub(crate) fn row_value(key: &[u8], row: &DeliveryRow, payload: PayloadRef) -> Vec<u8> {
    let mut e = Encoder::with_capacity(128);
    e.option(payload.location, |e, location| {
        e.varint(u64::from(location.segment));
        e.varint(u64::from(location.offset));
        e.varint(u64::from(location.len));
    });
    e.varint(u64::from(payload.index));
    encode_row(&mut e, row);
    seal(key, &e.finish())
}

pub(crate) fn read_row(source: &Bytes) -> Result<(DeliveryRow, PayloadRef), CodecError> {
    let mut d = Decoder::new(source);
    let payload = read_payload_ref(&mut d)?;
    let row = decode_row(&mut d)?;
    d.end()?;
    Ok((row, payload))
}

/// Reads only the beginning of a row's value.
pub(crate) fn read_payload_ref(d: &mut Decoder<'_>) -> Result<PayloadRef, CodecError> {
    let location =
        d.option(|d| Ok(Location { segment: d.number()?, offset: d.number()?, len: d.number()? }))?;
    Ok(PayloadRef { location, index: d.number()? })
}

/// An event that outlives its segment: its parent, then an accept record of it alone.
pub(crate) fn payload_value(key: &[u8], found: &Found) -> Vec<u8> {
    let mut e = Encoder::with_capacity(found.accepted.event.as_bytes().len() + 128);
    e.option(found.parent.as_ref(), encode_delivery_id);
    let record = Record::Accept(Accept {
        at: found.at,
        entrance: found.entrance.clone(),
        events: vec![found.accepted.clone()],
    });
    e.raw(&Body::encode(&record).bytes);
    seal(key, &e.finish())
}

pub(crate) fn read_payload(seq: Seq, source: &Bytes) -> Result<Found, CodecError> {
    let mut d = Decoder::new(source);
    let parent: Option<DeliveryId> = d.option(decode_delivery_id)?;
    let record = Record::decode(&source.slice(d.position()..))?;
    let Record::Accept(Accept { at, entrance, mut events }) = record else {
        return d.expected("accept record");
    };
    match events.pop() {
        Some(accepted) if events.is_empty() => Ok(Found { seq, at, entrance, parent, accepted }),
        _ => d.expected("single event"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_of_key_or_value_is_found() {
        let sealed = seal(b"key", b"value");
        assert_eq!(unseal(b"key", &sealed), Some(&b"value"[..]));
        assert_eq!(unseal(b"kex", &sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"key", &flipped), None, "bit {bit}");
        }
        assert_eq!(unseal(b"key", &[]), None);
    }

    #[test]
    fn state_values_carry_their_record() {
        let mut sealed = vec![9; 100];
        let seq = Seq::new(77).unwrap();
        for expires in [None, Some(Timestamp(0)), Some(Timestamp(u64::MAX))] {
            let row = StateRow { seq, expires, value: b"v" };
            state_value(&mut sealed, b"k", row);
            assert_eq!(sealed.len(), 13 + 8 * usize::from(expires.is_some()));
            assert_eq!(read_state_value(b"k", &sealed), Some(row));
            assert_eq!(read_state_value(b"l", &sealed), None);
        }
    }
}
