//! Where events and attempts stand in their traces: computed from what they are, and kept nowhere. Where
//! nobody observes, a trace that a sender began is carried on, and none is begun.

use std::sync::Arc;

use triphammer_journal::{Accepted, Record};
use triphammer_model::{ErrorInfo, Event, Sampling, Seq, Timestamp, TraceContext};

use crate::commit::Attempt;
use crate::core::{Core, Inner};
use crate::intake::nth;
use crate::lease::Lease;
use crate::observe::{Attempted, Ended, Observer, Origin, Place, Received};
use crate::sampling::Shares;

/// Who is told, and which traces the host begins.
#[derive(Clone, Debug)]
pub(crate) struct Tracing {
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) shares: Arc<Shares>,
}

/// Of an attempt: its own place, and what is told of it.
#[derive(Debug)]
pub(crate) struct Traced {
    place: Option<Place>,
    links: Vec<TraceContext>,
    deliveries: usize,
    began_ns: u64,
}

impl Traced {
    pub(crate) fn context(&self) -> Option<&TraceContext> {
        self.place.as_ref().map(|place| &place.context)
    }

    fn is_recorded(&self) -> bool {
        self.context().is_some_and(TraceContext::is_sampled)
    }
}

impl Tracing {
    /// Whether events that bring no trace are given one.
    pub(crate) fn begins(&self) -> bool {
        self.observer.is_some() && self.shares.set() != Sampling::NONE
    }

    /// How many of these events begin a trace.
    pub(crate) fn beginning(&self, events: &[Event]) -> u64 {
        if !self.begins() {
            return 0;
        }
        events.iter().filter(|event| TraceContext::of(event).is_none()).count() as u64
    }
}

impl Core {
    /// Where an event stands: what follows from it is below that.
    fn stands(&self, event: &Event, seq: Seq) -> Option<TraceContext> {
        let begun = || TraceContext::begun(&self.host_id, seq, event, self.tracing.shares.of(seq));
        TraceContext::of(event).or_else(|| self.tracing.begins().then(begun))
    }

    /// The span of an event that comes in. It is below what the event brings, else the first of all.
    fn received(&self, event: &Event, seq: Seq) -> Option<Place> {
        match TraceContext::of(event) {
            Some(above) => {
                let context = above.child(&seq.get().to_le_bytes());
                Some(Place { context, parent: Some(above.span) })
            }
            None => self.stands(event, seq).map(|context| Place { context, parent: None }),
        }
    }

    /// The span of an attempt that begins, below its event: another for each attempt.
    pub(crate) fn traced(&self, lease: &Lease, event: &Event) -> Traced {
        let seq = lease.entry.seq;
        let place = self.stands(event, seq).map(|above| {
            let (attempt, started) = (u64::from(lease.attempt()), lease.started.ms());
            let numbers = [seq.get(), attempt, started].map(u64::to_le_bytes);
            let seed = [numbers.as_flattened(), lease.revision.function.as_str().as_bytes()];
            Place { context: above.child(&seed.concat()), parent: Some(above.span) }
        });
        let (deliveries, began_ns) = (lease.along.len() + 1, self.observed_ns());
        Traced { place, links: Vec::new(), deliveries, began_ns }
    }

    /// Notes where the others of a batch stand, if that is recorded.
    pub(crate) fn link(&self, traced: &mut Traced, lease: &Lease, along: &[Event]) {
        if self.tracing.observer.is_some() && traced.is_recorded() {
            let others = lease.along.iter().zip(along);
            let stands = others.filter_map(|(other, event)| self.stands(event, other.entry.seq));
            traced.links = stands.collect();
        }
    }

    /// Nanoseconds since 1970, where somebody wants to know.
    pub(crate) fn observed_ns(&self) -> u64 {
        self.tracing.observer.as_ref().map_or(0, |_| self.clock.unix_ns())
    }

    /// Tells of the new events of a batch that came in as `first` and those after it.
    pub(crate) fn tell_received(&self, record: &Record, first: Option<Seq>, began_ns: u64) {
        let (Some(observer), Some(first)) = (&self.tracing.observer, first) else { return };
        let ended_ns = self.clock.unix_ns();
        for (index, Accepted { event, .. }) in record.events().1.iter().enumerate() {
            let seq = nth(first, index);
            let place = self.received(event, seq);
            if let Some(place) = place.filter(|place| place.context.is_sampled()) {
                let origin = Origin::Sender;
                observer.accepted(&Received { place, seq, event, origin, began_ns, ended_ns });
            }
        }
    }

    /// Tells of events that the host has made, which are first in their traces.
    pub(crate) fn tell_begun(&self, begun: Vec<(Seq, Event)>) {
        let Some(observer) = &self.tracing.observer else { return };
        for (seq, event) in begun {
            let place = self.received(&event, seq);
            if let Some(place) = place.filter(|place| place.context.is_sampled()) {
                let (origin, at) = (Origin::Host, self.clock.unix_ns());
                let (began_ns, ended_ns) = (at, at);
                let event = &event;
                observer.accepted(&Received { place, seq, event, origin, began_ns, ended_ns });
            }
        }
    }

    /// Tells of an attempt that has settled. Not under the lock.
    pub(crate) fn tell_attempted(&self, lease: &Lease, attempt: &Attempt, ended: Ended<'_>) {
        let Some(observer) = &self.tracing.observer else { return };
        let traced = &attempt.traced;
        if !traced.is_recorded() && attempt.logs.is_empty() {
            return;
        }
        observer.attempted(&Attempted {
            place: traced.place.as_ref(),
            links: &traced.links,
            id: lease.id(),
            event: &attempt.event,
            revision: lease.revision.id,
            attempt: lease.attempt(),
            key: lease.entry.key.as_ref(),
            deliveries: traced.deliveries,
            is_push: lease.revision.manifest.sink.is_some(),
            ended,
            logs: &attempt.logs,
            began_ns: traced.began_ns,
            ended_ns: self.clock.unix_ns(),
        });
    }

    /// Tells of an attempt that has failed.
    pub(crate) fn tell_failed(
        &self,
        lease: &Lease,
        attempt: &Attempt,
        error: &ErrorInfo,
        is_dead: bool,
    ) {
        let (event, function) = (lease.entry.seq, &lease.revision.function);
        let (revision, number) = (lease.revision.id, lease.attempt());
        let (code, reason) = (&*error.code, &*error.message);
        let context = attempt.traced.context();
        if is_dead {
            tracing::warn!(
                %event, %function, %revision, attempt = number, code, error = reason,
                trace = context.map(TraceContext::to_traceparent),
                "a delivery is a dead letter"
            );
        } else {
            tracing::debug!(
                %event, %function, %revision, attempt = number, code, error = reason,
                trace = context.map(TraceContext::to_traceparent),
                "an attempt failed"
            );
        }
        let ended = if is_dead { Ended::Dead(error) } else { Ended::Retried(error) };
        self.tell_attempted(lease, attempt, ended);
    }
}

impl Inner {
    /// Notes an event that the host has made, if it is the first of a trace.
    pub(crate) fn note_begun(&mut self, seq: Seq, event: &Event, now: Timestamp) {
        let Some(pace) = &mut self.pace else { return };
        if TraceContext::of(event).is_none() {
            pace.note(1, nth(seq, 1), now);
            self.begun.push((seq, event.clone()));
        }
    }
}
