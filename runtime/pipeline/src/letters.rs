//! The dead letters of one function, and the lanes that they halt. Knows no record and no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use foldhash::fast::RandomState;
use triphammer_journal::RowStatus;
use triphammer_model::{OrderingKey, Seq, Timestamp};

use crate::entry::DeadLetter;

#[derive(Debug, Default)]
pub(crate) struct Letters {
    by_seq: BTreeMap<Seq, Box<DeadLetter>>,
    by_age: BTreeSet<(Timestamp, Seq)>,
    /// Lanes stand while they have a dead letter.
    halts: bool,
    /// The dead letters of each halted lane.
    halted: HashMap<OrderingKey, BTreeSet<Seq>, RandomState>,
}

impl Letters {
    pub(crate) fn get(&self, seq: Seq) -> Option<&DeadLetter> {
        self.by_seq.get(&seq).map(|letter| &**letter)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &DeadLetter> {
        self.by_seq.values().map(|letter| &**letter)
    }

    /// From one on, in their order.
    pub(crate) fn from(&self, from: Bound<Seq>) -> impl Iterator<Item = &DeadLetter> {
        self.by_seq.range((from, Bound::Unbounded)).map(|(_, letter)| &**letter)
    }

    pub(crate) fn insert(&mut self, letter: Box<DeadLetter>) {
        if self.halts {
            self.halt(letter.row.key.as_ref(), letter.row.id.seq);
        }
        let seq = letter.row.id.seq;
        self.by_age.insert((died(&letter), seq));
        self.by_seq.insert(seq, letter);
    }

    pub(crate) fn remove(&mut self, seq: Seq) -> Option<Box<DeadLetter>> {
        let letter = self.by_seq.remove(&seq)?;
        self.by_age.remove(&(died(&letter), seq));
        if let Some(key) = letter.row.key.as_ref().filter(|_| self.halts)
            && let Some(letters) = self.halted.get_mut(key)
        {
            letters.remove(&seq);
            if letters.is_empty() {
                self.halted.remove(key);
            }
        }
        Some(letter)
    }

    /// Says whether a dead letter halts its lane.
    pub(crate) fn set_halts(&mut self, halts: bool) {
        if self.halts == halts {
            return;
        }
        self.halts = halts;
        self.halted.clear();
        if halts {
            let key = |letter: &DeadLetter| (letter.row.key.clone(), letter.row.id.seq);
            let keys: Vec<_> = self.iter().map(key).collect();
            keys.iter().for_each(|(key, seq)| self.halt(key.as_ref(), *seq));
        }
    }

    pub(crate) fn halts(&self) -> bool {
        self.halts
    }

    pub(crate) fn is_halted(&self, key: &OrderingKey) -> bool {
        !self.halted.is_empty() && self.halted.contains_key(key)
    }

    /// The one that a halted lane waits for: the first of its dead letters.
    pub(crate) fn halting(&self, key: &OrderingKey) -> Option<&DeadLetter> {
        self.get(*self.halted.get(key)?.first()?)
    }

    /// How many dead letters a lane waits for.
    pub(crate) fn halted_by(&self, key: &OrderingKey) -> usize {
        self.halted.get(key).map_or(0, BTreeSet::len)
    }

    /// When the oldest died.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.by_age.first().map(|(at, _)| *at)
    }

    /// Up to `most` that died at `at` or before.
    pub(crate) fn died_by(&self, at: Timestamp, most: usize) -> Vec<Seq> {
        self.by_age.iter().take_while(|(died, _)| *died <= at).take(most).map(|(_, s)| *s).collect()
    }

    fn halt(&mut self, key: Option<&OrderingKey>, seq: Seq) {
        if let Some(key) = key {
            self.halted.entry(key.clone()).or_default().insert(seq);
        }
    }
}

fn died(letter: &DeadLetter) -> Timestamp {
    match letter.row.status {
        RowStatus::Dead { at, .. } => at,
        RowStatus::Due(_) => letter.row.accepted,
    }
}
