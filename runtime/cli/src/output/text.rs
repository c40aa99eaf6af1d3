//! Values as people read them.

use std::time::Duration;

use serde_json::Value;

/// `12,345,678`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `131 KB`, `1.4 MB`: thousands, as file managers count.
pub(crate) fn bytes(value: u64) -> String {
    match value {
        0..1_000 => format!("{value} B"),
        1_000..1_000_000 => format!("{} KB", value.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value as f64 / 1e6),
        _ => format!("{:.1} GB", value as f64 / 1e9),
    }
}

/// `0.42 ms`, `12 ms`, `3.4 s`: three digits at most.
pub(crate) fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 9.995 => format!("{ms:.2} ms"),
        ms if ms < 99.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

pub(crate) fn elapsed_ms(elapsed: Duration) -> String {
    millis(elapsed.as_secs_f64() * 1e3)
}

/// The first `max` characters, the last of them an ellipsis when some are missing.
pub(crate) fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// Without line breaks and control characters, which could imitate other output.
pub(crate) fn one_line(text: &str) -> String {
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A JSON value as a line of at most `max` characters.
pub(crate) fn data(value: &Value, max: usize) -> String {
    clip(&one_line(&value.to_string()), max)
}

/// What is not JSON, by its length.
pub(crate) fn data_base64(text: &str) -> String {
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    bytes((text.len() / 4 * 3).saturating_sub(padding) as u64)
}

/// The time of day of an RFC 3339 text in UTC.
pub(crate) fn short_time(rfc3339: &str) -> &str {
    rfc3339.get(11..).map_or(rfc3339, |time| time.trim_end_matches('Z'))
}

/// Date and time to the second, with the `Z` that says that they are UTC.
pub(crate) fn when(rfc3339: &str) -> String {
    let zone = if rfc3339.ends_with('Z') { "Z" } else { "" };
    let to_the_second = |text: &str| format!("{}{zone}", text.replacen('T', " ", 1));
    rfc3339.get(..19).map_or_else(|| rfc3339.to_owned(), to_the_second)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([12, 130_900, 1_450_000].map(bytes), ["12 B", "131 KB", "1.4 MB"]);
        assert_eq!(bytes(31_200_000_000), "31.2 GB");
        assert_eq!(
            [0.123, 12.34, 345.6, 3456.0].map(millis),
            ["0.12 ms", "12.3 ms", "346 ms", "3.5 s"]
        );
    }

    #[test]
    fn values_stay_on_their_line() {
        assert_eq!(data(&json!({"a": "x\ny"}), 20), r#"{"a":"x\ny"}"#);
        assert_eq!(data(&json!("abcdef"), 5), "\"abc…");
        assert_eq!(one_line("a\x1b[31m\nb\n"), "a [31m b");
        assert_eq!(data_base64("AAAA"), "3 B");
        assert_eq!(data_base64("AAA="), "2 B");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(short_time("2026-01-02T03:04:05.678Z"), "03:04:05.678");
        assert_eq!(when("2026-01-02T03:04:05.678Z"), "2026-01-02 03:04:05Z");
        assert_eq!((short_time("x"), when("x").as_str()), ("x", "x"));
    }
}
