//! The longest lanes, and what each of them waits for. Nothing is indexed for it: it walks the lanes of
//! one function at a time, and gives the lock back after each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use triphammer_model::{FunctionName, OrderingKey};

use crate::core::{Core, Inner};
use crate::fn_queue::{FnQueue, Lane};
use crate::info::DeliveryInfo;
use crate::listing::Found;
use crate::slab::Slot;

/// Deliveries of one function with the same ordering key that are open.
#[derive(Clone, Debug)]
pub struct LaneInfo {
    pub function: FunctionName,
    pub key: OrderingKey,
    pub length: u64,
    /// The first that it waits for: the one that runs or is to run, or the dead letter that halts it.
    pub head: DeliveryInfo,
}

/// A lane's length, its function's index, its head, and its key.
type Ranked = Reverse<(u64, usize, Slot, OrderingKey)>;

impl Core {
    /// Up to `most`, the longest first, and whether there are more.
    pub(crate) fn lanes(&self, only: Option<&FunctionName>, most: usize) -> (Vec<LaneInfo>, bool) {
        let mut longest: BinaryHeap<Ranked> = BinaryHeap::new();
        let functions = self.lock().queue.functions().len();
        let mut more = false;
        for index in 0..functions {
            let inner = self.lock();
            let function = &inner.queue.functions()[index];
            if only.is_some_and(|only| *only != function.name) {
                continue;
            }
            for (key, lane) in &function.lanes {
                let length = u64::from(lane.active) + lane.rest.len() as u64;
                if longest.len() == most {
                    more = true;
                    if longest.peek().is_some_and(|Reverse(least)| least.0 >= length) {
                        continue;
                    }
                    longest.pop();
                }
                longest.push(Reverse((length, index, first(lane), key.clone())));
            }
        }
        let mut ranked: Vec<_> = longest.into_iter().map(|Reverse(ranked)| ranked).collect();
        ranked.sort_by_key(|(length, ..)| Reverse(*length));
        let now = self.clock.now();
        let inner = self.lock();
        let mut infos = Vec::with_capacity(ranked.len());
        for (length, index, slot, key) in ranked {
            let function = &inner.queue.functions()[index];
            // It may have gone meanwhile.
            let Some(found) = inner.head_of(function, slot, &key) else { continue };
            let head = inner.describe_all(&[found], now).pop();
            let function = function.name.clone();
            infos.extend(head.map(|head| LaneInfo { function, key, length, head }));
        }
        (infos, more)
    }
}

/// What left the rest last, or is the first of it.
fn first(lane: &Lane) -> Slot {
    if lane.active > 0 { lane.head } else { lane.rest.front().copied().unwrap_or(lane.head) }
}

impl Inner {
    fn head_of(&self, function: &FnQueue, slot: Slot, key: &OrderingKey) -> Option<Found> {
        if let Some(letter) = function.dead.halting(key) {
            return Some(Found { id: letter.row.id.clone(), slot: None });
        }
        let entry = self.queue.get(slot).filter(|entry| entry.key.as_ref() == Some(key))?;
        (self.queue.function(entry.function).name == function.name)
            .then(|| Found { id: self.id_of(slot), slot: Some(slot) })
    }
}
