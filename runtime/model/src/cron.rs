//! The five fields of cron: minute, hour, day of the month, month, day of the week. Knows no time
//! zone and no clock.
//!
//! A field is `*`, a number, a range `a-b`, each with a step `/n`, or a list of them. Months and days
//! of the week have names (`jan`, `mon`); Sunday is 0 and 7. When both kinds of day are restricted
//! either is enough, as in every cron: `0 0 13 * 5` is each 13th and each Friday.

use jiff::civil::Date;

/// A checked line. Its times are sets of bits, one for each number of a field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// The hours are not chosen one by one: it goes by intervals, whatever clocks are set to.
    pub(crate) every_hour: bool,
    /// Both kinds of day are restricted: either is enough.
    either_day: bool,
}

/// Why a text is no cron line.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCron {
    #[error("must have five fields: minute, hour, day of the month, month, day of the week")]
    Fields,
    #[error("has `{item}` as {field}, which must be {rule}")]
    Item { field: &'static str, item: String, rule: &'static str },
    #[error("names a day that no month has")]
    NoDay,
}

struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
    rule: &'static str,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[], rule: "0 to 59" },
    Field { name: "hour", min: 0, max: 23, names: &[], rule: "0 to 23" },
    Field { name: "day of the month", min: 1, max: 31, names: &[], rule: "1 to 31" },
    Field { name: "month", min: 1, max: 12, names: &MONTHS, rule: "1 to 12, or jan to dec" },
    Field {
        name: "day of the week",
        min: 0,
        max: 7,
        names: &WEEKDAYS,
        rule: "0 to 7, or sun to sat",
    },
];

/// The most days that each month has.
const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    pub fn parse(text: &str) -> Result<Self, InvalidCron> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(InvalidCron::Fields);
        };
        let [minutes, hours, days, months, weekdays] = &FIELDS;
        let weekdays = weekdays.read(weekday)?;
        let cron = Self {
            text: fields.join(" "),
            minutes: minutes.read(minute)?,
            hours: hours.read(hour)?,
            days: days.read(day)?,
            months: months.read(month)?,
            weekdays: (weekdays | (weekdays >> 7)) & 0x7f,
            every_hour: hour.starts_with('*'),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        let exists = |month: usize| {
            let days = cron.days & ((2 << LONGEST[month]) - 1);
            has(cron.months, month as u32 + 1) && days != 0
        };
        if cron.either_day || (0..12).any(exists) { Ok(cron) } else { Err(InvalidCron::NoDay) }
    }

    /// As it was written, with single spaces.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn has_date(&self, date: Date) -> bool {
        let day = has(self.days, date.day() as u32);
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset() as u32);
        let either = if self.either_day { day || weekday } else { day && weekday };
        has(self.months, date.month() as u32) && either
    }

    pub(crate) fn has_hour(&self, hour: u32) -> bool {
        has(self.hours, hour)
    }

    /// The first chosen minute that is `from` or later.
    pub(crate) fn minute_from(&self, from: u32) -> Option<u32> {
        let rest = self.minutes >> from;
        (rest != 0).then(|| from + rest.trailing_zeros())
    }
}

fn has(set: u64, number: u32) -> bool {
    set & (1 << number) != 0
}

impl Field {
    fn read(&self, text: &str) -> Result<u64, InvalidCron> {
        text.split(',').try_fold(0, |set, item| Ok(set | self.read_item(item)?))
    }

    fn read_item(&self, item: &str) -> Result<u64, InvalidCron> {
        let (range, step) = match item.split_once('/') {
            None => (item, None),
            Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0))),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (Some(self.min), Some(self.max)),
            Some((first, last)) => (self.number(first), self.number(last)),
            // A step from a number goes on to the end.
            None if step.is_some() => (self.number(range), Some(self.max)),
            None => (self.number(range), self.number(range)),
        };
        match (first, last, step.unwrap_or(Some(1))) {
            (Some(first), Some(last), Some(step)) if first <= last => {
                Ok((first..=last).step_by(step as usize).fold(0, |set, n| set | 1 << n))
            }
            _ => Err(self.invalid(item)),
        }
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| text.eq_ignore_ascii_case(name));
        let found = named.map(|index| index as u32 + self.min).or_else(|| number(text));
        found.filter(|n| (self.min..=self.max).contains(n))
    }

    fn invalid(&self, item: &str) -> InvalidCron {
        let item = item.chars().take(32).collect();
        InvalidCron::Item { field: self.name, item, rule: self.rule }
    }
}

/// Digits only: the standard parser takes a sign as well.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbers_names_ranges_steps_and_lists() {
        let numbers = |set: u64| (0..64).filter(|n| has(set, *n)).collect::<Vec<_>>();
        let minutes =
            |text: &str| numbers(Cron::parse(&format!("{text} * * * *")).unwrap().minutes);
        assert_eq!(minutes("*").len(), 60);
        assert_eq!(minutes("5"), [5]);
        assert_eq!(minutes("5,1,5"), [1, 5]);
        assert_eq!(minutes("1-3,58-59"), [1, 2, 3, 58, 59]);
        assert_eq!(minutes("*/20"), [0, 20, 40]);
        assert_eq!(minutes("10-30/10"), [10, 20, 30]);
        assert_eq!(minutes("50/5"), [50, 55]);
        let days = |text: &str| numbers(Cron::parse(&format!("0 0 * * {text}")).unwrap().weekdays);
        assert_eq!(days("7"), [0]);
        assert_eq!(days("Mon-FRI"), [1, 2, 3, 4, 5]);
        assert_eq!(days("fri-7"), [0, 5, 6]);
        assert_eq!(Cron::parse("  0 \t0 1 Feb *").unwrap().as_str(), "0 0 1 Feb *");
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for text in ["", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* 24 * * *"] {
            assert!(Cron::parse(text).is_err(), "{text}");
        }
        for text in ["* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *"] {
            assert!(Cron::parse(text).is_err(), "{text}");
        }
        for text in
            ["5-1 * * * *", "1, * * * *", "+1 * * * *", "-1 * * * *", "a * * * *", "1-2-3 * * * *"]
        {
            assert!(Cron::parse(text).is_err(), "{text}");
        }
        for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            assert!(matches!(Cron::parse(text), Err(InvalidCron::NoDay)), "{text}");
        }
        assert!(Cron::parse("0 0 29 2 *").is_ok());
        assert!(Cron::parse("0 0 31 2 1").is_ok(), "the Mondays of February");
    }
}
