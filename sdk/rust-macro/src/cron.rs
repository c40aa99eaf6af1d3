//! A cron line's five fields, checked as far as no calendar is needed.

use crate::text::Check;

/// A field: what it is called, its numbers, and what names them, from the first number on.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of the month", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: &MONTHS },
    // Sunday is 0, and 7 too.
    Field { name: "day of the week", min: 0, max: 7, names: &DAYS },
];

/// Whether this is a line of five fields: numbers, names, `*`, lists, ranges and steps.
pub(crate) fn cron(text: &str) -> Check {
    let fields: Vec<_> = text.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "has {} fields, not five: minute, hour, day of the month, month, day of the week",
            fields.len()
        ));
    }
    for (text, field) in fields.into_iter().zip(&FIELDS) {
        if !text.split(',').all(|part| field.takes(part)) {
            let Field { name, min, max, .. } = field;
            return Err(format!(
                "is not a cron line: `{text}` is no {name}, which is `*`, numbers from {min} to \
                 {max}, ranges `a-b`, steps `*/n` and lists of these"
            ));
        }
    }
    Ok(())
}

impl Field {
    /// `*`, `5`, `1-5`, `*/10`, `1-30/2`.
    fn takes(&self, part: &str) -> bool {
        let (range, step) = part.split_once('/').map_or((part, None), |(r, s)| (r, Some(s)));
        if step.is_some_and(|step| !(1..=self.max).contains(&number(step).unwrap_or(0))) {
            return false;
        }
        match range.split_once('-') {
            None => range == "*" || self.value(range).is_some(),
            Some((from, to)) => match (self.value(from), self.value(to)) {
                (Some(from), Some(to)) => from <= to,
                _ => false,
            },
        }
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = || self.names.iter().position(|name| text.eq_ignore_ascii_case(name));
        let named = || named().and_then(|at| u32::try_from(at).ok()).map(|at| at + self.min);
        let value = number(text).or_else(named)?;
        (self.min..=self.max).contains(&value).then_some(value)
    }
}

fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_five_fields_within_their_ranges() {
        for good in [
            "* * * * *",
            "*/5 0 1 1 0",
            "0,30 9-17 * * mon-fri",
            "59 23 31 DEC 7",
            "0-58/2 * * jan,jul *",
            " 0  4 * * 1 ",
        ] {
            assert_eq!(cron(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5- * * * *",
            "-5 * * * *",
            "5-1 * * * *",
            "1,,2 * * * *",
            "+5 * * * *",
            "* * mon * *",
            "@daily",
        ] {
            assert!(cron(bad).is_err(), "{bad}");
        }
    }
}
