//! Several deliveries of a function in one attempt: how a lease gets them, and how they part again.
//! Knows no wasm and no record.

use triphammer_model::{Event, Timestamp};

use crate::core::{Core, Inner};
use crate::dispatch::load;
use crate::entry::Entry;
use crate::lease::{Along, Lease};
use crate::registry::Revision;
use crate::slab::Slot;

/// The most that the events of a batch take together, in bytes; the first is in it whatever it takes.
const BYTES_MAX: usize = 8 << 20;
/// And of the memory that the handler has, as a divisor: it holds them more than once.
const MEMORY_SHARE: u64 = 4;

impl Inner {
    /// A running delivery for whoever runs it, with its payload if that is in memory.
    pub(crate) fn lend(&mut self, slot: Slot) -> Entry {
        let event = self.queue.take_payload(slot);
        let mut entry = self.queue.entry(slot).clone();
        entry.payload.memory = event;
        entry
    }

    /// What runs along with a delivery on this revision.
    pub(crate) fn gather(
        &mut self,
        first: Slot,
        revision: &Revision,
        now: Timestamp,
    ) -> Vec<Along> {
        let Some(batch) = revision.manifest.batch else { return Vec::new() };
        let Some(function) = self.functions.get(&revision.function) else { return Vec::new() };
        // Those of a canary are handled by it alone.
        let same = |entry: &Entry| {
            let serving = function.revision_for(entry.key.as_ref(), entry.seq);
            serving.is_some_and(|serving| serving.id == revision.id)
        };
        let along = self.queue.gather(first, batch.max, now, same);
        along.into_iter().map(|slot| Along { slot, entry: self.lend(slot) }).collect()
    }

    /// Puts back what runs along with the first, as far as it is still there.
    pub(crate) fn put_back(&mut self, lease: &Lease, along: Vec<Along>, due: Timestamp) {
        let held = along
            .iter()
            .filter(|along| self.queue.holds(along.slot, lease.function, along.entry.seq));
        let slots: Vec<Slot> = held.map(|along| along.slot).collect();
        self.queue.put_back(&slots, due);
    }
}

impl Core {
    /// The events of those that run along with one whose event is `first`. What would be too much, or
    /// can't be read, runs another time.
    pub(crate) fn load_along(&self, lease: &mut Lease, first: &Event) -> Vec<Event> {
        if lease.along.is_empty() {
            return Vec::new();
        }
        let memory = lease.revision.manifest.memory_bytes / MEMORY_SHARE;
        let most = BYTES_MAX.min(usize::try_from(memory).unwrap_or(BYTES_MAX));
        let mut bytes = first.as_bytes().len();
        let mut events = Vec::with_capacity(lease.along.len());
        for Along { entry, .. } in &lease.along {
            let Ok(event) = load(self, entry.seq, &entry.payload) else { break };
            bytes += event.as_bytes().len();
            if bytes > most {
                break;
            }
            events.push(event);
        }
        if events.len() < lease.along.len() {
            let rest = lease.along.split_off(events.len());
            let mut inner = self.lock();
            let now = self.clock.now();
            let due_before = inner.catch_up(now);
            inner.put_back(lease, rest, now);
            self.wake(inner, due_before);
        }
        events
    }
}
