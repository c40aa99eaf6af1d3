//! What can be set of a pipeline, with the defaults. Knows no file of settings.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use triphammer_model::{Limits, Sampling};
use triphammer_outbound as outbound;

use crate::observe::Observer;
use crate::push::Push;

/// How the pipeline is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    pub limits: Limits,
    /// Threads that run functions.
    pub workers: usize,
    /// Attempts that run at the same time, over all functions.
    pub attempts_max: usize,
    /// An event, attributes and payload, in bytes.
    pub event_bytes_max: usize,
    /// How long a sender's repetition is known.
    pub dedup_window: Duration,
    /// What is spent on knowing it, in bytes on disk.
    pub dedup_bytes: u64,
    /// How long settled events are kept.
    pub retention_age: Duration,
    /// What is spent on keeping them, in bytes on disk.
    pub retention_bytes: u64,
    /// Payloads of waiting events in memory; more are read back when they run.
    pub payload_bytes_max: u64,
    /// Committed state in memory, in bytes; the rest is read from the checkpoint.
    pub state_cache_bytes: usize,
    /// How much of the log a restart may have to read, in bytes.
    pub checkpoint_bytes: u64,
    /// Subscriptions of sinks that there may be.
    pub subscriptions_max: usize,
    /// What delivers to sinks. Without it, what is for them waits.
    pub push: Option<Arc<dyn Push>>,
    /// Who is told of events and attempts. Without one no trace is begun; those of senders go on.
    pub observer: Option<Arc<dyn Observer>>,
    /// Which of the traces that begin here are recorded.
    pub sampling: Sampling,
    /// The most of them a second; none for any number.
    pub traces_per_second: Option<NonZeroU32>,
    /// The requests that functions may make.
    pub http_out: outbound::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: PathBuf::from("triphammer-data"),
            limits: Limits::default(),
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            attempts_max: 256,
            event_bytes_max: 1 << 20,
            dedup_window: Duration::from_secs(24 * 3600),
            dedup_bytes: 256 << 20,
            retention_age: Duration::from_secs(7 * 24 * 3600),
            retention_bytes: 4 << 30,
            payload_bytes_max: 8 << 20,
            state_cache_bytes: 64 << 20,
            checkpoint_bytes: 128 << 20,
            subscriptions_max: 10_000,
            push: None,
            observer: None,
            sampling: Sampling::ALL,
            traces_per_second: None,
            http_out: outbound::Options::default(),
        }
    }
}
