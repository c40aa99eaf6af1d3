//! The end of an attempt: its effects and its ack in one record, or the record of its failure.
//!
//! As at the intake, all that needs no order is done before the lock. Under it, what the attempt
//! read is validated first, whatever its outcome: a fault over a state that never existed must
//! not become a dead letter.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use triphammer_journal::{
    AppendError, Body, DropReason, Outcome, ReadVersion, Record, Settle, Space,
};
use triphammer_model::{DeliveryId, Effects, Event, LogLine, Reply, Seq, Timestamp};
use triphammer_sandbox::Fault;

use crate::breaker::Ended;
use crate::core::{Core, Inner};
use crate::entry::Entry;
use crate::failure::{Blame, Failure};
use crate::feed::FeedItem;
use crate::info::{DeliveryResult, Status};
use crate::intake::nth;
use crate::lease::Lease;
use crate::measure::End;
use crate::observe;
use crate::settle::{AttemptError, Jitter, Settlement, settle, settle_batch};
use crate::traces::Traced;
use crate::waiters::News;

/// What an attempt came to, apart from its outcome.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) event: Event,
    pub(crate) space: Arc<Space>,
    pub(crate) reads: Vec<ReadVersion>,
    pub(crate) started: Timestamp,
    pub(crate) elapsed: Duration,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) logs_left_out: u32,
    pub(crate) traced: Traced,
}

/// Whether the lease is used up.
pub(crate) enum Settled {
    Yes,
    /// What the attempt read has changed: run it again, without counting it.
    Conflict(Lease),
}

/// Conflicts after which a delivery runs alone.
const CONFLICTS_MAX: u32 = 3;
/// Before a delivery runs again whose outcome the log refused.
pub(crate) const REFUSED_WAIT: Duration = Duration::from_secs(1);

impl Core {
    /// Settles one attempt: commits it, or decides what becomes of its delivery.
    pub(crate) fn settle(
        &self,
        lease: Lease,
        attempt: Attempt,
        result: Result<Effects, AttemptError>,
    ) -> Settled {
        let number = lease.attempt();
        let bits = lease.entry.seq.get() ^ (u64::from(number) << 48) ^ self.clock.now().ms() << 20;
        let policy = &lease.revision.manifest.retry;
        let result = result.and_then(|effects| self.check_emits(&lease, effects));
        let age = self.clock.now().since(lease.entry.place().0);
        let jitter = Jitter::from_bits(bits);
        let settlement = if lease.along.is_empty() {
            settle(policy, (number, age), result, jitter)
        } else {
            settle_batch(policy, number, result, jitter)
        };
        match settlement {
            Settlement::Commit(effects) => self.commit(lease, attempt, effects),
            Settlement::Retry { after, counted, error } => {
                let due = Some(self.clock.now().plus(after));
                let blame = match error.fault() {
                    Fault::Host => Blame::Host,
                    _ if counted => Blame::Delivery,
                    _ => Blame::Batch,
                };
                let mut error = error.info();
                if !lease.along.is_empty() {
                    let size = lease.along.len() + 1;
                    error.message = format!("in a batch of {size}: {}", error.message);
                }
                self.fail(lease, attempt, Failure { due, blame, error })
            }
            Settlement::Dead { error } => {
                let blame = Blame::Delivery;
                self.fail(lease, attempt, Failure { due: None, blame, error: error.info() })
            }
        }
    }

    /// What the sandbox can't know: how far the events have come, and what time it is.
    fn check_emits(&self, lease: &Lease, effects: Effects) -> Result<Effects, AttemptError> {
        let max = self.limits.hops_max;
        if !effects.emits.is_empty() && lease.hops().0 >= max {
            return Err(AttemptError::Hops { max });
        }
        for emit in &effects.emits {
            let timing = emit.parts.timing();
            if timing.not_before.is_some() {
                timing.check(self.clock.now())?;
            }
        }
        Ok(effects)
    }

    fn commit(&self, lease: Lease, attempt: Attempt, effects: Effects) -> Settled {
        let Effects { writes, emits, timers, reply } = effects;
        let mut emits = self.complete(&lease, &attempt, &emits);
        let timers = self.changes(&lease, &attempt, &timers);
        loop {
            let table = self.routes();
            let at = self.clock.now();
            let mut emitted = self.route_emits(&lease, &emits, &table, at);
            let (cancelled, priority) = self.replaced(&timers, &lease);
            emitted.extend(timers.events(&lease, at, priority));
            let outcome = Outcome::Committed {
                writes: writes.clone(),
                emitted,
                reply: reply.clone(),
                also: also(&lease),
                cancelled: cancelled.clone(),
            };
            let mut record = self.record(&lease, &attempt, at, lease.attempt(), outcome);
            let body = Body::encode(&record);
            self.state.prepare(&attempt.space, &writes, at);
            let mut inner = self.lock();
            if !inner.queue.holds(lease.slot, lease.function, lease.entry.seq) {
                // The function was removed, and its deliveries with it.
                return Settled::Yes;
            }
            if !self.state.unchanged(&attempt.space, &attempt.reads, attempt.started) {
                return self.conflict(inner, lease);
            }
            let max = self.limits.function_state_bytes_max;
            if !self.state.fits(&attempt.space, &writes, max, at) {
                drop(inner);
                return self.settle(lease, attempt, Err(AttemptError::State { max }));
            }
            if inner.routes_version != table.version {
                continue;
            }
            let known = emits.len();
            emits.retain(|emit| emit.mark.is_none_or(|m| inner.dedup.lookup(&m.id).is_none()));
            if emits.len() != known {
                continue;
            }
            let replaced = timers.replaced(&inner, &lease);
            if !replaced.iter().map(|(id, _)| id).eq(&cancelled) {
                continue;
            }
            let due_before = inner.catch_up(at);
            let body = inner.bounded(&mut record, body);
            let (seq, location) = match inner.log.append(&body) {
                Ok(appended) => appended,
                Err(error) => return self.refused(inner, lease, &error),
            };
            self.history.note(seq, &record, location);
            let gone: Vec<_> =
                replaced.iter().map(|(id, slot)| (id.clone(), Some(*slot))).collect();
            inner.forget_all(&gone);
            gone.iter().for_each(|(id, _)| inner.tell_given_up(id, DropReason::Cancelled, seq));
            self.apply_commit(&mut inner, &lease, &record, (seq, location), &attempt);
            self.raise(&mut inner);
            self.wake(inner, due_before);
            let emitted = record.events().1.len();
            self.tell_attempted(&lease, &attempt, observe::Ended::Committed { emitted });
            return Settled::Yes;
        }
    }

    /// Makes the record of a commit true in memory.
    fn apply_commit(
        &self,
        inner: &mut Inner,
        lease: &Lease,
        record: &Record,
        (seq, location): (Seq, triphammer_journal::Location),
        attempt: &Attempt,
    ) {
        let Record::Settle(settle) = record else { return };
        let Outcome::Committed { writes, reply, .. } = &settle.outcome else { return };
        let now = settle.at;
        self.state.apply(&attempt.space, writes, seq, now);
        inner.queue.finish(lease.slot);
        for along in &lease.along {
            inner.queue.finish(along.slot);
        }
        let committed = lease.along.len() as u64 + 1;
        inner.queue.function_mut(lease.function).counts.committed += committed;
        inner.totals.committed += committed;
        inner.measure(lease, attempt.elapsed, now, End::Committed);
        let (mut verdict, mut step) = (None, None);
        if let Some(function) = inner.functions.get_mut(&lease.revision.function) {
            function.host_faults_since = None;
            verdict = function.count(&lease.revision, attempt.started, false);
            let ended = Ended { started: attempt.started, at: now, error: None };
            step = function.count_for_breaker(lease.revision.id, ended);
        }
        let (offset, emitted) = record.events();
        for entry in lease.entries() {
            inner.waiters.follow(&lease.id_of(entry), nth(seq, offset as usize), emitted);
        }
        inner.admit_all(record, (seq, location), now);
        let emitted = || (0..emitted.len()).map(|n| nth(seq, offset as usize + n)).collect();
        for entry in lease.entries() {
            let attempts = entry.attempts + 1;
            inner.feed.push(seq.get(), || FeedItem::Committed {
                id: lease.id_of(entry),
                revision: lease.revision.id,
                attempt: attempts,
                at: now,
                emitted: emitted(),
                elapsed: attempt.elapsed,
            });
            inner.waiters.tell(entry.seq, || news(lease, entry, seq, reply.clone()));
        }
        if let Some(verdict) = verdict {
            self.roll_back_in(inner, &lease.revision.function, &verdict);
        }
        self.step_breaker(inner, lease, attempt, step);
    }

    /// What it read has changed under it. After a few times it runs with nothing beside it.
    pub(crate) fn conflict(&self, mut inner: MutexGuard<'_, Inner>, mut lease: Lease) -> Settled {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
        lease.conflicts += 1;
        if lease.conflicts < CONFLICTS_MAX {
            return Settled::Conflict(lease);
        }
        let along = std::mem::take(&mut lease.along);
        inner.put_back(&lease, along, self.clock.now());
        inner.queue.run_alone(lease.slot);
        self.wake(inner, None);
        Settled::Yes
    }

    /// The log took no record, so nothing has happened: the delivery runs again later.
    pub(crate) fn refused(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        mut lease: Lease,
        error: &AppendError,
    ) -> Settled {
        tracing::warn!(
            event = %lease.entry.seq,
            function = %lease.revision.function,
            revision = %lease.revision.id,
            attempt = lease.attempt(),
            %error,
            "an attempt could not be settled"
        );
        let now = self.clock.now();
        let due_before = inner.catch_up(now);
        let along = std::mem::take(&mut lease.along);
        inner.put_back(&lease, along, now.plus(REFUSED_WAIT));
        inner.queue.retry(lease.slot, now.plus(REFUSED_WAIT), now);
        self.wake(inner, due_before);
        Settled::Yes
    }

    pub(crate) fn record(
        &self,
        lease: &Lease,
        attempt: &Attempt,
        at: Timestamp,
        number: u32,
        outcome: Outcome,
    ) -> Record {
        Record::Settle(Box::new(Settle {
            id: lease.id(),
            key: lease.entry.key.clone(),
            attempt: number,
            revision: lease.revision.id,
            started: attempt.started,
            at,
            logs: attempt.logs.clone(),
            logs_left_out: attempt.logs_left_out,
            outcome,
        }))
    }
}

/// The others of a batch, with the number of the attempt of each.
fn also(lease: &Lease) -> Vec<(DeliveryId, u32)> {
    let others = lease.along.iter().map(|along| &along.entry);
    others.map(|entry| (lease.id_of(entry), entry.attempts + 1)).collect()
}

/// That a delivery of a lease is committed. Those of a batch have one reply.
fn news(lease: &Lease, entry: &Entry, record: Seq, reply: Option<Reply>) -> News {
    News {
        event: entry.seq,
        record,
        result: DeliveryResult {
            function: lease.revision.function.clone(),
            revision: Some(lease.revision.id),
            status: Status::Committed,
            attempts: entry.attempts + 1,
            reply,
            error: None,
        },
    }
}
