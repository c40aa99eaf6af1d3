//! How many deliveries go before others. Each lane and each function is walked once, however many
//! are asked for.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use triphammer_model::{OrderingKey, Priority, Seq};

use super::{FnId, Queue};
use crate::entry::State;
use crate::info::Status;
use crate::slab::Slot;

/// How many go before each.
pub(crate) type Ahead = HashMap<Slot, u64, RandomState>;

/// Says of most slots that they are not wanted without looking them up.
struct Filter([u64; Filter::WORDS]);

impl Filter {
    const WORDS: usize = 64;

    fn of(slots: &[Slot]) -> Self {
        let mut words = [0; Self::WORDS];
        for slot in slots {
            let (word, bit) = Self::place(*slot);
            words[word] |= bit;
        }
        Self(words)
    }

    fn may_have(&self, slot: Slot) -> bool {
        let (word, bit) = Self::place(slot);
        self.0[word] & bit != 0
    }

    fn place(slot: Slot) -> (usize, u64) {
        let index = slot.index() % (Self::WORDS * 64);
        (index / 64, 1 << (index % 64))
    }
}

impl Queue {
    /// Whether anything is there to be found, of one function or all, in one state or any.
    pub(crate) fn has_any(&self, only: Option<FnId>, status: Option<Status>) -> bool {
        let has = |id: FnId| {
            let function = self.function(id);
            let counts = &function.counts;
            match status {
                None => function.open() > 0,
                Some(Status::Ready) => counts.ready > 0,
                Some(Status::Running) => counts.running > 0,
                Some(Status::Waiting) => counts.waiting > 0,
                Some(Status::Blocked) => counts.blocked > 0,
                Some(_) => false,
            }
        };
        match only {
            Some(id) => has(id),
            None => (0..self.functions.len()).any(|index| has(FnId(index as u32))),
        }
    }

    /// How many go before each of these: of its lane for one that is blocked, of its function for
    /// one that is ready, as things stand and by the shares of their priorities. The others go
    /// before nobody.
    pub(crate) fn ahead(&self, slots: &[Slot]) -> Ahead {
        let mut ahead = Ahead::default();
        let mut ready: BTreeMap<FnId, Vec<(Priority, Seq, Slot)>> = BTreeMap::new();
        let mut lanes: BTreeMap<(FnId, &OrderingKey), Vec<Slot>> = BTreeMap::new();
        for slot in slots {
            let entry = &self.entries[*slot];
            match (entry.state, &entry.key) {
                (State::Ready, _) => {
                    let place = (entry.priority, entry.place().1, *slot);
                    ready.entry(entry.function).or_default().push(place);
                }
                (State::Blocked, Some(key)) => {
                    lanes.entry((entry.function, key)).or_default().push(*slot);
                }
                _ => {}
            }
        }
        for (id, wanted) in ready {
            let function = self.function(id);
            let is_ready = |slot: Slot| self.entries[slot].state == State::Ready;
            let alone = u64::from(function.exclusive.is_some_and(is_ready));
            let before = function.ready.ahead(&wanted);
            for ((.., slot), before) in wanted.iter().zip(before) {
                let is_alone = function.exclusive == Some(*slot);
                ahead.insert(*slot, if is_alone { 0 } else { before + alone });
            }
        }
        for ((id, key), mut wanted) in lanes {
            wanted.sort_unstable();
            self.ahead_in_lane(id, key, &wanted, &mut ahead);
        }
        ahead
    }

    fn ahead_in_lane(&self, id: FnId, key: &OrderingKey, wanted: &[Slot], ahead: &mut Ahead) {
        let function = self.function(id);
        let Some(lane) = function.lanes.get(key) else { return };
        let first = u64::from(lane.active) + function.dead.halted_by(key) as u64;
        let filter = Filter::of(wanted);
        let mut left = wanted.len();
        for (index, slot) in lane.rest.iter().enumerate() {
            if filter.may_have(*slot) && wanted.binary_search(slot).is_ok() {
                ahead.insert(*slot, first + index as u64);
                left -= 1;
                if left == 0 {
                    return;
                }
            }
        }
    }
}
