//! What only a sender and this host know. Shown by no formatter, wiped when dropped.
//!
//! Knows nothing of where a secret is kept: whoever makes a hook resolves it.

use std::fmt;

use zeroize::Zeroizing;

/// A secret as it was handed over.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The longest secret, in bytes.
    pub const LEN_MAX: usize = 4096;

    /// One line ending at the end is not part of it: files that editors write have one.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = Zeroizing::new(bytes.into());
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// None when it is no text.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_ending_goes_and_nothing_is_shown() {
        for (given, kept) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", "")]
        {
            assert_eq!(Secret::new(given).text(), Some(kept));
        }
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }
}
