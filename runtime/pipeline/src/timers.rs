//! Timers: events that a function sends itself, later and under a name. What an attempt sets or
//! cancels is in the record of its commit. Knows no lanes and no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use triphammer_journal::{Accepted, NewDelivery};
use triphammer_model::{DeliveryId, Event, Hops, Priority, TimerChange, Timestamp};

use crate::core::{Core, Inner};
use crate::fn_timers::is_timer;
use crate::info::Status;
use crate::lease::Lease;
use crate::route::find_priority;
use crate::slab::Slot;

/// What an attempt changes, each name once.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    by_name: BTreeMap<&'a str, Change>,
}

/// The event to set, complete, with milliseconds from the commit; none where a timer is cancelled.
type Change = Option<(Event, u64)>;

impl<'a> Changes<'a> {
    /// The last change of each name holds.
    pub(crate) fn new(
        changes: &'a [TimerChange],
        mut complete: impl FnMut(usize, &triphammer_model::EventParts) -> Option<Event>,
    ) -> Self {
        let mut by_name = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            let set = match &change.set {
                None => None,
                // The sandbox has checked what the guest gave; the rest is the host's own.
                Some(timer) => match complete(index, &timer.parts) {
                    Some(event) => Some((event, timer.after_ms)),
                    None => continue,
                },
            };
            by_name.insert(change.name.as_str(), set);
        }
        Self { by_name }
    }

    /// The events of those that are set by a commit at `at`. They begin again with no hops: a
    /// function may set its timer for ever. Where they say nothing themselves, they are as urgent as
    /// `usual`.
    pub(crate) fn events(&self, lease: &Lease, at: Timestamp, usual: Priority) -> Vec<Accepted> {
        let set = self.by_name.iter().filter_map(|(name, set)| Some((*name, set.as_ref()?)));
        let accepted = |(name, (event, after_ms)): (&str, &(Event, u64))| {
            let function = lease.revision.function.clone();
            let delivery = NewDelivery {
                priority: find_priority(event).unwrap_or(usual),
                due: Some(at.plus(Duration::from_millis(*after_ms))),
                expires: event.timing().expires,
                name: Some(name.to_owned()),
                ..NewDelivery::new(function, lease.entry.key.clone())
            };
            let event = event.clone();
            Accepted { event, hops: Hops(0), dedup: None, deliveries: vec![delivery] }
        };
        set.map(accepted).collect()
    }

    /// The open timers whose place is taken, or which are cancelled: those that do not run.
    pub(crate) fn replaced(&self, inner: &Inner, lease: &Lease) -> Vec<(DeliveryId, Slot)> {
        let timers = &inner.queue.function(lease.function).timers;
        let key = lease.entry.key.as_ref();
        let named = self.by_name.keys().flat_map(|name| timers.find(key, name));
        let idle = named.filter(|slot| inner.queue.status(*slot) != Status::Running);
        idle.map(|slot| (inner.id_of(slot), slot)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// Whether an event of a commit is that of a timer.
pub(crate) fn is_set(accepted: &Accepted) -> bool {
    accepted.deliveries.iter().any(|delivery| delivery.name.as_deref().is_some_and(is_timer))
}

impl Core {
    /// What a commit replaces, as it stands, and how urgent the function's deliveries are: to be asked
    /// for again under the lock of the commit.
    pub(crate) fn replaced(
        &self,
        changes: &Changes<'_>,
        lease: &Lease,
    ) -> (Vec<DeliveryId>, Priority) {
        let own = lease.revision.manifest.priority;
        if changes.is_empty() {
            return (Vec::new(), own);
        }
        let inner = self.lock();
        let replaced = changes.replaced(&inner, lease).into_iter().map(|(id, _)| id).collect();
        // The attempt may run on a canary, or on what was active before.
        let function = inner.functions.get(&lease.revision.function);
        let active = function.and_then(|function| function.active.as_ref());
        (replaced, active.map_or(own, |active| active.manifest.priority))
    }
}
