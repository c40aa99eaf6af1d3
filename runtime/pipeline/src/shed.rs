//! Deliveries that are given up because of what comes in: those past a rate limit, and those whose
//! place a later one takes. Knows neither events nor routes.

use triphammer_journal::DropReason;
use triphammer_model::{DeliveryId, Seq, Timestamp};

use crate::core::{Core, Inner};
use crate::debounce;
use crate::entry::Entry;
use crate::give_up::BATCH_MAX;
use crate::slab::Slot;

/// What the record just appended has brought too much of. It is given up before the lock is given
/// back.
#[derive(Debug, Default)]
pub(crate) struct Surplus {
    /// Past their functions' rate limits; not in the queue. When each is due.
    over: Vec<(Entry, Timestamp)>,
    /// Others have taken their places.
    replaced: Vec<Slot>,
}

impl Inner {
    /// Takes in a delivery that has just been accepted, unless its function has had as many as it
    /// may have: then it has no slot.
    pub(crate) fn take_in(&mut self, entry: Entry, due: Timestamp, now: Timestamp) -> Option<Slot> {
        // A timer is the function's own, not one of those that come in.
        let debounced = debounce::is_debounced(entry.name().map(|name| &**name));
        let counts = debounced || entry.name().is_none();
        if counts && !self.queue.count_accepted(entry.function, entry.accepted) {
            self.surplus.over.push((entry, due));
            return None;
        }
        let slot = self.queue.insert(entry, due, now);
        if debounced {
            let replaced = self.queue.debounce(slot);
            self.surplus.replaced.extend(replaced);
        }
        Some(slot)
    }
}

impl Core {
    /// Gives up what there is too much of: the number of the last record of it.
    pub(crate) fn shed(&self, inner: &mut Inner) -> Option<Seq> {
        let mut last = None;
        if !inner.surplus.over.is_empty() {
            let over = std::mem::take(&mut inner.surplus.over);
            last = over.chunks(BATCH_MAX).map(|over| self.shed_over(inner, over)).max().flatten();
        }
        if !inner.surplus.replaced.is_empty() {
            let replaced = std::mem::take(&mut inner.surplus.replaced);
            last = last.max(self.shed_replaced(inner, &replaced));
        }
        last
    }

    fn shed_over(&self, inner: &mut Inner, over: &[(Entry, Timestamp)]) -> Option<Seq> {
        let id = |entry: &Entry| DeliveryId {
            seq: entry.seq,
            function: inner.queue.function(entry.function).name.clone(),
        };
        let ids: Vec<_> = over.iter().map(|(entry, _)| (id(entry), None)).collect();
        match self.give_up(inner, DropReason::RateLimited, &ids) {
            Ok(seq) => seq,
            Err(error) => {
                tracing::warn!(%error, "deliveries past a rate limit could not be given up");
                // They are in the log, so they run.
                let now = self.clock.now();
                for (entry, due) in over {
                    inner.queue.insert(entry.clone(), *due, now);
                }
                None
            }
        }
    }

    /// Gives up deliveries whose places others have taken.
    pub(crate) fn shed_replaced(&self, inner: &mut Inner, replaced: &[Slot]) -> Option<Seq> {
        let mut last = None;
        for replaced in replaced.chunks(BATCH_MAX) {
            let found: Vec<_> =
                replaced.iter().map(|slot| (inner.id_of(*slot), Some(*slot))).collect();
            match self.give_up(inner, DropReason::Debounced, &found) {
                Ok(seq) => last = last.max(seq),
                Err(error) => tracing::warn!(%error, "debounced deliveries could not be given up"),
            }
        }
        last
    }
}
