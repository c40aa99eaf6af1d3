//! Of deliveries with the same key that come shortly after each other only the last runs: the one
//! that waits for each key, and since when there is one. Knows no record of those that it replaces.
//!
//! A debounced delivery has a name that no guest can give. It holds since when deliveries of its
//! key have been put off, where that bounds the wait, so a restart knows it too. The name is gone
//! when its time has come: from then on it is a delivery like any other.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use triphammer_journal::{Accepted, Body, NewDelivery, Record};
use triphammer_model::{Debounce, OrderingKey, Timestamp};

use crate::core::Inner;
use crate::slab::Slot;

const NAME: &str = "\u{0}debounce";

/// By ordering key, those that wait.
pub(crate) type Waits = HashMap<Option<OrderingKey>, Wait, RandomState>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) slot: Slot,
    /// When the first of those that it stands for was accepted.
    pub(crate) first: Timestamp,
}

/// Whether a delivery of this name is debounced.
pub(crate) fn is_debounced(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with(NAME))
}

/// Since when deliveries of its key are put off, for one of this name that was `accepted`.
pub(crate) fn first(name: Option<&str>, accepted: Timestamp) -> Timestamp {
    let ms = name.and_then(|name| name.strip_prefix(NAME)?.trim_start().parse().ok());
    ms.map_or(accepted, Timestamp)
}

/// Puts off a delivery that is accepted at `at`.
pub(crate) fn put_off(delivery: &mut NewDelivery, debounce: Debounce, at: Timestamp) {
    delivery.due = delivery.due.max(Some(at.plus(debounce.period)));
    delivery.name = Some(NAME.to_owned());
}

/// A wait that began with `first` goes on with this delivery: not for longer than `max` in all.
fn go_on(delivery: &mut NewDelivery, debounce: Debounce, at: Timestamp, first: Timestamp) {
    let Some(max) = debounce.max else { return };
    delivery.name = Some(format!("{NAME} {}", first.ms()));
    // One that its event puts off for longer is not hurried.
    if delivery.due <= Some(at.plus(debounce.period)) {
        delivery.due = delivery.due.min(Some(first.plus(max)));
    }
}

impl Inner {
    /// The body of a record that is about to be appended. Under the lock it is known which of its
    /// deliveries take the place of others; only then it is encoded once more.
    pub(crate) fn bounded(&self, record: &mut Record, body: Body) -> Body {
        if self.bound_waits(record) { Body::encode(record) } else { body }
    }

    /// Bounds the waits of debounced deliveries. False when the record is as it was.
    pub(crate) fn bound_waits(&self, record: &mut Record) -> bool {
        let at = record.at();
        let mut changed = false;
        for delivery in record.events_mut().iter_mut().flat_map(deliveries) {
            if !is_debounced(delivery.name.as_deref()) {
                continue;
            }
            let function = self.queue.find(&delivery.function).map(|id| self.queue.function(id));
            let Some(function) = function else { continue };
            let wait = function.waits.get(&delivery.key).copied();
            if let (Some(debounce), Some(Wait { first, .. })) = (function.rules.debounce, wait) {
                go_on(delivery, debounce, at, first);
                changed = true;
            }
        }
        changed
    }
}

fn deliveries(accepted: &mut Accepted) -> &mut [NewDelivery] {
    &mut accepted.deliveries
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn debounce(max_ms: Option<u64>) -> Debounce {
        let period = Duration::from_millis(100);
        Debounce { period, max: max_ms.map(Duration::from_millis) }
    }

    fn delivery() -> NewDelivery {
        NewDelivery::new("f".parse().unwrap(), None)
    }

    #[test]
    fn a_wait_is_bounded_from_its_first() {
        let mut delivery = delivery();
        put_off(&mut delivery, debounce(Some(250)), Timestamp(1000));
        assert_eq!(delivery.due, Some(Timestamp(1100)));
        assert_eq!(first(delivery.name.as_deref(), Timestamp(1000)), Timestamp(1000));
        for (at, due) in [(1090, 1190), (1180, 1250), (1240, 1250)] {
            put_off(&mut delivery, debounce(Some(250)), Timestamp(at));
            delivery.due = Some(Timestamp(at + 100));
            go_on(&mut delivery, debounce(Some(250)), Timestamp(at), Timestamp(1000));
            assert_eq!(delivery.due, Some(Timestamp(due)));
            assert!(is_debounced(delivery.name.as_deref()));
            assert_eq!(first(delivery.name.as_deref(), Timestamp(at)), Timestamp(1000));
        }
    }

    #[test]
    fn without_a_bound_nothing_changes_and_a_later_time_is_kept() {
        let mut delivery = delivery();
        put_off(&mut delivery, debounce(None), Timestamp(1000));
        let before = delivery.clone();
        go_on(&mut delivery, debounce(None), Timestamp(1000), Timestamp(1));
        assert_eq!(delivery, before);
        delivery.due = Some(Timestamp(9000));
        put_off(&mut delivery, debounce(Some(200)), Timestamp(1000));
        go_on(&mut delivery, debounce(Some(200)), Timestamp(1000), Timestamp(900));
        assert_eq!(delivery.due, Some(Timestamp(9000)));
    }

    #[test]
    fn only_its_own_names_are_debounced() {
        assert!(!is_debounced(None) && !is_debounced(Some("debounce")));
    }
}
