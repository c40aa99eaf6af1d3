//! When an event may be handled, as three of its extensions say. Knows no clock: whoever asks says
//! what time it is.
//!
//! | extension | type | means |
//! |---|---|---|
//! | `notbefore` | timestamp | no attempt begins before |
//! | `delay` | duration text, or whole milliseconds | the same, counted from when it is accepted |
//! | `expirytime` | timestamp | no attempt begins from then on |
//!
//! Their names are in lower case because CloudEvents has no others.

use std::time::Duration;

use crate::event::{Event, EventParts, ExtensionValue};
use crate::event_check::{InvalidEvent, invalid};
use crate::text::parse_duration;
use crate::time::Timestamp;

/// What an event says of its own time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timing {
    pub not_before: Option<Timestamp>,
    /// From when it is accepted.
    pub delay: Option<Duration>,
    pub expires: Option<Timestamp>,
}

/// How far ahead an event may be put off.
const AHEAD_MAX: Duration = Duration::from_secs(3650 * 86_400);

const NOT_BEFORE: &str = "notbefore";
const DELAY: &str = "delay";
const EXPIRES: &str = "expirytime";

impl Timing {
    /// When an event accepted at `at` may be handled; none when at once.
    pub fn due(&self, at: Timestamp) -> Option<Timestamp> {
        let delayed = self.delay.map(|delay| at.plus(delay));
        self.not_before.max(delayed).filter(|due| *due > at)
    }

    fn take(&mut self, name: &str, text: &str) {
        match name {
            NOT_BEFORE => self.not_before = Timestamp::parse_rfc3339(text),
            EXPIRES => self.expires = Timestamp::parse_rfc3339(text),
            DELAY => self.delay = read_delay(text),
            _ => {}
        }
    }

    /// Refuses an event that is put off by more than ten years of 365 days.
    pub fn check(&self, at: Timestamp) -> Result<(), InvalidEvent> {
        match self.not_before {
            Some(time) if time > at.plus(AHEAD_MAX) => {
                Err(invalid(NOT_BEFORE, "is more than 3650 days ahead"))
            }
            _ => Ok(()),
        }
    }
}

impl Event {
    /// What is malformed counts as absent; [`Event::new`] lets none of it in.
    pub fn timing(&self) -> Timing {
        let mut timing = Timing::default();
        for (name, _, text) in self.raw_extensions() {
            timing.take(name, text);
        }
        timing
    }
}

impl EventParts {
    /// The same of an event that is not made yet.
    pub fn timing(&self) -> Timing {
        let mut timing = Timing::default();
        for (name, value) in &self.extensions {
            match value {
                ExtensionValue::Text(text) => timing.take(name, text),
                value => timing.take(name, &value.to_text()),
            }
        }
        timing
    }
}

/// The rules of the three; other extensions are free.
pub(crate) fn check(name: &str, value: &ExtensionValue) -> Result<(), InvalidEvent> {
    let is_time = || match value {
        ExtensionValue::Text(text) => Timestamp::parse_rfc3339(text).is_some(),
        _ => false,
    };
    match name {
        NOT_BEFORE | EXPIRES if !is_time() => Err(invalid(name, "must be an RFC 3339 timestamp")),
        DELAY if read_delay(&value.to_text()).is_none() => {
            Err(invalid(name, "must be a duration such as `90s`, or milliseconds: 3650d at most"))
        }
        _ => Ok(()),
    }
}

/// A duration's text, or a number of milliseconds: in a header it is text too.
fn read_delay(text: &str) -> Option<Duration> {
    let ms = text.parse().ok().map(Duration::from_millis);
    ms.or_else(|| parse_duration(text).ok()).filter(|delay| *delay <= AHEAD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, value: ExtensionValue) -> Result<Event, InvalidEvent> {
        let extensions = vec![(name.to_owned(), value)];
        let (id, source, ty) = ("1".into(), "/s".into(), "t".into());
        Event::new(&EventParts { id, source, ty, extensions, ..EventParts::default() })
    }

    fn text(text: &str) -> ExtensionValue {
        ExtensionValue::Text(text.into())
    }

    #[track_caller]
    fn check(name: &str, value: ExtensionValue, expect: Option<u64>) {
        let event = event(name, value.clone());
        if let Err(error) = &event {
            assert_eq!(error.attribute, name);
        }
        // A delay counts from 1970, which makes it a time as well.
        let timing = event.ok().map(|event| event.timing());
        let found = timing.and_then(|t| t.not_before.or(t.expires).or_else(|| t.due(Timestamp(0))));
        assert_eq!(found, expect.map(Timestamp), "{name} {value:?}");
    }

    #[test]
    fn times_are_read_and_what_is_malformed_is_refused() {
        for name in [NOT_BEFORE, EXPIRES] {
            check(name, text("1970-01-01T00:00:01Z"), Some(1000));
            check(name, text("1970-01-01T01:00:01.5+01:00"), Some(1500));
            for wrong in [text("tomorrow"), text("90s"), text(""), ExtensionValue::Integer(1)] {
                check(name, wrong, None);
            }
        }
        check(DELAY, text("1.5s"), Some(1500));
        check(DELAY, text("3650d"), Some(3650 * 86_400_000));
        check(DELAY, ExtensionValue::Integer(250), Some(250));
        check(DELAY, text("250"), Some(250));
        let wrong = [text("soon"), text("-1s"), text("-1"), text("3651d"), text("315360000001")];
        for wrong in wrong.into_iter().chain([
            ExtensionValue::Integer(-1),
            ExtensionValue::Boolean(true),
            text("1970-01-01T00:00:01Z"),
        ]) {
            check(DELAY, wrong, None);
        }
    }

    #[test]
    fn the_later_of_two_times_counts_and_the_past_is_now() {
        let at = Timestamp(1000);
        let timing = Timing {
            not_before: Some(Timestamp(5000)),
            delay: Some(Duration::from_millis(100)),
            expires: None,
        };
        assert_eq!(timing.due(at), Some(Timestamp(5000)));
        assert_eq!(timing.due(Timestamp(4950)), Some(Timestamp(5050)));
        assert_eq!(Timing { delay: None, ..timing }.due(Timestamp(5000)), None);
        assert_eq!(Timing::default().due(at), None);
    }

    #[test]
    fn ten_years_ahead_is_enough() {
        let timing = |ms| Timing { not_before: Some(Timestamp(ms)), ..Timing::default() };
        let ahead = 3650 * 86_400_000;
        assert!(timing(1000 + ahead).check(Timestamp(1000)).is_ok());
        let refused = timing(1001 + ahead).check(Timestamp(1000)).unwrap_err();
        assert_eq!(refused.attribute, NOT_BEFORE);
    }
}
