//! Names and numbers that identify things, each a type of its own. Knows nothing of what they name.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::sync::Arc;

/// An event's position in the journal: assigned by the journal, never reused. Opaque outside.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seq(NonZeroU64);

/// A text that is not a sequence number.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a sequence number")]
pub struct InvalidSeq(String);

impl Seq {
    /// The number of the first record of all.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// None for zero, which is no position.
    pub fn new(value: u64) -> Option<Self> {
        NonZeroU64::new(value).map(Self)
    }

    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seq {
    type Err = InvalidSeq;

    fn from_str(text: &str) -> Result<Self, InvalidSeq> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let value = if digits && !text.starts_with('0') { text.parse().ok() } else { None };
        value.and_then(Self::new).ok_or_else(|| InvalidSeq(text.chars().take(64).collect()))
    }
}

/// A function's name: 1 to 63 bytes of `a-z`, `0-9` and `-`, beginning and ending with no `-`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FunctionName(Arc<str>);

/// A text that is not a function's name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a function name: 1 to 63 of a-z, 0-9 and -, not beginning or ending with -")]
pub struct InvalidName(String);

impl FunctionName {
    /// The longest name, in bytes.
    pub const LEN_MAX: usize = 63;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FunctionName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let in_range = (1..=Self::LEN_MAX).contains(&text.len());
        let edges = !text.starts_with('-') && !text.ends_with('-');
        if in_range && edges && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One immutable version of a function, counted per function from 1 and written `r1`, `r2`, ….
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RevisionId(NonZeroU32);

impl RevisionId {
    /// None for zero.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl FromStr for RevisionId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let digits = text.strip_prefix('r').filter(|d| !d.is_empty() && !d.starts_with('0'));
        let plain = digits.filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        plain
            .and_then(|d| d.parse().ok())
            .and_then(Self::new)
            .ok_or_else(|| InvalidName(text.chars().take(80).collect()))
    }
}

/// What a component's bytes are known by: their BLAKE3 hash, written in hexadecimal.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(text: &str, valid: bool) {
        assert_eq!(text.parse::<FunctionName>().is_ok(), valid, "{text}");
    }

    #[test]
    fn names_are_short_and_plain() {
        check_name("welcome", true);
        check_name("a-1", true);
        check_name(&"a".repeat(63), true);
        check_name(&"a".repeat(64), false);
        check_name("", false);
        check_name("-a", false);
        check_name("a-", false);
        check_name("Welcome", false);
        check_name("a/b", false);
        check_name("a b", false);
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!("42".parse::<Seq>().unwrap().get(), 42);
        for text in ["", "0", "042", "+42", "-1", "18446744073709551616", "4x"] {
            assert!(text.parse::<Seq>().is_err(), "{text}");
        }
        assert_eq!("r7".parse::<RevisionId>().unwrap().get(), 7);
        for text in ["", "r", "r0", "r07", "7", "R7", "r+7", "r4294967296"] {
            assert!(text.parse::<RevisionId>().is_err(), "{text}");
        }
    }
}
