//! What comes due: deliveries that wait, functions that open again, dead letters that are old.

use triphammer_model::{DeliveryId, Timestamp};

use super::Queue;
use crate::entry::State;
use crate::slab::Slot;

impl Queue {
    /// Makes ready what has come due, and says when to look again.
    pub(crate) fn release_due(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.seen(now);
        self.open_by(now);
        while let Some((due, order, slot)) = self.timers.first().copied() {
            if due > now {
                break;
            }
            self.timers.remove(&(due, order, slot));
            self.end_debounce(slot);
            let entry = &mut self.entries[slot];
            let id = entry.function;
            let in_lane = entry.in_lane;
            if !in_lane {
                let (entered, order) = entry.place();
                entry.move_to(entered.max(due), order);
            }
            self.function_mut(id).counts.waiting -= 1;
            if in_lane {
                self.make_ready(slot);
            } else {
                self.enter(slot);
            }
        }
        self.next_due()
    }

    /// When [`Queue::release_due`] or [`Queue::old_letters`] has something to do.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(due, ..)| *due);
        let opens = self.closed.first().map(|(until, _)| *until);
        let letter = self.forgetful.iter().filter_map(|id| {
            let function = self.function(*id);
            Some(Timestamp(
                function.dead.oldest()?.ms().saturating_add(function.rules.keep_dead_ms?),
            ))
        });
        letter.chain(timer).chain(opens).min()
    }

    /// Up to `most` dead letters that have been kept for long enough.
    pub(crate) fn old_letters(&self, now: Timestamp, most: usize) -> Vec<DeliveryId> {
        let mut found = Vec::new();
        for id in &self.forgetful {
            let function = self.function(*id);
            let keep_ms = function.rules.keep_dead_ms.unwrap_or(u64::MAX);
            let Some(died) = now.ms().checked_sub(keep_ms) else { continue };
            let old = function.dead.died_by(Timestamp(died), most - found.len());
            let name = || function.name.clone();
            found.extend(old.into_iter().map(|seq| DeliveryId { seq, function: name() }));
        }
        found
    }

    /// When a waiting delivery may run.
    pub(crate) fn due(&self, slot: Slot) -> Option<Timestamp> {
        match self.entries[slot].state {
            State::Waiting => Some(self.entries[slot].due()),
            _ => None,
        }
    }

    pub(super) fn wait(&mut self, slot: Slot, due: Timestamp) {
        let entry = &mut self.entries[slot];
        entry.wait_until(due);
        self.timers.insert((due, entry.place().1, slot));
        let id = entry.function;
        self.function_mut(id).counts.waiting += 1;
    }
}
