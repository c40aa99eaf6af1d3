//! The counters, for programs that read no Prometheus text.

use schemars::JsonSchema;
use serde::Serialize;
use triphammer_pipeline::Stats;

use crate::process::Usage;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Stats")]
pub(crate) struct StatsView {
    accepted: u64,
    duplicates: u64,
    committed: u64,
    retried: u64,
    dead: u64,
    /// All that were given up and are no dead letters: those that expired too, and timers that were
    /// cancelled or set again.
    dropped: u64,
    redriven: u64,
    conflicts: u64,
    /// Canaries that were given up by their failures.
    canaries_rolled_back: u64,
    breakers_opened: u64,
    breakers_probed: u64,
    breakers_closed: u64,
    ready_now: u64,
    running_now: u64,
    waiting_now: u64,
    blocked_now: u64,
    dead_now: u64,
    journal_syncs: u64,
    journal_bytes: u64,
    journal_batches: u64,
    /// Of the last record that is on disk; `0` before the first.
    #[schemars(regex(pattern = "^[0-9]+$"))]
    durable_seq: String,
    disk_free_bytes: u64,
    payload_bytes: u64,
    dedup_window_ms: u64,
    dedup_entries: u64,
    /// Absent where the operating system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rss_bytes: Option<u64>,
}

impl StatsView {
    pub(crate) fn new(stats: Stats, usage: Option<Usage>) -> Self {
        Self {
            accepted: stats.accepted,
            duplicates: stats.duplicates,
            committed: stats.committed,
            retried: stats.retried,
            dead: stats.dead,
            dropped: stats.dropped,
            redriven: stats.redriven,
            conflicts: stats.conflicts,
            canaries_rolled_back: stats.rolledback,
            breakers_opened: stats.breakers.opened,
            breakers_probed: stats.breakers.probed,
            breakers_closed: stats.breakers.closed,
            ready_now: stats.ready_now,
            running_now: stats.running_now,
            waiting_now: stats.waiting_now,
            blocked_now: stats.blocked_now,
            dead_now: stats.dead_now,
            journal_syncs: stats.journal_syncs,
            journal_bytes: stats.journal_bytes,
            journal_batches: stats.journal_batches,
            durable_seq: stats.durable_seq.to_string(),
            disk_free_bytes: stats.disk_free_bytes,
            payload_bytes: stats.payload_bytes,
            dedup_window_ms: u64::try_from(stats.dedup_window.as_millis()).unwrap_or(u64::MAX),
            dedup_entries: stats.dedup_entries,
            cpu_ms: usage.map(|usage| usage.cpu_ms),
            rss_bytes: usage.map(|usage| usage.rss_bytes),
        }
    }
}
