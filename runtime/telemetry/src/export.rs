//! The thread that sends what has gathered: a request at a time, tried again while the collector may still
//! take it, and then given up. Knows nothing of what is in it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::body::Parts;
use crate::client::{Client, Failed};
use crate::counts::add;
use crate::queue::{Chunk, Queue, Signal};
use crate::semconv::{SCHEMA_URL, value};
use crate::telemetry::Options;
use crate::wire::{self, Attributes, Buffer};

/// How long the first of what is sent waits for more.
const GATHER: Duration = Duration::from_millis(500);
/// How often a request is sent, and the first wait between; each is twice the one before.
const TRIES_MAX: u32 = 5;
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest that a collector may ask to be left alone.
const AFTER_MAX: Duration = Duration::from_secs(60);

/// The thread, until it is [stopped](Self::stop) or dropped.
#[derive(Debug)]
pub struct Exporter {
    thread: Option<JoinHandle<()>>,
    /// When it has to have ended.
    stop: watch::Sender<Option<Instant>>,
}

impl Exporter {
    /// Sends what waits, for at most `grace`, and ends the thread. Blocks.
    pub fn stop(mut self, grace: Duration) {
        let now = now();
        self.stop.send_replace(Some(now + grace));
        if let Some(thread) = self.thread.take() {
            // It has told what went wrong.
            let _ = thread.join();
        }
    }
}

impl Drop for Exporter {
    /// Ends the thread where it is.
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop.send_replace(Some(now()));
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

pub(crate) fn start(
    queue: Arc<Queue>,
    options: &Options,
    resource: &[(&str, &str)],
    tls: Option<Arc<ClientConfig>>,
) -> io::Result<Exporter> {
    let (stop, stopped) = watch::channel(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let envelope = Envelope::new(resource);
    let client = Client::new(options, tls);
    let mut sender = Sender { queue, client, envelope, stopped, is_failing: false };
    let thread = std::thread::Builder::new().name("trip-telemetry".to_owned());
    let thread = thread.spawn(move || runtime.block_on(sender.run()))?;
    Ok(Exporter { thread: Some(thread), stop })
}

/// What stands around the messages of a request: who speaks.
struct Envelope {
    /// `Resource`.
    resource: Buffer,
    /// `InstrumentationScope`.
    scope: Buffer,
}

impl Envelope {
    fn new(resource: &[(&str, &str)]) -> Self {
        let (mut attributes, mut scope) = (Buffer::new(), Buffer::new());
        for (name, value) in resource {
            Attributes::new(&mut attributes, 1).text(name, value);
        }
        wire::text(&mut scope, 1, value::SYSTEM);
        wire::text(&mut scope, 2, env!("CARGO_PKG_VERSION"));
        Self { resource: attributes, scope }
    }

    /// `ExportTraceServiceRequest` and `ExportLogsServiceRequest`, whose fields have the same numbers.
    fn request(&self, messages: Bytes) -> Parts {
        let mut scope = Buffer::new();
        wire::bytes(&mut scope, 1, &self.scope);
        let mut inner = Buffer::new();
        wire::bytes(&mut inner, 1, &self.resource);
        wire::text(&mut inner, 3, SCHEMA_URL);
        wire::len(&mut inner, 2, scope.len() + messages.len());
        inner.extend_from_slice(&scope);
        let mut head = Buffer::new();
        wire::len(&mut head, 1, inner.len() + messages.len());
        head.extend_from_slice(&inner);
        Parts { head: head.into(), messages }
    }
}

struct Sender {
    queue: Arc<Queue>,
    client: Client,
    envelope: Envelope,
    stopped: watch::Receiver<Option<Instant>>,
    /// Whether the last request was given up: told once, not for each.
    is_failing: bool,
}

impl Sender {
    async fn run(&mut self) {
        while self.end().is_none() {
            if self.queue.is_empty() {
                tokio::select! {
                    () = self.queue.news.notified() => {}
                    _ = self.stopped.changed() => {}
                }
            }
            self.gather().await;
            self.drain().await;
        }
        self.drain().await;
    }

    /// When this has to have ended, once it is to end.
    fn end(&self) -> Option<Instant> {
        *self.stopped.borrow()
    }

    /// Waits for more, unless there is enough for a request.
    async fn gather(&mut self) {
        let until = now() + GATHER;
        while self.end().is_none() && !self.queue.has_full() {
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.queue.news.notified() => {}
                _ = self.stopped.changed() => {}
            }
        }
    }

    async fn drain(&mut self) {
        for signal in Signal::ALL {
            while let Some(chunk) = self.queue.take(signal) {
                self.send(signal, chunk).await;
            }
        }
    }

    async fn send(&mut self, signal: Signal, chunk: Chunk) {
        let messages = Bytes::from(chunk.bytes);
        let request = self.envelope.request(messages.clone());
        let answered = self.tried(signal, request).await;
        // Nobody else has it any more, so this is the buffer itself.
        self.queue.give_back(signal, messages.into());
        let counters = self.queue.counters(signal);
        match answered {
            Ok(rejected) => {
                let rejected = rejected.min(chunk.count);
                add(&counters.sent, chunk.count - rejected);
                add(&counters.failed, rejected);
                if std::mem::take(&mut self.is_failing) {
                    info!("the collector takes traces and logs again");
                }
            }
            Err(Failed { error, .. }) => {
                add(&counters.failed, chunk.count);
                if !std::mem::replace(&mut self.is_failing, true) {
                    let (code, what, cause) = (error.code(), signal.name(), cause(&error));
                    warn!(code, %error, cause, what, "traces or logs were not sent");
                }
            }
        }
    }

    /// Sends a request until it is taken, refused, or was tried often enough.
    async fn tried(&mut self, signal: Signal, request: Parts) -> Result<u64, Failed> {
        let mut wait = BACKOFF;
        for last in (0..TRIES_MAX).map(|n| n + 1 == TRIES_MAX) {
            let left = self.end().map_or(Duration::MAX, |end| end.saturating_duration_since(now()));
            let answered = self.client.post(signal.path(), request.clone(), left).await;
            match answered {
                Err(failed) if failed.is_passing() && !last && self.end().is_none() => {
                    let after = failed.after.map_or(wait, |after| after.min(AFTER_MAX));
                    tokio::select! {
                        () = sleep(after) => {}
                        _ = self.stopped.changed() => {}
                    }
                    wait *= 2;
                }
                answered => return answered,
            }
        }
        unreachable!("the last try returns what came of it")
    }
}

/// What is behind an error, on one line.
fn cause(error: &dyn std::error::Error) -> String {
    let mut texts = Vec::new();
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts.join(": ")
}
