//! The end of an attempt that failed: its record, and what becomes of its delivery and of the others
//! of its batch. Decides neither whether it is tried again nor when.

use std::time::Duration;

use triphammer_journal::{Accepted, Body, DeliveryRow, Outcome, RowStatus};
use triphammer_model::{ErrorInfo, Seq, Timestamp};

use crate::commit::{Attempt, Settled};
use crate::core::{Core, Inner};
use crate::entry::{DeadLetter, Entry};
use crate::feed::FeedItem;
use crate::lease::Lease;
use crate::measure::End;
use crate::notice;

/// How long a function's every attempt may fail by the host's own fault.
const HOST_FAULTS_MAX: Duration = Duration::from_secs(300);

/// A failed attempt, decided.
pub(crate) struct Failure {
    /// When to try again; none for a dead letter.
    pub(crate) due: Option<Timestamp>,
    pub(crate) blame: Blame,
    pub(crate) error: ErrorInfo,
}

/// What a failure says something about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Blame {
    /// Its delivery: it used up an attempt.
    Delivery,
    /// One of its deliveries, or all of them together.
    Batch,
    /// The host: nothing about the deliveries.
    Host,
}

impl Failure {
    fn row(&self, lease: &Lease, at: Timestamp) -> DeliveryRow {
        let status = match self.due {
            Some(due) => RowStatus::Due(due),
            None => RowStatus::Dead { at, error: self.error.clone() },
        };
        let attempts = lease.entry.attempts + u32::from(self.blame == Blame::Delivery);
        let mut entry = lease.entry.clone();
        (entry.attempts, entry.starts) = (attempts, 0);
        entry.to_row(&lease.revision.function, status)
    }
}

impl Core {
    pub(crate) fn fail(&self, mut lease: Lease, attempt: Attempt, failure: Failure) -> Settled {
        let at = self.clock.now();
        let number = lease.attempt();
        let row = failure.row(&lease, at);
        let outcome = match &failure.due {
            Some(_) => Outcome::Retry { error: failure.error.clone(), row: row.clone() },
            None => Outcome::Dead { row: row.clone(), raised: self.raised(&row, &lease, &attempt) },
        };
        let mut record = self.record(&lease, &attempt, at, number, outcome);
        let body = Body::encode(&record);
        let mut inner = self.lock();
        if !inner.queue.holds(lease.slot, lease.function, lease.entry.seq) {
            return Settled::Yes;
        }
        if !self.state.unchanged(&attempt.space, &attempt.reads, attempt.started) {
            return self.conflict(inner, lease);
        }
        let due_before = inner.catch_up(at);
        let body = inner.bounded(&mut record, body);
        let (seq, location) = match inner.log.append(&body) {
            Ok(appended) => appended,
            Err(error) => return self.refused(inner, lease, &error),
        };
        self.history.note(seq, &record, location);
        let end = if failure.due.is_some() { End::Retry } else { End::Dead };
        inner.measure(&lease, attempt.elapsed, at, end);
        if failure.blame == Blame::Batch {
            let others = lease.along.iter().map(|along| along.slot);
            inner.queue.part(std::iter::once(lease.slot).chain(others));
        }
        let along = std::mem::take(&mut lease.along);
        inner.put_back(&lease, along, failure.due.unwrap_or(at));
        match failure.due {
            Some(due) => self.apply_retry(&mut inner, &lease, due, (seq, at), &failure),
            None => {
                inner.tell_dead(&row, seq);
                let letter = |entry: Entry| DeadLetter::new(row, entry.payload);
                inner.queue.finish_dead(lease.slot, letter);
                inner.admit_all(&record, (seq, location), at);
            }
        }
        if failure.blame != Blame::Host {
            self.count_failed(&mut inner, &lease, &attempt, (&failure.error, at));
        }
        self.raise(&mut inner);
        self.wake(inner, due_before);
        self.tell_failed(&lease, &attempt, &failure.error, failure.due.is_none());
        Settled::Yes
    }

    /// The notice of a dead letter, in the record that makes it one.
    fn raised(&self, row: &DeliveryRow, lease: &Lease, attempt: &Attempt) -> Vec<Accepted> {
        let (event, revision) = (&attempt.event, Some(lease.revision.id));
        let mut notice = notice::of_dead(row, event, revision, self.limits.hops_max);
        if let Some(cause) = notice.as_mut().and_then(|notice| notice.cause.as_mut()) {
            cause.trace = attempt.traced.context().cloned();
        }
        notice.and_then(|notice| self.announce(notice)).into_iter().collect()
    }

    fn apply_retry(
        &self,
        inner: &mut Inner,
        lease: &Lease,
        due: Timestamp,
        (seq, at): (Seq, Timestamp),
        failure: &Failure,
    ) {
        let entry = inner.queue.entry_mut(lease.slot);
        entry.attempts += u32::from(failure.blame == Blame::Delivery);
        // Its attempt has ended without ending the host.
        (entry.starts, entry.recovered) = (0, false);
        inner.queue.retry(lease.slot, due, at);
        inner.queue.function_mut(lease.function).counts.retried += 1;
        inner.totals.retried += 1;
        inner.feed.push(seq.get(), || FeedItem::Retried {
            id: lease.id(),
            revision: lease.revision.id,
            attempt: lease.attempt(),
            at,
            due,
            error: failure.error.clone(),
        });
        let name = &lease.revision.function;
        let Some(function) = inner.functions.get_mut(name) else { return };
        if failure.blame != Blame::Host {
            function.host_faults_since = None;
            return;
        }
        let since = *function.host_faults_since.get_or_insert(at);
        if at.since(since) > HOST_FAULTS_MAX {
            let reason = format!("every attempt failed in the host: {}", failure.error.message);
            self.pause_in(inner, name, reason);
        }
    }
}
