//! One firing of a schedule: the event and the delivery of a slot. Knows nothing of what is open.
//!
//! The delivery's name says which schedule and which slot it is of, so what is open says which slots
//! have been made, after a restart too. It says by which rule as well: a schedule may have another
//! one under the same name. And it says which firing it takes the place of, if that was missed.

use serde_json::json;
use triphammer_journal::{Accepted, NewDelivery};
use triphammer_model::{
    Event, EventParts, FunctionName, Hops, Manifest, Missed, OrderingKey, Schedule, Seq, Timestamp,
};

/// The type of the events that schedules make.
pub(crate) const TYPE: &str = "triphammer.schedule";

const NAME: &str = "\0cron:";
/// Between the name of a schedule, its rule, and the firing before. None of them has such a character.
const PART: char = '\0';

/// How many missed slots are counted; there may be more.
const MISSED_MAX: u32 = 10_000;

/// A slot, and how many missed ones before it this firing stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Firing {
    pub(crate) slot: Timestamp,
    pub(crate) missed: u32,
}

/// The schedule and the firing that a delivery's name tells of.
pub(crate) fn parse(name: &str) -> Option<(&str, Firing)> {
    let mut parts = name.strip_prefix(NAME)?.splitn(3, ':');
    let slot = Timestamp(parts.next()?.parse().ok()?);
    let missed = parts.next()?.parse().ok()?;
    let (schedule, _) = parts.next()?.split_once(PART)?;
    Some((schedule, Firing { slot, missed }))
}

/// Whether a firing of this name was made by the rule that the schedule has now.
pub(crate) fn is_of(name: &str, schedule: &Schedule) -> bool {
    parse(name).is_some() && name.split(PART).nth(2) == Some(&rule(schedule))
}

/// The missed firing that the one of this name takes the place of.
pub(crate) fn instead_of(name: &str) -> Option<Seq> {
    parse(name)?;
    name.split(PART).nth(3)?.parse().ok()
}

/// What the slots of a schedule follow from.
fn rule(schedule: &Schedule) -> String {
    format!("{} {}", schedule.cron.as_str(), schedule.zone.as_str())
}

impl Firing {
    fn name(self, schedule: &Schedule, instead_of: Option<Seq>) -> String {
        let Self { slot, missed } = self;
        let (slot, rule) = (slot.ms(), rule(schedule));
        let name = format!("{NAME}{slot}:{missed}:{}{PART}{rule}", schedule.name);
        instead_of.map_or_else(|| name.clone(), |seq| format!("{name}{PART}{seq}"))
    }

    /// The first one of a schedule that begins now, or goes on after it was broken off.
    pub(crate) fn first(schedule: &Schedule, now: Timestamp) -> Option<Self> {
        schedule.next_after(now).map(|slot| Self { slot, missed: 0 })
    }

    /// The one after this, which has begun, or is given up.
    pub(crate) fn following(self, schedule: &Schedule, now: Timestamp) -> Option<Self> {
        let next = || schedule.next_after(self.slot);
        match schedule.missed {
            Missed::All => next().map(|slot| Self { slot, missed: 0 }),
            Missed::Skip => Self::first(schedule, now.max(self.slot)),
            Missed::Once => {
                let next = Self { slot: next()?, missed: 0 };
                Some(next.merged(schedule, now).unwrap_or(next))
            }
        }
    }

    /// One for this and all that have passed since; none when none has.
    pub(crate) fn merged(self, schedule: &Schedule, now: Timestamp) -> Option<Self> {
        let mut merged = self;
        while let Some(slot) = schedule.next_after(merged.slot).filter(|slot| *slot <= now) {
            merged = Self { slot, missed: merged.missed + 1 };
            if merged.missed >= MISSED_MAX {
                merged.slot = last_until(schedule, merged.slot, now);
                break;
            }
        }
        (merged.slot > self.slot).then_some(merged)
    }

    /// The event, and its one delivery. It takes the place of a firing that was missed, if any.
    pub(crate) fn accepted(
        self,
        host: &str,
        function: &FunctionName,
        manifest: &Manifest,
        schedule: &Schedule,
        instead_of: Option<Seq>,
    ) -> Option<Accepted> {
        let slot = self.slot.to_rfc3339();
        let (name, zone) = (&schedule.name, schedule.zone.as_str());
        let mut data = json!({ "schedule": name, "slot": slot, "zone": zone });
        if self.missed > 0 {
            data["missed"] = self.missed.into();
        }
        let parts = EventParts {
            id: format!("{host}-{function}-{name}-{}", self.slot.ms()),
            source: format!("/triphammer/functions/{function}"),
            ty: TYPE.to_owned(),
            subject: Some(name.clone()),
            time: Some(slot),
            datacontenttype: Some("application/json".to_owned()),
            data: Some(data.to_string().into()),
            ..EventParts::default()
        };
        // Its parts are the host's own, and a schedule's name is checked with its manifest.
        let event = Event::new(&parts).ok()?;
        let key = manifest.key.as_ref().and_then(|_| OrderingKey::new(name).ok());
        let delivery = NewDelivery {
            priority: manifest.priority,
            due: Some(self.slot),
            name: Some(self.name(schedule, instead_of)),
            ..NewDelivery::new(function.clone(), key)
        };
        Some(Accepted { event, hops: Hops(0), dedup: None, deliveries: vec![delivery] })
    }
}

/// The last slot that is not after `now`; `from` is one.
fn last_until(schedule: &Schedule, from: Timestamp, now: Timestamp) -> Timestamp {
    let (mut last, mut step_ms) = (from, now.since(from).as_millis() as u64 / 2);
    // Whatever lies in the last part of the time is found without going through the rest.
    while step_ms > 0 {
        let probe = Timestamp(now.ms().saturating_sub(step_ms)).max(last);
        match schedule.next_after(probe).filter(|slot| *slot <= now) {
            Some(slot) => last = slot,
            None => break,
        }
        step_ms /= 2;
    }
    while let Some(slot) = schedule.next_after(last).filter(|slot| *slot <= now) {
        last = slot;
    }
    last
}

#[cfg(test)]
mod tests {
    use triphammer_model::Limits;

    use super::*;

    const MINUTE: u64 = 60_000;

    fn schedule(missed: &str) -> Schedule {
        let text = json!({ "on": "a.b", "schedule": { "name": "a:b", "cron": "* * * * *", "missed": missed } });
        let manifest = Manifest::from_json(&text.to_string(), &Limits::default()).unwrap();
        manifest.schedules[0].clone()
    }

    fn at(minute: u64, missed: u32) -> Firing {
        Firing { slot: Timestamp(minute * MINUTE), missed }
    }

    #[test]
    fn names_are_read_back() {
        let schedule = schedule("once");
        for before in [None, Seq::new(5)] {
            let name = at(7, 3).name(&schedule, before);
            assert_eq!(parse(&name), Some(("a:b", at(7, 3))));
            assert!(is_of(&name, &schedule));
            assert_eq!(instead_of(&name), before);
        }
        let name = at(7, 3).name(&schedule, None);
        assert!(!is_of(&format!("{name}/Zone"), &schedule));
        for other in ["a", "\0cron:x", "\0cron:1:2", "\0cron:1:2:a", "\0debounce", "cron:1:2:a"] {
            assert_eq!(parse(other), None);
        }
    }

    #[track_caller]
    fn check(missed: &str, now: u64, expect: Firing) {
        let following = at(10, 0).following(&schedule(missed), Timestamp(now * MINUTE + 1));
        assert_eq!(following, Some(expect), "{missed} at {now}");
    }

    #[test]
    fn what_follows_says_what_was_missed() {
        for missed in ["skip", "once", "all"] {
            check(missed, 10, at(11, 0));
            // One that is given up before its time is followed by the next all the same.
            check(missed, 5, at(11, 0));
        }
        check("skip", 15, at(16, 0));
        check("all", 15, at(11, 0));
        check("once", 11, at(11, 0));
        check("once", 15, at(15, 4));
    }

    #[test]
    fn very_many_missed_slots_are_not_all_counted() {
        let now = Timestamp(5_000_000 * MINUTE + 1);
        let merged = at(10, 2).merged(&schedule("once"), now).unwrap();
        assert_eq!(merged, at(5_000_000, MISSED_MAX));
        assert_eq!(at(10, 0).merged(&schedule("once"), Timestamp(10 * MINUTE)), None);
    }
}
