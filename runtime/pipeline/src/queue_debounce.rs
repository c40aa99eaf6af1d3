//! Deliveries that wait for whether another of their key comes: it would take their place.

use std::collections::{BTreeSet, HashMap};

use triphammer_model::Timestamp;

use super::Queue;
use crate::debounce::{self, Wait};
use crate::slab::Slot;

impl Queue {
    /// A debounced delivery has come in, or come back. Answers which one's place it takes.
    pub(crate) fn debounce(&mut self, slot: Slot) -> Option<Slot> {
        let entry = &mut self.entries[slot];
        let (id, key) = (entry.function, entry.key.clone());
        if entry.in_lane {
            // The wait that it goes on with has been the longest there may be: it runs now, or
            // gathers its batch.
            entry.forget_name();
            return self.function_mut(id).waits.remove(&key).map(|wait| wait.slot);
        }
        let first = debounce::first(entry.name().map(|name| &**name), entry.accepted);
        let earlier = self.function_mut(id).waits.insert(key, Wait { slot, first });
        earlier.map(|wait| wait.slot)
    }

    /// It waits no longer: nothing takes its place any more.
    pub(super) fn end_debounce(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot];
        if !debounce::is_debounced(entry.name().map(|name| &**name)) {
            return;
        }
        entry.forget_name();
        let waits = &mut self.functions[entry.function.0 as usize].waits;
        if waits.get(&entry.key).is_some_and(|wait| wait.slot == slot) {
            waits.remove(&entry.key);
        }
    }

    /// Which of these debounced deliveries, with the time when each is due, another has taken the
    /// place of: they are in the order in which they were accepted. The others wait.
    pub(crate) fn debounce_again(&mut self, debounced: &[(Slot, Timestamp)]) -> Vec<Slot> {
        let mut last = HashMap::new();
        let mut replaced = BTreeSet::new();
        for (slot, due) in debounced {
            let entry = &self.entries[*slot];
            let of = (entry.function, entry.key.clone());
            if let Some((earlier, until)) = last.insert(of, (*slot, *due))
                && entry.accepted < until
            {
                replaced.insert(earlier);
            }
        }
        for (slot, _) in debounced.iter().filter(|(slot, _)| !replaced.contains(slot)) {
            self.debounce(*slot);
        }
        replaced.into_iter().collect()
    }
}
