//! A log record as OTLP has it (`opentelemetry.proto.logs.v1.LogRecord`). Knows no names of attributes.

use triphammer_model::{LogLevel, TraceContext};

use crate::wire::{self, Attributes, Buffer};

/// A line that somebody logged.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// What it was logged in, if that is in a trace.
    pub context: Option<&'a TraceContext>,
    /// Nanoseconds since 1970.
    pub at_ns: u64,
    pub observed_ns: u64,
    pub level: LogLevel,
    pub body: &'a str,
}

/// Of the fields of a record.
pub(crate) const ATTRIBUTES: u8 = 6;

/// Writes the message, without its length.
pub(crate) fn encode(
    out: &mut Buffer,
    record: &Record<'_>,
    attributes: impl FnOnce(&mut Attributes<'_>),
) {
    head(out, record.level, record.at_ns, record.observed_ns);
    wire::any_text(out, 5, record.body);
    attributes(&mut Attributes::new(out, ATTRIBUTES));
    if let Some(context) = record.context {
        wire::fixed32(out, 8, context.flags().into());
        wire::ids(out, [9, 10], context);
    }
}

/// All but the body, the attributes and the place.
pub(crate) fn head(out: &mut Buffer, level: LogLevel, at_ns: u64, observed_ns: u64) {
    wire::fixed64(out, 1, at_ns);
    // Logs data model, "SeverityNumber": the first of each range.
    let (severity, text) = match level {
        LogLevel::Trace => (1, "TRACE"),
        LogLevel::Debug => (5, "DEBUG"),
        LogLevel::Info => (9, "INFO"),
        LogLevel::Warn => (13, "WARN"),
        LogLevel::Error => (17, "ERROR"),
    };
    wire::number(out, 2, severity);
    wire::text(out, 3, text);
    wire::fixed64(out, 11, observed_ns);
}
