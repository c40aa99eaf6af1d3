//! Whether no more is let in and begins than functions say, and what is too much is given up: it,
//! and nothing else.

use std::collections::BTreeMap;

use triphammer_journal::{DropReason, Record};
use triphammer_model::{DeliveryId, FunctionName, OrderingKey, Rate, Seq, Timestamp};

use super::checker::{Checker, Verdict, ensure};
use super::facts::{Delivery, Fate, Kind};
use super::seen::Seen;

/// What is known of the flow since the host is up.
#[derive(Debug, Default)]
pub(super) struct Flow {
    started: BTreeMap<FunctionName, Window>,
    let_in: BTreeMap<FunctionName, Window>,
    /// No attempt of a function that is throttled begins before.
    closed: BTreeMap<FunctionName, Timestamp>,
    /// What must be given up before anybody looks, and why.
    owed: BTreeMap<DeliveryId, DropReason>,
}

/// When the last ones were, the oldest first.
#[derive(Debug)]
struct Window {
    rate: Rate,
    times: Vec<Timestamp>,
}

impl Window {
    fn has_room(&self, now: Timestamp) -> bool {
        let within = self.times.iter().filter(|time| time.plus(self.rate.period) > now);
        within.count() < self.rate.limit as usize
    }

    fn take(&mut self, now: Timestamp) {
        self.times.retain(|time| time.plus(self.rate.period) > now);
        self.times.push(now);
    }

    /// Another rate goes on with as many of the last ones as it lets in.
    fn set(&mut self, rate: Rate) {
        let over = self.times.len().saturating_sub(rate.limit as usize);
        self.times.drain(..over);
        self.rate = rate;
    }
}

fn set(windows: &mut BTreeMap<FunctionName, Window>, name: &FunctionName, rate: Option<Rate>) {
    let Some(rate) = rate else { return drop(windows.remove(name)) };
    windows.entry(name.clone()).or_insert(Window { rate, times: Vec::new() }).set(rate);
}

impl Checker {
    /// A definition has become true.
    pub(super) fn flow_defined(&mut self, name: &FunctionName) {
        let manifest = self.facts.manifest(name);
        let throttle = manifest.and_then(|manifest| manifest.throttle);
        let rate_limit = manifest.and_then(|manifest| manifest.rate_limit);
        set(&mut self.flow.started, name, throttle);
        set(&mut self.flow.let_in, name, rate_limit);
        if throttle.is_none() {
            self.flow.closed.remove(name);
        }
    }

    pub(super) fn flow_up(&mut self) {
        self.flow = Flow::default();
        let names: Vec<FunctionName> = self.facts.functions.keys().cloned().collect();
        for name in names {
            self.flow_defined(&name);
            // What began before is not known, so it may have been all.
            if let Some(window) = self.flow.started.get(&name) {
                self.flow.closed.insert(name, self.now.plus(window.rate.period));
            }
        }
        // A crash may come between a delivery and the end of the one whose place it takes.
        let mut last: BTreeMap<(&FunctionName, Option<&OrderingKey>), (&DeliveryId, Timestamp)> =
            BTreeMap::new();
        for (id, delivery) in &self.facts.deliveries {
            let Kind::Debounced { until, .. } = delivery.kind else { continue };
            if delivery.fate != Fate::Open {
                continue;
            }
            let of = (&id.function, delivery.key.as_ref());
            if let Some((before, waits)) = last.insert(of, (id, until))
                && delivery.accepted < waits
            {
                self.notes.saw(Seen::DebounceTorn);
                self.flow.owed.insert(before.clone(), DropReason::Debounced);
            }
        }
    }

    /// An attempt begins.
    pub(super) fn flow_started(&mut self, id: &DeliveryId) -> Verdict {
        let name = &id.function;
        let closed = self.flow.closed.get(name).copied().unwrap_or_default();
        ensure!(closed <= self.now, "{id} begins too soon after the host: {closed:?}");
        if let Some(window) = self.flow.started.get_mut(name) {
            ensure!(window.has_room(self.now), "{id} begins, and {:?} have", window.times);
            window.take(self.now);
            if !window.has_room(self.now) {
                self.notes.saw(Seen::ThrottleFull);
            }
        }
        if self.flow.closed.remove(name).is_some() {
            self.notes.saw(Seen::ThrottleOpens);
        }
        Ok(())
    }

    /// Says what the deliveries of a record are too many for.
    pub(super) fn flow_took_in(&mut self, seq: Seq, record: &Record) {
        let (offset, events) = record.events();
        for (number, accepted) in (seq.get() + offset..).zip(events) {
            let seq = Seq::new(number).expect("it is above zero");
            for new in &accepted.deliveries {
                let id = DeliveryId { seq, function: new.function.clone() };
                let delivery = &self.facts.deliveries[&id];
                if delivery.fate == Fate::Open {
                    let (kind, key) = (delivery.kind.clone(), delivery.key.clone());
                    self.one_more(&id, &kind, key.as_ref());
                }
            }
        }
    }

    fn one_more(&mut self, id: &DeliveryId, kind: &Kind, key: Option<&OrderingKey>) {
        let own = matches!(kind, Kind::Timer(_) | Kind::Firing(_));
        if let Some(window) = self.flow.let_in.get_mut(&id.function).filter(|_| !own) {
            if !window.has_room(self.now) {
                self.flow.owed.insert(id.clone(), DropReason::RateLimited);
                return;
            }
            window.take(self.now);
        }
        if !matches!(kind, Kind::Debounced { .. }) {
            return;
        }
        let waits = |(other, delivery): &(&DeliveryId, &Delivery)| {
            let until = match delivery.kind {
                Kind::Debounced { until, .. } => until,
                _ => return false,
            };
            *other < id
                && other.function == id.function
                && delivery.key.as_ref() == key
                && delivery.fate == Fate::Open
                && until > self.now
                && !self.flow.owed.contains_key(*other)
        };
        let before: Vec<DeliveryId> =
            self.facts.deliveries.iter().filter(waits).map(|(id, _)| id.clone()).collect();
        for before in before {
            self.flow.owed.insert(before, DropReason::Debounced);
        }
    }

    /// A delivery is given up because of what came in.
    pub(super) fn check_surplus(&mut self, id: &DeliveryId, why: DropReason) -> Verdict {
        let owed = self.flow.owed.remove(id);
        ensure!(owed == Some(why), "{id} is given up as {why:?}, and it was {owed:?}");
        let open = self.facts.deliveries.get(id).is_some_and(|d| d.fate == Fate::Open);
        ensure!(open, "{id} is given up as {why:?}, and is not open");
        let limited = why == DropReason::RateLimited;
        self.notes.saw(if limited { Seen::RateLimited } else { Seen::Debounced });
        Ok(())
    }

    /// Before anybody looks all that is too much is gone.
    pub(super) fn check_flow(&self) -> Verdict {
        ensure!(self.flow.owed.is_empty(), "too much, and not given up: {:?}", self.flow.owed);
        Ok(())
    }
}
