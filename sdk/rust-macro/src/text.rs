//! The texts inside a manifest, checked as the host checks them: durations, sizes, patterns, keys.

/// What is wrong with a text, as the end of a sentence that begins with the text.
pub(crate) type Check = Result<(), String>;

/// At most this long, in milliseconds: 3650 days.
const DURATION_MS_MAX: f64 = 3650.0 * 86_400e3;
const PATTERN_LEN_MAX: usize = 256;
const DEEP_WILDCARDS_MAX: usize = 4;
const MEMORY_BYTES_MIN: u64 = 1 << 20;
const EXTENSION_LEN_MAX: usize = 64;
const POINTER_LEN_MAX: usize = 256;
const TARGET_LEN_MAX: usize = 320;
/// A schedule without a name is called by its cron line.
pub(crate) const SCHEDULE_NAME_LEN_MAX: usize = 64;

pub(crate) fn duration(text: &str) -> Check {
    if duration_ms(text)?.round() < 1.0 {
        return Err("is shorter than a millisecond".into());
    }
    Ok(())
}

/// As [`duration`]; none at all is one too.
pub(crate) fn wait(text: &str) -> Check {
    duration_ms(text).map(|_| ())
}

/// A duration from `min` to `max`, both written as durations.
pub(crate) fn span(text: &str, min: &str, max: &str) -> Check {
    // In whole milliseconds, as the host takes it.
    let ms = duration_ms(text)?.round();
    let in_range = ms >= duration_ms(min)? && ms <= duration_ms(max)?;
    if in_range { Ok(()) } else { Err(format!("is out of range: it must be {min} to {max}")) }
}

pub(crate) fn choice(text: &str, choices: &[&str]) -> Check {
    if choices.contains(&text) {
        return Ok(());
    }
    let choices: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    Err(format!("is none of {}", choices.join(", ")))
}

pub(crate) fn filter(text: &str) -> Check {
    if text.trim().is_empty() { Err("is an empty filter: leave it out".into()) } else { Ok(()) }
}

pub(crate) fn schedule_name(text: &str) -> Check {
    let in_range = (1..=SCHEDULE_NAME_LEN_MAX).contains(&text.len());
    if in_range { Ok(()) } else { Err("must be 1 to 64 bytes".into()) }
}

/// A name of the IANA time zone database; whether there is such a zone the host knows.
pub(crate) fn zone(text: &str) -> Check {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    if !text.is_empty() && text.bytes().all(plain) {
        return Ok(());
    }
    Err("is not a time zone, such as `Europe/Berlin` or `UTC`".into())
}

pub(crate) fn duration_ms(text: &str) -> Result<f64, String> {
    let expected = "is not a duration: a number with ms, s, m, h or d, such as `500ms` or `1.5s`";
    let (number, unit) = split(text);
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        "h" => 3600e3,
        "d" => 86_400e3,
        _ => return Err(expected.into()),
    };
    let ms = number.parse::<f64>().map_err(|_| expected.to_owned())? * unit_ms;
    if ms > DURATION_MS_MAX {
        return Err("is longer than 3650 days".into());
    }
    Ok(ms)
}

/// What an instance may take.
pub(crate) fn memory(text: &str) -> Check {
    if size_bytes(text)? < MEMORY_BYTES_MIN { Err("is less than 1MiB".into()) } else { Ok(()) }
}

pub(crate) fn size(text: &str) -> Check {
    if size_bytes(text)? == 0 { Err("is nothing".into()) } else { Ok(()) }
}

fn size_bytes(text: &str) -> Result<u64, String> {
    let expected = "is not a size: a whole number with B, KiB, MiB or GiB, such as `64MiB`";
    let (number, unit) = split(text);
    let unit_bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(expected.into()),
    };
    let count = number.parse::<u64>().ok();
    count.and_then(|count| count.checked_mul(unit_bytes)).ok_or_else(|| expected.into())
}

/// Where a request may go. Whether the host is one that a name server could know the real host says.
pub(crate) fn target(text: &str) -> Check {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.unwrap_or(text);
    let host = rest.strip_prefix("*.").unwrap_or(rest);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b);
    let in_range = (1..=TARGET_LEN_MAX).contains(&text.len());
    if text == "**" || in_range && !host.is_empty() && host.bytes().all(plain) {
        return Ok(());
    }
    Err("is not a target: a host such as `api.example.com`, `*.example.com`, \
         `http://intern.example.com:8080`, or `**`"
        .into())
}

pub(crate) fn pattern(text: &str) -> Check {
    let segments = || text.split('.');
    let rule = if text.is_empty() || text.len() > PATTERN_LEN_MAX {
        "it must have 1 to 256 bytes"
    } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        "it must have no spaces or control characters"
    } else if segments().any(str::is_empty) {
        "its segments, separated by dots, must not be empty"
    } else if segments().any(|s| s.contains('*') && s != "*" && s != "**") {
        "a wildcard, `*` or `**`, must be a whole segment"
    } else if segments().filter(|s| *s == "**").count() > DEEP_WILDCARDS_MAX {
        "it must have at most 4 `**`"
    } else {
        return Ok(());
    };
    Err(format!("is not a pattern of event types: {rule}"))
}

/// `subject`, `source`, an extension's name, or a pointer into the data.
pub(crate) fn key(text: &str) -> Check {
    let expected = "is not a key: `subject`, `source`, the name of an extension (a-z and 0-9) or \
                    `data.` and a JSON pointer, such as `data./account/id`";
    let valid = match text.strip_prefix("data.") {
        Some(pointer) => {
            let in_range = pointer.starts_with('/') && pointer.len() <= POINTER_LEN_MAX;
            in_range && escapes_are_whole(pointer)
        }
        None => {
            let taken =
                ["id", "type", "time", "data", "datacontenttype", "dataschema", "specversion"];
            let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            let in_range = (1..=EXTENSION_LEN_MAX).contains(&text.len());
            in_range && plain && !taken.contains(&text)
        }
    };
    if valid { Ok(()) } else { Err(expected.into()) }
}

/// In a JSON pointer `~` is written `~0`, and `/` inside a name `~1`.
fn escapes_are_whole(pointer: &str) -> bool {
    pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: fn(&str) -> Check, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule(text), Ok(()), "{text}");
        }
        for text in bad {
            assert!(rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_a_unit_and_a_range() {
        check(
            duration,
            &["1ms", "500ms", "1.5s", "5m", "24h", "3650d"],
            &["", "5", "s", "-1s", "1 s", "1e3s", "1..2s", "3651d", "0s", "0.1ms", "1S"],
        );
    }

    #[test]
    fn targets_are_hosts_with_scheme_and_port() {
        check(
            target,
            &[
                "a",
                "api.example.com",
                "*.a.b:8443",
                "http://a",
                "https://[::1]:1",
                "**",
                "10.0.0.1",
            ],
            &["", "*", "https://", "ftp://a", "a/b", "a b", "*a", "u@a", "https://**", "a?b"],
        );
    }

    #[test]
    fn spans_have_both_ends() {
        check(
            |text| span(text, "10ms", "7d"),
            &["10ms", "9.5ms", "1s", "7d", "168h"],
            &["9ms", "8d", "0s", "", "x"],
        );
    }

    #[test]
    fn zones_and_names_of_schedules_are_plain() {
        check(zone, &["UTC", "Europe/Berlin", "Etc/GMT+3"], &["", "Europe Berlin", "a\\b"]);
        check(schedule_name, &["a", &"x".repeat(64)], &["", &"x".repeat(65)]);
        check(|text| choice(text, &["a", "b"]), &["a", "b"], &["", "c"]);
    }

    #[test]
    fn a_wait_may_be_none() {
        check(wait, &["0s", "0.1ms", "5m"], &["", "0", "3651d"]);
    }

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        check(
            memory,
            &["64MiB", "2048KiB", "1GiB", "1048576B"],
            &[
                "",
                "64",
                "512KiB",
                "64MB",
                "1.5MiB",
                "-1B",
                "0MiB",
                "1000KiB",
                "99999999999999999999GiB",
            ],
        );
    }

    #[test]
    fn patterns_are_dotted_and_wildcards_whole() {
        check(
            pattern,
            &["a", "a.b", "a.*", "**", "a.**.b"],
            &["", ".", "a..b", "a.", ".a", "a.b*", "***", "a b", "**.**.**.**.**"],
        );
    }

    #[test]
    fn keys_name_an_attribute_or_point_into_the_data() {
        check(
            key,
            &["subject", "source", "tenant", "data./a/b", "data./a~1b/0", "data./"],
            &[
                "",
                "Subject",
                "a-b",
                "id",
                "type",
                "data",
                "data.",
                "data.a",
                "data./a~2",
                "data./~",
            ],
        );
    }
}
