//! When a schedule fires: a cron line on the clocks of a time zone. Pure: whoever asks says after
//! what time. The rules of the zones come with the program, so every host has the same.
//!
//! When clocks are set forward, a time that is left out fires as much later as they were set: 02:30
//! at 03:30. When they are set back, a time that comes twice fires the first time only. A line whose
//! hour begins with `*` goes by intervals instead: it fires whenever the clock shows its time.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use crate::cron::Cron;
use crate::time::Timestamp;

/// A cron line that makes an event for one function alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// The event's subject, and what is shown. Unique within a manifest.
    pub name: String,
    pub cron: Cron,
    pub zone: Zone,
    pub missed: Missed,
}

/// What becomes of the slots that passed while the host was down, or the function did not run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Missed {
    Skip,
    /// One firing for all of them.
    #[default]
    Once,
    All,
}

/// A time zone of the IANA database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// Every date of a line comes again within this many: 29 February, over 2100.
const DAYS_MAX: usize = 8 * 366 + 1;

impl Missed {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
            Self::All => "all",
        }
    }
}

impl Zone {
    /// None when there is no such zone.
    pub fn find(name: &str) -> Option<Self> {
        let rules = TimeZone::get(name).ok()?;
        let name = rules.iana_name().unwrap_or(name).to_owned();
        Some(Self { name, rules })
    }

    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// What the clock shows there, to the second, and how far it is from UTC. None at the end of
    /// time.
    pub fn shows(&self, time: Timestamp) -> Option<String> {
        let there = to_jiff(time)?.to_zoned(self.rules.clone());
        jiff::fmt::strtime::format("%Y-%m-%d %H:%M:%S%:z", &there).ok()
    }

    fn local(&self, time: Timestamp) -> Option<DateTime> {
        Some(self.rules.to_datetime(to_jiff(time)?))
    }

    /// The first time at which the clock shows this, or as much later as it was set forward.
    fn time_of(&self, local: DateTime) -> Option<Timestamp> {
        let time = self.rules.to_ambiguous_timestamp(local).compatible().ok()?;
        u64::try_from(time.as_millisecond()).ok().map(Timestamp)
    }
}

fn to_jiff(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(time.ms()).ok()?).ok()
}

impl Schedule {
    /// The first slot after this time; none at the end of time.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.cron.every_hour { self.next_interval(after) } else { self.next_on_clock(after) }
    }

    /// Whether it is one of its slots.
    pub fn has_slot(&self, time: Timestamp) -> bool {
        let before = time.ms().checked_sub(1).map(Timestamp);
        before.and_then(|before| self.next_after(before)) == Some(time)
    }

    fn next_interval(&self, after: Timestamp) -> Option<Timestamp> {
        const MINUTE_MS: u64 = 60_000;
        let mut time = Timestamp((after.ms() / MINUTE_MS + 1) * MINUTE_MS);
        loop {
            let local = self.zone.local(time)?;
            if !self.cron.has_date(local.date()) {
                let date = self.next_date(local.date().tomorrow().ok()?)?;
                time = self.zone.time_of(date.to_datetime(Time::midnight()))?.max(time);
                continue;
            }
            let minute = local.minute() as u32;
            let hour = self.cron.has_hour(local.hour() as u32);
            let next = hour.then(|| self.cron.minute_from(minute)).flatten();
            // The clock may be set in between, so what is reached is looked at again.
            match next.unwrap_or(60) - minute {
                0 => return Some(time),
                minutes => time = Timestamp(time.ms() + u64::from(minutes) * MINUTE_MS),
            }
        }
    }

    fn next_on_clock(&self, after: Timestamp) -> Option<Timestamp> {
        // Clocks are never set by more than this, so what they show differs by no more either.
        let set_max: Span = 4.hours();
        let from = self.zone.local(after)?.checked_sub(set_max).ok()?;
        let mut found: Option<(Timestamp, DateTime)> = None;
        let mut local = self.next_local(from, true)?;
        loop {
            let time = self.zone.time_of(local)?;
            if time > after && found.is_none_or(|(best, _)| time < best) {
                found = Some((time, local.checked_add(set_max).ok()?));
            }
            local = self.next_local(local, false)?;
            // What is left out fires later, and so perhaps after what the clock shows later.
            if let Some((time, _)) = found.filter(|(_, until)| local > *until) {
                return Some(time);
            }
        }
    }

    /// The next time on the clock that the line names, whatever the clock is set to.
    fn next_local(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        let mut hour = from.hour() as u32;
        let mut minute = from.minute() as u32 + u32::from(!inclusive);
        let mut date = from.date();
        loop {
            if self.cron.has_date(date) {
                while hour < 24 {
                    let found = self.cron.has_hour(hour).then(|| self.cron.minute_from(minute));
                    if let Some(minute) = found.flatten() {
                        return Some(date.at(hour as i8, minute as i8, 0, 0));
                    }
                    (hour, minute) = (hour + 1, 0);
                }
            }
            date = self.next_date(date.tomorrow().ok()?)?;
            (hour, minute) = (0, 0);
        }
    }

    /// The first date that the line names, from this one on.
    fn next_date(&self, mut date: Date) -> Option<Date> {
        for _ in 0..DAYS_MAX {
            if self.cron.has_date(date) {
                return Some(date);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
