//! Random histories of the queue: after each step the counts are those of a walk over everything,
//! at the end each delivery is where it was said to be, and all of them come to run.

use std::time::Duration;

use triphammer_journal::RowStatus;
use triphammer_model::{Batch, ErrorInfo, Hops, Priority};

use crate::entry::{DeadLetter, Payload};

use super::*;

const STEPS: usize = 400;
const HISTORIES: u64 = 300;

struct History {
    queue: Queue,
    bits: u64,
    seq: u64,
    now: u64,
    running: Vec<Attempt>,
}

/// At a delivery, and what runs along with it.
type Attempt = (Slot, Vec<Slot>);

impl History {
    fn new(seed: u64) -> Self {
        let mut queue = Queue::new(1 << 20);
        for name in ["f", "g"] {
            let id = queue.function_id(&name.parse().unwrap());
            queue.configure(id, Rules { runnable: true, concurrency: 4, ..Rules::default() });
        }
        Self { queue, bits: seed, seq: 0, now: 1000, running: Vec::new() }
    }

    /// A number below `end` (xorshift*).
    fn below(&mut self, end: u64) -> u64 {
        self.bits ^= self.bits >> 12;
        self.bits ^= self.bits << 25;
        self.bits ^= self.bits >> 27;
        (self.bits.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn function(&mut self) -> FnId {
        FnId(self.below(2) as u32)
    }

    fn time(&mut self) -> Timestamp {
        Timestamp(self.now + if self.below(3) == 0 { 1 + self.below(50) } else { 0 })
    }

    fn add(&mut self) {
        self.seq += 1;
        let (function, due, key) = (self.function(), self.time(), self.below(6));
        let key = (key > 1).then(|| OrderingKey::new(&format!("k{key}")).unwrap());
        let seq = Seq::new(self.seq).unwrap();
        let now = Timestamp(self.now);
        let payload = Payload::new(None, None, 0);
        let mut entry = Entry::new((seq, function), key, (now, Hops(0)), payload);
        entry.priority = Priority::of(self.below(4) as u32 * 3);
        self.queue.insert(entry, due, now);
    }

    fn end_one(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let index = self.below(self.running.len() as u64) as usize;
        let (slot, along) = self.running.swap_remove(index);
        let now = Timestamp(self.now);
        match self.below(8) {
            0 | 1 => {
                let due = self.time();
                if !along.is_empty() {
                    self.queue.part(along.iter().copied().chain([slot]));
                    self.queue.put_back(&along, due);
                }
                self.queue.retry(slot, due, now);
            }
            2 => {
                self.queue.put_back(&along, now);
                self.queue.run_alone(slot);
            }
            3 | 4 => {
                self.queue.put_back(&along, now);
                let function = self.queue.entry(slot).function;
                let name = self.queue.function(function).name.clone();
                let error = ErrorInfo { code: "invoke.trap".into(), message: String::new() };
                let status = RowStatus::Dead { at: now, error };
                let bury =
                    |entry: Entry| DeadLetter::new(entry.to_row(&name, status), entry.payload);
                assert!(self.queue.finish_dead(slot, bury));
            }
            _ => self.finish((slot, along)),
        }
    }

    fn finish(&mut self, (slot, along): Attempt) {
        for slot in std::iter::once(slot).chain(along) {
            self.queue.finish(slot).unwrap();
        }
    }

    fn next(&mut self) -> Option<Attempt> {
        let now = Timestamp(self.now);
        let Turn { slot, .. } = self.queue.next(now)?;
        let batch = self.queue.function(self.queue.entry(slot).function).rules.batch;
        let most = batch.map_or(1, |batch| batch.max);
        Some((slot, self.queue.gather(slot, most, now, |_| true)))
    }

    fn raise(&mut self) {
        let function = self.function();
        let letters = &self.queue.function(function).dead;
        let Some(seq) = letters.iter().next().map(|letter| letter.row.id.seq) else { return };
        let halts = letters.halts();
        let letter = self.queue.unbury(function, seq).unwrap();
        let key = letter.row.key.clone();
        if self.below(2) == 0 {
            let entry = Entry::from_row(&letter.row, function, letter.payload);
            let now = Timestamp(self.now);
            if halts && key.is_some() {
                self.queue.insert_again(vec![entry]);
            } else {
                self.queue.insert(entry, now, now);
            }
        }
        self.queue.resume_lane(function, key.as_ref());
    }

    fn remove_one(&mut self) {
        let open: Vec<Slot> = self.queue.entries().map(|(slot, _)| slot).collect();
        if open.is_empty() {
            return;
        }
        let slot = open[self.below(open.len() as u64) as usize];
        let runs =
            self.running.iter().any(|(first, along)| *first == slot || along.contains(&slot));
        assert_eq!(self.queue.remove(slot).is_none(), runs);
    }

    fn configure(&mut self) {
        let (id, halts, batches) = (self.function(), self.below(2) == 0, self.below(2) == 0);
        let batch = Batch {
            max: 1 + self.below(4) as u32,
            wait: Duration::from_millis(self.below(3) * 10),
        };
        let probe = (self.below(4) == 0).then(|| self.time());
        let rules = Rules {
            probe,
            runnable: self.below(4) > 0,
            concurrency: 1 + self.below(5) as u32,
            key_concurrency: if halts || batches { 1 } else { 1 + self.below(2) as u32 },
            halts,
            batch: batches.then_some(batch),
            keyed: self.below(2) == 0,
            ..Rules::default()
        };
        self.queue.configure(id, rules);
    }

    fn step(&mut self) {
        match self.below(16) {
            0..=5 => self.add(),
            6..=8 => {
                let attempt = self.next();
                self.running.extend(attempt);
            }
            9..=11 => self.end_one(),
            12 => {
                self.now += self.below(20);
                self.queue.release_due(Timestamp(self.now));
            }
            13 => self.raise(),
            14 => self.remove_one(),
            _ => self.configure(),
        }
    }

    /// The counts against a walk over everything.
    fn check(&self) {
        for index in 0..2 {
            let id = FnId(index);
            let function = self.queue.function(id);
            let entries = self.queue.entries().filter(|(_, entry)| entry.function == id);
            let states: Vec<State> = entries.map(|(_, entry)| entry.state).collect();
            let count = |state| states.iter().filter(|other| **other == state).count() as u64;
            let c = function.counts;
            assert_eq!(c.ready, count(State::Ready));
            assert_eq!(c.running, count(State::Running) + count(State::Along));
            assert_eq!(u64::from(function.busy), count(State::Running));
            let closed = self.queue.closed.iter().find(|(_, closed)| *closed == id);
            assert_eq!(function.gates.until(), closed.map(|(until, _)| *until));
            assert_eq!(c.waiting, count(State::Waiting));
            assert_eq!(c.blocked, count(State::Blocked));
            assert_eq!(c.dead, function.dead.iter().count() as u64);
            assert_eq!(function.open(), states.len() as u64);
            let rest: usize = function.lanes.values().map(|lane| lane.rest.len()).sum();
            assert_eq!(c.blocked, rest as u64);
            assert!(function.lanes.values().all(|lane| lane.active > 0 || !lane.rest.is_empty()));
        }
        let waiting: u64 = self.queue.functions().iter().map(|f| f.counts.waiting).sum();
        assert_eq!(waiting, self.queue.timers.len() as u64);
    }

    /// How many were said to be ahead, against the lanes and the turns that follow.
    fn check_ahead(mut self) {
        let slots: Vec<Slot> = self.queue.entries().map(|(slot, _)| slot).collect();
        let ahead = self.queue.ahead(&slots);
        let mut told = 0;
        for function in &mut self.queue.functions {
            for (key, lane) in &function.lanes {
                let before = u64::from(lane.active) + function.dead.halted_by(key) as u64;
                for (index, slot) in lane.rest.iter().enumerate() {
                    assert_eq!(ahead[slot], before + index as u64);
                    told += 1;
                }
            }
            let entries = &self.queue.entries;
            let alone = function.exclusive.filter(|slot| entries[*slot].state == State::Ready);
            let mut turns = alone.into_iter().collect::<Vec<_>>();
            turns.extend(std::iter::from_fn(|| function.ready.pop()));
            for (index, slot) in turns.iter().enumerate() {
                assert_eq!(ahead[slot], index as u64);
                told += 1;
            }
        }
        assert_eq!(told, ahead.len(), "the others are behind nobody");
    }

    /// Nothing is forgotten: once all may run, all do.
    fn check_end(mut self) {
        for attempt in std::mem::take(&mut self.running) {
            self.finish(attempt);
        }
        for id in [FnId(0), FnId(1)] {
            let rules = self.queue.function(id).rules.clone();
            self.queue.configure(id, Rules { runnable: true, halts: false, ..rules });
        }
        loop {
            while let Some(attempt) = self.next() {
                self.finish(attempt);
            }
            let Some(due) = self.queue.next_due() else { break };
            self.now = self.now.max(due.ms());
            self.queue.release_due(Timestamp(self.now));
        }
        self.check();
        assert_eq!(self.queue.entries().count(), 0);
    }
}

#[test]
fn counts_are_exact_and_so_is_what_is_ahead() {
    for seed in 1..=HISTORIES {
        let mut history = History::new(seed);
        for _ in 0..STEPS {
            history.step();
            history.check();
        }
        history.check_ahead();
    }
}

#[test]
fn all_come_to_run() {
    for seed in 1..=HISTORIES {
        let mut history = History::new(seed);
        for _ in 0..STEPS {
            history.step();
        }
        history.check_end();
    }
}
