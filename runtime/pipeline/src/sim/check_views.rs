//! Whether what the host shows and answers is what the records say.

use std::collections::{BTreeMap, BTreeSet};

use triphammer_model::{DeliveryId, FunctionName};

use super::check_batch::Must;
use super::checker::{Checker, Outstanding, Run, Verdict, ensure};
use super::facts::{Delivery, Fate};
use super::observed::{Entry, Order};
use crate::info::{Counts, Status};

impl Checker {
    pub(super) fn ordered(&mut self, order: u32, what: &Order) {
        let deliveries = self.facts.deliveries.iter();
        let left = deliveries.filter(|(id, delivery)| match what {
            Order::Define { .. } | Order::Replay { .. } | Order::CancelReplay(_) => false,
            Order::Remove { name, .. } => {
                id.function == *name && matches!(delivery.fate, Fate::Open | Fate::Dead)
            }
            Order::Redrive(ids) => ids.contains(id) && delivery.fate == Fate::Dead,
            Order::Drop(ids) => {
                let idle = delivery.fate == Fate::Open && !self.is_running(id);
                ids.contains(id) && (delivery.fate == Fate::Dead || idle)
            }
        });
        let left: BTreeSet<_> = left.map(|(id, _)| id.clone()).collect();
        let count = if let Order::CancelReplay(id) = what { *id } else { 0 };
        let outstanding = Outstanding { what: what.clone(), left, count, last: 0 };
        self.orders.insert(order, outstanding);
    }

    pub(super) fn obeyed(&mut self, order: u32, changed: Option<u64>) -> Verdict {
        let order = self.orders.remove(&order).ok_or("an answer to nobody")?;
        let Some(changed) = changed else {
            ensure!(order.last == 0 || self.failed, "{:?} is refused and done", order.what);
            ensure!(self.failed || self.may_refuse(&order.what), "{:?} is refused", order.what);
            return Ok(());
        };
        ensure!(order.left.is_empty(), "{:?} leaves out {:?}", order.what, order.left);
        ensure!(order.last <= self.durable, "{:?} is answered and not on disk", order.what);
        let count = order.count;
        ensure!(changed == count, "{:?} changed {count} and says {changed}", order.what);
        Ok(())
    }

    /// Whether there is a reason to refuse. A redefinition may be one of the key.
    fn may_refuse(&self, what: &Order) -> bool {
        let open = |name: &FunctionName| {
            let of = |(id, delivery): (&DeliveryId, &Delivery)| {
                id.function == *name && delivery.fate == Fate::Open && !self.is_asleep(id)
            };
            self.facts.deliveries.iter().any(of)
        };
        match what {
            Order::Define { name, .. } => open(name),
            Order::Remove { name, discard, .. } => {
                let function = self.facts.functions.get(name);
                let gone = function.is_none_or(|function| function.definition.deleted);
                gone || (!discard && open(name))
            }
            Order::Replay { function, .. } => {
                function.as_ref().is_some_and(|name| self.is_gone(name))
            }
            Order::Redrive(_) | Order::Drop(_) | Order::CancelReplay(_) => false,
        }
    }

    pub(super) fn shown(
        &self,
        exact: bool,
        counts: &BTreeMap<FunctionName, Counts>,
        deliveries: &[(DeliveryId, Status, u32)],
    ) -> Verdict {
        ensure!(self.owed.is_empty(), "nobody is told that {:?} is dead", self.owed);
        let mut expect: BTreeMap<FunctionName, Counts> = BTreeMap::new();
        let mut shown = deliveries.iter();
        for (id, delivery) in &self.facts.deliveries {
            let Some(status) = self.status(id, delivery) else { continue };
            let (found, found_status, attempts) =
                shown.next().ok_or_else(|| format!("{id} is lost"))?;
            ensure!(found == id, "{id} is lost, or {found} made up");
            ensure!(*attempts == delivery.attempts, "{id} shows {attempts} attempts");
            let vague =
                |status| matches!(status, Status::Ready | Status::Waiting | Status::Blocked);
            let exact = exact && self.facts.is_orderly(&id.function);
            let status = self.as_gathering(id, delivery, status, *found_status);
            let same = status == *found_status || (!exact && vague(status) && vague(*found_status));
            ensure!(same, "{id} is {status:?} and shown as {found_status:?}");
            *gauge(expect.entry(id.function.clone()).or_default(), status) += 1;
        }
        ensure!(shown.next().is_none(), "more deliveries are shown than there are");
        for (name, tally) in &self.facts.tallies {
            let counts = expect.entry(name.clone()).or_default();
            counts.committed = tally.committed;
            counts.dropped = tally.dropped;
            counts.retried = tally.retried;
        }
        for (name, found) in counts {
            let expect = expect.remove(name).unwrap_or_default();
            let exact = exact && self.facts.is_orderly(name);
            let fold = |c: Counts| if exact { c } else { all_ready(c) };
            ensure!(fold(*found) == fold(expect), "{name} counts {found:?}, not {expect:?}");
        }
        ensure!(expect.values().all(|c| *c == Counts::default()), "{expect:?} is not counted");
        Ok(())
    }

    /// None for one that is settled.
    fn status(&self, id: &DeliveryId, delivery: &Delivery) -> Option<Status> {
        match delivery.fate {
            Fate::Committed | Fate::Dropped => None,
            Fate::Dead => Some(Status::Dead),
            Fate::Open if self.is_running(id) => Some(Status::Running),
            Fate::Open if self.is_blocked(id, delivery) => Some(Status::Blocked),
            Fate::Open if self.due_of(id, delivery) > self.now => Some(Status::Waiting),
            Fate::Open => Some(Status::Ready),
        }
    }

    /// Whether its lane holds it back: for another that runs, or that is before it.
    fn is_blocked(&self, id: &DeliveryId, delivery: &Delivery) -> bool {
        let Some(key) = delivery.key.as_ref().filter(|_| delivery.place.0 <= self.now) else {
            return false;
        };
        let same = |run: &Run| {
            run.id.function == id.function && self.facts.deliveries[&run.id].key == delivery.key
        };
        self.attempts().any(same)
            || self.facts.lane_head(&id.function, key, self.now).is_some_and(|head| head != id)
    }

    /// One that would be ready waits for the others of its batch, or may.
    fn as_gathering(
        &self,
        id: &DeliveryId,
        delivery: &Delivery,
        status: Status,
        found: Status,
    ) -> Status {
        match self.gathers(id, delivery).filter(|_| status == Status::Ready) {
            Some(Must::Wait) => Status::Waiting,
            Some(Must::Either) if found == Status::Waiting => Status::Waiting,
            _ => status,
        }
    }

    pub(super) fn state(&self, entries: &[Entry]) -> Verdict {
        let all = self.facts.state_at(self.now);
        let expect: Vec<Entry> = all
            .map(|(((function, key), name), value)| {
                (function.clone(), key.clone(), name.clone(), value.clone())
            })
            .collect();
        ensure!(expect == entries, "the state is {entries:?}, not {expect:?}");
        Ok(())
    }

    /// Nothing is left to do: everything is settled, or dead, or stands behind a dead letter.
    pub(super) fn quiet(&self) -> Verdict {
        let open = |(id, delivery): &(&DeliveryId, &Delivery)| {
            delivery.fate == Fate::Open
                && !self.is_halted(id, delivery)
                && !self.sleeps(id, delivery, self.now)
        };
        let old = self.facts.deliveries.iter().find(|(id, _)| self.is_old(id));
        ensure!(old.is_none(), "{old:?} is kept for longer than its function says");
        let left = self.facts.deliveries.iter().find(open);
        ensure!(left.is_none(), "nothing is left to do, and {left:?} waits for ever");
        ensure!(self.runs.is_empty(), "a run has not ended: {:?}", self.runs);
        let replay = self.facts.replays.values().find(|replay| replay.is_running());
        ensure!(replay.is_none(), "nothing is left to do, and {replay:?} is not through");
        Ok(())
    }

    /// Whether it stands behind a dead letter.
    pub(super) fn is_halted(&self, id: &DeliveryId, delivery: &Delivery) -> bool {
        let key = delivery.key.as_ref();
        let head = key.and_then(|key| self.facts.lane_head(&id.function, key, self.now));
        head.is_some_and(|head| self.facts.deliveries[head].fate == Fate::Dead)
    }
}

fn gauge(counts: &mut Counts, status: Status) -> &mut u64 {
    match status {
        Status::Ready => &mut counts.ready,
        Status::Running => &mut counts.running,
        Status::Waiting => &mut counts.waiting,
        Status::Blocked => &mut counts.blocked,
        _ => &mut counts.dead,
    }
}

fn all_ready(mut counts: Counts) -> Counts {
    counts.ready += counts.waiting + counts.blocked;
    (counts.waiting, counts.blocked) = (0, 0);
    counts
}
