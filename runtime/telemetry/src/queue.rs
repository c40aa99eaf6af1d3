//! What waits to be sent: encoded messages, one after the other, in chunks that are each the most of a
//! request. Bounded in bytes, and nobody waits for room. Knows no protocol but that a message has a length.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::counts::{Counters, add};
use crate::wire;

/// What is sent, and to where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    Spans,
    Logs,
}

impl Signal {
    pub(crate) const ALL: [Self; 2] = [Self::Spans, Self::Logs];

    /// Below the endpoint. OTLP 1.x, "OTLP/HTTP Request".
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Spans => "/v1/traces",
            Self::Logs => "/v1/logs",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Logs => "log records",
        }
    }
}

/// A request's worth of messages, in bytes, from which on another is begun.
pub(crate) const CHUNK_BYTES: usize = 512 << 10;
/// Buffers that are kept for each signal: one that is filled, and some that wait while one is sent.
const SPARES_MAX: usize = 4;
/// `spans` and `log_records`: where the messages stand in what they are sent in.
const FIELD: u8 = 2;

/// Messages, each under its field and with its length before it.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: u64,
}

/// Of one signal.
#[derive(Debug, Default)]
struct Lane {
    waiting: Mutex<Waiting>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Waiting {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// Buffers that were sent, to be filled again: a new one costs a page fault for each of its pages.
    spares: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct Queue {
    lanes: [Lane; 2],
    bytes_max: usize,
    /// There is something, or a whole chunk of it.
    pub(crate) news: Notify,
}

impl Queue {
    /// `bytes_max` is for each signal.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { lanes: Default::default(), bytes_max, news: Notify::new() }
    }

    /// Takes a message in, or drops it where there is no room.
    pub(crate) fn push(&self, signal: Signal, message: &[u8]) {
        let lane = &self.lanes[signal as usize];
        let mut waiting = lock(&lane.waiting);
        if waiting.bytes + message.len() > self.bytes_max {
            drop(waiting);
            return add(&lane.counters.dropped, 1);
        }
        let was_empty = waiting.chunks.is_empty();
        if waiting.chunks.back().is_none_or(|chunk| chunk.bytes.len() >= CHUNK_BYTES) {
            let bytes = waiting.spares.pop().unwrap_or_default();
            waiting.chunks.push_back(Chunk { bytes, count: 0 });
        }
        let Some(chunk) = waiting.chunks.back_mut() else { return };
        let before = chunk.bytes.len();
        wire::bytes(&mut chunk.bytes, FIELD, message);
        chunk.count += 1;
        let added = chunk.bytes.len() - before;
        let is_full = chunk.bytes.len() >= CHUNK_BYTES;
        waiting.bytes += added;
        drop(waiting);
        // Twice for a request, however many messages are in it: waking a thread is dear.
        if was_empty || is_full {
            self.news.notify_one();
        }
    }

    pub(crate) fn take(&self, signal: Signal) -> Option<Chunk> {
        let mut waiting = lock(&self.lanes[signal as usize].waiting);
        let chunk = waiting.chunks.pop_front()?;
        waiting.bytes -= chunk.bytes.len();
        Some(chunk)
    }

    /// Takes a buffer back that was sent.
    pub(crate) fn give_back(&self, signal: Signal, mut buffer: Vec<u8>) {
        let mut waiting = lock(&self.lanes[signal as usize].waiting);
        if waiting.spares.len() < SPARES_MAX {
            buffer.clear();
            waiting.spares.push(buffer);
        }
    }

    /// Whether something waits that need not wait for more.
    pub(crate) fn has_full(&self) -> bool {
        let full = |lane: &Lane| {
            lock(&lane.waiting).chunks.front().is_some_and(|c| c.bytes.len() >= CHUNK_BYTES)
        };
        self.lanes.iter().any(full)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lock(&lane.waiting).chunks.is_empty())
    }

    pub(crate) fn counters(&self, signal: Signal) -> &Counters {
        &self.lanes[signal as usize].counters
    }
}

/// Nothing panics while it holds the lock.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_dropped_and_counted() {
        let queue = Queue::new(100);
        for _ in 0..5 {
            queue.push(Signal::Spans, &[0; 30]);
        }
        let counts = queue.counters(Signal::Spans).read();
        assert_eq!(counts.dropped, 2);
        assert_eq!(queue.take(Signal::Spans).unwrap().count, 3);
        assert!(queue.is_empty() && queue.take(Signal::Spans).is_none());
        queue.push(Signal::Spans, &[0; 30]);
        queue.push(Signal::Logs, &[0; 30]);
        assert_eq!(queue.take(Signal::Spans).unwrap().count, 1);
        assert_eq!(queue.counters(Signal::Logs).read().dropped, 0);
    }

    #[test]
    fn a_request_is_not_larger_than_a_chunk_and_a_message() {
        let queue = Queue::new(1 << 30);
        let message = [0; 1000];
        for _ in 0..2000 {
            queue.push(Signal::Logs, &message);
        }
        assert!(queue.has_full());
        let mut counts = Vec::new();
        while let Some(chunk) = queue.take(Signal::Logs) {
            assert!(chunk.bytes.len() < CHUNK_BYTES + 1010);
            counts.push(chunk.count);
        }
        assert_eq!(counts.iter().sum::<u64>(), 2000);
        assert_eq!(counts.len(), 4);
    }
}
