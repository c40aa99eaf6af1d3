//! The ids of traces and spans, and their hexadecimal digits. Knows nothing of where they come from.

use std::fmt;

/// Of a whole trace. Shown as 32 hexadecimal digits; never all zeros.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TraceId(pub(crate) [u8; 16]);

/// Of one span of a trace. Shown as 16 hexadecimal digits; never all zeros.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SpanId(pub(crate) [u8; 8]);

impl TraceId {
    pub(crate) fn of(number: u128) -> Self {
        Self(not_zero(number.to_be_bytes()))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    pub(crate) fn of(number: u64) -> Self {
        Self(not_zero(number.to_be_bytes()))
    }

    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// One in 2^64 would be none.
fn not_zero<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if bytes == [0; N] {
        bytes[0] = 1;
    }
    bytes
}

/// Lower-case digits, exactly as many as there are places for.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut bad = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = [VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]];
        bad |= high | low;
        *byte = high << 4 | low;
    }
    // A digit's value has four bits.
    (bad < 16).then_some(bytes)
}

/// Of each character that is a digit; of any other, more than a digit has.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_all_zeros() {
        assert_eq!((SpanId::of(0).0, SpanId::of(7).0[7]), ([1, 0, 0, 0, 0, 0, 0, 0], 7));
        assert_eq!(TraceId::of(0).to_string(), format!("01{}", "0".repeat(30)));
    }

    #[test]
    fn digits_are_read_as_they_are_written() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        push_hex(&mut text, &all);
        assert_eq!(hex::<256>(&text).unwrap(), *all);
        for wrong in ["0g", "g0", "0A", "0 ", "0", "000", "\u{e9}"] {
            assert_eq!(hex::<1>(wrong), None, "{wrong}");
        }
    }
}
