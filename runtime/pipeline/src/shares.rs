//! Shares by priority: who is next among those that want a turn, so that each level gets twice as
//! many turns as the one below it, and none starves.
//!
//! Stride scheduling (Waldspurger and Weihl, 1995): each has a pass, the lowest pass is next, and a
//! turn moves the pass on by a stride, which is shorter for a higher priority. Knows no delivery.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use triphammer_model::{Priority, Seq};

use crate::slab::Slot;

const LEVELS: usize = Priority::MAX as usize + 1;

/// How far a turn moves a pass on.
pub(crate) fn stride(priority: Priority) -> u64 {
    1 << (Priority::MAX - u32::from(priority.get()))
}

/// The deliveries of one function that may run: by shares between the priorities, within one the
/// oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    levels: [BinaryHeap<Reverse<(Seq, Slot)>>; LEVELS],
    passes: [u64; LEVELS],
    /// A bit for each level that is not empty.
    filled: u16,
    /// The pass of the last turn: a level that was empty begins a stride after it, so nobody saves
    /// up turns.
    now: u64,
}

impl Ready {
    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub(crate) fn push(&mut self, priority: Priority, order: Seq, slot: Slot) {
        let level = usize::from(priority.get());
        if self.levels[level].is_empty() {
            self.filled |= 1 << level;
            let begin = self.now + stride(priority);
            self.passes[level] = self.passes[level].max(begin);
        }
        self.levels[level].push(Reverse((order, slot)));
    }

    pub(crate) fn len(&self) -> usize {
        self.levels.iter().map(BinaryHeap::len).sum()
    }

    /// What [`Ready::pop`] would take.
    pub(crate) fn peek(&self) -> Option<Slot> {
        self.levels[self.next_level()?].peek().map(|Reverse((_, slot))| *slot)
    }

    pub(crate) fn oldest(&self) -> Option<Slot> {
        let first = self.levels.iter().filter_map(BinaryHeap::peek);
        first.min_by_key(|Reverse((order, _))| *order).map(|Reverse((_, slot))| *slot)
    }

    pub(crate) fn pop(&mut self) -> Option<Slot> {
        let level = self.next_level()?;
        let Reverse((_, slot)) = self.levels[level].pop()?;
        self.now = self.passes[level];
        self.passes[level] += stride(Priority::of(level as u32));
        self.note(level);
        Some(slot)
    }

    /// How many are popped before each of these, if nothing else comes.
    pub(crate) fn ahead(&self, wanted: &[(Priority, Seq, Slot)]) -> Vec<u64> {
        let mut ranks = HashMap::new();
        for level in 0..LEVELS {
            let of_level =
                wanted.iter().filter(|(priority, ..)| usize::from(priority.get()) == level);
            let mut places: Vec<_> = of_level.map(|(_, order, slot)| (*order, *slot)).collect();
            places.sort_unstable();
            for (place, rank) in places.iter().zip(self.ranks(level, &places)) {
                ranks.insert(place.1, self.turns_before(level, rank));
            }
        }
        wanted.iter().map(|(.., slot)| ranks.get(slot).copied().unwrap_or_default()).collect()
    }

    /// How many of a level are older than each of `places`, which are sorted.
    fn ranks(&self, level: usize, places: &[(Seq, Slot)]) -> Vec<u64> {
        let mut ranks = vec![0; places.len()];
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return ranks };
        for Reverse(place) in &self.levels[level] {
            // Those on a page stand together, so nearly all others are before or behind them all.
            if place < first {
                ranks[0] += 1;
            } else if place < last {
                ranks[places.partition_point(|other| other <= place)] += 1;
            }
        }
        let mut before = 0;
        for rank in &mut ranks {
            before += *rank;
            *rank = before;
        }
        ranks
    }

    /// The turns of all levels before the one that follows `rank` turns of this one.
    fn turns_before(&self, level: usize, rank: u64) -> u64 {
        let pass = self.passes[level] + rank * stride(Priority::of(level as u32));
        let others = (0..LEVELS).filter(|other| *other != level);
        let of_other = |other: usize| {
            // Of two with the same pass the higher level is first.
            let until = if other > level { pass + 1 } else { pass };
            let wait = until.saturating_sub(self.passes[other]);
            let turns = wait.div_ceil(stride(Priority::of(other as u32)));
            turns.min(self.levels[other].len() as u64)
        };
        rank + others.map(of_other).sum::<u64>()
    }

    /// Takes out all that `which` says.
    pub(crate) fn take(&mut self, mut which: impl FnMut(Slot) -> bool) -> Vec<Slot> {
        let mut taken = Vec::new();
        for level in 0..LEVELS {
            self.levels[level].retain(|Reverse((_, slot))| {
                let take = which(*slot);
                if take {
                    taken.push(*slot);
                }
                !take
            });
            self.note(level);
        }
        taken
    }

    fn next_level(&self) -> Option<usize> {
        match self.filled.count_ones() {
            0 => None,
            1 => Some(self.filled.trailing_zeros() as usize),
            _ => {
                let filled = (0..LEVELS).rev().filter(|level| self.filled & (1 << level) != 0);
                filled.min_by_key(|level| self.passes[*level])
            }
        }
    }

    fn note(&mut self, level: usize) {
        if self.levels[level].is_empty() {
            self.filled &= !(1 << level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    fn turns(priorities: &[u32], count: usize) -> Vec<usize> {
        let mut slab = Slab::new();
        let mut ready = Ready::default();
        let mut of = HashMap::new();
        let mut order = 0;
        for priority in priorities {
            for _ in 0..count {
                let slot = slab.insert(());
                order += 1;
                of.insert(slot, *priority);
                ready.push(Priority::of(*priority), Seq::new(order).unwrap(), slot);
            }
        }
        let mut got = vec![0; LEVELS];
        for _ in 0..count {
            got[of[&ready.pop().unwrap()] as usize] += 1;
        }
        got
    }

    #[test]
    fn each_level_has_twice_the_share_of_the_one_below() {
        let got = turns(&[4, 5], 3000);
        assert_eq!((got[4], got[5]), (1000, 2000));
        let got = turns(&[0, 9], 513 * 4);
        assert_eq!((got[0], got[9]), (4, 2048), "the lowest still gets its share");
    }

    #[test]
    fn a_level_that_was_empty_has_saved_nothing_up() {
        let (mut slab, mut ready) = (Slab::new(), Ready::default());
        let mut order = 0;
        let mut push = |ready: &mut Ready, priority| {
            order += 1;
            let slot = slab.insert(());
            ready.push(Priority::of(priority), Seq::new(order).unwrap(), slot);
            slot
        };
        let high: Vec<Slot> = (0..100).map(|_| push(&mut ready, 9)).collect();
        assert_eq!((ready.pop(), ready.pop()), (Some(high[0]), Some(high[1])));
        let low = push(&mut ready, 8);
        // It begins where the others are: one turn, not one for each that went before.
        let next: Vec<_> = (0..3).filter_map(|_| ready.pop()).collect();
        assert!(next.contains(&low) && next.contains(&high[2]), "{next:?}");
        ready.take(|slot| slot == high[50]);
        let rest: Vec<_> = std::iter::from_fn(|| ready.pop()).collect();
        assert!(ready.is_empty() && !rest.contains(&high[50]));
    }
}
