//! Deliveries that are taken out without having run: however many, their lanes and what is ready are
//! gone through once.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use triphammer_model::OrderingKey;

use super::{FnId, Queue};
use crate::entry::{Entry, State};
use crate::slab::Slot;

type Slots = HashSet<Slot, RandomState>;
/// By lane, those of it that it holds back.
type Held = HashMap<(FnId, OrderingKey), Vec<Slot>, RandomState>;

impl Queue {
    /// Takes out a delivery that does not run.
    #[cfg(test)]
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Entry> {
        self.remove_all(&[slot]).pop()
    }

    /// Takes out those of these deliveries that do not run.
    pub(crate) fn remove_all(&mut self, slots: &[Slot]) -> Vec<Entry> {
        let idle = |slot: &Slot| {
            let entry = self.entries.get(*slot);
            entry.is_some_and(|entry| !matches!(entry.state, State::Running | State::Along))
        };
        let gone: Slots = slots.iter().copied().filter(idle).collect();
        self.take_ready(&gone);
        self.take_held(&gone);
        let mut taken = Vec::with_capacity(gone.len());
        for slot in slots.iter().filter(|slot| gone.contains(slot)) {
            taken.extend(self.take_idle(*slot));
        }
        // Only now, or they would let go of each other.
        for entry in &taken {
            if entry.state == State::Blocked {
                self.resume_lane(entry.function, entry.key.as_ref());
            } else {
                self.go_on(entry);
            }
        }
        taken
    }

    fn take_ready(&mut self, gone: &Slots) {
        let ready = gone.iter().filter(|slot| self.entries[**slot].state == State::Ready);
        let functions: HashSet<FnId, RandomState> =
            ready.map(|slot| self.entries[*slot].function).collect();
        for id in functions {
            self.function_mut(id).ready.take(|slot| gone.contains(&slot));
        }
    }

    fn take_held(&mut self, gone: &Slots) {
        let mut held = Held::default();
        for slot in gone {
            let entry = &self.entries[*slot];
            if let (State::Blocked, Some(key)) = (entry.state, &entry.key) {
                held.entry((entry.function, key.clone())).or_default().push(*slot);
            }
        }
        for ((id, key), slots) in held {
            self.leave_rests(id, &key, &slots, gone);
        }
    }

    /// Takes these out of those that a lane holds back. They are in the order of their places, so
    /// only what is between these is looked at.
    fn leave_rests(&mut self, id: FnId, key: &OrderingKey, slots: &[Slot], gone: &Slots) {
        let (functions, entries) = (&mut self.functions, &self.entries);
        let place = |slot: &Slot| (entries[*slot].place(), entries[*slot].seq);
        let function = &mut functions[id.0 as usize];
        let Some(lane) = function.lanes.get_mut(key) else { return };
        let (first, last) = (slots.iter().map(place).min(), slots.iter().map(place).max());
        let from = lane.rest.partition_point(|slot| Some(place(slot)) < first);
        let to = lane.rest.partition_point(|slot| Some(place(slot)) <= last).max(from);
        let left = lane.rest.len() - slots.len();
        let mut behind = lane.rest.split_off(to);
        let between = lane.rest.split_off(from);
        lane.rest.extend(between.into_iter().filter(|slot| !gone.contains(slot)));
        lane.rest.append(&mut behind);
        if lane.rest.len() > left {
            // A slot that stays would be another delivery's: better to look through all.
            lane.rest.retain(|slot| !gone.contains(slot));
        }
        function.counts.blocked -= slots.len() as u64;
    }

    /// Takes one out that is in no lane's rest and not among the ready any more.
    fn take_idle(&mut self, slot: Slot) -> Option<Entry> {
        // It may be named twice.
        self.entries.get(slot)?;
        self.end_debounce(slot);
        let entry = &self.entries[slot];
        let (due, order) = (entry.due(), entry.place().1);
        let function = &mut self.functions[entry.function.0 as usize];
        match entry.state {
            State::Ready => {
                function.counts.ready -= 1;
                function.exclusive = function.exclusive.filter(|other| *other != slot);
            }
            State::Waiting => {
                function.counts.waiting -= 1;
                self.timers.remove(&(due, order, slot));
            }
            State::Running | State::Along | State::Blocked => {}
        }
        self.take_out(slot)
    }
}
