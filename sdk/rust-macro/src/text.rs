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

pub(crate) fn size(text: &str) -> Check {
    let expected = "is not a size: a whole number with B, KiB, MiB or GiB, such as `64MiB`";
    let (number, unit) = split(text);
    let unit_bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(expected.into()),
    };
    match number.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_bytes)) {
        None => Err(expected.into()),
        Some(bytes) if bytes < MEMORY_BYTES_MIN => Err("is less than 1MiB".into()),
        Some(_) => Ok(()),
    }
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
    fn a_wait_may_be_none() {
        check(wait, &["0s", "0.1ms", "5m"], &["", "0", "3651d"]);
    }

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        check(
            size,
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
