//! What its lane holds back and lets go: deliveries with a key, the first first, by the rules of the
//! moment. Knows neither turns nor when anything comes due.
//!
//! Rules that change hold for what begins from then on. What runs ends by the rules by which it began;
//! what has left its lane and does not run goes back, unless the new rules let it out as well.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;
use triphammer_model::{OrderingKey, Timestamp};

use super::{FnId, Queue};
use crate::entry::{Entry, State};
use crate::fn_queue::Lane;
use crate::slab::Slot;

impl Queue {
    /// Gives its state to a placed delivery that a start has brought back. One that waits for
    /// another attempt is in its lane meanwhile; one whose time has not come yet is in none.
    pub(crate) fn restore(&mut self, slot: Slot, due: Timestamp, now: Timestamp) {
        self.seen(now);
        let entry = &mut self.entries[slot];
        let has_entered = entry.place().0 < due;
        if due > now && has_entered && entry.key.is_some() {
            entry.tried = true;
            entry.put_off(due);
            self.enter(slot);
        } else {
            entry.in_lane = due > now && has_entered;
            self.insert_placed(slot, due, now);
        }
    }

    /// The delivery at the head of this one's lane: the last that has left it.
    pub(crate) fn lane_head(&self, slot: Slot) -> Option<Slot> {
        let entry = &self.entries[slot];
        self.head_of(entry.function, entry.key.as_ref()?)
    }

    /// The last that has left a lane, if it is still out. Its slot may be another delivery's by now.
    pub(super) fn head_of(&self, id: FnId, key: &OrderingKey) -> Option<Slot> {
        let lane = self.function(id).lanes.get(key)?;
        let head = self.entries.get(lane.head)?;
        let same = (head.function, head.key.as_ref()) == (id, Some(key));
        (same && head.in_lane && head.state != State::Blocked).then_some(lane.head)
    }

    /// A lane that stood for a dead letter, or for what ran along with another, goes on.
    pub(crate) fn resume_lane(&mut self, id: FnId, key: Option<&OrderingKey>) {
        if let Some(key) = key {
            self.advance(id, key);
        }
    }

    /// Takes in deliveries that were redriven from halted lanes. Each goes to its place, before what
    /// came after it; their lanes go on with [`Queue::resume_lane`].
    pub(crate) fn insert_again(&mut self, entries: Vec<Entry>) {
        let mut lanes: HashMap<(FnId, OrderingKey), Vec<Slot>, RandomState> = HashMap::default();
        for entry in entries {
            let Some(key) = entry.key.clone() else { continue };
            let id = entry.function;
            let slot = self.place(entry);
            self.entries[slot].in_lane = true;
            lanes.entry((id, key)).or_default().push(slot);
        }
        for ((id, key), slots) in lanes {
            self.hold(id, &key, slots);
            self.fill(id, &key);
        }
    }

    pub(super) fn enter(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot];
        entry.in_lane = true;
        let Some(key) = entry.key.clone() else {
            return self.make_ready(slot);
        };
        entry.state = State::Blocked;
        let id = entry.function;
        let function = &mut self.functions[id.0 as usize];
        let at_once = function.join_lane(&key, slot);
        // The lane's deliveries share one text.
        entry.key = function.lanes.get_key_value(&key).map(|(shared, _)| shared.clone());
        if at_once {
            self.leave_rest(slot);
        } else {
            self.fill(id, &key);
        }
    }

    /// Lets go of what the rules of the lane let go.
    pub(super) fn advance(&mut self, id: FnId, key: &OrderingKey) {
        while let Some(next) = self.function_mut(id).next_of_lane(key) {
            self.leave_rest(next);
        }
    }

    /// What has stopped running goes back into its lane, if more have left it than may now, it stands,
    /// or others that were called back are before it. False when it does not.
    pub(super) fn step_back(&mut self, slot: Slot) -> bool {
        let entry = &self.entries[slot];
        let (id, key) = (entry.function, entry.key.clone());
        let goes = |key: &OrderingKey| self.function(id).is_over(key) || self.is_passed(slot, key);
        let Some(key) = key.filter(|key| entry.in_lane && goes(key)) else { return false };
        self.function_mut(id).leave_active(&key);
        self.hold(id, &key, vec![slot]);
        true
    }

    /// Whether it is out of a lane that holds back one before it, and lets one out at a time.
    fn is_passed(&self, slot: Slot, key: &OrderingKey) -> bool {
        let place = |slot: Slot| (self.entries[slot].place(), self.entries[slot].seq);
        let function = self.function(self.entries[slot].function);
        let next = function.lanes.get(key).and_then(|lane| lane.rest.front());
        let in_order = function.rules.key_concurrency == 1;
        in_order && next.is_some_and(|next| place(*next) < place(slot))
    }

    /// What has stopped running, or gone back, may have kept others of its lane.
    pub(super) fn go_on_beside(&mut self, slot: Slot) {
        let entry = &self.entries[slot];
        if entry.in_lane
            && let Some(key) = entry.key.clone()
        {
            self.advance(entry.function, &key);
        }
    }

    /// Nothing may run beside what began as the only one of its lane: it notes no reads.
    pub(super) fn keep_alone(&mut self, id: FnId, before: u32) {
        if self.function(id).rules.key_concurrency == 1 {
            return self.function_mut(id).alone.clear();
        }
        if before == 1 {
            let runs = |slot: &Slot| self.entries[*slot].state == State::Running;
            let lanes = self.function(id).lanes.keys();
            let heads = lanes.filter_map(|key| self.head_of(id, key));
            let alone = heads.filter(runs).collect();
            self.function_mut(id).alone = alone;
        }
    }

    /// What does not run goes back into its lane, where more have left it than may now, or it stands.
    pub(super) fn call_back(&mut self, id: FnId) {
        let function = self.function(id);
        let over = function.lanes.keys().filter(|key| function.is_over(key));
        let over: HashSet<OrderingKey, RandomState> = over.cloned().collect();
        if over.is_empty() {
            return;
        }
        let is_out = |(_, entry): &(Slot, &Entry)| {
            let idle = matches!(entry.state, State::Ready | State::Waiting);
            entry.function == id
                && idle
                && entry.in_lane
                && entry.key.as_ref().is_some_and(|key| over.contains(key))
        };
        let out: HashSet<Slot, RandomState> =
            self.entries.iter().filter(is_out).map(|(slot, _)| slot).collect();
        self.functions[id.0 as usize].ready.take(|slot| out.contains(&slot));
        let mut lanes: HashMap<OrderingKey, Vec<Slot>, RandomState> = HashMap::default();
        for slot in out {
            if let Some(key) = self.take_back(slot) {
                lanes.entry(key).or_default().push(slot);
            }
        }
        for (key, slots) in lanes {
            self.hold(id, &key, slots);
        }
    }

    /// One that has left its lane waits for nothing any more, and is not ready.
    fn take_back(&mut self, slot: Slot) -> Option<OrderingKey> {
        let entry = &self.entries[slot];
        let (due, order) = (entry.due(), entry.place().1);
        let function = &mut self.functions[entry.function.0 as usize];
        if entry.state == State::Waiting {
            self.timers.remove(&(due, order, slot));
            function.counts.waiting -= 1;
        } else {
            function.counts.ready -= 1;
        }
        function.exclusive = function.exclusive.filter(|other| *other != slot);
        let key = entry.key.clone()?;
        function.leave_active(&key);
        Some(key)
    }

    /// Puts deliveries among those that their lane holds back, each in its place.
    fn hold(&mut self, id: FnId, key: &OrderingKey, mut slots: Vec<Slot>) {
        slots.iter().for_each(|slot| self.entries[*slot].state = State::Blocked);
        let (functions, entries) = (&mut self.functions, &self.entries);
        let place = |slot: &Slot| (entries[*slot].place(), entries[*slot].seq);
        slots.sort_unstable_by_key(place);
        let (Some(first), Some(last)) = (slots.first().map(place), slots.last().map(place)) else {
            return;
        };
        let function = &mut functions[id.0 as usize];
        function.counts.blocked += slots.len() as u64;
        let none = || Lane { head: slots[0], active: 0, rest: VecDeque::new() };
        let rest = &mut function.lanes.entry(key.clone()).or_insert_with(none).rest;
        let mut behind = rest.split_off(rest.partition_point(|other| place(other) < first));
        let together = behind.front().is_none_or(|next| last < place(next));
        rest.extend(&slots);
        rest.append(&mut behind);
        if !together {
            rest.make_contiguous().sort_unstable_by_key(place);
        }
    }
}
