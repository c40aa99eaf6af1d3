//! Deliveries that are given up: dropped by an operator, with their function, or because their
//! time has passed. Decides nothing; whoever calls says why.

use triphammer_journal::{AppendError, Body, DropReason, Record};
use triphammer_model::{DeliveryId, ErrorInfo, Seq, Timestamp};

use crate::core::{Core, Inner};
use crate::info::{DeliveryResult, Status};
use crate::slab::Slot;
use crate::waiters::News;

/// Deliveries that one record gives up; more take more records.
pub(crate) const BATCH_MAX: usize = 1000;

impl Core {
    /// Gives up deliveries that are open, at their slots, or dead. What a running one does is
    /// thrown away. None when there was nothing to give up.
    pub(crate) fn give_up(
        &self,
        inner: &mut Inner,
        why: DropReason,
        found: &[(DeliveryId, Option<Slot>)],
    ) -> Result<Option<Seq>, AppendError> {
        if found.is_empty() {
            return Ok(None);
        }
        let ids = found.iter().map(|(id, _)| id.clone()).collect();
        let record = Record::Drop { at: self.clock.now(), why, ids };
        let (seq, location) = inner.log.append(&Body::encode(&record))?;
        self.history.note(seq, &record, location);
        inner.forget_all(found);
        found.iter().for_each(|(id, _)| inner.tell_given_up(id, why, seq));
        self.mend_schedules(inner);
        Ok(Some(seq))
    }

    /// Gives up a delivery whose turn came too late.
    pub(crate) fn expire(&self, inner: &mut Inner, slot: Slot, now: Timestamp) {
        let id = inner.id_of(slot);
        if let Err(error) = self.give_up(inner, DropReason::Expired, &[(id.clone(), Some(slot))]) {
            let DeliveryId { seq: event, function } = &id;
            tracing::warn!(%event, %function, %error, "an expired delivery could not be given up");
            inner.queue.retry(slot, now.plus(crate::commit::REFUSED_WAIT), now);
        }
    }

    /// Gives up dead letters that have been kept for as long as their functions say.
    pub(crate) fn forget_old_letters(&self, inner: &mut Inner, now: Timestamp) {
        let old = inner.queue.old_letters(now, BATCH_MAX);
        let old: Vec<_> = old.into_iter().map(|id| (id, None)).collect();
        if let Err(error) = self.give_up(inner, DropReason::Expired, &old) {
            tracing::warn!(%error, "dead letters could not be given up");
        }
    }
}

impl Inner {
    pub(crate) fn id_of(&self, slot: Slot) -> DeliveryId {
        let entry = self.queue.entry(slot);
        DeliveryId { seq: entry.seq, function: self.queue.function(entry.function).name.clone() }
    }

    /// Takes them out: open ones at their slots, and dead letters.
    pub(crate) fn forget_all(&mut self, found: &[(DeliveryId, Option<Slot>)]) {
        let mut idle = Vec::new();
        for (id, slot) in found {
            let Some(function) = self.queue.find(&id.function) else { continue };
            if let Some(name) = slot.and_then(|slot| self.queue.entry(slot).name()) {
                self.schedules.end(function, name, &id.function);
            }
            match *slot {
                Some(slot) if self.queue.status(slot) == Status::Running => {
                    self.queue.finish(slot);
                }
                Some(slot) => idle.push(slot),
                None => {
                    let letter = self.queue.unbury(function, id.seq);
                    let key = letter.and_then(|letter| letter.row.key);
                    self.queue.resume_lane(function, key.as_ref());
                }
            }
        }
        self.queue.remove_all(&idle);
    }

    /// Counts it, and tells whoever waits for it once `record` is on disk.
    pub(crate) fn tell_given_up(&mut self, id: &DeliveryId, why: DropReason, record: Seq) {
        let function = self.queue.function_id(&id.function);
        self.queue.function_mut(function).counts.dropped += 1;
        self.totals.dropped += 1;
        self.waiters.tell(id.seq, || News {
            event: id.seq,
            record,
            result: DeliveryResult {
                function: id.function.clone(),
                revision: None,
                status: status(why),
                attempts: 0,
                reply: None,
                error: Some(error(why)),
            },
        });
    }
}

pub(crate) fn status(why: DropReason) -> Status {
    match why {
        DropReason::Expired => Status::Expired,
        _ => Status::Dropped,
    }
}

/// The reason as it is shown.
pub(crate) fn error(why: DropReason) -> ErrorInfo {
    let message = match why {
        DropReason::Operator => "dropped by an operator",
        DropReason::Removed => "dropped with its function",
        DropReason::Expired => "its time had passed",
        DropReason::Debounced => "a later delivery of the same key took its place",
        DropReason::RateLimited => "the function's rate limit was used up",
        DropReason::Cancelled => {
            "a timer that was cancelled or set again, or a firing of a schedule that was changed"
        }
        DropReason::Missed => {
            "a slot of the schedule that passed while the host was down or the function paused"
        }
    };
    ErrorInfo { code: why.code().into(), message: message.into() }
}
