//! Events, attempts and requests as spans, and what functions log as log records. The only place that knows
//! both what the host does and how OpenTelemetry calls it.

use triphammer_model::{Event, LogLine};
use triphammer_outbound::{Observe, Requested};
use triphammer_pipeline::{Attempted, Clock, Ended, Observer, Origin, Received};
use triphammer_telemetry::semconv::{self, value};
use triphammer_telemetry::{Attributes, Fixed, Kind, Record, Span, Telemetry};

/// Hands everything over, encoded; waits for nothing.
#[derive(Debug)]
pub(crate) struct Recorder {
    telemetry: Telemetry,
    clock: Clock,
    accept: Fixed,
    create: Fixed,
    process: Fixed,
}

/// What schedules make.
const SCHEDULE: &str = "triphammer.schedule";
/// The methods that the conventions know; any other is one word, so that guests can't make up more.
const METHODS: [&str; 9] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
const OTHER_METHOD: &str = "_OTHER";

impl Recorder {
    pub(crate) fn new(telemetry: Telemetry) -> Self {
        Self {
            telemetry,
            clock: Clock::system(),
            accept: messaging(value::ACCEPT, value::SEND),
            create: messaging(value::CREATE, value::CREATE),
            process: messaging(value::PROCESS, value::PROCESS),
        }
    }

    fn span(&self, attempted: &Attempted<'_>) {
        let Some(place) = attempted.place.filter(|place| place.context.is_sampled()) else {
            return;
        };
        let function = attempted.id.function.as_str();
        let (outcome, error) = match attempted.ended {
            Ended::Committed { .. } => (value::COMMITTED, None),
            Ended::Retried(error) => (value::RETRY, Some(error)),
            Ended::Dead(error) => (value::DEAD, Some(error)),
        };
        let span = Span {
            context: &place.context,
            parent: place.parent,
            name: &format!("{} {function}", value::PROCESS),
            kind: Kind::Consumer,
            began_ns: attempted.began_ns,
            ended_ns: attempted.ended_ns,
            links: attempted.links,
            error: error.map(|error| &*error.message),
        };
        self.telemetry.span(&span, |attributes| {
            attributes.fixed(&self.process);
            attributes.text(semconv::MESSAGING_DESTINATION_NAME, function);
            event(attributes, attempted.event);
            if attempted.deliveries > 1 {
                let count = attempted.deliveries as i64;
                attributes.number(semconv::MESSAGING_BATCH_MESSAGE_COUNT, count);
            }
            // Said once: of a function by the names that all of them have.
            match attempted.is_push {
                true => revision(attributes, attempted),
                false => faas(attributes, attempted),
            }
            own(attributes, attempted);
            attributes.text(semconv::OUTCOME, outcome);
            if let Ended::Committed { emitted: emitted @ 1.. } = attempted.ended {
                attributes.number(semconv::EMITTED, emitted as i64);
            }
            if let Some(error) = error {
                attributes.text(semconv::ERROR_TYPE, &error.code);
            }
        });
    }

    /// The lines have no times of their own: what they have is their order.
    fn log(&self, attempted: &Attempted<'_>) {
        for (at_ns, LogLine { level, message }) in (attempted.began_ns..).zip(attempted.logs) {
            let record = Record {
                context: attempted.place.map(|place| &place.context),
                at_ns,
                observed_ns: attempted.ended_ns,
                level: *level,
                body: message,
            };
            self.telemetry.record(&record, |attributes| {
                revision(attributes, attempted);
                own(attributes, attempted);
            });
        }
    }
}

impl Observer for Recorder {
    fn accepted(&self, accepted: &Received<'_>) {
        let Received { place, seq, event: of, origin, began_ns, ended_ns } = accepted;
        let (operation, fixed) = match origin {
            Origin::Sender => (value::ACCEPT, &self.accept),
            Origin::Host => (value::CREATE, &self.create),
        };
        let span = Span {
            context: &place.context,
            parent: place.parent,
            name: &format!("{operation} {}", of.ty()),
            kind: Kind::Producer,
            began_ns: *began_ns,
            ended_ns: *ended_ns,
            links: &[],
            error: None,
        };
        self.telemetry.span(&span, |attributes| {
            attributes.fixed(fixed);
            attributes.text(semconv::MESSAGING_DESTINATION_NAME, of.ty());
            event(attributes, of);
            attributes.text(semconv::SEQ, &seq.to_string());
        });
    }

    fn attempted(&self, attempted: &Attempted<'_>) {
        self.span(attempted);
        self.log(attempted);
    }
}

impl Observe for Recorder {
    fn requested(&self, requested: &Requested<'_>) {
        let ended_ns = self.clock.unix_ns();
        let elapsed_ns = u64::try_from(requested.elapsed.as_nanos()).unwrap_or(ended_ns);
        let method = METHODS.into_iter().find(|known| *known == requested.method.as_str());
        // Client spans are errors from 400 on.
        let status = requested.status.filter(|status| *status >= 400);
        let status = status.map(|status| status.to_string());
        let error = requested.error.or(status.as_deref());
        let span = Span {
            context: requested.trace,
            parent: Some(requested.parent),
            name: method.unwrap_or("HTTP"),
            kind: Kind::Client,
            began_ns: ended_ns.saturating_sub(elapsed_ns),
            ended_ns,
            links: &[],
            error,
        };
        self.telemetry.span(&span, |attributes| {
            attributes.text(semconv::HTTP_REQUEST_METHOD, method.unwrap_or(OTHER_METHOD));
            if let Some(target) = requested.target {
                // No path: it may say whom the request is about.
                attributes.text(semconv::URL_SCHEME, target.scheme.as_str());
                attributes.text(semconv::SERVER_ADDRESS, &target.host.to_string());
                attributes.number(semconv::SERVER_PORT, target.port.into());
            }
            if let Some(status) = requested.status {
                attributes.number(semconv::HTTP_RESPONSE_STATUS_CODE, status.into());
            }
            if let Some(error) = error {
                attributes.text(semconv::ERROR_TYPE, error);
            }
            attributes.text(semconv::FUNCTION, requested.function.as_str());
            attributes.number(semconv::ATTEMPT, requested.attempt.into());
        });
    }
}

/// What all spans of an operation say.
fn messaging(name: &str, kind: &str) -> Fixed {
    Fixed::of_span(|attributes| {
        attributes.text(semconv::MESSAGING_SYSTEM, value::SYSTEM);
        attributes.text(semconv::MESSAGING_OPERATION_NAME, name);
        attributes.text(semconv::MESSAGING_OPERATION_TYPE, kind);
        attributes.text(semconv::CLOUDEVENTS_EVENT_SPEC_VERSION, value::SPEC_VERSION);
    })
}

fn event(attributes: &mut Attributes<'_>, event: &Event) {
    attributes.text(semconv::MESSAGING_MESSAGE_ID, event.id());
    attributes.text(semconv::CLOUDEVENTS_EVENT_ID, event.id());
    attributes.text(semconv::CLOUDEVENTS_EVENT_SOURCE, event.source());
    attributes.text(semconv::CLOUDEVENTS_EVENT_TYPE, event.ty());
    if let Some(subject) = event.subject() {
        attributes.text(semconv::CLOUDEVENTS_EVENT_SUBJECT, subject);
    }
}

fn faas(attributes: &mut Attributes<'_>, attempted: &Attempted<'_>) {
    let is_timer = attempted.event.ty() == SCHEDULE;
    let trigger = if is_timer { value::TIMER } else { value::PUBSUB };
    attributes.text(semconv::FAAS_TRIGGER, trigger);
    attributes.text(semconv::FAAS_NAME, attempted.id.function.as_str());
    attributes.text(semconv::FAAS_VERSION, &attempted.revision.to_string());
    let invocation = format!("{}/{}", attempted.id, attempted.attempt);
    attributes.text(semconv::FAAS_INVOCATION_ID, &invocation);
}

fn revision(attributes: &mut Attributes<'_>, attempted: &Attempted<'_>) {
    attributes.text(semconv::FUNCTION, attempted.id.function.as_str());
    attributes.text(semconv::REVISION, &attempted.revision.to_string());
}

fn own(attributes: &mut Attributes<'_>, attempted: &Attempted<'_>) {
    attributes.text(semconv::SEQ, &attempted.id.seq.to_string());
    attributes.number(semconv::ATTEMPT, attempted.attempt.into());
    if let Some(key) = attempted.key {
        attributes.text(semconv::KEY, key.as_str());
    }
}
