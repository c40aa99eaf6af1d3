//! The steps of a circuit breaker, done: each is on record, counted, and told as an event. Opening and
//! closing are records of the function's definition, written right after what led to them. Knows
//! neither when a step is due nor how the queue is closed.

use serde_json::json;
use triphammer_journal::{Accepted, Definition, OpenBreaker};
use triphammer_model::{DeliveryId, ErrorInfo, Event, FunctionName, Hops, RevisionId, Timestamp};

use crate::breaker::{BreakerInfo, Ended, Step};
use crate::commit::Attempt;
use crate::core::{Core, Inner};
use crate::define::Change;
use crate::lease::Lease;
use crate::notice::{self, Notice};
use crate::registry::Function;

/// What the types of the events begin with.
const PREFIX: &str = "triphammer.breaker.";
const OPENED: &str = "triphammer.breaker.opened";
const PROBING: &str = "triphammer.breaker.probing";
const CLOSED: &str = "triphammer.breaker.closed";

/// What an event tells of a step.
struct Told<'a> {
    ty: &'static str,
    function: &'a FunctionName,
    /// Whose attempts have failed.
    revision: Option<RevisionId>,
    open: &'a OpenBreaker,
    reason: &'a str,
    /// The delivery that led to it, or that is the probe, with its event and that event's hops.
    cause: Option<(DeliveryId, &'a Event, Hops)>,
}

impl Function {
    /// Counts an attempt. One of a canary counts for the canary alone, and decides nothing here.
    pub(crate) fn count_for_breaker(
        &mut self,
        revision: RevisionId,
        ended: Ended<'_>,
    ) -> Option<Step> {
        let active = self.active.as_ref().filter(|active| active.id == revision)?;
        let rule = active.manifest.breaker;
        self.streak.count(rule, self.definition.breaker.as_ref(), ended)
    }

    /// None where the active revision asks for no breaker.
    pub(crate) fn breaker_info(&self, now: Timestamp) -> Option<BreakerInfo> {
        let open = self.definition.breaker.as_ref();
        let declared = self.active.as_ref().is_some_and(|active| active.manifest.breaker.is_some());
        (declared || open.is_some()).then(|| self.streak.info(open, now))
    }
}

impl Core {
    /// Counts an attempt that failed by its own fault, and takes the step that follows.
    pub(crate) fn count_failed(
        &self,
        inner: &mut Inner,
        lease: &Lease,
        attempt: &Attempt,
        (error, at): (&ErrorInfo, Timestamp),
    ) {
        self.count_failure(inner, &lease.revision, attempt.started);
        let Some(function) = inner.functions.get_mut(&lease.revision.function) else { return };
        let ended = Ended { started: attempt.started, at, error: Some(error) };
        let step = function.count_for_breaker(lease.revision.id, ended);
        self.step_breaker(inner, lease, attempt, step);
    }

    /// Opens the breaker of the attempt's function, or closes it.
    pub(crate) fn step_breaker(
        &self,
        inner: &mut Inner,
        lease: &Lease,
        attempt: &Attempt,
        step: Option<Step>,
    ) {
        let Some(step) = step else { return };
        let name = &lease.revision.function;
        let Some(function) = inner.functions.get(name) else { return };
        let (ty, open, reason) = what_happens(&step, function.definition.breaker.is_some());
        let opens = ty == OPENED;
        let breaker = opens.then(|| open.clone());
        let definition = Definition { breaker, ..function.definition.clone() };
        let (failures, code) = (open.failures, open.error.code.as_str());
        if opens {
            tracing::warn!(function = %name, reason, failures, code, "circuit breaker opened");
        } else {
            tracing::info!(function = %name, reason, "circuit breaker closed");
        }
        let told = Told {
            ty,
            function: name,
            revision: Some(lease.revision.id),
            open,
            reason: &reason,
            cause: Some((lease.id(), &attempt.event, lease.entry.hops)),
        };
        let raised = self.tell_breaker(inner, told).into_iter().collect();
        let change = Change { raised, keeps_revisions: true, ..Change::default() };
        // It fails only with the journal, which ends the process, or a full disk: then the next
        // attempt that ends takes the step.
        if self.define_in(inner, name, definition, change).is_ok() {
            count_step(inner, ty);
        }
    }

    /// A delivery that may be the probe of its function's breaker begins. The first is told.
    pub(crate) fn begin_probe(&self, lease: &Lease, event: &Event) {
        let mut inner = self.lock();
        let name = &lease.revision.function;
        let Some(function) = inner.functions.get_mut(name) else { return };
        let definition = &function.definition;
        // It may have been closed since the lease, and even be open again.
        let Some(open) = definition.breaker.clone() else { return };
        // A canary's attempt decides nothing.
        let active = definition.active == Some(lease.revision.id);
        if !active || !function.streak.begin(Some(&open), lease.started) {
            return;
        }
        let definition = &function.definition;
        let cause = Some((lease.id(), event, lease.entry.hops));
        let (revision, reason) = (definition.active, "a delivery is tried");
        let told = Told { ty: PROBING, function: name, revision, open: &open, reason, cause };
        count_step(&mut inner, PROBING);
        let notice = self.breaker_notice(&inner, told);
        inner.notices.extend(notice);
        let due_before = inner.catch_up(self.clock.now());
        self.raise(&mut inner);
        self.wake(inner, due_before);
    }

    /// The event of a breaker that an operator closes, for the record of his change.
    pub(crate) fn tell_closed(
        &self,
        inner: &Inner,
        name: &FunctionName,
        before: &Definition,
        reason: &str,
    ) -> Option<Accepted> {
        let (open, revision) = (before.breaker.as_ref()?, before.active);
        let told = Told { ty: CLOSED, function: name, revision, open, reason, cause: None };
        self.tell_breaker(inner, told)
    }

    fn tell_breaker(&self, inner: &Inner, told: Told<'_>) -> Option<Accepted> {
        self.announce(self.breaker_notice(inner, told)?)
    }

    /// None for what the breaker's own events have led to, or past the last hop: functions that
    /// handle them can't feed each other.
    fn breaker_notice(&self, inner: &Inner, told: Told<'_>) -> Option<Notice> {
        let Told { ty, function, revision, open, reason, cause } = told;
        let (mut hops, mut caused_by) = (Hops(0), None);
        if let Some((_, event, of)) = &cause {
            if event.ty().starts_with(PREFIX) || of.0 >= self.limits.hops_max {
                return None;
            }
            (hops, caused_by) = (Hops(of.0 + 1), Some(notice::caused_by(event)));
        }
        let until = (ty == OPENED).then(|| open.probe.to_rfc3339());
        let step = ty.strip_prefix(PREFIX).unwrap_or(ty);
        Some(Notice {
            ty,
            function: Some(function.clone()),
            subject: function.to_string(),
            // The number of the record that it is in.
            id: format!("{}-{function}-breaker-{step}", inner.log.next_seq()),
            at: self.clock.now(),
            data: json!({
                "function": function.as_str(),
                "revision": revision.map(|id| id.to_string()),
                "failures": open.failures,
                "error": { "code": open.error.code, "message": open.error.message },
                "since": open.since.to_rfc3339(),
                "until": until,
                "reason": reason,
                "delivery": cause.map(|(id, ..)| id.to_string()),
            }),
            hops,
            cause: caused_by,
        })
    }
}

/// The event's type, the breaker as it is or was, and why.
fn what_happens(step: &Step, was_open: bool) -> (&'static str, &OpenBreaker, String) {
    match step {
        Step::Opens(open) if was_open => (OPENED, open, "the probe failed".to_owned()),
        Step::Opens(open) => {
            let attempts = if open.failures == 1 { "attempt" } else { "attempts" };
            (OPENED, open, format!("{} {attempts} failed in a row", open.failures))
        }
        Step::Closes(open) => (CLOSED, open, "the probe was committed".to_owned()),
    }
}

pub(crate) fn count_closed(inner: &mut Inner) {
    count_step(inner, CLOSED);
}

fn count_step(inner: &mut Inner, ty: &str) {
    let breakers = &mut inner.totals.breakers;
    match ty {
        OPENED => breakers.opened += 1,
        PROBING => breakers.probed += 1,
        _ => breakers.closed += 1,
    }
}
