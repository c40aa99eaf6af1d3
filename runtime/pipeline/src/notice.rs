//! What the host tells as events of its own, which functions can handle: `triphammer.…`. Knows
//! nothing of why something happened.
//!
//! A notice is in the log before anybody is told of what it is about. A delivery of a notice that
//! dies raises none, so a function that fails on notices can't feed itself.

use serde_json::{Value, json};
use triphammer_journal::{Accept, Accepted, Body, DeliveryRow, Entrance, Record, RowStatus};
use triphammer_model::{
    Event, EventParts, ExtensionValue, FunctionName, Hops, RevisionId, Seq, Timestamp, TraceContext,
};

use crate::core::{Core, Inner};
use crate::firing;
use crate::intake::nth;

pub(crate) const DEAD: &str = "triphammer.delivery.dead";

/// A notice that is not in the log yet.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) ty: &'static str,
    /// Whom it is about; none for the host.
    pub(crate) function: Option<FunctionName>,
    pub(crate) subject: String,
    /// Of this notice and no other: it makes the event's id.
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) data: Value,
    pub(crate) hops: Hops,
    /// The event that it follows from.
    pub(crate) cause: Option<Cause>,
}

/// What an event passes on to those that follow from it.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    correlation: String,
    causation: String,
    /// What they are below of.
    pub(crate) trace: Option<TraceContext>,
}

/// Whether an event is one that the host makes to tell of something. One that a schedule makes is
/// work like any other.
pub(crate) fn is_notice(ty: &str) -> bool {
    ty.starts_with("triphammer.") && ty != firing::TYPE
}

/// Tells of a dead letter; nothing for that of a notice, nor past the last hop.
pub(crate) fn of_dead(
    row: &DeliveryRow,
    event: &Event,
    revision: Option<RevisionId>,
    hops_max: u16,
) -> Option<Notice> {
    let RowStatus::Dead { at, error } = &row.status else { return None };
    if is_notice(event.ty()) || row.hops.0 >= hops_max {
        return None;
    }
    let function = &row.id.function;
    Some(Notice {
        ty: DEAD,
        function: Some(function.clone()),
        subject: row.id.to_string(),
        id: format!("{}-{function}-dead-{}", row.id.seq, at.ms()),
        at: *at,
        data: json!({
            "delivery": row.id.to_string(),
            "function": function.as_str(),
            "revision": revision.map(|id| id.to_string()),
            "key": row.key.as_ref().map(|key| key.as_str()),
            "attempts": row.attempts,
            "error": { "code": error.code, "message": error.message },
            "event": {
                "seq": row.id.seq.to_string(),
                "id": event.id(),
                "source": event.source(),
                "type": event.ty(),
                "subject": event.subject(),
            },
        }),
        hops: Hops(row.hops.0 + 1),
        cause: Some(caused_by(event)),
    })
}

/// What follows from this event itself, not from an attempt.
pub(crate) fn caused_by(event: &Event) -> Cause {
    let correlation = event.extension("correlationid");
    let correlation = correlation.map_or_else(|| event.id().to_owned(), |id| id.to_text());
    Cause { correlation, causation: event.id().to_owned(), trace: TraceContext::of(event) }
}

impl Core {
    /// The notice as an event with its deliveries.
    pub(crate) fn announce(&self, notice: Notice) -> Option<Accepted> {
        let source = match &notice.function {
            Some(function) => format!("/triphammer/functions/{function}"),
            None => "/triphammer/host".to_owned(),
        };
        let mut parts = EventParts {
            id: format!("{}-{}", self.host_id, notice.id),
            source,
            ty: notice.ty.to_owned(),
            subject: Some(notice.subject),
            time: Some(notice.at.to_rfc3339()),
            datacontenttype: Some("application/json".to_owned()),
            data: Some(notice.data.to_string().into()),
            ..EventParts::default()
        };
        if let Some(Cause { correlation, causation, trace }) = notice.cause {
            let text = ExtensionValue::Text;
            parts.extensions.push(("correlationid".into(), text(correlation)));
            parts.extensions.push(("causationid".into(), text(causation)));
            if let Some(trace) = trace {
                trace.carry(&mut parts);
            }
        }
        // Its parts are the host's own; a subject that is too long can't be, for names are short.
        let event = Event::new(&parts).ok()?;
        let deliveries = self.routes().route(&event, notice.at, None);
        Some(Accepted { event, hops: notice.hops, dedup: None, deliveries })
    }

    /// Finishes what has gathered under the lock: puts the notices into the log, and gives up what
    /// there is too much of. The last record's number, or event's.
    pub(crate) fn raise(&self, inner: &mut Inner) -> Option<Seq> {
        let raised = self.raise_notices(inner);
        raised.max(self.shed(inner))
    }

    fn raise_notices(&self, inner: &mut Inner) -> Option<Seq> {
        if inner.notices.is_empty() {
            return None;
        }
        let notices = std::mem::take(&mut inner.notices);
        let events = notices.into_iter().filter_map(|notice| self.announce(notice)).collect();
        let at = self.clock.now();
        let mut record = Record::Accept(Accept { at, entrance: Entrance::Host, events });
        inner.bound_waits(&mut record);
        let appended = inner.log.append(&Body::encode(&record));
        let (first, location) = appended
            .inspect_err(|error| tracing::warn!(%error, "the host's own events were lost"))
            .ok()?;
        self.history.note(first, &record, location);
        inner.admit_all(&record, (first, location), at);
        Some(nth(first, record.events().1.len().saturating_sub(1)))
    }
}
