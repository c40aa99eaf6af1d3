//! Durations and sizes as people write them: `500ms`, `10s`, `64MiB`. Knows nothing of their use.

use std::time::Duration;

/// A text that is not a duration or a size.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidText {
    text: String,
    expected: &'static str,
}

const DURATION: &str = "a duration: a number with ms, s, m, h or d, such as `500ms` or `1.5s`";
const BYTES: &str = "a size: a whole number with B, KiB, MiB or GiB, such as `64MiB`";

/// Parses `500ms`, `1.5s`, `5m`, `24h`, `7d`. At most 3650 days, in steps of a millisecond.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidText> {
    let invalid = || InvalidText { text: text.chars().take(64).collect(), expected: DURATION };
    let (number, unit) = split(text);
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        "h" => 3600e3,
        "d" => 86_400e3,
        _ => return Err(invalid()),
    };
    let ms = number.parse::<f64>().map_err(|_| invalid())? * unit_ms;
    if (0.0..=3650.0 * 86_400e3).contains(&ms) {
        // In range and rounded: the cast is exact.
        Ok(Duration::from_millis(ms.round() as u64))
    } else {
        Err(invalid())
    }
}

/// Parses `64MiB`, `512KiB`, `1GiB`, `100B`.
pub fn parse_bytes(text: &str) -> Result<u64, InvalidText> {
    let invalid = || InvalidText { text: text.chars().take(64).collect(), expected: BYTES };
    let (number, unit) = split(text);
    let unit_bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(invalid()),
    };
    let count: u64 = number.parse().map_err(|_| invalid())?;
    count.checked_mul(unit_bytes).ok_or_else(invalid)
}

/// The shortest exact spelling that [`parse_duration`] reads back.
pub fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    match units.iter().find(|(unit, _)| ms != 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
}

/// The shortest exact spelling that [`parse_bytes`] reads back.
pub fn bytes_text(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes != 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [("500ms", 500), ("1.5s", 1500), ("5m", 300_000), ("7d", 604_800_000)] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for ms in [0, 1, 1500, 2000, 60_000, 86_400_000] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(&duration_text(duration)).unwrap(), duration);
        }
        for text in ["", "5", "s", "-1s", "1 s", "1e3s", "1..2s", "4000d", "1S", "infs"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(parse_bytes("64MiB").unwrap(), 64 << 20);
        for bytes in [0, 1, 1024, 3 << 20, 1 << 30] {
            assert_eq!(parse_bytes(&bytes_text(bytes)).unwrap(), bytes);
        }
        for text in ["", "64", "64MB", "1.5MiB", "-1B", "99999999999999999999GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
