//! The metrics of the host as a whole. Their names are fixed: renaming one breaks somebody's dashboard.

use triphammer_pipeline::{LogStats, Measures, Stats};
use triphammer_telemetry::{ExportCounts, SignalCounts};

use super::family::{Family, Histogram, Labels, Samples};
use crate::hooks::HookInfo;
use crate::process::Usage;

pub(super) fn families(stats: &Stats, measures: &Measures, hooks: &[HookInfo<'_>]) -> Vec<Family> {
    let mut families = events(stats);
    families.extend(changes(stats));
    families.extend(queue(stats, measures));
    families.extend(journal(stats, &measures.log));
    families.push(Family::counters(
        "triphammer_http_out_requests",
        "HTTP requests of functions, once nothing of them is left.",
        "outcome",
        &[
            ("answered", stats.requests.answered),
            ("denied", stats.requests.denied),
            ("failed", stats.requests.failed),
            ("abandoned", stats.requests.abandoned),
        ],
    ));
    families.push(webhooks(hooks));
    families
}

fn events(stats: &Stats) -> Vec<Family> {
    let counter = Family::counter;
    vec![
        counter("triphammer_events_accepted", "Events taken in.", stats.accepted),
        counter(
            "triphammer_events_duplicate",
            "Events that had been taken in before.",
            stats.duplicates,
        ),
        counter("triphammer_deliveries_committed", "Deliveries committed.", stats.committed),
        counter(
            "triphammer_deliveries_retried",
            "Attempts that will be tried again.",
            stats.retried,
        ),
        counter("triphammer_deliveries_dead", "Deliveries that became dead letters.", stats.dead),
        counter("triphammer_deliveries_dropped", "Deliveries given up.", stats.dropped),
        counter("triphammer_deliveries_redriven", "Dead letters reopened.", stats.redriven),
        counter(
            "triphammer_attempts_conflicted",
            "Attempts run again because what they had read was changed.",
            stats.conflicts,
        ),
    ]
}

fn changes(stats: &Stats) -> Vec<Family> {
    let (counter, steps) = (Family::counter, stats.breakers);
    vec![
        counter(
            "triphammer_canaries_rolledback",
            "Canaries that the host has given up.",
            stats.rolledback,
        ),
        counter(
            "triphammer_breakers_opened",
            "Circuit breakers opened, again after a probe that failed included.",
            steps.opened,
        ),
        counter(
            "triphammer_breakers_probed",
            "Circuit breakers probed, once each time that one was open.",
            steps.probed,
        ),
        counter(
            "triphammer_breakers_closed",
            "Circuit breakers closed, by a probe or an operator.",
            steps.closed,
        ),
    ]
}

fn queue(stats: &Stats, measures: &Measures) -> Vec<Family> {
    let gauge = Family::gauge;
    vec![
        Family::gauges(
            "triphammer_deliveries",
            "Deliveries that are not settled, and dead letters.",
            "status",
            &[
                ("ready", stats.ready_now),
                ("running", stats.running_now),
                ("waiting", stats.waiting_now),
                ("blocked", stats.blocked_now),
                ("dead", stats.dead_now),
            ],
        ),
        gauge(
            "triphammer_lag_seconds",
            "How long the oldest delivery that could run waits for its turn.",
            measures.lag.unwrap_or_default().as_secs_f64(),
        ),
        Family::gauges(
            "triphammer_pool_slots",
            "Places for instances in the sandbox.",
            "state",
            &[
                ("used", measures.pool.used.into()),
                ("free", measures.pool.slots.saturating_sub(measures.pool.used).into()),
            ],
        ),
        gauge(
            "triphammer_payload_bytes",
            "Payloads of waiting events in memory.",
            stats.payload_bytes as f64,
        ),
        gauge(
            "triphammer_dedup_window_seconds",
            "How long a repeated event is recognised.",
            stats.dedup_window.as_secs_f64(),
        ),
        gauge(
            "triphammer_dedup_entries",
            "Events that would be recognised.",
            stats.dedup_entries as f64,
        ),
    ]
}

fn journal(stats: &Stats, log: &LogStats) -> Vec<Family> {
    let (counter, gauge) = (Family::counter, Family::gauge);
    let limit = |class| LogStats::class_limit(class).map_or(f64::INFINITY, |l| l.as_secs_f64());
    let classes = log.sync_classes.iter().enumerate().map(|(class, n)| (limit(class), *n));
    let syncs = Histogram { sum: log.sync_time, count: log.syncs, classes: classes.collect() };
    vec![
        counter("triphammer_journal_syncs", "Syncs to disk.", stats.journal_syncs),
        counter("triphammer_journal_batches", "Batches written.", stats.journal_batches),
        counter("triphammer_journal_bytes", "Bytes written.", stats.journal_bytes),
        Family {
            name: "triphammer_journal_sync_seconds",
            help: "How long a sync takes.",
            samples: Samples::Histogram(vec![(Labels::new(), syncs)]),
        },
        gauge(
            "triphammer_journal_durable_seq",
            "The highest sequence number on disk.",
            stats.durable_seq as f64,
        ),
        gauge(
            "triphammer_disk_free_bytes",
            "Room on the disk of the data directory.",
            stats.disk_free_bytes as f64,
        ),
    ]
}

fn webhooks(hooks: &[HookInfo<'_>]) -> Family {
    let mut samples = Vec::new();
    for hook in hooks {
        let outcomes =
            [("accepted", hook.accepted), ("answered", hook.answered), ("refused", hook.refused)];
        for (outcome, value) in outcomes {
            let labels = vec![("hook", hook.name.to_owned()), ("outcome", outcome.to_owned())];
            samples.push((labels, value));
        }
    }
    let (name, help) = ("triphammer_hook_requests", "Requests to the webhooks.");
    Family { name, help, samples: Samples::Counter(samples) }
}

/// Absent where there is no collector.
pub(super) fn exports(counts: Option<ExportCounts>, traces_ratio: Option<f64>) -> Vec<Family> {
    let Some(ExportCounts { spans, logs }) = counts else { return Vec::new() };
    let family = |name, help, counts: SignalCounts| {
        let SignalCounts { sent, dropped, failed } = counts;
        let outcomes = [("sent", sent), ("dropped", dropped), ("failed", failed)];
        Family::counters(name, help, "outcome", &outcomes)
    };
    let mut families = vec![
        family("triphammer_otlp_spans", "Spans that the collector has, or never gets.", spans),
        family("triphammer_otlp_records", "Log records that it has, or never gets.", logs),
    ];
    let help = "How many of the traces that begin at this host are recorded now, from 0 to 1.";
    let ratio = |ratio| Family::gauge("triphammer_otlp_traces_ratio", help, ratio);
    families.extend(traces_ratio.map(ratio));
    families
}

/// Under the names that every process has for a Prometheus; absent where nothing tells them.
pub(super) fn process(usage: Option<Usage>) -> Vec<Family> {
    let Some(Usage { cpu_ms, rss_bytes }) = usage else { return Vec::new() };
    let cpu = "User and system CPU time spent, in seconds.";
    vec![
        Family {
            name: "process_cpu_seconds",
            help: cpu,
            samples: Samples::CounterOf(cpu_ms as f64 / 1e3),
        },
        Family::gauge(
            "process_resident_memory_bytes",
            "Resident memory, in bytes.",
            rss_bytes as f64,
        ),
    ]
}
