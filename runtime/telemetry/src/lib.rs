//! Traces and logs over OTLP (OpenTelemetry Protocol 1.x, over HTTP, as protobuf).
//!
//! Finished spans and log records are encoded where they arise, straight into a queue of bytes with a
//! bound. A thread of its own sends what has gathered. Nobody ever waits for a collector: what the queue
//! has no room for is dropped and counted. Knows nothing of queues of events, of functions, or of HTTP
//! servers; the names of everything that is sent are in [`semconv`].

mod body;
mod client;
mod counts;
mod endpoint;
mod error;
mod export;
mod layer;
mod queue;
mod record;
mod reply;
pub mod semconv;
mod span;
mod telemetry;
#[cfg(test)]
mod tests;
mod wire;

pub use counts::{ExportCounts, SignalCounts};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::Error;
pub use export::Exporter;
pub use layer::HostLog;
pub use record::Record;
pub use span::{Kind, Span};
pub use telemetry::{Options, Telemetry};
pub use wire::{Attributes, Fixed};
