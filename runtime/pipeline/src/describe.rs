//! What a delivery is said to be, and why it is where it is. Changes nothing.

use triphammer_journal::{OpenBreaker, RowStatus};
use triphammer_model::{DeliveryId, OrderingKey, Rate, Timestamp, duration_text};

use crate::core::Inner;
use crate::debounce;
use crate::entry::{DeadLetter, Entry};
use crate::fn_queue::FnQueue;
use crate::fn_timers::is_timer;
use crate::gates::Gate;
use crate::info::{DeliveryInfo, Status, WaitKind, WaitingFor};
use crate::listing::Found;
use crate::queue::Ahead;
use crate::slab::Slot;

/// A delivery's name where it is a timer's.
pub(crate) fn timer(name: Option<&str>) -> Option<String> {
    name.filter(|name| is_timer(name)).map(str::to_owned)
}

/// Why a delivery is where it is: as a sentence, and as what it waits for.
struct Why {
    reason: String,
    waiting_for: Option<WaitingFor>,
}

impl Inner {
    /// Those that are still there.
    pub(crate) fn describe_all(&self, found: &[Found], now: Timestamp) -> Vec<DeliveryInfo> {
        let slots: Vec<Slot> = found.iter().filter_map(|found| self.slot_of(found)).collect();
        let ahead = self.queue.ahead(&slots);
        let describe = |found: &Found| match self.slot_of(found) {
            Some(slot) => Some(self.describe(slot, &ahead, now)),
            None => {
                let function = self.queue.function(self.queue.find(&found.id.function)?);
                Some(self.describe_dead(function, function.dead.get(found.id.seq)?))
            }
        };
        found.iter().filter_map(describe).collect()
    }

    /// Its slot, unless it has left it.
    fn slot_of(&self, found: &Found) -> Option<Slot> {
        let function = self.queue.find(&found.id.function)?;
        found.slot.filter(|slot| self.queue.holds(*slot, function, found.id.seq))
    }

    fn describe_dead(&self, function: &FnQueue, dead: &DeadLetter) -> DeliveryInfo {
        let row = &dead.row;
        let (died, error) = match &row.status {
            RowStatus::Dead { at, error } => (Some(*at), Some(error.clone())),
            RowStatus::Due(_) => (None, None),
        };
        let code = error.as_ref().map_or("", |e| e.code.as_str());
        let attempts = if row.attempts == 1 { "attempt" } else { "attempts" };
        let halts = row.key.as_ref().is_some_and(|key| function.dead.is_halted(key));
        let halts = if halts { "; its lane stands for it" } else { "" };
        DeliveryInfo {
            id: row.id.clone(),
            key: row.key.clone(),
            timer: timer(row.name.as_deref()),
            status: Status::Dead,
            attempts: row.attempts,
            accepted: row.accepted,
            due: None,
            died,
            reason: format!("dead after {} {attempts}: {code}{halts}", row.attempts),
            waiting_for: None,
            error,
        }
    }

    /// An open delivery as it stands, and why.
    fn describe(&self, slot: Slot, ahead: &Ahead, now: Timestamp) -> DeliveryInfo {
        let entry = self.queue.entry(slot);
        let function = self.queue.function(entry.function);
        let Why { mut reason, waiting_for } = self.why(slot, entry, ahead.get(&slot).copied());
        let status = self.queue.status(slot);
        if status != Status::Running && entry.expires().is_some_and(|expires| expires <= now) {
            reason = "expired, given up at its turn".into();
        }
        let closed = function.gates.until().filter(|_| status == Status::Ready);
        let due = self.queue.due(slot).or(closed);
        DeliveryInfo {
            id: DeliveryId { seq: entry.seq, function: function.name.clone() },
            key: entry.key.clone(),
            timer: timer(entry.name().map(|name| &**name)),
            status,
            attempts: entry.attempts,
            accepted: entry.accepted,
            due,
            died: None,
            reason,
            waiting_for,
            error: None,
        }
    }

    fn why(&self, slot: Slot, entry: &Entry, ahead: Option<u64>) -> Why {
        let function = self.queue.function(entry.function);
        match (self.queue.status(slot), &entry.key) {
            (Status::Running, _) => {
                Why { reason: "an attempt is running".into(), waiting_for: None }
            }
            (Status::Waiting, _) => self.why_waiting(slot, entry),
            (Status::Blocked, Some(key)) => self.why_blocked(slot, function, key, ahead),
            _ => self.why_ready(slot, function, ahead),
        }
    }

    fn why_waiting(&self, slot: Slot, entry: &Entry) -> Why {
        let until = self.queue.due(slot);
        let at = until.map(|due| due.to_rfc3339()).unwrap_or_default();
        if let Some((there, of)) = self.queue.forming(slot) {
            let reason = reason_of_batch(until.unwrap_or_default(), there, Some(of));
            let waiting_for =
                WaitingFor { until, limit: Some(of), ..WaitingFor::new(WaitKind::Batch) };
            return Why { reason, waiting_for: Some(waiting_for) };
        }
        let (kind, reason) = match (entry.tried, entry.attempts) {
            (false, _) if debounce::is_debounced(entry.name().map(|name| &**name)) => (
                WaitKind::Time,
                format!("is debounced until {at}: another of its key takes its place"),
            ),
            (false, _) => (WaitKind::Time, format!("waits for its time, {at}")),
            (true, 0) => (
                WaitKind::Retry,
                format!("waits to be tried again at {at}: the host could not run it"),
            ),
            (true, failed) => {
                let attempts = if failed == 1 { "attempt" } else { "attempts" };
                let reason = format!("waits to be tried again at {at}, after {failed} {attempts}");
                (WaitKind::Retry, reason)
            }
        };
        Why { reason, waiting_for: Some(WaitingFor { until, ..WaitingFor::new(kind) }) }
    }

    fn why_blocked(
        &self,
        slot: Slot,
        function: &FnQueue,
        key: &OrderingKey,
        ahead: Option<u64>,
    ) -> Why {
        let (kind, delivery, until, reason) = match function.dead.halting(key) {
            Some(letter) => {
                let id = letter.row.id.clone();
                let what = if function.rules.keep_dead_ms.is_some() {
                    "redriven, dropped or too old"
                } else {
                    "redriven or dropped"
                };
                let reason = format!("its lane stands until dead letter {id} is {what}");
                (WaitKind::Halted, Some(id), function.forgets_at(letter), reason)
            }
            None => {
                let head = self.queue.lane_head(slot).map(|head| self.id_of(head));
                let of = head.as_ref().map_or_else(|| "another".into(), |id| format!("{id}"));
                (WaitKind::Lane, head, None, format!("behind delivery {of} of its lane"))
            }
        };
        let most = function.rules.key_concurrency;
        let limit = (kind == WaitKind::Lane && most > 1).then_some(most);
        let reason = match ahead {
            Some(ahead) if ahead > 1 => format!("{reason}, {ahead} ahead of it"),
            _ => reason,
        };
        let waiting_for = WaitingFor { delivery, until, ahead, limit, ..WaitingFor::new(kind) };
        Why { reason, waiting_for: Some(waiting_for) }
    }

    fn why_ready(&self, slot: Slot, function: &FnQueue, ahead: Option<u64>) -> Why {
        let concurrency = function.rules.concurrency;
        let mut waiting_for = WaitingFor { ahead, ..WaitingFor::new(WaitKind::Worker) };
        let mut because = |kind| waiting_for.kind = kind;
        let reason = if self.log.may_dispatch().is_err() {
            because(WaitKind::Disk);
            "the disk is full".into()
        } else if !function.rules.runnable {
            because(WaitKind::Paused);
            self.why_not_runnable(function)
        } else if let Some((until, gate)) = function.gates.closed() {
            waiting_for.until = Some(until);
            match gate {
                Gate::Throttle => {
                    waiting_for.kind = WaitKind::Throttle;
                    reason_of_throttle(function, until)
                }
                Gate::Batch => {
                    waiting_for.kind = WaitKind::Batch;
                    waiting_for.limit = function.rules.batch.map(|batch| batch.max);
                    reason_of_batch(until, function.ready.len() as u64, waiting_for.limit)
                }
                Gate::Breaker => {
                    waiting_for.kind = WaitKind::Breaker;
                    self.reason_of_breaker(function, until)
                }
            }
        } else if function.rules.probe.is_some() && function.busy > 0 {
            because(WaitKind::Breaker);
            "its function's circuit breaker is half-open: one delivery runs at a time".into()
        } else if function.exclusive == Some(slot) {
            because(WaitKind::Exclusive);
            format!("runs alone, after the {} that run", function.busy)
        } else if let Some(alone) = function.exclusive {
            because(WaitKind::Exclusive);
            let id = self.id_of(alone);
            waiting_for.delivery = Some(id.clone());
            format!("delivery {id} of its function runs alone: what it read kept changing")
        } else if function.busy >= concurrency {
            because(WaitKind::Concurrency);
            waiting_for.limit = Some(concurrency);
            format!("its function runs {concurrency} at a time")
        } else {
            "waits for a worker".into()
        };
        let reason = match ahead {
            Some(ahead) if ahead > 0 => format!("{reason}, {ahead} of its function ahead of it"),
            _ => reason,
        };
        Why { reason, waiting_for: Some(waiting_for) }
    }

    fn reason_of_breaker(&self, function: &FnQueue, until: Timestamp) -> String {
        let until = until.to_rfc3339();
        let open = self.functions.get(&function.name).and_then(|f| f.definition.breaker.as_ref());
        let after = open.map(|OpenBreaker { failures, error, .. }| {
            let failures = if *failures == 1 {
                "1 failure".into()
            } else {
                format!("{failures} failures in a row")
            };
            format!(", after {failures}: {}", error.code)
        });
        format!("its function's circuit breaker is open until {until}{}", after.unwrap_or_default())
    }

    fn why_not_runnable(&self, function: &FnQueue) -> String {
        match self.functions.get(&function.name).and_then(|f| f.paused()) {
            Some((_, why)) => format!("its function is paused: {why}"),
            None => "its function has no active revision".into(),
        }
    }
}

fn reason_of_batch(until: Timestamp, there: u64, of: Option<u32>) -> String {
    let (until, of) = (until.to_rfc3339(), of.unwrap_or_default());
    format!("waits until {until} for others of its batch: {there} of {of} are there")
}

fn reason_of_throttle(function: &FnQueue, until: Timestamp) -> String {
    let until = until.to_rfc3339();
    match function.throttle.as_ref().map(|window| window.rate()) {
        Some(Rate { limit, period }) => {
            let period = duration_text(period);
            format!(
                "its function's throttle, {limit} attempts in {period}, is used up until {until}"
            )
        }
        None => format!("its function's throttle is used up until {until}"),
    }
}
