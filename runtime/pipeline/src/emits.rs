//! What an attempt emits, made whole and routed. Knows no lock and no log.

use std::time::Duration;

use triphammer_journal::{Accepted, DedupEntry, Entrance};
use triphammer_model::{
    Event, EventParts, ExtensionValue, Hops, NewEvent, TimerChange, Timestamp, TraceContext,
};

use crate::commit::Attempt;
use crate::core::Core;
use crate::lease::Lease;
use crate::route::RouteTable;
use crate::timers::Changes;

/// An emitted event, complete.
pub(crate) struct Emit {
    event: Event,
    pub(crate) mark: Option<DedupEntry>,
    delay_ms: Option<u64>,
}

/// What all events of one attempt have in common.
struct Origin<'a> {
    source: String,
    now: String,
    correlation: String,
    causation: &'a str,
    /// The attempt's place in its trace.
    trace: Option<&'a TraceContext>,
}

impl<'a> Origin<'a> {
    fn new(lease: &Lease, attempt: &'a Attempt, at: Timestamp) -> Self {
        let (cause, trace) = (&attempt.event, attempt.traced.context());
        let correlation = match cause.extension("correlationid") {
            Some(value) => value.to_text(),
            None => cause.id().to_owned(),
        };
        let source = format!("/functions/{}", lease.revision.function);
        Self { source, now: at.to_rfc3339(), correlation, causation: cause.id(), trace }
    }

    /// What the guest left out, the id apart.
    fn complete(&self, parts: &mut EventParts) {
        if parts.source.is_empty() {
            parts.source.clone_from(&self.source);
        }
        parts.time.get_or_insert_with(|| self.now.clone());
        extend(parts, "correlationid", &self.correlation);
        extend(parts, "causationid", self.causation);
        if let Some(trace) = self.trace {
            trace.carry(parts);
        }
    }
}

impl Core {
    /// Gives each emitted event what the guest left out. A guest's own ids are deduplicated.
    pub(crate) fn complete(
        &self,
        lease: &Lease,
        attempt: &Attempt,
        emits: &[NewEvent],
    ) -> Vec<Emit> {
        if emits.is_empty() {
            return Vec::new();
        }
        let origin = Origin::new(lease, attempt, self.clock.now());
        let mut done: Vec<Emit> = Vec::with_capacity(emits.len());
        for (index, emit) in emits.iter().enumerate() {
            let own_id = !emit.parts.id.is_empty();
            let mut parts = emit.parts.clone();
            if !own_id {
                let (seq, function) = (lease.entry.seq, &lease.revision.function);
                parts.id = format!("{}-{seq}-{function}-{index}", self.host_id);
            }
            origin.complete(&mut parts);
            // The sandbox has checked what the guest gave; the rest is the host's own.
            let Ok(event) = Event::new(&parts) else { continue };
            let entrance = || Entrance::Function(lease.revision.function.clone());
            let mark = own_id.then(|| self.fingerprint.entry(&entrance(), &event));
            let twice = |m: DedupEntry| done.iter().any(|e| e.mark.is_some_and(|d| d.id == m.id));
            if !mark.is_some_and(twice) {
                done.push(Emit { event, mark, delay_ms: emit.delay_ms });
            }
        }
        done
    }

    pub(crate) fn route_emits(
        &self,
        lease: &Lease,
        emits: &[Emit],
        table: &RouteTable,
        at: Timestamp,
    ) -> Vec<Accepted> {
        let hops = Hops(lease.hops().0.saturating_add(1));
        let accept = |emit: &Emit| {
            let due = emit.delay_ms.map(|ms| at.plus(Duration::from_millis(ms)));
            let deliveries = table.route(&emit.event, at, due);
            Accepted { event: emit.event.clone(), hops, dedup: emit.mark, deliveries }
        };
        emits.iter().map(accept).collect()
    }

    /// The timers that an attempt sets and cancels, their events complete.
    pub(crate) fn changes<'a>(
        &self,
        lease: &Lease,
        attempt: &Attempt,
        timers: &'a [TimerChange],
    ) -> Changes<'a> {
        if timers.is_empty() {
            return Changes::default();
        }
        let origin = Origin::new(lease, attempt, self.clock.now());
        let (seq, function) = (lease.entry.seq, &lease.revision.function);
        Changes::new(timers, |index, parts| {
            let id = format!("{}-{seq}-{function}-timer-{index}", self.host_id);
            let mut parts = EventParts { id, ..parts.clone() };
            origin.complete(&mut parts);
            Event::new(&parts).ok()
        })
    }
}

/// CloudEvents extensions for correlation: what the guest set itself stays, and where it leaves no room they
/// are left out, not the event.
fn extend(parts: &mut EventParts, name: &str, value: &str) {
    let room = parts.extensions.len() < Event::EXTENSIONS_MAX;
    if room && parts.extensions.iter().all(|(n, _)| n != name) {
        parts.extensions.push((name.to_owned(), ExtensionValue::Text(value.to_owned())));
    }
}
