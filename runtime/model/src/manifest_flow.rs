//! What a manifest says of order, time and flow. Knows nothing of how it is enforced.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cron::Cron;
use crate::manifest::InvalidManifest;
use crate::manifest_read::Members;
use crate::schedule::{Missed, Schedule, Zone};
use crate::text::duration_text;

type Read<T> = Result<T, InvalidManifest>;

/// 0 to 9; 9 comes first. Each level has twice the share of the one below it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Priority(u8);

/// What becomes of a dead letter, and of its lane.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DeadLetterPolicy {
    /// The lane stands until the dead letter is redriven or dropped; else it goes on.
    pub halts: bool,
    /// How long it is kept; for ever when none.
    pub keep: Option<Duration>,
}

/// At most so many in any period, wherever it begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    pub limit: u32,
    pub period: Duration,
}

/// Of deliveries with the same key that come within `period` of each other only the last runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Debounce {
    pub period: Duration,
    /// The longest wait since the first of them; none waits for ever while they come.
    pub max: Option<Duration>,
}

/// The handler takes a list of up to `max`, committed as one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Batch {
    pub max: u32,
    /// How long the first waits for the others.
    pub wait: Duration,
}

/// After so many failed attempts in a row the function is paused, and probed with one delivery
/// after `probe`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Breaker {
    pub failures: u32,
    pub probe: Duration,
}

impl Priority {
    pub const MAX: u32 = 9;

    /// Numbers above 9 are 9.
    pub fn of(number: u32) -> Self {
        Self(number.min(Self::MAX) as u8)
    }

    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

impl DeadLetterPolicy {
    pub(crate) fn read(members: &Members<'_>) -> Read<Self> {
        members.only(&["lane", "keep"])?;
        let halts = match members.text("lane")? {
            None | Some("skip") => false,
            Some("halt") => true,
            Some(_) => return Err(members.invalid("lane", "must be `skip` or `halt`")),
        };
        let keep = members.duration("keep", Duration::from_secs(1)..=Duration::MAX)?;
        Ok(Self { halts, keep })
    }

    /// None for the default.
    pub(crate) fn to_json(self) -> Option<Value> {
        if self == Self::default() {
            return None;
        }
        let mut value = json!({ "lane": if self.halts { "halt" } else { "skip" } });
        if let Some(keep) = self.keep {
            value["keep"] = duration_text(keep).into();
        }
        Some(value)
    }
}

impl Rate {
    pub(crate) fn read(members: &Members<'_>) -> Read<Self> {
        members.only(&["limit", "period"])?;
        let limit = members.number("limit", 1..=1_000_000)?;
        let periods = Duration::from_millis(10)..=Duration::from_secs(7 * 86_400);
        let period = members.duration("period", periods)?;
        Ok(Self {
            limit: members.required("limit", limit)?,
            period: members.required("period", period)?,
        })
    }

    pub(crate) fn to_json(self) -> Value {
        json!({ "limit": self.limit, "period": duration_text(self.period) })
    }
}

impl Debounce {
    pub(crate) fn read(members: &Members<'_>) -> Read<Self> {
        members.only(&["period", "max"])?;
        let waits = Duration::from_millis(1)..=Duration::from_secs(7 * 86_400);
        let period = members.duration("period", waits.clone())?;
        let period = members.required("period", period)?;
        let max = members.duration("max", waits)?;
        if max.is_some_and(|max| max < period) {
            return Err(members.invalid("max", "must not be less than debounce.period"));
        }
        Ok(Self { period, max })
    }

    pub(crate) fn to_json(self) -> Value {
        let mut value = json!({ "period": duration_text(self.period) });
        if let Some(max) = self.max {
            value["max"] = duration_text(max).into();
        }
        value
    }
}

impl Batch {
    pub(crate) fn read(members: &Members<'_>) -> Read<Self> {
        members.only(&["max", "wait"])?;
        let max = members.number("max", 1..=1000)?;
        let wait = members.duration("wait", Duration::ZERO..=Duration::from_secs(3600))?;
        Ok(Self { max: members.required("max", max)?, wait: wait.unwrap_or_default() })
    }

    pub(crate) fn to_json(self) -> Value {
        json!({ "max": self.max, "wait": duration_text(self.wait) })
    }
}

impl Breaker {
    pub(crate) fn read(members: &Members<'_>) -> Read<Self> {
        members.only(&["failures", "probe"])?;
        let failures = members.number("failures", 1..=10_000)?;
        let probes = Duration::from_millis(100)..=Duration::from_secs(86_400);
        let probe = members.duration("probe", probes)?;
        let failures = members.required("failures", failures)?;
        Ok(Self { failures, probe: probe.unwrap_or(Duration::from_secs(30)) })
    }

    pub(crate) fn to_json(self) -> Value {
        json!({ "failures": self.failures, "probe": duration_text(self.probe) })
    }
}

impl Schedule {
    pub(crate) fn read(members: &Members<'_>) -> Read<Self> {
        members.only(&["name", "cron", "zone", "missed"])?;
        let text = members.required("cron", members.text("cron")?)?;
        let cron = Cron::parse(text).map_err(|e| members.invalid("cron", e.to_string()))?;
        let missed = match members.text("missed")? {
            None | Some("once") => Missed::Once,
            Some("skip") => Missed::Skip,
            Some("all") => Missed::All,
            Some(_) => return Err(members.invalid("missed", "must be `skip`, `once` or `all`")),
        };
        let name = members.text("name")?.unwrap_or(text);
        if !(1..=64).contains(&name.len()) || name.contains(char::is_control) {
            return Err(
                members.invalid("name", "must be 1 to 64 bytes, without control characters")
            );
        }
        let zone = Zone::find(members.text("zone")?.unwrap_or("UTC"));
        let unknown = "must be a time zone of the IANA database, such as `Europe/Berlin`";
        let zone = zone.ok_or_else(|| members.invalid("zone", unknown))?;
        Ok(Self { name: name.to_owned(), cron, zone, missed })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "cron": self.cron.as_str(),
            "zone": self.zone.as_str(),
            "missed": self.missed.as_str(),
        })
    }
}
