//! The host's own log lines as log records: warnings and worse, with their fields. What this crate says of
//! its own requests is left out, for each such line would be sent by another.

use std::fmt::{self, Write};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use triphammer_model::{LogLevel, TraceContext};

use crate::queue::Signal;
use crate::record;
use crate::semconv;
use crate::telemetry::Telemetry;
use crate::wire::{self, Attributes, Buffer};

/// A layer of `tracing`.
#[derive(Clone)]
pub struct HostLog {
    telemetry: Telemetry,
    now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for HostLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostLog").field("telemetry", &self.telemetry).finish_non_exhaustive()
    }
}

/// Of the modules of this crate.
const OWN: &str = "triphammer_telemetry";
/// The field by which a line says where it stands in a trace, as `traceparent` does.
const TRACE: &str = "trace";
/// The longest message, in bytes.
const MESSAGE_LEN_MAX: usize = 8 << 10;

impl HostLog {
    pub(crate) fn new(
        telemetry: Telemetry,
        now_ns: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { telemetry, now_ns: Arc::new(now_ns) }
    }
}

impl<S: Subscriber> Layer<S> for HostLog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || metadata.target().starts_with(OWN) {
            return;
        }
        let is_error = *metadata.level() == Level::ERROR;
        let level = if is_error { LogLevel::Error } else { LogLevel::Warn };
        let now_ns = (self.now_ns)();
        let mut out = Buffer::new();
        record::head(&mut out, level, now_ns, now_ns);
        let mut attributes = Attributes::new(&mut out, record::ATTRIBUTES);
        attributes.text(semconv::TARGET, metadata.target());
        let mut fields = Fields { attributes, message: String::new(), place: None };
        event.record(&mut fields);
        let Fields { mut message, place, .. } = fields;
        message.truncate(message.floor_char_boundary(MESSAGE_LEN_MAX));
        wire::any_text(&mut out, 5, &message);
        if let Some(place) = place {
            wire::fixed32(&mut out, 8, place.flags().into());
            wire::ids(&mut out, [9, 10], &place);
        }
        self.telemetry.queue.push(Signal::Logs, &out);
    }
}

/// Writes the fields of a line as they come.
struct Fields<'a> {
    attributes: Attributes<'a>,
    message: String,
    place: Option<TraceContext>,
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            TRACE => self.place = TraceContext::parse(value, None),
            name => self.attributes.text(semconv::of_field(name), value),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attributes.number(semconv::of_field(field.name()), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.record_str(field, &value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.attributes.flag(semconv::of_field(field.name()), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}
