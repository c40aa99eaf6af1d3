//! The dead letters of one function, and the lanes that they halt. Knows no record and no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// How many dead letters each halted lane has.
    halted: HashMap<OrderingKey, u32, RandomState>,
}

impl Letters {
    pub(crate) fn get(&self, seq: Seq) -> Option<&DeadLetter> {
        self.by_seq.get(&seq).map(|letter| &**letter)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &DeadLetter> {
        self.by_seq.values().map(|letter| &**letter)
    }

    pub(crate) fn insert(&mut self, letter: Box<DeadLetter>) {
        if self.halts {
            self.halt(letter.row.key.as_ref());
        }
        let seq = letter.row.id.seq;
        self.by_age.insert((died(&letter), seq));
        self.by_seq.insert(seq, letter);
    }

    pub(crate) fn remove(&mut self, seq: Seq) -> Option<Box<DeadLetter>> {
        let letter = self.by_seq.remove(&seq)?;
        self.by_age.remove(&(died(&letter), seq));
        if let Some(key) = letter.row.key.as_ref().filter(|_| self.halts)
            && let Some(count) = self.halted.get_mut(key)
        {
            *count -= 1;
            if *count == 0 {
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
            let keys: Vec<_> = self.iter().filter_map(|letter| letter.row.key.clone()).collect();
            keys.iter().for_each(|key| self.halt(Some(key)));
        }
    }

    pub(crate) fn halts(&self) -> bool {
        self.halts
    }

    pub(crate) fn is_halted(&self, key: &OrderingKey) -> bool {
        !self.halted.is_empty() && self.halted.contains_key(key)
    }

    /// The one that a halted lane waits for.
    pub(crate) fn halting(&self, key: &OrderingKey) -> Option<&DeadLetter> {
        self.iter().find(|letter| letter.row.key.as_ref() == Some(key))
    }

    /// When the oldest died.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.by_age.first().map(|(at, _)| *at)
    }

    /// Up to `most` that died at `at` or before.
    pub(crate) fn died_by(&self, at: Timestamp, most: usize) -> Vec<Seq> {
        self.by_age.iter().take_while(|(died, _)| *died <= at).take(most).map(|(_, s)| *s).collect()
    }

    fn halt(&mut self, key: Option<&OrderingKey>) {
        if let Some(key) = key {
            *self.halted.entry(key.clone()).or_default() += 1;
        }
    }
}

fn died(letter: &DeadLetter) -> Timestamp {
    match letter.row.status {
        RowStatus::Dead { at, .. } => at,
        RowStatus::Due(_) => letter.row.accepted,
    }
}
