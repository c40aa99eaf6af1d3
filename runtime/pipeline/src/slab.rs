//! Entries at stable places, in chunks: growing never copies, so a long queue never doubles.

use std::ops::{Index, IndexMut};

/// An entry's place. Reused after the entry is gone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Slot(u32);

#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<Slot>,
    len: usize,
}

/// How many entries [`Slab::chunk`] has.
const CHUNK: usize = 1024;
/// Chunks that an empty slab keeps for what comes next.
const CHUNKS_KEPT: usize = 16;

impl Slot {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), len: 0 }
    }

    pub(crate) fn insert(&mut self, value: T) -> Slot {
        self.len += 1;
        if let Some(slot) = self.free.pop() {
            self.chunks[slot.0 as usize / CHUNK][slot.0 as usize % CHUNK] = Some(value);
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let index = (self.chunks.len() - 1) * CHUNK;
        match self.chunks.last_mut() {
            Some(chunk) => {
                chunk.push(Some(value));
                Slot((index + chunk.len() - 1) as u32)
            }
            None => unreachable!("a chunk was pushed above"),
        }
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        let chunk = self.chunks.get_mut(slot.0 as usize / CHUNK)?;
        let value = chunk.get_mut(slot.0 as usize % CHUNK)?.take()?;
        self.len -= 1;
        self.free.push(slot);
        if self.len == 0 && self.chunks.len() > CHUNKS_KEPT {
            // A backlog has drained: give its memory back.
            self.chunks.clear();
            self.free = Vec::new();
        }
        Some(value)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.chunks.get(slot.0 as usize / CHUNK)?.get(slot.0 as usize % CHUNK)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.chunks.get_mut(slot.0 as usize / CHUNK)?.get_mut(slot.0 as usize % CHUNK)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let all = self.chunks.iter().flatten().enumerate();
        all.filter_map(|(index, value)| value.as_ref().map(|v| (Slot(index as u32), v)))
    }

    /// A part of the entries, of which there are as many as it takes until there is none: what stays
    /// in the slab is in one of them, whatever comes and goes between the calls.
    pub(crate) fn chunk(&self, number: usize) -> Option<impl Iterator<Item = (Slot, &T)>> {
        let chunk = self.chunks.get(number)?.iter().enumerate();
        let slot = move |index| Slot((number * CHUNK + index) as u32);
        Some(chunk.filter_map(move |(index, value)| value.as_ref().map(|v| (slot(index), v))))
    }
}

impl<T> Index<Slot> for Slab<T> {
    type Output = T;

    fn index(&self, slot: Slot) -> &T {
        match self.get(slot) {
            Some(value) => value,
            None => unreachable!("a slot is used only while its entry is there"),
        }
    }
}

impl<T> IndexMut<Slot> for Slab<T> {
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        match self.get_mut(slot) {
            Some(value) => value,
            None => unreachable!("a slot is used only while its entry is there"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_stable_and_reused() {
        let mut slab = Slab::new();
        let slots: Vec<_> = (0..30_000).map(|n| slab.insert(n)).collect();
        assert_eq!(slab[slots[29_999]], 29_999);
        assert_eq!(slab.remove(slots[5]), Some(5));
        assert_eq!(slab.remove(slots[5]), None);
        assert_eq!(slab.insert(9), slots[5]);
        assert_eq!(slab.iter().count(), 30_000);
        let chunks = (0..).map_while(|number| slab.chunk(number)).flatten();
        assert!(chunks.eq(slab.iter()));
        for slot in slots {
            slab.remove(slot);
        }
        assert_eq!(slab.iter().count(), 0);
        let slot = slab.insert(1);
        assert_eq!(slab[slot], 1);
    }
}
