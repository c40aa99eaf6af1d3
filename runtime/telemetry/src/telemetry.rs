//! The handle of everybody who has something to tell. Only encodes and hands over.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use rustls::ClientConfig;

use crate::counts::ExportCounts;
use crate::endpoint::Endpoint;
use crate::export::{self, Exporter};
use crate::layer::HostLog;
use crate::queue::{Queue, Signal};
use crate::record::{self, Record};
use crate::span::{self, Span};
use crate::wire::{Attributes, Buffer};

/// Where to, and how much may wait.
#[derive(Clone)]
pub struct Options {
    pub endpoint: Endpoint,
    /// Sent with every request, such as a key. Their values are secrets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Of one request, its answer included.
    pub timeout: Duration,
    /// Of spans that wait, and of log records as much again, in bytes.
    pub queue_bytes_max: usize,
}

impl fmt::Debug for Options {
    /// Without the values of the headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Takes finished spans and log records. Cheap to clone; none of its methods waits.
#[derive(Clone, Debug)]
pub struct Telemetry {
    pub(crate) queue: Arc<Queue>,
    options: Arc<Options>,
}

/// A usual span, so that its buffer rarely grows.
const MESSAGE_BYTES: usize = 1024;

impl Telemetry {
    /// Collects from now on; nothing is sent before it is [started](Self::start).
    pub fn new(options: Options) -> Self {
        let queue = Arc::new(Queue::new(options.queue_bytes_max));
        Self { queue, options: Arc::new(options) }
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.options.endpoint
    }

    /// Starts the thread that sends. `resource` says who speaks, in names of [`semconv`](crate::semconv);
    /// `tls` is what an `https` endpoint is trusted by.
    pub fn start(
        &self,
        resource: &[(&str, &str)],
        tls: Option<Arc<ClientConfig>>,
    ) -> io::Result<Exporter> {
        export::start(Arc::clone(&self.queue), &self.options, resource, tls)
    }

    pub fn span(&self, span: &Span<'_>, attributes: impl FnOnce(&mut Attributes<'_>)) {
        let mut message = Buffer::with_capacity(MESSAGE_BYTES);
        span::encode(&mut message, span, attributes);
        self.queue.push(Signal::Spans, &message);
    }

    pub fn record(&self, record: &Record<'_>, attributes: impl FnOnce(&mut Attributes<'_>)) {
        let mut message = Buffer::with_capacity(MESSAGE_BYTES);
        record::encode(&mut message, record, attributes);
        self.queue.push(Signal::Logs, &message);
    }

    /// What takes the host's own log lines. `now_ns` tells the time, in nanoseconds since 1970.
    pub fn host_log(&self, now_ns: impl Fn() -> u64 + Send + Sync + 'static) -> HostLog {
        HostLog::new(self.clone(), now_ns)
    }

    /// What became of everything so far.
    pub fn counts(&self) -> ExportCounts {
        ExportCounts {
            spans: self.queue.counters(Signal::Spans).read(),
            logs: self.queue.counters(Signal::Logs).read(),
        }
    }
}
