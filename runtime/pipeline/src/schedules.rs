//! Schedules: for each there is one firing that has not begun, asleep until its slot. Decides which
//! comes next; knows no cron.
//!
//! When a firing begins, the one after it is made under the same lock and before the attempt can
//! commit, so wherever the log ends, it says which slot was the last. A slot is made at most once,
//! because only what is missing is made: see `what_is_missing`. A firing that takes the place of one
//! that was missed says so itself: the end of that one is another record, which a crash may take.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use triphammer_journal::{Accept, Accepted, AppendError, Body, DropReason, Entrance, Record};
use triphammer_model::{
    DeliveryId, FunctionName, Limits, Manifest, Missed, Schedule, Seq, Timestamp,
};

use crate::core::{Core, Inner};
use crate::firing::{self, Firing};
use crate::give_up::BATCH_MAX;
use crate::info::{ScheduleInfo, Status};
use crate::lease::Lease;
use crate::queue::{FnId, Queue};
use crate::registry::active_manifest;
use crate::slab::Slot;

/// The newest firing of each schedule.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    newest: HashMap<FnId, BTreeMap<String, Newest>, RandomState>,
    /// Functions whose newest firing is over, and the one after it not made yet.
    behind: Vec<FunctionName>,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    firing: Firing,
    seq: Seq,
    /// Where its delivery is.
    slot: Slot,
    /// It has begun or was given up, and the following is not made yet.
    over: bool,
}

impl Schedules {
    /// As they are after a start: the last slot of each counts. And the firings whose places others
    /// have taken, where it is not on record that they were given up.
    pub(crate) fn recovered(queue: &Queue) -> (Self, Vec<Slot>) {
        let mut schedules = Self::default();
        let (mut by_seq, mut gone) = (HashMap::new(), BTreeSet::new());
        for (slot, entry) in queue.entries() {
            let Some(name) = entry.name() else { continue };
            schedules.saw(entry.function, name, entry.seq, slot);
            if firing::parse(name).is_some() {
                by_seq.insert(entry.seq, slot);
            }
            gone.extend(firing::instead_of(name));
        }
        (schedules, gone.iter().filter_map(|seq| by_seq.get(seq).copied()).collect())
    }

    /// A delivery of this name has been taken in.
    pub(crate) fn saw(&mut self, function: FnId, name: &str, seq: Seq, slot: Slot) {
        let Some((schedule, firing)) = firing::parse(name) else { return };
        let of_function = self.newest.entry(function).or_default();
        if of_function.get(schedule).is_none_or(|newest| newest.seq < seq) {
            let newest = Newest { firing, seq, slot, over: false };
            of_function.insert(schedule.to_owned(), newest);
        }
    }

    /// A delivery of this name begins, or is given up. Whether it is a schedule's newest firing,
    /// which is over with that.
    pub(crate) fn end(&mut self, id: FnId, name: &str, function: &FunctionName) -> bool {
        let Some((schedule, firing)) = firing::parse(name) else { return false };
        let newest = self.newest.get_mut(&id).and_then(|of| of.get_mut(schedule));
        let Some(newest) = newest.filter(|newest| newest.firing == firing) else { return false };
        newest.over = true;
        self.behind.push(function.clone());
        true
    }

    fn get(&self, id: FnId, schedule: &str) -> Option<Newest> {
        self.newest.get(&id)?.get(schedule).copied()
    }

    fn forget(&mut self, id: FnId, schedule: &str) {
        if let Some(of_function) = self.newest.get_mut(&id) {
            of_function.remove(schedule);
        }
    }

    fn names(&self, id: FnId) -> Vec<String> {
        self.newest.get(&id).map(|of| of.keys().cloned().collect()).unwrap_or_default()
    }
}

/// What changes of a function's firings.
#[derive(Default)]
struct Plan {
    make: Vec<Accepted>,
    drop: Vec<(DropReason, DeliveryId, Slot)>,
}

impl Core {
    /// Makes the firings that are missing, and gives up those of schedules that have changed. With
    /// `since`, the function runs again, and could not since then: what it missed is seen to.
    pub(crate) fn plan(&self, inner: &mut Inner, name: &FunctionName, since: Option<Timestamp>) {
        let Some(id) = inner.queue.find(name) else { return };
        let manifest = inner.manifest(name, &self.limits);
        let wanted = manifest.as_ref().map_or(&[][..], |manifest| manifest.schedules.as_slice());
        if wanted.is_empty() && inner.schedules.names(id).is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut plan = Plan::default();
        inner.take_back(id, manifest.as_ref(), &mut plan);
        if let Some(manifest) = &manifest {
            for schedule in wanted {
                let next = inner.what_is_missing(id, schedule, now, since, &mut plan);
                let made = |(firing, before): (Firing, Option<Seq>)| {
                    firing.accepted(&self.host_id, name, manifest, schedule, before)
                };
                plan.make.extend(next.and_then(made));
            }
        }
        self.carry_out(inner, name, &plan);
    }

    /// A delivery begins. If it is a schedule's newest firing, the next one is made. From then on it
    /// is a delivery like any other, whatever becomes of the schedule: its name is gone.
    pub(crate) fn follow(&self, inner: &mut Inner, lease: &mut Lease) {
        let is_firing = |name: &&Arc<str>| firing::parse(name).is_some();
        let Some(name) = lease.entry.name().filter(is_firing).cloned() else { return };
        lease.entry.forget_name();
        inner.queue.entry_mut(lease.slot).forget_name();
        let function = inner.queue.function(lease.function).name.clone();
        if inner.schedules.end(lease.function, &name, &function) {
            self.mend_schedules(inner);
            // It may be due before anything else.
            self.timer.notify_one();
        }
    }

    /// Makes the firings after those that have begun or were given up.
    pub(crate) fn mend_schedules(&self, inner: &mut Inner) {
        for name in std::mem::take(&mut inner.schedules.behind) {
            self.plan(inner, &name, None);
        }
    }

    /// A firing of a schedule that has changed goes before the new one comes, so that a slot never
    /// has two. One that others were merged into comes before they go, so that none is lost.
    fn carry_out(&self, inner: &mut Inner, name: &FunctionName, plan: &Plan) {
        let done = self
            .drop_firings(inner, plan, DropReason::Cancelled)
            .and_then(|()| self.make_firings(inner, plan))
            .and_then(|()| self.drop_firings(inner, plan, DropReason::Missed));
        if let Err(error) = done {
            tracing::warn!(function = %name, %error, "its schedules can't go on yet");
            inner.schedules.behind.push(name.clone());
        }
    }

    fn make_firings(&self, inner: &mut Inner, plan: &Plan) -> Result<(), AppendError> {
        if plan.make.is_empty() {
            return Ok(());
        }
        let (at, events) = (self.clock.now(), plan.make.clone());
        inner.catch_up(at);
        let record = Record::Accept(Accept { at, entrance: Entrance::Host, events });
        let (first, location) = inner.log.append(&Body::encode(&record))?;
        self.history.note(first, &record, location);
        inner.admit_all(&record, (first, location), at);
        Ok(())
    }

    /// Gives up firings whose places others have taken.
    pub(crate) fn drop_missed(&self, inner: &mut Inner, slots: &[Slot]) {
        let found: Vec<_> = slots.iter().map(|slot| (inner.id_of(*slot), Some(*slot))).collect();
        for some in found.chunks(BATCH_MAX) {
            if let Err(error) = self.give_up(inner, DropReason::Missed, some) {
                tracing::warn!(%error, "firings that were missed could not be given up");
            }
        }
    }

    fn drop_firings(
        &self,
        inner: &mut Inner,
        plan: &Plan,
        why: DropReason,
    ) -> Result<(), AppendError> {
        let of_reason = plan.drop.iter().filter(|(reason, ..)| *reason == why);
        let found: Vec<_> = of_reason.map(|(_, id, slot)| (id.clone(), Some(*slot))).collect();
        self.give_up(inner, why, &found)?;
        Ok(())
    }
}

impl Inner {
    fn manifest(&self, name: &FunctionName, limits: &Limits) -> Option<Manifest> {
        let function = self.functions.get(name)?;
        match &function.active {
            Some(revision) => Some(revision.manifest.clone()),
            None => active_manifest(&function.definition, limits)?.ok(),
        }
    }

    /// The delivery of the newest firing, while it has not begun.
    fn asleep(&self, id: FnId, newest: Newest) -> Option<DeliveryId> {
        let Newest { seq, slot, over, .. } = newest;
        let open = !over && self.queue.holds(slot, id, seq);
        (open && self.queue.status(slot) != Status::Running).then(|| self.id_of(slot))
    }

    /// Firings of schedules that are not there any more, or are others now.
    fn take_back(&mut self, id: FnId, manifest: Option<&Manifest>, plan: &mut Plan) {
        for name in self.schedules.names(id) {
            let Some(newest) = self.schedules.get(id, &name) else { continue };
            let schedule = manifest.and_then(|m| m.schedules.iter().find(|s| s.name == name));
            let keyed = manifest.is_some_and(|manifest| manifest.key.is_some());
            if schedule.is_some_and(|schedule| self.still_holds(newest, schedule, keyed)) {
                continue;
            }
            if let Some(delivery) = self.asleep(id, newest) {
                plan.drop.push((DropReason::Cancelled, delivery, newest.slot));
            }
            // What takes its place begins anew.
            self.schedules.forget(id, &name);
        }
    }

    /// Whether this schedule goes on from the firing.
    fn still_holds(&self, newest: Newest, schedule: &Schedule, keyed: bool) -> bool {
        if newest.over {
            // The one after it is made by this schedule, whatever it was before.
            return true;
        }
        let entry = self.queue.entry(newest.slot);
        let same = entry.name().is_some_and(|name| firing::is_of(name, schedule));
        same && entry.key.is_some() == keyed
    }

    /// The firing that a schedule lacks: its first, the one after one that is over, or one for all
    /// that it has missed, with the one whose place it takes.
    fn what_is_missing(
        &self,
        id: FnId,
        schedule: &Schedule,
        now: Timestamp,
        since: Option<Timestamp>,
        plan: &mut Plan,
    ) -> Option<(Firing, Option<Seq>)> {
        let Some(newest) = self.schedules.get(id, &schedule.name) else {
            return Some((Firing::first(schedule, now)?, None));
        };
        let firing = newest.firing;
        if newest.over {
            return Some((firing.following(schedule, now)?, None));
        }
        let missed = since.is_some_and(|since| since <= firing.slot) && firing.slot <= now;
        let delivery = self.asleep(id, newest)?;
        let next = match schedule.missed {
            Missed::Skip if missed => Firing::first(schedule, now),
            Missed::Once if since.is_some() => firing.merged(schedule, now),
            _ => None,
        }?;
        plan.drop.push((DropReason::Missed, delivery, newest.slot));
        Some((next, Some(newest.seq)))
    }

    /// A function's deliveries that are not settled. Firings that sleep are no work that waits: the
    /// host takes them back when they are in the way.
    pub(crate) fn waiting(&self, name: &FunctionName) -> u64 {
        let Some(id) = self.queue.find(name) else { return 0 };
        let newest = self.schedules.newest.get(&id).into_iter().flat_map(BTreeMap::values);
        let asleep = newest.filter(|newest| self.asleep(id, **newest).is_some()).count();
        self.queue.function(id).open().saturating_sub(asleep as u64)
    }

    /// Since when the function has not been running, if it is not.
    pub(crate) fn out_of_order_since(&self, name: &FunctionName) -> Option<Timestamp> {
        let function = self.functions.get(name).filter(|function| !function.is_runnable())?;
        Some(function.definition.paused.as_ref().map_or(Timestamp(0), |pause| pause.at))
    }

    /// The schedules of a function's active revision, with the slot that comes next.
    pub(crate) fn schedule_infos(&self, id: FnId, manifest: &Manifest) -> Vec<ScheduleInfo> {
        let info = |schedule: &Schedule| ScheduleInfo {
            name: schedule.name.clone(),
            cron: schedule.cron.as_str().to_owned(),
            zone: schedule.zone.as_str().to_owned(),
            missed: schedule.missed.as_str(),
            next: self
                .schedules
                .get(id, &schedule.name)
                .filter(|newest| !newest.over)
                .map(|newest| newest.firing.slot),
        };
        manifest.schedules.iter().map(info).collect()
    }
}
