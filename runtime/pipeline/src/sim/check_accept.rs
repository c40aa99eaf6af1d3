//! Whether what is taken in goes where it must: to whom, under which key, how urgent, and when.

use std::collections::BTreeSet;

use triphammer_journal::{Accept, Accepted, Entrance, NewDelivery, Record};
use triphammer_model::{
    DeliveryId, Event, ExtensionValue, FunctionName, Hops, Manifest, OrderingKey, Seq, Timestamp,
};

use super::checker::{Checker, Verdict, ensure};
use super::facts::FIRING;
use super::seen::Seen;

/// How an event comes to its functions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// To whoever asks for it, not before so many milliseconds.
    Routed(Option<u64>),
    /// Once more: to this function alone, or to whoever asks for it.
    Replayed(Option<&'a FunctionName>),
}

pub(super) fn is_notice(event: &Event) -> bool {
    event.ty().starts_with("triphammer.") && event.ty() != FIRING
}

/// A time that an event says itself.
fn own_time(event: &Event, name: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&event.extension(name)?.to_text())
}

/// When an event that is accepted at `now` may be handled, as it says itself.
fn not_before(event: &Event, now: Timestamp) -> Timestamp {
    let delay = event.extension("delay").map(|value| value.to_text());
    let delay: Option<u64> = delay.map(|text| text.trim_end_matches("ms").parse().unwrap());
    let delayed = Timestamp(now.ms() + delay.unwrap_or(0));
    own_time(event, "notbefore").map_or(delayed, |time| time.max(delayed))
}

pub(super) fn expires(event: &Event) -> Option<Timestamp> {
    own_time(event, "expirytime")
}

/// An event's own priority, if it has one.
pub(super) fn own_priority(event: &Event) -> Option<u32> {
    match event.extension("priority") {
        Some(ExtensionValue::Integer(own @ 0..10)) => Some(own as u32),
        _ => None,
    }
}

impl Checker {
    pub(super) fn check_accept(&mut self, seq: Seq, accept: &Accept) -> Verdict {
        if accept.entrance == Entrance::Host {
            if accept.events.iter().all(|accepted| accepted.event.ty() == FIRING) {
                return accept.events.iter().try_for_each(|made| self.check_firing(seq, made));
            }
            if let [probing] = &accept.events[..]
                && probing.event.ty() == "triphammer.breaker.probing"
            {
                return self.check_probing_told(probing);
            }
            let owed = std::mem::take(&mut self.owed);
            ensure!(owed.len() == accept.events.len(), "{owed:?} died, and others are told of");
            let all = owed.iter().zip(&accept.events);
            return all.into_iter().try_for_each(|(id, notice)| self.check_notice(id, notice));
        }
        ensure!(accept.entrance == Entrance::Ingress, "an event came in by {:?}", accept.entrance);
        let events: Vec<&Event> = accept.events.iter().map(|accepted| &accepted.event).collect();
        ensure!(self.is_sent(&events), "events that nobody sent, or not together");
        let mut new = BTreeSet::new();
        for accepted in &accept.events {
            let event = &accepted.event;
            let (source, id) = (event.source().to_owned(), event.id().to_owned());
            let again =
                self.facts.known.contains_key(&(Entrance::Ingress, source.clone(), id.clone()));
            ensure!(
                (!again || self.failed) && new.insert((source, id.clone())),
                "event {id} is taken in twice"
            );
            ensure!(accepted.dedup.is_some(), "event {id} can't be recognised again");
            ensure!(accepted.hops == Hops(0), "event {id} has come a long way");
            self.check_routes(accepted, Way::Routed(None))?;
        }
        Ok(())
    }

    pub(super) fn check_routes(&self, accepted: &Accepted, way: Way<'_>) -> Verdict {
        let event = &accepted.event;
        let expect = match way {
            Way::Replayed(Some(name)) => vec![(name.clone(), self.facts.key(name, event))],
            _ => self.facts.route(event),
        };
        let found = &accepted.deliveries;
        let names = |(name, _): &(FunctionName, _)| name.clone();
        let to: Vec<FunctionName> = expect.iter().map(names).collect();
        let goes: Vec<FunctionName> = found.iter().map(|new| new.function.clone()).collect();
        ensure!(to == goes, "event {} goes to {goes:?}, not {to:?}", event.id());
        for ((_, key), new) in expect.iter().zip(found) {
            let id = event.id();
            let usual = match way {
                Way::Routed(_) => self.facts.manifest(&new.function).map(usual_priority),
                Way::Replayed(_) => Some(0),
            };
            let (expect, found) = (own_priority(event).or(usual), new.priority.get());
            ensure!(expect == Some(u32::from(found)), "{id}: priority {found}, not {expect:?}");
            let Ok(key) = key else {
                let dead = new.dead.as_ref().map(|error| error.code.as_str());
                ensure!(dead == Some("route.key_missing"), "{id} has no key, and is {dead:?}");
                continue;
            };
            let same = key.as_deref() == new.key.as_ref().map(OrderingKey::as_str);
            ensure!(same && new.dead.is_none(), "{id} goes to {new:?}, under {key:?}");
            self.check_times(event, new, way)?;
        }
        Ok(())
    }

    fn check_times(&self, event: &Event, new: &NewDelivery, way: Way<'_>) -> Verdict {
        let (due, gone) = match way {
            Way::Routed(delay_ms) => (self.due(event, new, delay_ms), expires(event)),
            Way::Replayed(_) => (self.now, None),
        };
        let found = new.due.unwrap_or(self.now).max(self.now);
        let (id, due) = (event.id(), due.max(self.now));
        ensure!(found == due, "event {id} is due {found:?} at {}, not {due:?}", new.function);
        ensure!(new.expires == gone, "event {id} expires {:?}, not {gone:?}", new.expires);
        Ok(())
    }

    /// When a delivery is to run: not before its time, and after a pause in what has its key.
    fn due(&self, event: &Event, new: &NewDelivery, delay_ms: Option<u64>) -> Timestamp {
        let asked = Timestamp(self.now.ms() + delay_ms.unwrap_or(0));
        let own = not_before(event, self.now).max(asked);
        let debounce = self.facts.manifest(&new.function).and_then(|manifest| manifest.debounce);
        let Some(debounce) = debounce else { return own };
        let pause = self.now.plus(debounce.period);
        let wait = self.facts.wait(&new.function, new.key.as_ref(), self.now);
        match debounce.max.zip(wait) {
            Some((max, (_, first))) if own <= pause => {
                self.notes.saw(Seen::WaitBounded);
                pause.min(first.plus(max))
            }
            _ => own.max(pause),
        }
    }

    /// Dead letters from the beginning: the host tells of them next.
    pub(super) fn owe(&mut self, seq: Seq, record: &Record) {
        let (offset, events) = record.events();
        for (index, accepted) in (seq.get() + offset..).zip(events) {
            let seq = Seq::new(index).expect("it is above zero");
            let dead = accepted.deliveries.iter().filter(|new| new.dead.is_some());
            if !is_notice(&accepted.event) {
                let id = |new: &NewDelivery| DeliveryId { seq, function: new.function.clone() };
                self.owed.extend(dead.map(id));
            }
        }
    }

    /// The host's own event about a dead letter.
    pub(super) fn check_notice(&self, id: &DeliveryId, notice: &Accepted) -> Verdict {
        let event = &notice.event;
        let about =
            event.ty() == "triphammer.delivery.dead" && event.subject() == Some(&id.to_string());
        ensure!(about, "{id} is dead, and the host tells of {:?}", event.subject());
        let hops = self.facts.deliveries[id].hops.0 + 1;
        ensure!(notice.hops.0 == hops, "the notice of {id} is at {:?}", notice.hops);
        self.check_routes(notice, Way::Routed(None))
    }
}

/// Of a function's deliveries.
pub(super) fn usual_priority(manifest: &Manifest) -> u32 {
    u32::from(manifest.priority.get())
}
