//! The metrics, in the text format of Prometheus. All their names are here, and in the golden
//! test below: renaming one breaks somebody's dashboard.

use std::fmt::Write;

use triphammer_pipeline::{BreakerState, Counts, FunctionInfo, StateUsage, Stats};

use crate::hooks::HookInfo;
use crate::process::Usage;

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn text(
    stats: &Stats,
    usage: Option<Usage>,
    functions: &[FunctionInfo],
    hooks: &[HookInfo<'_>],
) -> String {
    let mut out = String::with_capacity(4096 + functions.len() * 512);
    host(&mut out, stats);
    journal(&mut out, stats);
    requests(&mut out, stats);
    process(&mut out, usage);
    for (name, help, kind, of) in PER_FUNCTION {
        family(&mut out, name, help, kind);
        for info in functions {
            for (label, value) in of(&info.counts) {
                let function = info.name.as_str();
                sample(&mut out, name, &[("function", function), ("status", label)], value);
            }
        }
    }
    for (name, help, of) in STATE {
        family(&mut out, name, help, "gauge");
        for info in functions {
            sample(&mut out, name, &[("function", info.name.as_str())], of(&info.state));
        }
    }
    let name = "triphammer_function_paused";
    family(&mut out, name, "Whether the function is paused.", "gauge");
    for info in functions {
        sample(&mut out, name, &[("function", info.name.as_str())], info.paused.is_some().into());
    }
    let name = "triphammer_filter_errors_total";
    family(&mut out, name, "Events on which the function's filter failed.", "counter");
    for info in functions {
        sample(&mut out, name, &[("function", info.name.as_str())], info.filter_errors);
    }
    canaries(&mut out, functions);
    let name = "triphammer_breaker_open";
    family(&mut out, name, "Whether the function's circuit breaker is open or half-open.", "gauge");
    for (info, breaker) in functions.iter().filter_map(|info| Some((info, info.breaker.as_ref()?)))
    {
        let is_open = breaker.state != BreakerState::Closed;
        sample(&mut out, name, &[("function", info.name.as_str())], is_open.into());
    }
    webhooks(&mut out, hooks);
    out
}

fn webhooks(out: &mut String, hooks: &[HookInfo<'_>]) {
    let name = "triphammer_hook_requests_total";
    family(out, name, "Requests to the webhooks.", "counter");
    for hook in hooks {
        let outcomes =
            [("accepted", hook.accepted), ("answered", hook.answered), ("refused", hook.refused)];
        for (outcome, value) in outcomes {
            sample(out, name, &[("hook", hook.name), ("outcome", outcome)], value);
        }
    }
}

fn canaries(out: &mut String, functions: &[FunctionInfo]) {
    let running = || functions.iter().filter_map(|info| Some((info.name.as_str(), info.canary?)));
    let name = "triphammer_canary_weight_percent";
    family(out, name, "The share of the revision that runs beside the active one.", "gauge");
    for (function, canary) in running() {
        sample(out, name, &[("function", function)], canary.weight.into());
    }
    let name = "triphammer_canary_attempts";
    family(out, name, "Its attempts, since it began or the host started.", "gauge");
    for (function, canary) in running() {
        let failed = canary.failures;
        for (outcome, value) in [("ok", canary.attempts - failed), ("failed", failed)] {
            sample(out, name, &[("function", function), ("outcome", outcome)], value);
        }
    }
}

fn host(out: &mut String, stats: &Stats) {
    let counters = [
        ("triphammer_events_accepted_total", "Events taken in.", stats.accepted),
        (
            "triphammer_events_duplicate_total",
            "Events that had been taken in before.",
            stats.duplicates,
        ),
        ("triphammer_deliveries_committed_total", "Deliveries committed.", stats.committed),
        (
            "triphammer_deliveries_retried_total",
            "Attempts that will be tried again.",
            stats.retried,
        ),
        ("triphammer_deliveries_dead_total", "Deliveries that became dead letters.", stats.dead),
        ("triphammer_deliveries_dropped_total", "Deliveries given up.", stats.dropped),
        ("triphammer_deliveries_redriven_total", "Dead letters reopened.", stats.redriven),
        (
            "triphammer_attempts_conflicted_total",
            "Attempts run again because what they had read was changed.",
            stats.conflicts,
        ),
        (
            "triphammer_canaries_rolledback_total",
            "Canaries that the host has given up.",
            stats.rolledback,
        ),
        (
            "triphammer_breakers_opened_total",
            "Circuit breakers opened, again after a probe that failed included.",
            stats.breakers.opened,
        ),
        (
            "triphammer_breakers_probed_total",
            "Circuit breakers probed, once each time that one was open.",
            stats.breakers.probed,
        ),
        (
            "triphammer_breakers_closed_total",
            "Circuit breakers closed, by a probe or an operator.",
            stats.breakers.closed,
        ),
    ];
    for (name, help, value) in counters {
        family(out, name, help, "counter");
        sample(out, name, &[], value);
    }
    let name = "triphammer_deliveries";
    family(out, name, "Deliveries that are not settled, and dead letters.", "gauge");
    let now = [
        ("ready", stats.ready_now),
        ("running", stats.running_now),
        ("waiting", stats.waiting_now),
        ("blocked", stats.blocked_now),
        ("dead", stats.dead_now),
    ];
    for (status, value) in now {
        sample(out, name, &[("status", status)], value);
    }
    let name = "triphammer_payload_bytes";
    family(out, name, "Payloads of waiting events in memory.", "gauge");
    sample(out, name, &[], stats.payload_bytes);
    let name = "triphammer_dedup_window_seconds";
    family(out, name, "How long a repeated event is recognised.", "gauge");
    sample(out, name, &[], stats.dedup_window.as_secs());
    let name = "triphammer_dedup_entries";
    family(out, name, "Events that would be recognised.", "gauge");
    sample(out, name, &[], stats.dedup_entries);
}

fn journal(out: &mut String, stats: &Stats) {
    let counters = [
        ("triphammer_journal_syncs_total", "Syncs to disk.", stats.journal_syncs),
        ("triphammer_journal_batches_total", "Batches written.", stats.journal_batches),
        ("triphammer_journal_bytes_total", "Bytes written.", stats.journal_bytes),
    ];
    for (name, help, value) in counters {
        family(out, name, help, "counter");
        sample(out, name, &[], value);
    }
    let name = "triphammer_journal_durable_seq";
    family(out, name, "The highest sequence number on disk.", "gauge");
    sample(out, name, &[], stats.durable_seq);
    let name = "triphammer_disk_free_bytes";
    family(out, name, "Room on the disk of the data directory.", "gauge");
    sample(out, name, &[], stats.disk_free_bytes);
}

fn requests(out: &mut String, stats: &Stats) {
    let name = "triphammer_http_out_requests_total";
    family(out, name, "HTTP requests of functions, once nothing of them is left.", "counter");
    let outcomes = [
        ("answered", stats.requests.answered),
        ("denied", stats.requests.denied),
        ("failed", stats.requests.failed),
        ("abandoned", stats.requests.abandoned),
    ];
    for (outcome, value) in outcomes {
        sample(out, name, &[("outcome", outcome)], value);
    }
}

/// Under the names that every process has for a Prometheus; absent where nothing tells them.
fn process(out: &mut String, usage: Option<Usage>) {
    let Some(Usage { cpu_ms, rss_bytes }) = usage else { return };
    let name = "process_cpu_seconds_total";
    family(out, name, "User and system CPU time spent, in seconds.", "counter");
    let _ = writeln!(out, "{name} {}.{:03}", cpu_ms / 1000, cpu_ms % 1000);
    let name = "process_resident_memory_bytes";
    family(out, name, "Resident memory, in bytes.", "gauge");
    sample(out, name, &[], rss_bytes);
}

type Samples = fn(&Counts) -> Vec<(&'static str, u64)>;

const PER_FUNCTION: [(&str, &str, &str, Samples); 2] = [
    (
        "triphammer_function_deliveries",
        "A function's deliveries that are not settled, and its dead letters.",
        "gauge",
        |counts| {
            vec![
                ("ready", counts.ready),
                ("running", counts.running),
                ("waiting", counts.waiting),
                ("blocked", counts.blocked),
                ("dead", counts.dead),
            ]
        },
    ),
    (
        "triphammer_function_outcomes_total",
        "What became of a function's deliveries, and how often one was retried.",
        "counter",
        |counts| {
            vec![
                ("committed", counts.committed),
                ("dropped", counts.dropped),
                ("retried", counts.retried),
            ]
        },
    ),
];

type Size = fn(&StateUsage) -> u64;

const STATE: [(&str, &str, Size); 2] = [
    ("triphammer_function_state_entries", "Entries of a function's state.", |s| s.entries),
    ("triphammer_function_state_bytes", "Names and values of a function's state, in bytes.", |s| {
        s.bytes
    }),
];

fn family(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Label values here are names and words, which need no escaping.
fn sample(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    out.push_str(name);
    for (index, (label, text)) in labels.iter().enumerate() {
        let open = if index == 0 { '{' } else { ',' };
        let _ = write!(out, "{open}{label}=\"{text}\"");
    }
    if !labels.is_empty() {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use triphammer_model::{RevisionId, Timestamp};
    use triphammer_outbound::RequestCounts;
    use triphammer_pipeline::{BreakerInfo, BreakerSteps, CanaryInfo};

    use super::*;

    #[test]
    fn names_and_shape_are_as_they_were() {
        let stats = Stats {
            accepted: 1,
            dedup_window: Duration::from_secs(86_400),
            disk_free_bytes: 1 << 40,
            breakers: BreakerSteps { opened: 4, probed: 3, closed: 2 },
            requests: RequestCounts { answered: 9, denied: 2, failed: 1, abandoned: 0 },
            ..Stats::default()
        };
        let function = FunctionInfo {
            schedules: Vec::new(),
            filter_errors: 5,
            name: "welcome".parse().unwrap(),
            active: None,
            previous: None,
            paused: None,
            canary: Some(CanaryInfo {
                revision: RevisionId::new(2).unwrap(),
                weight: 10,
                since: Timestamp(1),
                attempts: 30,
                failures: 4,
                failures_max: 50,
            }),
            canary_ended: None,
            breaker: Some(BreakerInfo {
                state: BreakerState::HalfOpen,
                failures: 5,
                since: None,
                until: None,
                error: None,
            }),
            revisions: Vec::new(),
            counts: Counts { ready: 2, committed: 7, ..Counts::default() },
            state: StateUsage { entries: 3, bytes: 90 },
        };
        let usage = Usage { cpu_ms: 61_250, rss_bytes: 1 << 20 };
        let hook = HookInfo { name: "github", accepted: 3, answered: 2, refused: 1 };
        let found = text(&stats, Some(usage), &[function], &[hook]);
        let expect = include_str!("metrics.golden");
        assert_eq!(found, expect, "\n{found}");
    }
}
