//! Every delivery that is not settled, and which may run next. Pure: no I/O, no clock, no wasm.
//!
//! Deliveries with an ordering key form a lane, first in, first out, one at a time; the others
//! run side by side. Functions with work take turns. Each delivery is in exactly one state, and
//! the counts are kept with the states, so they are exact and free.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};

use foldhash::fast::RandomState;
use triphammer_model::{Event, FunctionName, OrderingKey, Seq, Timestamp};

use crate::entry::{DeadLetter, Entry, Payload, State};
use crate::info::{Counts, Status};
use crate::slab::{Slab, Slot};

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct FnId(u32);

#[derive(Debug)]
pub(crate) struct FnQueue {
    pub(crate) name: FunctionName,
    pub(crate) counts: Counts,
    pub(crate) dead: BTreeMap<Seq, Box<DeadLetter>>,
    /// It has an active revision and is not paused.
    runnable: bool,
    concurrency: u32,
    lanes: HashMap<OrderingKey, Lane, RandomState>,
    /// The oldest first.
    ready: BinaryHeap<Reverse<(Seq, Slot)>>,
    in_ring: bool,
    /// Runs next, and alone.
    exclusive: Option<Slot>,
}

#[derive(Debug)]
struct Lane {
    head: Slot,
    rest: VecDeque<Slot>,
}

#[derive(Debug)]
pub(crate) struct Queue {
    functions: Vec<FnQueue>,
    by_name: HashMap<FunctionName, FnId>,
    entries: Slab<Entry>,
    timers: BTreeSet<(Timestamp, Seq, Slot)>,
    /// Functions with something to run, in turn.
    ring: VecDeque<FnId>,
    payload_bytes: u64,
    payload_bytes_max: u64,
}

impl Queue {
    /// Keeps payloads in memory up to `payload_bytes_max`.
    pub(crate) fn new(payload_bytes_max: u64) -> Self {
        Self {
            functions: Vec::new(),
            by_name: HashMap::new(),
            entries: Slab::new(),
            timers: BTreeSet::new(),
            ring: VecDeque::new(),
            payload_bytes: 0,
            payload_bytes_max,
        }
    }

    /// The function's number, made when it is new.
    pub(crate) fn function_id(&mut self, name: &FunctionName) -> FnId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = FnId(self.functions.len() as u32);
        self.functions.push(FnQueue {
            name: name.clone(),
            counts: Counts::default(),
            dead: BTreeMap::new(),
            runnable: false,
            concurrency: 1,
            lanes: HashMap::default(),
            ready: BinaryHeap::new(),
            in_ring: false,
            exclusive: None,
        });
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

    /// Says whether and how much of the function may run.
    pub(crate) fn configure(&mut self, id: FnId, runnable: bool, concurrency: u32) {
        let function = self.function_mut(id);
        function.runnable = runnable;
        function.concurrency = concurrency;
        self.offer(id);
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
        self.entries.insert(entry)
    }

    /// Takes out a delivery that was placed and has no state yet.
    pub(crate) fn unplace(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.entries.remove(slot)?;
        self.forget_payload(&entry.payload);
        Some(entry)
    }

    /// Gives a placed delivery its state.
    pub(crate) fn insert_placed(&mut self, slot: Slot, due: Timestamp, now: Timestamp) {
        if due > now { self.wait(slot, due) } else { self.enter(slot) }
    }

    /// Makes ready what has come due, and says when to look again.
    pub(crate) fn release_due(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some((due, order, slot)) = self.timers.first().copied() {
            if due > now {
                return Some(due);
            }
            self.timers.remove(&(due, order, slot));
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
        None
    }

    /// Whether [`Queue::next`] may have something. It may still turn out that it has not.
    pub(crate) fn has_next(&self) -> bool {
        !self.ring.is_empty()
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, ..)| *due)
    }

    /// The next delivery to run, which now runs.
    pub(crate) fn next(&mut self) -> Option<Slot> {
        while let Some(id) = self.ring.pop_front() {
            let function = self.function_mut(id);
            function.in_ring = false;
            if !function.may_run() {
                continue;
            }
            let Some(slot) =
                function.exclusive.or_else(|| function.ready.pop().map(|Reverse((_, slot))| slot))
            else {
                continue;
            };
            function.counts.ready -= 1;
            function.counts.running += 1;
            self.entries[slot].state = State::Running;
            self.offer(id);
            return Some(slot);
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
        let entry = self.entries.remove(slot)?;
        self.forget_payload(&entry.payload);
        self.stop_running(entry.function, slot);
        if let Some(key) = &entry.key {
            self.advance(entry.function, key);
        }
        self.offer(entry.function);
        Some(entry)
    }

    /// A running delivery is to be tried again, not before `due`. It keeps its place.
    pub(crate) fn retry(&mut self, slot: Slot, due: Timestamp, now: Timestamp) {
        let id = self.entries[slot].function;
        self.stop_running(id, slot);
        if due > now {
            self.wait(slot, due);
        } else {
            self.make_ready(slot);
        }
        self.offer(id);
    }

    /// A running delivery is to run again at once, with nothing else of its function beside it.
    pub(crate) fn run_alone(&mut self, slot: Slot) {
        let id = self.entries[slot].function;
        self.stop_running(id, slot);
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

    /// Takes out a delivery that does not run.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.entries.get(slot)?;
        let (id, state, due, order) = (entry.function, entry.state, entry.due(), entry.place().1);
        let function = self.function_mut(id);
        match state {
            State::Running => return None,
            State::Ready => {
                function.counts.ready -= 1;
                function.ready.retain(|Reverse((_, s))| *s != slot);
                if function.exclusive == Some(slot) {
                    function.exclusive = None;
                }
            }
            State::Blocked => function.counts.blocked -= 1,
            State::Waiting => {
                function.counts.waiting -= 1;
                self.timers.remove(&(due, order, slot));
            }
        }
        let entry = self.entries.remove(slot)?;
        self.forget_payload(&entry.payload);
        if let Some(key) = entry.key.as_ref().filter(|_| entry.in_lane) {
            self.leave_lane(id, key, slot);
        }
        self.offer(id);
        Some(entry)
    }

    pub(crate) fn status(&self, slot: Slot) -> Status {
        match self.entries[slot].state {
            State::Ready => Status::Ready,
            State::Running => Status::Running,
            State::Waiting => Status::Waiting,
            State::Blocked => Status::Blocked,
        }
    }

    /// When a waiting delivery may run.
    pub(crate) fn due(&self, slot: Slot) -> Option<Timestamp> {
        match self.entries[slot].state {
            State::Waiting => Some(self.entries[slot].due()),
            _ => None,
        }
    }

    /// The delivery at the head of this one's lane.
    pub(crate) fn lane_head(&self, slot: Slot) -> Option<Slot> {
        let entry = &self.entries[slot];
        let lane = self.function(entry.function).lanes.get(entry.key.as_ref()?)?;
        Some(lane.head)
    }

    /// Whether the slot still holds this delivery.
    pub(crate) fn holds(&self, slot: Slot, function: FnId, seq: Seq) -> bool {
        self.entries.get(slot).is_some_and(|e| e.seq == seq && e.function == function)
    }

    fn wait(&mut self, slot: Slot, due: Timestamp) {
        let entry = &mut self.entries[slot];
        entry.wait_until(due);
        self.timers.insert((due, entry.place().1, slot));
        let id = entry.function;
        self.function_mut(id).counts.waiting += 1;
    }

    fn enter(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot];
        let Some(key) = entry.key.clone() else {
            return self.make_ready(slot);
        };
        entry.in_lane = true;
        entry.state = State::Blocked;
        let function = &mut self.functions[entry.function.0 as usize];
        if let Some((shared, _)) = function.lanes.get_key_value(&key) {
            // The lane's deliveries share one text.
            entry.key = Some(shared.clone());
        }
        if let Some(lane) = function.lanes.get_mut(&key) {
            lane.rest.push_back(slot);
            function.counts.blocked += 1;
        } else {
            function.lanes.insert(key, Lane { head: slot, rest: VecDeque::new() });
            self.make_ready(slot);
        }
    }

    fn make_ready(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot];
        entry.state = State::Ready;
        let (id, order) = (entry.function, entry.place().1);
        let function = self.function_mut(id);
        function.counts.ready += 1;
        function.ready.push(Reverse((order, slot)));
        self.offer(id);
    }

    /// The head of a lane has left: the next one is ready, or the lane is gone.
    fn advance(&mut self, id: FnId, key: &OrderingKey) {
        let function = self.function_mut(id);
        let Some(lane) = function.lanes.get_mut(key) else { return };
        match lane.rest.pop_front() {
            Some(next) => {
                lane.head = next;
                function.counts.blocked -= 1;
                self.make_ready(next);
            }
            None => {
                function.lanes.remove(key);
            }
        }
    }

    fn leave_lane(&mut self, id: FnId, key: &OrderingKey, slot: Slot) {
        let Some(lane) = self.function_mut(id).lanes.get_mut(key) else { return };
        if lane.head == slot {
            self.advance(id, key);
        } else {
            lane.rest.retain(|s| *s != slot);
        }
    }

    fn stop_running(&mut self, id: FnId, slot: Slot) {
        let function = self.function_mut(id);
        function.counts.running -= 1;
        if function.exclusive == Some(slot) {
            function.exclusive = None;
        }
    }

    fn forget_payload(&mut self, payload: &Payload) {
        let len = payload.memory.as_ref().map_or(0, |event| event.as_bytes().len() as u64);
        self.payload_bytes -= len;
    }

    /// Gives the function its turn, if it has something that may run.
    fn offer(&mut self, id: FnId) {
        let function = self.function_mut(id);
        if !function.in_ring && function.may_run() {
            function.in_ring = true;
            self.ring.push_back(id);
        }
    }
}

impl FnQueue {
    fn may_run(&self) -> bool {
        let room = if self.exclusive.is_some() {
            self.counts.running == 0
        } else {
            !self.ready.is_empty() && self.counts.running < u64::from(self.concurrency)
        };
        self.runnable && room
    }

    /// Deliveries that are neither settled nor dead.
    pub(crate) fn open(&self) -> u64 {
        let c = &self.counts;
        c.ready + c.running + c.waiting + c.blocked
    }

    pub(crate) fn is_runnable(&self) -> bool {
        self.runnable
    }

    pub(crate) fn concurrency(&self) -> u32 {
        self.concurrency
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
