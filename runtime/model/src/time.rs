//! Points in time as the host counts them. Knows no clock.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(pub u64);

impl Timestamp {
    pub fn ms(self) -> u64 {
        self.0
    }

    /// Later by `duration`; saturates at the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ms))
    }

    /// How long after `earlier`; zero when it was not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Reads RFC 3339, section 5.6; times before 1970 become 1970.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        // The parser also takes the wider formats of ISO 8601 and RFC 9557.
        let shape = text.bytes().enumerate().all(|(index, b)| match index {
            4 | 7 => b == b'-',
            10 => matches!(b, b'T' | b't' | b' '),
            13 | 16 => b == b':',
            0..=18 => b.is_ascii_digit(),
            _ => matches!(b, b'0'..=b'9' | b'.' | b':' | b'+' | b'-' | b'Z' | b'z'),
        });
        if !shape || text.len() < 20 || text.len() > 64 {
            return None;
        }
        let time: jiff::Timestamp = text.parse().ok()?;
        Some(Self(u64::try_from(time.as_millisecond()).unwrap_or(0)))
    }

    /// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
    pub fn to_rfc3339(self) -> String {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        format!("{time:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_read_and_written() {
        let time = Timestamp::parse_rfc3339("2026-01-02T03:04:05.678Z").unwrap();
        assert_eq!(time.to_rfc3339(), "2026-01-02T03:04:05.678Z");
        assert_eq!(Timestamp::parse_rfc3339("2026-01-02T04:04:05.678+01:00"), Some(time));
        assert_eq!(Timestamp(0).to_rfc3339(), "1970-01-01T00:00:00.000Z");
        for text in ["", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "now"] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
    }
}
