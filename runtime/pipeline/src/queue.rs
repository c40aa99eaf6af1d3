//! Every delivery that is not settled, and which may run next. Pure: no I/O, no clock, no wasm.
//!
//! Deliveries with an ordering key form a lane, first in, first out, one at a time; the others
//! run side by side. Functions with work take turns. Each delivery is in exactly one state, and
//! the counts are kept with the states, so they are exact and free.

use std::collections::{BTreeSet, HashMap};

use triphammer_model::{Event, FunctionName, OrderingKey, Seq, Timestamp};

use crate::entry::{Entry, State};
use crate::fn_queue::{FnQueue, Rules};
use crate::info::Status;
use crate::shares::stride;
use crate::slab::{Slab, Slot};

pub(crate) use ahead::Ahead;

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct FnId(u32);

#[derive(Debug)]
pub(crate) struct Queue {
    functions: Vec<FnQueue>,
    by_name: HashMap<FunctionName, FnId>,
    entries: Slab<Entry>,
    timers: BTreeSet<(Timestamp, Seq, Slot)>,
    /// Functions that open at a time.
    closed: BTreeSet<(Timestamp, FnId)>,
    /// Functions whose dead letters are not kept for ever.
    forgetful: Vec<FnId>,
    /// Functions with something to run, by their pass: the lowest is next.
    turns: BTreeSet<(u64, FnId)>,
    /// The pass of the last turn.
    pass: u64,
    payload_bytes: u64,
    payload_bytes_max: u64,
    /// The latest time that it was told.
    now: Timestamp,
}

/// A delivery whose turn it is. It counts as running.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Turn {
    pub(crate) slot: Slot,
    /// It is to be given up instead.
    pub(crate) expired: bool,
}

impl Queue {
    /// Keeps payloads in memory up to `payload_bytes_max`.
    pub(crate) fn new(payload_bytes_max: u64) -> Self {
        Self {
            functions: Vec::new(),
            by_name: HashMap::new(),
            entries: Slab::new(),
            timers: BTreeSet::new(),
            closed: BTreeSet::new(),
            forgetful: Vec::new(),
            turns: BTreeSet::new(),
            pass: 0,
            payload_bytes: 0,
            payload_bytes_max,
            now: Timestamp::default(),
        }
    }

    /// Tells the time, which never goes back.
    pub(crate) fn seen(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// The function's number, made when it is new.
    pub(crate) fn function_id(&mut self, name: &FunctionName) -> FnId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = FnId(self.functions.len() as u32);
        self.functions.push(FnQueue::new(name.clone()));
        self.by_name.insert(name.clone(), id);
        id
    }

    pub(crate) fn find(&self, name: &FunctionName) -> Option<FnId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn function(&self, id: FnId) -> &FnQueue {
        &self.functions[id.0 as usize]
    }

    pub(crate) fn function_mut(&mut self, id: FnId) -> &mut FnQueue {
        &mut self.functions[id.0 as usize]
    }

    pub(crate) fn functions(&self) -> &[FnQueue] {
        &self.functions
    }

    /// Says whether and how the function may run. What its lanes hold follows.
    pub(crate) fn configure(&mut self, id: FnId, rules: Rules) {
        let function = self.function_mut(id);
        let before = function.rules.key_concurrency;
        let lanes_change = before != rules.key_concurrency || function.rules.halts != rules.halts;
        let batches_change = function.rules.batch != rules.batch;
        function.dead.set_halts(rules.halts);
        let forgets = rules.keep_dead_ms.is_some();
        let breaks = function.rules.probe != rules.probe;
        function.rules = rules;
        self.limit(id);
        self.throttle(id);
        if breaks {
            self.break_off(id);
        }
        self.forgetful.retain(|other| *other != id);
        if forgets {
            self.forgetful.push(id);
        }
        if lanes_change || batches_change {
            self.end_forming(id);
        }
        if lanes_change {
            self.keep_alone(id, before);
            self.call_back(id);
        }
        if lanes_change || batches_change {
            self.form_again(id);
        }
        if lanes_change {
            let keys: Vec<OrderingKey> = self.function(id).lanes.keys().cloned().collect();
            keys.iter().for_each(|key| self.advance(id, key));
        }
        self.offer(id);
    }

    /// None when it was taken out.
    pub(crate) fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot)
    }

    pub(crate) fn entry(&self, slot: Slot) -> &Entry {
        &self.entries[slot]
    }

    pub(crate) fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        &mut self.entries[slot]
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        self.entries.iter()
    }

    /// A part of the entries, see [`Slab::chunk`].
    pub(crate) fn chunk(&self, number: usize) -> Option<impl Iterator<Item = (Slot, &Entry)>> {
        self.entries.chunk(number)
    }

    pub(crate) fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Takes in a delivery that is to run when `due` has come.
    pub(crate) fn insert(&mut self, entry: Entry, due: Timestamp, now: Timestamp) -> Slot {
        let slot = self.place(entry);
        self.insert_placed(slot, due, now);
        slot
    }

    /// Puts a delivery into memory without a state, for [`Queue::insert_placed`].
    pub(crate) fn place(&mut self, mut entry: Entry) -> Slot {
        let len = entry.payload.memory.as_ref().map_or(0, |event| event.as_bytes().len() as u64);
        if self.payload_bytes + len > self.payload_bytes_max {
            entry.payload.memory = None;
        } else {
            self.payload_bytes += len;
        }
        entry.in_lane = false;
        let slot = self.entries.insert(entry);
        let Self { functions, entries, .. } = self;
        let entry = &entries[slot];
        if let Some(name) = entry.name() {
            let timers = &mut functions[entry.function.0 as usize].timers;
            timers.insert(&entry.key, name, entry.seq, slot);
        }
        slot
    }

    /// Takes out a delivery that was placed and has no state yet.
    pub(crate) fn unplace(&mut self, slot: Slot) -> Option<Entry> {
        self.take_out(slot)
    }

    /// Gives a placed delivery its state.
    pub(crate) fn insert_placed(&mut self, slot: Slot, due: Timestamp, now: Timestamp) {
        self.seen(now);
        if due > now { self.wait(slot, due) } else { self.enter(slot) }
    }

    /// Whether [`Queue::next`] may have something. It may still turn out that it has not.
    pub(crate) fn has_next(&self) -> bool {
        !self.turns.is_empty()
    }

    /// The next delivery to run, which now runs. Somebody has to look at [`Queue::next_due`] again: it
    /// may have been the last for a time.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Turn> {
        self.seen(now);
        while let Some((pass, id)) = self.turns.pop_first() {
            self.pass = pass;
            let function = self.function_mut(id);
            function.wants_turn = false;
            if !function.may_run() {
                continue;
            }
            let Some(slot) = function.exclusive.or_else(|| function.ready.pop()) else { continue };
            function.pass = pass + stride(function.rules.priority);
            function.counts.ready -= 1;
            function.counts.running += 1;
            function.busy += 1;
            let entry = &mut self.entries[slot];
            entry.state = State::Running;
            let expired = entry.expires().is_some_and(|expires| expires <= now);
            if !expired {
                self.count_start(id, now);
            }
            self.offer(id);
            return Some(Turn { slot, expired });
        }
        None
    }

    /// Gives the payload in memory to whoever runs the delivery. What runs again reads it back.
    pub(crate) fn take_payload(&mut self, slot: Slot) -> Option<Box<Event>> {
        let event = self.entries[slot].payload.memory.take();
        self.payload_bytes -= event.as_ref().map_or(0, |event| event.as_bytes().len() as u64);
        event
    }

    /// A running delivery is settled: it leaves, and its lane goes on.
    pub(crate) fn finish(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.take_running(slot)?;
        self.go_on(&entry);
        Some(entry)
    }

    /// A running delivery is to be tried again, not before `due`. It keeps its place.
    pub(crate) fn retry(&mut self, slot: Slot, due: Timestamp, now: Timestamp) {
        self.seen(now);
        let entry = &mut self.entries[slot];
        entry.tried = true;
        entry.put_off(due);
        let id = entry.function;
        self.stop_running(slot);
        if !self.step_back(slot) {
            self.leave_rest(slot);
        }
        self.go_on_beside(slot);
        self.offer(id);
    }

    /// A running delivery is to run again at once, with nothing else of its function beside it.
    pub(crate) fn run_alone(&mut self, slot: Slot) {
        let id = self.entries[slot].function;
        self.stop_running(slot);
        if self.step_back(slot) {
            return self.go_on_beside(slot);
        }
        let function = self.function_mut(id);
        if function.exclusive.is_none() {
            function.exclusive = Some(slot);
            function.counts.ready += 1;
            self.entries[slot].state = State::Ready;
        } else {
            self.make_ready(slot);
        }
        self.offer(id);
    }

    pub(crate) fn status(&self, slot: Slot) -> Status {
        match self.entries[slot].state {
            State::Ready => Status::Ready,
            State::Running | State::Along => Status::Running,
            State::Waiting => Status::Waiting,
            State::Blocked => Status::Blocked,
        }
    }

    /// Whether the slot still holds this delivery.
    pub(crate) fn holds(&self, slot: Slot, function: FnId, seq: Seq) -> bool {
        self.entries.get(slot).is_some_and(|e| e.seq == seq && e.function == function)
    }

    fn make_ready(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot];
        entry.state = State::Ready;
        let (id, priority, order) = (entry.function, entry.priority, entry.place().1);
        let function = self.function_mut(id);
        function.counts.ready += 1;
        function.ready.push(priority, order, slot);
        self.offer(id);
    }

    /// A delivery has left: its lane goes on, and its function.
    fn go_on(&mut self, entry: &Entry) {
        if let Some(key) = entry.key.as_ref().filter(|_| entry.in_lane) {
            self.function_mut(entry.function).leave_active(key);
            self.advance(entry.function, key);
        }
        self.offer(entry.function);
    }

    fn take_running(&mut self, slot: Slot) -> Option<Entry> {
        self.entries.get(slot)?;
        self.stop_running(slot);
        self.take_out(slot)
    }

    fn stop_running(&mut self, slot: Slot) {
        let entry = &self.entries[slot];
        let function = &mut self.functions[entry.function.0 as usize];
        function.counts.running -= 1;
        function.busy -= u32::from(entry.state == State::Running);
        function.alone.remove(&slot);
        if function.exclusive == Some(slot) {
            function.exclusive = None;
        }
    }

    /// Takes an entry out of memory, its payload and its name with it.
    fn take_out(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.entries.remove(slot)?;
        let memory = entry.payload.memory.as_ref();
        self.payload_bytes -= memory.map_or(0, |event| event.as_bytes().len() as u64);
        if let Some(name) = entry.name() {
            self.function_mut(entry.function).timers.remove(&entry.key, name, entry.seq);
        }
        Some(entry)
    }

    /// Gives the function its turn, if it has something that may run.
    fn offer(&mut self, id: FnId) {
        self.hold_back(id);
        let now = self.pass;
        let function = self.function_mut(id);
        if !function.wants_turn && function.may_run() {
            function.wants_turn = true;
            // One that had nothing to run begins where the others are.
            function.pass = function.pass.max(now);
            let pass = function.pass;
            self.turns.insert((pass, id));
        }
    }
}

#[path = "queue_ahead.rs"]
mod ahead;
#[path = "queue_batch.rs"]
mod batch;
#[path = "queue_dead.rs"]
mod dead;
#[path = "queue_debounce.rs"]
mod debounce;
#[path = "queue_due.rs"]
mod due;
#[path = "queue_gates.rs"]
mod gates;
#[path = "queue_lanes.rs"]
mod lanes;
#[path = "queue_remove.rs"]
mod remove;

#[cfg(test)]
#[path = "queue_random_tests.rs"]
mod random_tests;
#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
