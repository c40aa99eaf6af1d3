//! The open timers of one function, by ordering key and name. Takes memory only for functions that
//! have some. Knows neither when they are due nor what they carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use triphammer_model::{OrderingKey, Seq};

use crate::slab::Slot;

/// By name there may be more than one: one that was running when the name was set again, and is
/// tried again after that.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_name: BTreeMap<(Option<OrderingKey>, Arc<str>, Seq), Slot>,
}

/// What begins with this is the host's own, and no guest's.
const HOST_NAME: char = '\0';

impl Timers {
    /// Keeps a delivery of this name, if it is a timer's.
    pub(crate) fn insert(
        &mut self,
        key: &Option<OrderingKey>,
        name: &Arc<str>,
        seq: Seq,
        slot: Slot,
    ) {
        if is_timer(name) {
            self.by_name.insert((key.clone(), Arc::clone(name), seq), slot);
        }
    }

    pub(crate) fn remove(&mut self, key: &Option<OrderingKey>, name: &Arc<str>, seq: Seq) {
        if is_timer(name) {
            self.by_name.remove(&(key.clone(), Arc::clone(name), seq));
        }
    }

    /// The open timers of this name, the oldest first.
    pub(crate) fn find(&self, key: Option<&OrderingKey>, name: &str) -> Vec<Slot> {
        let Some(last) = Seq::new(u64::MAX) else { return Vec::new() };
        let name: Arc<str> = name.into();
        let key = key.cloned();
        let range = (key.clone(), Arc::clone(&name), Seq::FIRST)..=(key, name, last);
        self.by_name.range(range).map(|(_, slot)| *slot).collect()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }
}

pub(crate) fn is_timer(name: &str) -> bool {
    !name.starts_with(HOST_NAME)
}
