//! Dead letters, and the lanes that stand because of them.

use triphammer_model::Seq;

use super::{FnId, Queue};
use crate::entry::{DeadLetter, Entry};
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
}
