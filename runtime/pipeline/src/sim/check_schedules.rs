//! Whether schedules fire as they say: at most once for each slot, none before it, and those that
//! were missed as each says. Slots are computed here: they are so many minutes from one another.

use std::collections::{BTreeMap, BTreeSet};

use triphammer_journal::{Accepted, DropReason, Record};
use triphammer_model::{DeliveryId, FunctionName, Hops, Manifest, Missed, Seq, Timestamp};

use super::check_accept::usual_priority;
use super::checker::{Checker, Verdict, ensure};
use super::facts::{Delivery, Fate, Firing, Kind};
use super::seen::Seen;

const MINUTE_MS: u64 = 60_000;

/// What is known of schedules beside the records.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// The newest firing of each schedule.
    newest: BTreeMap<(FunctionName, String), Newest>,
    /// Functions that have just begun to run again, and since when they did not.
    resumed: BTreeMap<FunctionName, Timestamp>,
    /// Must be taken back before anybody looks, and why.
    owed: BTreeMap<DeliveryId, DropReason>,
    /// Of schedules that are others now, with the same slot: may be taken back.
    changed: BTreeSet<DeliveryId>,
    /// The firings after these were made: they must have begun when somebody looks.
    followed: Vec<DeliveryId>,
    /// Others stand for these since that record, so none of them runs.
    replaced: BTreeMap<DeliveryId, Seq>,
}

#[derive(Clone, Debug)]
struct Newest {
    id: DeliveryId,
    firing: Firing,
    step_ms: u64,
    /// It has begun, or was given up.
    over: bool,
}

/// Between two slots.
fn step_ms(manifest: &Manifest, schedule: &str) -> Option<(u64, Missed)> {
    let schedule = manifest.schedules.iter().find(|s| s.name == schedule)?;
    let minutes = schedule.cron.as_str().strip_prefix("*/")?.split(' ').next()?;
    Some((minutes.parse::<u64>().ok()? * MINUTE_MS, schedule.missed))
}

/// The first slot after a time.
fn first_after(time: Timestamp, step_ms: u64) -> Timestamp {
    Timestamp((time.ms() / step_ms + 1) * step_ms)
}

fn last_until(time: Timestamp, step_ms: u64) -> Timestamp {
    Timestamp(time.ms() / step_ms * step_ms)
}

/// The slot after one that has begun, and how many it stands for.
fn following(slot: Timestamp, step_ms: u64, missed: Missed, now: Timestamp) -> (Timestamp, u64) {
    let next = Timestamp(slot.ms() + step_ms);
    match missed {
        Missed::All => (next, 0),
        Missed::Skip => (first_after(now.max(slot), step_ms), 0),
        Missed::Once if next > now => (next, 0),
        Missed::Once => {
            let last = last_until(now, step_ms);
            (last, (last.ms() - next.ms()) / step_ms)
        }
    }
}

impl Checker {
    /// Since when the function has not been running, if it is not.
    pub(super) fn idle_since(&self, name: &FunctionName) -> Option<Timestamp> {
        let function = self.facts.functions.get(name)?;
        match &function.definition.paused {
            Some(pause) => Some(pause.at),
            None => function.manifest.is_none().then(Timestamp::default),
        }
    }

    /// A definition has become true. `idle`: the function did not run before, since then.
    pub(super) fn chains_defined(&mut self, name: &FunctionName, idle: Option<Timestamp>) {
        if let Some(since) = idle.filter(|_| self.idle_since(name).is_none()) {
            self.chains.resumed.insert(name.clone(), since);
        }
        let manifest = self.facts.manifest(name).cloned();
        for (key, newest) in self.chains.newest.clone() {
            if key.0 != *name {
                continue;
            }
            let keyed = self.facts.deliveries[&newest.id].key.is_some();
            let same_key = manifest.as_ref().is_some_and(|m| m.key.is_some() == keyed);
            let now = manifest.as_ref().and_then(|manifest| step_ms(manifest, &key.1));
            let step = now.map(|(step, _)| step).filter(|_| same_key || newest.over);
            if step == Some(newest.step_ms) {
                continue;
            }
            match step.filter(|step| newest.firing.slot.ms().is_multiple_of(*step)) {
                Some(step_ms) => {
                    self.chains.changed.insert(newest.id.clone());
                    self.chains.newest.insert(key, Newest { step_ms, ..newest });
                }
                None => {
                    if !newest.over {
                        self.chains.owed.insert(newest.id, DropReason::Cancelled);
                    }
                    self.chains.newest.remove(&key);
                }
            }
        }
    }

    pub(super) fn chains_up(&mut self) {
        let mut chains = Chains::default();
        chains.replaced = std::mem::take(&mut self.chains.replaced);
        chains.replaced.retain(|_, seq| seq.get() <= self.facts.last);
        for (id, delivery) in &self.facts.deliveries {
            let Kind::Firing(firing) = &delivery.kind else { continue };
            if delivery.fate != Fate::Open || self.orphans.contains(id) {
                continue;
            }
            if chains.replaced.contains_key(id) {
                self.notes.saw(Seen::MergeTorn);
                chains.owed.insert(id.clone(), DropReason::Missed);
                continue;
            }
            if !delivery.tried {
                let (id, firing) = (id.clone(), firing.clone());
                let key = (id.function.clone(), firing.schedule.clone());
                chains.newest.insert(key, Newest { id, firing, step_ms: 0, over: false });
            }
        }
        self.keep_what_holds(&mut chains);
        for name in self.facts.functions.keys() {
            if self.idle_since(name).is_none() {
                chains.resumed.insert(name.clone(), Timestamp::default());
            }
        }
        self.chains = chains;
    }

    /// A crash may come between a change of a schedule and the end of its firing.
    fn keep_what_holds(&self, chains: &mut Chains) {
        for (key, mut newest) in std::mem::take(&mut chains.newest) {
            let manifest = self.facts.manifest(&key.0);
            let keyed = self.facts.deliveries[&newest.id].key.is_some();
            let same = manifest.filter(|manifest| manifest.key.is_some() == keyed);
            let step = same.and_then(|manifest| step_ms(manifest, &key.1));
            match step.filter(|(step, _)| newest.firing.slot.ms().is_multiple_of(*step)) {
                Some((step_ms, _)) => {
                    newest.step_ms = step_ms;
                    chains.changed.insert(newest.id.clone());
                    chains.newest.insert(key, newest);
                }
                None => drop(chains.owed.insert(newest.id, DropReason::Cancelled)),
            }
        }
    }

    /// Whether the record makes the firing that comes next, as its event and its delivery say.
    pub(super) fn check_firing(&mut self, seq: Seq, made: &Accepted) -> Verdict {
        let [new] = made.deliveries.as_slice() else {
            return Err(format!("a firing has {} deliveries", made.deliveries.len()));
        };
        let (name, event) = (&new.function, &made.event);
        let manifest = self.facts.manifest(name).ok_or("a firing of a function that is gone")?;
        let Kind::Firing(firing) = self.facts.kind(None, made, new, self.now) else {
            return Err("a firing that is none".into());
        };
        let (step_ms, missed) = step_ms(manifest, &firing.schedule)
            .ok_or_else(|| format!("{name} has no schedule {}", firing.schedule))?;
        let data: serde_json::Value = serde_json::from_slice(event.data().unwrap_or_default())
            .map_err(|error| error.to_string())?;
        let said = data["slot"].as_str().and_then(Timestamp::parse_rfc3339);
        let key = manifest.key.as_ref().map(|_| firing.schedule.as_str());
        let as_it_says = said == Some(firing.slot)
            && event.subject() == Some(&firing.schedule)
            && event.source() == format!("/triphammer/functions/{name}")
            && new.key.as_ref().map(|key| key.as_str()) == key
            && (new.expires, &new.dead) == (None, &None)
            && (made.hops, made.dedup) == (Hops(0), None)
            && u32::from(new.priority.get()) == usual_priority(manifest);
        ensure!(as_it_says, "{made:?} is no firing of {name}");
        let twice = self.facts.deliveries.iter().find(|(id, delivery)| {
            let same = matches!(&delivery.kind, Kind::Firing(other)
                if other.schedule == firing.schedule && other.slot == firing.slot);
            id.function == *name && same && delivery.fate != Fate::Dropped
        });
        ensure!(twice.is_none(), "a second firing for the slot of {twice:?}");
        let key = (name.clone(), firing.schedule.clone());
        let expect = self.next_firing(&key, step_ms, missed, seq)?;
        let found = (firing.slot, firing.missed);
        match missed {
            Missed::Once if firing.missed > 0 => self.notes.saw(Seen::SlotsMerged),
            Missed::All if firing.slot <= self.now => self.notes.saw(Seen::SlotCaughtUp),
            _ => {}
        }
        ensure!(found == expect, "{key:?} fires next at {found:?}, not {expect:?} ({missed:?})");
        Ok(())
    }

    /// The slot of the firing that has to be made now, and how many it stands for.
    fn next_firing(
        &mut self,
        key: &(FunctionName, String),
        step_ms: u64,
        missed: Missed,
        seq: Seq,
    ) -> Result<(Timestamp, u64), String> {
        let Some(Newest { id, firing, over, .. }) = self.chains.newest.get(key).cloned() else {
            return Ok((first_after(self.now, step_ms), 0));
        };
        let since = self.chains.resumed.get(&key.0).filter(|_| !over).copied();
        let Some(since) = since else {
            if !over {
                self.chains.followed.push(id);
            }
            return Ok(following(firing.slot, step_ms, missed, self.now));
        };
        let idle = since <= firing.slot && firing.slot <= self.now;
        let last = last_until(self.now, step_ms);
        let next = match missed {
            Missed::Skip if idle => {
                self.notes.saw(Seen::SlotSkipped);
                (first_after(self.now, step_ms), 0)
            }
            Missed::Once if last > firing.slot => {
                let more = (last.ms() - firing.slot.ms()) / step_ms;
                (last, firing.missed + more)
            }
            _ => return Err(format!("{id} was not missed, and another takes its place")),
        };
        self.chains.owed.insert(id.clone(), DropReason::Missed);
        self.chains.replaced.insert(id, seq);
        Ok(next)
    }

    /// A record has become true: its firings are the newest, and what it gives up is over.
    pub(super) fn chains_took_in(&mut self, seq: Seq, record: &Record) {
        let (offset, events) = record.events();
        for (number, made) in (seq.get() + offset..).zip(events) {
            let [new] = made.deliveries.as_slice() else { continue };
            let seq = Seq::new(number).expect("it is above zero");
            let id = DeliveryId { seq, function: new.function.clone() };
            let Kind::Firing(firing) = &self.facts.deliveries[&id].kind else { continue };
            let manifest = self.facts.manifest(&id.function);
            let step = manifest.and_then(|manifest| step_ms(manifest, &firing.schedule));
            let Some((step_ms, _)) = step else { continue };
            let key = (id.function.clone(), firing.schedule.clone());
            let firing = firing.clone();
            self.chains.newest.insert(key, Newest { id, firing, step_ms, over: false });
        }
        if let Record::Drop { ids, .. } = record {
            ids.iter().for_each(|id| self.firing_is_over(id));
        }
    }

    /// An attempt at a firing begins.
    pub(super) fn firing_begins(&mut self, id: &DeliveryId) -> Verdict {
        let replaced = self.chains.replaced.get(id);
        ensure!(replaced.is_none(), "{id} begins, and another stands for it since {replaced:?}");
        self.firing_is_over(id);
        Ok(())
    }

    fn firing_is_over(&mut self, id: &DeliveryId) {
        if let Some(newest) = self.chains.newest.values_mut().find(|newest| newest.id == *id) {
            newest.over = true;
        }
    }

    /// The host takes a firing back that has not begun.
    pub(super) fn check_taken_back(&mut self, id: &DeliveryId, why: DropReason) -> Verdict {
        let owed = self.chains.owed.remove(id);
        if owed.is_none() && why == DropReason::Cancelled && self.chains.changed.remove(id) {
            self.chains.newest.retain(|_, newest| newest.id != *id);
        } else {
            ensure!(owed == Some(why), "{id} is taken back as {why:?}, and it was {owed:?}");
        }
        let open = self.facts.deliveries.get(id).is_some_and(|d| d.fate == Fate::Open);
        ensure!(open && !self.is_running(id), "{id} is taken back, and is past that");
        if why == DropReason::Cancelled {
            self.notes.saw(Seen::FiringTakenBack);
        }
        // An operator who asked for the same is told of the others.
        for order in self.orders.values_mut() {
            order.left.remove(id);
        }
        Ok(())
    }

    /// Each schedule has one firing that has not begun, and of those that were missed as many as it
    /// says.
    pub(super) fn check_chains(&mut self) -> Verdict {
        let Chains { owed, followed, .. } = &mut self.chains;
        ensure!(owed.is_empty(), "not taken back: {owed:?}");
        for id in std::mem::take(followed) {
            let firing = &self.facts.deliveries[&id];
            let begun = self.is_running(&id) || firing.tried || firing.fate != Fate::Open;
            ensure!(begun, "{id} has not begun, and the next is there");
        }
        self.chains.changed.clear();
        let resumed = std::mem::take(&mut self.chains.resumed);
        for (name, function) in &self.facts.functions {
            let Some(manifest) = &function.manifest else { continue };
            for schedule in &manifest.schedules {
                let key = (name.clone(), schedule.name.clone());
                let asleep = self.chains.newest.get(&key).filter(|newest| !newest.over);
                let newest = asleep.ok_or_else(|| format!("{key:?} fires no more"))?;
                let Some(since) = resumed.get(name) else { continue };
                let slot = newest.firing.slot;
                let late = match schedule.missed {
                    Missed::Skip => *since <= slot && slot <= self.now,
                    Missed::Once => slot.ms() + newest.step_ms <= self.now.ms(),
                    Missed::All => false,
                };
                ensure!(!late, "{} was missed, and is not treated so", newest.id);
            }
        }
        Ok(())
    }

    /// Whether it is a firing that has not begun.
    pub(super) fn is_asleep(&self, id: &DeliveryId) -> bool {
        self.chains.newest.values().any(|newest| newest.id == *id && !newest.over)
    }

    /// Whether nothing is left to do but to wait for the slots of schedules: at `next`, or later.
    pub(super) fn only_firings_sleep(&self, next: Timestamp) -> bool {
        let rests = |(id, delivery): (&DeliveryId, &Delivery)| match delivery.fate {
            Fate::Open => self.is_halted(id, delivery) || self.sleeps(id, delivery, next),
            Fate::Dead => {
                let manifest = self.facts.manifest(&id.function);
                manifest.is_none_or(|manifest| manifest.dead_letter.keep.is_none())
            }
            Fate::Committed | Fate::Dropped => true,
        };
        self.facts.replays.values().all(|replay| !replay.is_running())
            && self.facts.deliveries.iter().all(rests)
    }

    pub(super) fn sleeps(&self, id: &DeliveryId, delivery: &Delivery, until: Timestamp) -> bool {
        self.is_asleep(id) && delivery.due >= until && delivery.due > self.now
    }
}
