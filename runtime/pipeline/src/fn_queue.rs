//! What one function has open: its lanes, what may run, its dead letters and its counts. Knows
//! neither the other functions nor when anything comes due.

use std::collections::{BTreeSet, HashMap, VecDeque};

use foldhash::fast::RandomState;
use triphammer_journal::RowStatus;
use triphammer_model::{
    Batch, Debounce, FunctionName, Manifest, OrderingKey, Priority, Rate, Timestamp,
};

use crate::debounce::Waits;
use crate::entry::DeadLetter;
use crate::fn_timers::Timers;
use crate::gates::Gates;
use crate::info::Counts;
use crate::letters::Letters;
use crate::measure::FunctionMeter;
use crate::shares::Ready;
use crate::slab::Slot;
use crate::window::Window;

#[derive(Debug)]
pub(crate) struct FnQueue {
    pub(crate) name: FunctionName,
    pub(crate) counts: Counts,
    /// None while nothing of it has run.
    pub(crate) meter: Option<Box<FunctionMeter>>,
    pub(crate) dead: Letters,
    pub(crate) rules: Rules,
    pub(crate) gates: Gates,
    /// The starts of its attempts, while they are throttled.
    pub(crate) throttle: Option<Box<Window>>,
    /// When the last deliveries were accepted, while they are limited.
    pub(crate) rate_limit: Option<Box<Window>>,
    /// Deliveries that others may take the place of.
    pub(crate) waits: Waits,
    pub(crate) timers: Timers,
    pub(crate) lanes: HashMap<OrderingKey, Lane, RandomState>,
    pub(crate) ready: Ready,
    /// Its place among the functions, see [`crate::shares`].
    pub(crate) pass: u64,
    pub(crate) wants_turn: bool,
    /// Attempts that run. One may be at several deliveries: a batch.
    pub(crate) busy: u32,
    /// Runs next, and alone.
    pub(crate) exclusive: Option<Slot>,
    /// Nothing of their lanes runs beside these: they began when nothing could.
    pub(crate) alone: BTreeSet<Slot>,
}

/// What its active revision and its operators say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rules {
    /// It has an active revision and is not paused.
    pub(crate) runnable: bool,
    pub(crate) concurrency: u32,
    pub(crate) key_concurrency: u32,
    pub(crate) priority: Priority,
    /// A dead letter halts its lane.
    pub(crate) halts: bool,
    /// How long dead letters are kept, in milliseconds.
    pub(crate) keep_dead_ms: Option<u64>,
    pub(crate) throttle: Option<Rate>,
    pub(crate) rate_limit: Option<Rate>,
    pub(crate) debounce: Option<Debounce>,
    pub(crate) batch: Option<Batch>,
    /// Its deliveries have ordering keys.
    pub(crate) keyed: bool,
    /// Its breaker is open: nothing runs until then, and after that one at a time.
    pub(crate) probe: Option<Timestamp>,
}

/// Deliveries with the same key.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The last that left the rest to run by itself, not along with another.
    pub(crate) head: Slot,
    /// Those that left it and are open: ready, running, or waiting to be tried again.
    pub(crate) active: u32,
    pub(crate) rest: VecDeque<Slot>,
}

impl Rules {
    pub(crate) fn of(manifest: Option<&Manifest>, runnable: bool) -> Self {
        let Some(manifest) = manifest else { return Self { runnable, ..Self::default() } };
        Self {
            runnable,
            concurrency: manifest.concurrency,
            key_concurrency: manifest.key_concurrency,
            priority: manifest.priority,
            halts: manifest.dead_letter.halts,
            keep_dead_ms: manifest.dead_letter.keep.map(|keep| keep.as_millis() as u64),
            throttle: manifest.throttle,
            rate_limit: manifest.rate_limit,
            debounce: manifest.debounce,
            batch: manifest.batch,
            keyed: manifest.key.is_some(),
            probe: None,
        }
    }

    /// Attempts that may run at the same time.
    pub(crate) fn at_a_time(&self) -> u32 {
        if self.probe.is_some() { 1 } else { self.concurrency }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            runnable: false,
            concurrency: 1,
            key_concurrency: 1,
            priority: Priority::default(),
            halts: false,
            keep_dead_ms: None,
            throttle: None,
            rate_limit: None,
            debounce: None,
            batch: None,
            keyed: false,
            probe: None,
        }
    }
}

impl FnQueue {
    pub(crate) fn new(name: FunctionName) -> Self {
        Self {
            name,
            counts: Counts::default(),
            meter: None,
            dead: Letters::default(),
            rules: Rules::default(),
            gates: Gates::default(),
            throttle: None,
            rate_limit: None,
            waits: Waits::default(),
            timers: Timers::default(),
            lanes: HashMap::default(),
            ready: Ready::default(),
            pass: 0,
            wants_turn: false,
            busy: 0,
            exclusive: None,
            alone: BTreeSet::new(),
        }
    }

    pub(crate) fn may_run(&self) -> bool {
        let room = if self.exclusive.is_some() {
            self.busy == 0
        } else {
            !self.ready.is_empty() && self.busy < self.rules.at_a_time()
        };
        self.rules.runnable && self.gates.until().is_none() && room
    }

    /// Puts a delivery at the end of its lane; true when nothing holds it there.
    pub(crate) fn join_lane(&mut self, key: &OrderingKey, slot: Slot) -> bool {
        let most = self.rules.key_concurrency;
        let halted = self.dead.is_halted(key);
        let Some(lane) = self.lanes.get_mut(key) else {
            let mut lane = Lane { head: slot, active: 1, rest: VecDeque::new() };
            if halted {
                (lane.active, self.counts.blocked) = (0, self.counts.blocked + 1);
                lane.rest.push_back(slot);
            }
            self.lanes.insert(key.clone(), lane);
            return !halted;
        };
        let free = lane.active < most && !halted && !self.alone.contains(&lane.head);
        if free && lane.rest.is_empty() {
            (lane.head, lane.active) = (slot, lane.active + 1);
            return true;
        }
        lane.rest.push_back(slot);
        self.counts.blocked += 1;
        false
    }

    /// Whether more have left a lane than may, or some have and it stands.
    pub(crate) fn is_over(&self, key: &OrderingKey) -> bool {
        let most = if self.dead.is_halted(key) { 0 } else { self.rules.key_concurrency };
        self.lanes.get(key).is_some_and(|lane| lane.active > most)
    }

    /// The next of the lane that may leave its rest.
    pub(crate) fn next_of_lane(&mut self, key: &OrderingKey) -> Option<Slot> {
        let lane = self.lanes.get_mut(key)?;
        if lane.active == 0 && lane.rest.is_empty() {
            self.lanes.remove(key);
            return None;
        }
        let full = lane.active >= self.rules.key_concurrency;
        if full || self.dead.is_halted(key) || self.alone.contains(&lane.head) {
            return None;
        }
        let next = lane.rest.pop_front()?;
        (lane.head, lane.active) = (next, lane.active + 1);
        self.counts.blocked -= 1;
        Some(next)
    }

    /// The first of the rest runs along with the head.
    pub(crate) fn take_from_lane(&mut self, key: &OrderingKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.rest.pop_front();
            lane.active += 1;
            self.counts.blocked -= 1;
        }
    }

    /// One that ran along with the head is the first of the rest again.
    pub(crate) fn return_to_lane(&mut self, key: &OrderingKey, slot: Slot) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.rest.push_front(slot);
            lane.active -= 1;
            self.counts.blocked += 1;
        }
    }

    /// One that had left the rest is gone.
    pub(crate) fn leave_active(&mut self, key: &OrderingKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.active -= 1;
        }
    }

    /// When a dead letter will have been kept for long enough.
    pub(crate) fn forgets_at(&self, letter: &DeadLetter) -> Option<Timestamp> {
        let RowStatus::Dead { at, .. } = letter.row.status else { return None };
        Some(Timestamp(at.ms().saturating_add(self.rules.keep_dead_ms?)))
    }

    pub(crate) fn meter(&self) -> Option<&FunctionMeter> {
        self.meter.as_deref()
    }

    /// Deliveries that are neither settled nor dead.
    pub(crate) fn open(&self) -> u64 {
        let c = &self.counts;
        c.ready + c.running + c.waiting + c.blocked
    }
}
