//! Dead letters, and the lanes that stand because of them.

use triphammer_model::{OrderingKey, Seq};

use super::{FnId, Queue};
use crate::entry::{DeadLetter, Entry, State};
use crate::slab::Slot;

impl Queue {
    /// A running delivery has become a dead letter, which `bury` makes of it. Its lane goes on,
    /// or stands.
    pub(crate) fn finish_dead(
        &mut self,
        slot: Slot,
        bury: impl FnOnce(Entry) -> Box<DeadLetter>,
    ) -> bool {
        let Some(entry) = self.take_running(slot) else { return false };
        let (id, key) = (entry.function, entry.key.clone());
        self.bury(id, bury(entry));
        if let Some(key) = &key {
            self.function_mut(id).leave_active(key);
            self.advance(id, key);
        }
        self.offer(id);
        true
    }

    /// Keeps a dead letter.
    pub(crate) fn bury(&mut self, id: FnId, letter: Box<DeadLetter>) {
        let function = self.function_mut(id);
        function.dead.insert(letter);
        function.counts.dead += 1;
    }

    /// Takes a dead letter out. A lane that it halted goes on with [`Queue::resume_lane`].
    pub(crate) fn unbury(&mut self, id: FnId, seq: Seq) -> Option<Box<DeadLetter>> {
        let function = self.function_mut(id);
        let letter = function.dead.remove(seq)?;
        function.counts.dead -= 1;
        Some(letter)
    }

    pub(crate) fn resume_lane(&mut self, id: FnId, key: Option<&OrderingKey>) {
        if let Some(key) = key {
            self.advance(id, key);
        }
    }

    /// Takes in a delivery that was redriven from a halted lane: it goes on from there.
    pub(crate) fn insert_first(&mut self, entry: Entry) -> Slot {
        let slot = self.place(entry);
        self.enter(slot, true);
        slot
    }

    /// What is ready in a lane that is halted now goes back to its front.
    pub(super) fn call_back_halted(&mut self, id: FnId) {
        let (functions, entries) = (&mut self.functions, &mut self.entries);
        let function = &mut functions[id.0 as usize];
        let (ready, dead) = (&mut function.ready, &function.dead);
        let halted = |slot: Slot| entries[slot].key.as_ref().is_some_and(|k| dead.is_halted(k));
        for slot in ready.take(halted) {
            let entry = &mut entries[slot];
            entry.state = State::Blocked;
            function.counts.ready -= 1;
            if let Some(key) = &entry.key {
                function.leave_active(key);
                function.join_lane(key, slot, true);
            }
        }
    }
}
