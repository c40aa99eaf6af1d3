//! What a delivery is said to be, and why it is where it is. Changes nothing.

use triphammer_journal::RowStatus;
use triphammer_model::{DeliveryId, Timestamp};

use crate::core::Inner;
use crate::entry::{DeadLetter, Entry};
use crate::info::{DeliveryInfo, Status};
use crate::slab::Slot;

impl Inner {
    pub(crate) fn describe_all(&self, ids: &[DeliveryId], now: Timestamp) -> Vec<DeliveryInfo> {
        let slots = self.slots(ids);
        let describe = |id: &DeliveryId| match slots.get(id) {
            Some(slot) => Some(self.describe(*slot, now)),
            None => {
                let function = self.queue.find(&id.function)?;
                Some(self.describe_dead(self.queue.function(function).dead.get(id.seq)?))
            }
        };
        ids.iter().filter_map(describe).collect()
    }

    pub(crate) fn describe_dead(&self, dead: &DeadLetter) -> DeliveryInfo {
        let row = &dead.row;
        let error = match &row.status {
            RowStatus::Dead { error, .. } => Some(error.clone()),
            RowStatus::Due(_) => None,
        };
        let code = error.as_ref().map_or("", |e| e.code.as_str());
        DeliveryInfo {
            id: row.id.clone(),
            key: row.key.clone(),
            status: Status::Dead,
            attempts: row.attempts,
            accepted: row.accepted,
            due: None,
            reason: format!("dead after {} attempts: {code}", row.attempts),
            error,
        }
    }

    /// An open delivery as it stands, and why.
    pub(crate) fn describe(&self, slot: Slot, now: Timestamp) -> DeliveryInfo {
        let entry = self.queue.entry(slot);
        let function = self.queue.function(entry.function);
        let status = self.queue.status(slot);
        let due = self.queue.due(slot);
        DeliveryInfo {
            id: DeliveryId { seq: entry.seq, function: function.name.clone() },
            key: entry.key.clone(),
            status,
            attempts: entry.attempts,
            accepted: entry.accepted,
            due,
            reason: match entry.expires() {
                Some(expires) if expires <= now && status != Status::Running => {
                    "expired, given up at its turn".into()
                }
                _ => self.reason(slot, entry, status),
            },
            error: None,
        }
    }

    fn reason(&self, slot: Slot, entry: &Entry, status: Status) -> String {
        let function = self.queue.function(entry.function);
        match status {
            Status::Running => "an attempt is running".into(),
            Status::Blocked => self.reason_of_lane(slot, entry),
            Status::Waiting if entry.attempts > 0 => {
                format!("waits to be tried again after {} failed attempts", entry.attempts)
            }
            Status::Waiting => "waits for its time".into(),
            _ if self.log.may_dispatch().is_err() => "the disk is full".into(),
            _ if !function.rules.runnable => match self.functions.get(&function.name) {
                Some(f) if f.paused().is_some() => {
                    let why = f.paused().map(|(_, why)| why).unwrap_or_default();
                    format!("its function is paused: {why}")
                }
                _ => "its function has no active revision".into(),
            },
            _ if function.counts.running >= u64::from(function.rules.concurrency) => {
                format!("its function runs {} at a time", function.rules.concurrency)
            }
            _ => "waits for a worker".into(),
        }
    }

    fn reason_of_lane(&self, slot: Slot, entry: &Entry) -> String {
        let function = self.queue.function(entry.function);
        let letter = entry.key.as_ref().filter(|key| function.dead.is_halted(key));
        if let Some(letter) = letter.and_then(|key| function.dead.halting(key)) {
            return format!(
                "its lane stands until dead letter {} is redriven or dropped",
                letter.row.id
            );
        }
        match self.queue.lane_head(slot) {
            Some(head) => format!("behind delivery {} of its lane", self.id_of(head)),
            None => "behind another delivery of its lane".into(),
        }
    }
}
