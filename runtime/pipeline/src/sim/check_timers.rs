//! Whether a commit sets and cancels the timers that its handler asked for: all of them, and no
//! others. That each comes, once and not before its time, is asked of every delivery.

use triphammer_journal::{Accepted, Settle};
use triphammer_model::{
    DeliveryId, Event, FunctionName, Hops, OrderingKey, TimerChange, Timestamp,
};

use super::check_accept::{expires, own_priority, usual_priority};
use super::checker::{Checker, Verdict, ensure};
use super::facts::{Delivery, Fate, Kind};
use super::seen::Seen;

impl Checker {
    /// `set` are the timers' events in the record, `cancelled` those that it gives up.
    pub(super) fn check_timers(
        &self,
        settle: &Settle,
        changes: &[TimerChange],
        set: &[Accepted],
        cancelled: &[DeliveryId],
    ) -> Verdict {
        let id = &settle.id;
        let mut changes: Vec<&TimerChange> = changes.iter().collect();
        changes.sort_by_key(|change| &change.name);
        let asked: Vec<_> = changes.iter().filter(|change| change.set.is_some()).collect();
        ensure!(asked.len() == set.len(), "{id} sets {} timers of {}", set.len(), asked.len());
        set.iter().for_each(|_| self.notes.saw(Seen::TimerSet));
        cancelled.iter().for_each(|_| self.notes.saw(Seen::TimerGivenUp));
        for (change, accepted) in asked.into_iter().zip(set) {
            self.check_timer(settle, change, accepted)?;
        }
        let mut expect = Vec::new();
        for change in changes {
            expect.extend(self.idle_timers(&id.function, settle.key.as_ref(), &change.name));
        }
        ensure!(expect == cancelled, "{id} gives up the timers {cancelled:?}, not {expect:?}");
        Ok(())
    }

    /// The open timers of a name that do not run.
    fn idle_timers(
        &self,
        function: &FunctionName,
        key: Option<&OrderingKey>,
        name: &str,
    ) -> Vec<DeliveryId> {
        let is_it = |(id, delivery): &(&DeliveryId, &Delivery)| {
            id.function == *function
                && delivery.key.as_ref() == key
                && delivery.kind == Kind::Timer(name.to_owned())
                && delivery.fate == Fate::Open
                && !self.is_running(id)
        };
        let found = self.facts.deliveries.iter().filter(is_it);
        found.map(|(id, _)| id.clone()).collect()
    }

    fn check_timer(&self, settle: &Settle, change: &TimerChange, accepted: &Accepted) -> Verdict {
        let (id, name, event) = (&settle.id, &change.name, &accepted.event);
        let timer = change.set.as_ref().ok_or("a timer that is not set")?;
        let parts = &timer.parts;
        let same = event.ty() == parts.ty
            && event.subject() == parts.subject.as_deref()
            && event.data() == parts.data.as_deref()
            && event.source() == format!("/functions/{}", id.function);
        ensure!(same, "{id} sets {name} with another event than it asked for");
        let repeated = |e: &Event| e.id() == event.id() && e.source() == event.source();
        ensure!(!self.facts.events.values().any(repeated), "{} is made twice", event.id());
        ensure!(accepted.hops == Hops(0), "{id} sets {name} at {:?}", accepted.hops);
        let [new] = accepted.deliveries.as_slice() else {
            return Err(format!("{id} sets {name} for others too"));
        };
        let due = Timestamp(settle.at.ms() + timer.after_ms);
        let own = new.function == id.function && new.key == settle.key && new.dead.is_none();
        ensure!(own, "{id} sets {name} for another lane: {new:?}");
        ensure!(new.name.as_ref() == Some(name), "{id} sets {name} as {:?}", new.name);
        ensure!(new.due == Some(due), "{id} sets {name} for {:?}, not {due:?}", new.due);
        ensure!(new.expires == expires(event), "{id} sets {name} to expire {:?}", new.expires);
        let usual = || self.facts.manifest(&id.function).map(usual_priority);
        let (expect, found) = (own_priority(event).or_else(usual), new.priority.get());
        ensure!(expect == Some(u32::from(found)), "{name}: priority {found}, not {expect:?}");
        Ok(())
    }
}
