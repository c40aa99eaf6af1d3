//! Senders that wait for an event's deliveries to settle, and for those of the events that they
//! emit. Knows nothing of HTTP, nor of history.

use std::collections::HashMap;

use tokio::sync::mpsc;
use triphammer_journal::Accepted;
use triphammer_model::{DeliveryId, FunctionName, Seq};

use crate::info::DeliveryResult;
use crate::intake::nth;
use crate::timers;

/// A settlement, and the record that must be on disk before anybody is told.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) event: Seq,
    pub(crate) record: Seq,
    pub(crate) result: DeliveryResult,
}

/// What a sender that waits is told, in the order in which it happened.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Settled(News),
    /// A delivery's commit, told next, has emitted these; they are watched already.
    Emitted(DeliveryId, Vec<Child>),
}

/// An event that an attempt has emitted.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) seq: Seq,
    pub(crate) ty: String,
    pub(crate) id: String,
    /// Those that it goes to.
    pub(crate) functions: Vec<FunctionName>,
}

impl Child {
    pub(crate) fn new(seq: Seq, accepted: &Accepted) -> Self {
        Self {
            seq,
            ty: accepted.event.ty().to_owned(),
            id: accepted.event.id().to_owned(),
            functions: accepted.deliveries.iter().map(|d| d.function.clone()).collect(),
        }
    }
}

/// One who waits, for so many generations of emitted events.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) sender: mpsc::UnboundedSender<Told>,
    pub(crate) depth: u8,
}

/// Unbounded channels are right here: an event has at most as many settlements as deliveries,
/// a redrive after that is told to nobody twice, and who waits for too many events gives up.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_event: HashMap<Seq, Vec<Watch>>,
}

impl Waiters {
    pub(crate) fn watch(&mut self, event: Seq, watch: Watch) {
        let watches = self.by_event.entry(event).or_default();
        watches.retain(|watch| !watch.sender.is_closed());
        watches.push(watch);
    }

    /// `make` runs only when somebody waits for this event.
    pub(crate) fn tell(&mut self, event: Seq, make: impl FnOnce() -> News) {
        if self.by_event.is_empty() {
            return;
        }
        let Some(watches) = self.by_event.get_mut(&event) else { return };
        let news = make();
        watches.retain(|watch| watch.sender.send(Told::Settled(news.clone())).is_ok());
        if watches.is_empty() {
            self.by_event.remove(&event);
        }
    }

    /// Who waits for a delivery's emitted events as well watches them from now on: to be called
    /// before they are taken in, because some settle at once.
    pub(crate) fn follow(&mut self, id: &DeliveryId, first: Seq, emitted: &[Accepted]) {
        if self.by_event.is_empty() || emitted.is_empty() {
            return;
        }
        let Some(watches) = self.by_event.get(&id.seq) else { return };
        let deeper = |watch: &&Watch| watch.depth > 0 && !watch.sender.is_closed();
        let watches: Vec<Watch> = watches.iter().filter(deeper).cloned().collect();
        if watches.is_empty() {
            return;
        }
        // A timer is for later: nobody waits for it.
        let numbered = emitted.iter().enumerate().filter(|(_, accepted)| !timers::is_set(accepted));
        let children: Vec<Child> =
            numbered.map(|(index, accepted)| Child::new(nth(first, index), accepted)).collect();
        for Watch { sender, depth } in watches {
            // Who has gone meanwhile is forgotten with the next that is told.
            if sender.send(Told::Emitted(id.clone(), children.clone())).is_err() {
                continue;
            }
            for child in children.iter().filter(|child| !child.functions.is_empty()) {
                self.watch(child.seq, Watch { sender: sender.clone(), depth: depth - 1 });
            }
        }
    }

    /// Forgets who does not wait for this event any more.
    pub(crate) fn forget(&mut self, event: Seq) {
        if let Some(watches) = self.by_event.get_mut(&event) {
            watches.retain(|watch| !watch.sender.is_closed());
            if watches.is_empty() {
                self.by_event.remove(&event);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_event.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use triphammer_journal::NewDelivery;
    use triphammer_model::{Event, EventParts, Hops};

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    fn emitted(functions: &[&str]) -> Accepted {
        let parts = EventParts {
            id: "i".into(),
            source: "s".into(),
            ty: "t".into(),
            ..EventParts::default()
        };
        let delivery = |name: &&str| NewDelivery::new(name.parse().unwrap(), None);
        Accepted {
            event: Event::new(&parts).unwrap(),
            hops: Hops(1),
            dedup: None,
            deliveries: functions.iter().map(delivery).collect(),
        }
    }

    #[test]
    fn each_generation_is_watched_by_those_who_ask_for_it() {
        let mut waiters = Waiters::default();
        let (sender, mut deep) = mpsc::unbounded_channel();
        waiters.watch(seq(1), Watch { sender, depth: 1 });
        let (sender, mut flat) = mpsc::unbounded_channel();
        waiters.watch(seq(1), Watch { sender, depth: 0 });
        let id = |number| DeliveryId { seq: seq(number), function: "f".parse().unwrap() };
        waiters.follow(&id(1), seq(3), &[emitted(&["g"]), emitted(&[])]);
        let Ok(Told::Emitted(_, children)) = deep.try_recv() else { panic!("nothing is told") };
        assert_eq!(children.iter().map(|child| child.seq).collect::<Vec<_>>(), [seq(3), seq(4)]);
        assert!(flat.try_recv().is_err());
        // The next generation is nobody's.
        waiters.follow(&id(3), seq(6), &[emitted(&["h"])]);
        assert!(deep.try_recv().is_err());
        drop((deep, flat));
        waiters.forget(seq(1));
        waiters.forget(seq(3));
        assert!(waiters.is_empty());
    }
}
