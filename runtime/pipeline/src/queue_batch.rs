//! Deliveries that run together: what waits until its batch is full or has waited for long enough,
//! and what a turn takes along.
//!
//! Of a function with ordering keys the head of a lane waits, and takes along what is behind it. One
//! without keys is closed while what is ready does not fill a batch, and takes along what is next.

use triphammer_model::{Batch, OrderingKey, Timestamp};

use super::{FnId, Queue};
use crate::entry::{Entry, State};
use crate::fn_queue::FnQueue;
use crate::gates::Gate;
use crate::slab::Slot;

impl Queue {
    /// A running delivery takes along what `fits`, up to `most` together: that runs from now on.
    pub(crate) fn gather(
        &mut self,
        first: Slot,
        most: u32,
        now: Timestamp,
        fits: impl Fn(&Entry) -> bool,
    ) -> Vec<Slot> {
        let mut along = Vec::new();
        if !self.entries[first].shares() {
            return along;
        }
        let fits = |entry: &Entry| {
            let expired = entry.expires().is_some_and(|expires| expires <= now);
            entry.shares() && !expired && fits(entry)
        };
        while along.len() + 1 < most as usize
            && let Some(slot) = self.take_along(first, &fits)
        {
            along.push(slot);
        }
        self.offer(self.entries[first].function);
        along
    }

    /// Deliveries that ran along with another go back to where they were, in their order. Those that
    /// have no lane run again not before `due`.
    pub(crate) fn put_back(&mut self, along: &[Slot], due: Timestamp) {
        for slot in along.iter().rev() {
            self.stop_running(*slot);
            let entry = &mut self.entries[*slot];
            let function = &mut self.functions[entry.function.0 as usize];
            match &entry.key {
                Some(key) => {
                    entry.state = State::Blocked;
                    function.return_to_lane(key, *slot);
                }
                None if due > self.now => {
                    entry.tried = true;
                    self.wait(*slot, due);
                }
                None => self.make_ready(*slot),
            }
        }
        let Some(entry) = along.first().map(|slot| &self.entries[*slot]) else { return };
        let (id, key) = (entry.function, entry.key.clone());
        self.resume_lane(id, key.as_ref());
        self.offer(id);
    }

    /// They run without others from now on: one of them may be what made their batch fail.
    pub(crate) fn part(&mut self, slots: impl Iterator<Item = Slot>) {
        slots.for_each(|slot| self.entries[slot].tried = true);
    }

    /// How many of its batch are there, of how many, if a delivery waits for others.
    pub(crate) fn forming(&self, slot: Slot) -> Option<(u64, u32)> {
        let entry = &self.entries[slot];
        let function = self.function(entry.function);
        let most = function.rules.batch?.max;
        if !self.is_forming(slot) {
            return None;
        }
        let lane = function.lanes.get(entry.key.as_ref()?)?;
        Some((lane.rest.len() as u64 + 1, most))
    }

    /// A delivery has left the rest of its lane: it is ready, or waits, for others or for the time of
    /// its next attempt.
    pub(super) fn leave_rest(&mut self, slot: Slot) {
        let entry = &self.entries[slot];
        let again = (entry.tried && entry.due() > self.now).then_some(entry.due());
        match again.or_else(|| self.fills_until(slot)) {
            Some(until) => self.wait(slot, until),
            None => self.make_ready(slot),
        }
    }

    /// Another has come to the lane. Its head waits no longer when they are enough.
    pub(super) fn fill(&mut self, id: FnId, key: &OrderingKey) {
        let function = self.function(id);
        let (Some(batch), Some(lane)) = (function.rules.batch, function.lanes.get(key)) else {
            return;
        };
        if lane.rest.len() + 1 >= batch.max as usize
            && lane.active == 1
            && let Some(head) = self.head_of(id, key)
        {
            self.end_wait(head);
        }
    }

    /// Nothing waits for others any longer: the rules are new.
    pub(super) fn end_forming(&mut self, id: FnId) {
        let lanes = self.function(id).lanes.iter().filter(|(_, lane)| lane.active == 1);
        let heads: Vec<Slot> = lanes.filter_map(|(key, _)| self.head_of(id, key)).collect();
        heads.into_iter().for_each(|head| self.end_wait(head));
    }

    /// Heads of lanes that are ready wait for others after all, where the rules say so. A start has put
    /// them there before it knew the rules.
    pub(super) fn form_again(&mut self, id: FnId) {
        let function = &mut self.functions[id.0 as usize];
        if function.rules.batch.is_none() {
            return;
        }
        let (ready, lanes, entries) = (&mut function.ready, &function.lanes, &self.entries);
        let is_head = |slot: Slot| {
            let lane = entries[slot].key.as_ref().and_then(|key| lanes.get(key));
            lane.is_some_and(|lane| lane.active == 1 && lane.head == slot)
        };
        let heads = ready.take(is_head);
        function.counts.ready -= heads.len() as u64;
        heads.into_iter().for_each(|head| self.leave_rest(head));
    }

    /// Closes a function without keys while what is ready does not fill a batch.
    pub(super) fn hold_back(&mut self, id: FnId) {
        let function = self.function(id);
        let before = function.gates.until();
        let until = match function.rules.batch {
            Some(batch) if !function.rules.keyed => self.held_until(function, batch),
            // Most functions have no batches, and nothing is to be opened.
            _ if before.is_none() => return,
            _ => None,
        };
        let gates = &mut self.function_mut(id).gates;
        gates.set(Gate::Batch, until);
        let after = gates.until();
        if before != after {
            before.map(|before| self.closed.remove(&(before, id)));
            after.map(|after| self.closed.insert((after, id)));
        }
    }

    fn held_until(&self, function: &FnQueue, batch: Batch) -> Option<Timestamp> {
        let ready = &function.ready;
        let (first, oldest) = (ready.peek()?, ready.oldest()?);
        if function.exclusive.is_some()
            || !self.entries[first].shares()
            || ready.len() >= batch.max as usize
        {
            return None;
        }
        let until = self.entries[oldest].place().0.plus(batch.wait);
        (until > self.now).then_some(until)
    }

    /// Until when the head of a lane waits for others.
    fn fills_until(&self, slot: Slot) -> Option<Timestamp> {
        let entry = &self.entries[slot];
        let function = self.function(entry.function);
        let batch = function.rules.batch?;
        let lane = function.lanes.get(entry.key.as_ref()?)?;
        let full = lane.rest.len() + 1 >= batch.max as usize;
        let until = entry.place().0.plus(batch.wait);
        (!full && entry.shares() && until > self.now).then_some(until)
    }

    fn is_forming(&self, slot: Slot) -> bool {
        let forms = |entry: &Entry| {
            entry.state == State::Waiting && entry.in_lane && !entry.tried && entry.key.is_some()
        };
        self.entries.get(slot).is_some_and(forms)
    }

    fn end_wait(&mut self, slot: Slot) {
        if self.is_forming(slot) {
            let entry = &self.entries[slot];
            let (id, due, order) = (entry.function, entry.due(), entry.place().1);
            self.timers.remove(&(due, order, slot));
            self.entries[slot].put_off(self.now);
            self.function_mut(id).counts.waiting -= 1;
            self.make_ready(slot);
        }
    }

    fn take_along(&mut self, first: Slot, fits: &impl Fn(&Entry) -> bool) -> Option<Slot> {
        let (id, key) = (self.entries[first].function, self.entries[first].key.clone());
        let function = &mut self.functions[id.0 as usize];
        let next = match &key {
            Some(key) => *function.lanes.get(key)?.rest.front()?,
            None => function.ready.peek()?,
        };
        let entry = &mut self.entries[next];
        if entry.key != key || !fits(entry) {
            return None;
        }
        match &key {
            Some(key) => function.take_from_lane(key),
            None => {
                function.ready.pop();
                function.counts.ready -= 1;
            }
        }
        function.counts.running += 1;
        entry.state = State::Along;
        Some(next)
    }
}

#[cfg(test)]
#[path = "queue_batch_tests.rs"]
mod tests;
