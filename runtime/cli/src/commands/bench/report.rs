//! A measurement as text that fits into a message, and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::measure::Measurement;
use crate::load::{Goal, Histogram, Mode, Pace, Plan};
use crate::output::{BAD, DIM, NAME, bytes, count, millis, paint};

pub(super) fn text(plan: &Plan, function: Option<&str>, measured: &Measurement) -> String {
    let outcome = &measured.outcome;
    let mut lines = vec![headline(plan, function)];
    let refused: u64 = outcome.refused.values().sum();
    let mut accepted = rate_line("accepted", outcome.accepted, outcome.elapsed);
    if refused + outcome.broken + outcome.unsettled > 0 {
        let text = format!(
            "  {} refused {:?} · {} broken · {} not settled in time",
            count(refused),
            outcome.refused,
            count(outcome.broken),
            count(outcome.unsettled)
        );
        accepted.push_str(&paint(BAD, text));
    }
    lines.push(accepted);
    if let Some(commits) = measured.commits {
        let mut line = rate_line("committed", commits.committed, commits.elapsed);
        if commits.dead > 0 {
            line.push_str(&paint(BAD, format_args!("  {} dead", count(commits.dead))));
        }
        lines.push(line);
    }
    lines.push(latency_line(plan, &outcome.latency));
    lines.extend(host_line(measured));
    lines.extend(measured.generator_cpu_ms.map(|cpu_ms| {
        let each = cpu_ms * 1e3 / outcome.accepted.max(1) as f64;
        label("generator", format!("{each:.1} µs CPU/event"))
    }));
    lines.join("\n")
}

fn label(name: &str, text: String) -> String {
    format!("{} {text}", paint(DIM, format!("{name:<10}")))
}

fn headline(plan: &Plan, function: Option<&str>) -> String {
    let template = &plan.template;
    let mode = match template.mode {
        Mode::Binary => "single POSTs".to_owned(),
        Mode::Structured => "single structured POSTs".to_owned(),
        Mode::Batch(size) => format!("batches of {size}"),
    };
    let pace = match plan.pace {
        Pace::Closed => String::new(),
        Pace::Rate(rate) => format!(", {} events/s", count(rate as u64)),
    };
    let to = function.map_or_else(String::new, |function| format!(" → {function}"));
    format!(
        "{}{to}: {mode}{pace}, {} connections, {} B JSON, {} subjects",
        paint(NAME, &template.ty),
        plan.connections,
        count(template.payload.len() as u64),
        count(template.subjects)
    )
}

fn rate(events: u64, elapsed: Duration) -> f64 {
    events as f64 / elapsed.as_secs_f64().max(1e-9)
}

fn rate_line(name: &str, events: u64, elapsed: Duration) -> String {
    let per_second = count(rate(events, elapsed).round() as u64);
    let seconds = elapsed.as_secs_f64();
    label(name, format!("{:>9}/s   {} in {seconds:.2} s", per_second, count(events)))
}

fn latency_line(plan: &Plan, latency: &Histogram) -> String {
    let name = if plan.template.wait_s.is_some() { "to commit" } else { "to accept" };
    let percentiles = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];
    let shown = percentiles
        .map(|(name, percent)| format!("{name} {}", millis(latency.percentile_ms(percent))));
    label(name, format!("{} · max {}", shown.join(" · "), millis(latency.max_ms())))
}

/// The events that the host's work is divided by: those committed, or accepted.
fn events(measured: &Measurement) -> f64 {
    let committed = measured.commits.map(|commits| commits.committed);
    committed.unwrap_or(measured.outcome.accepted).max(1) as f64
}

fn host_line(measured: &Measurement) -> Option<String> {
    let host = &measured.host;
    let events = events(measured);
    let parts = [
        host.cpu_ms.map(|cpu_ms| format!("{:.1} µs CPU/event", cpu_ms * 1e3 / events)),
        host.syncs.map(|syncs| format!("{:.3} syncs/event", syncs as f64 / events)),
        host.journal_bytes.map(|written| format!("{:.0} B journal/event", written as f64 / events)),
        host.rss_bytes.map(|rss| format!("RSS {}", bytes(rss))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| label("host", parts.join(" · ")))
}

pub(super) fn json(plan: &Plan, function: Option<&str>, measured: &Measurement) -> Value {
    let outcome = &measured.outcome;
    let template = &plan.template;
    let latency = &outcome.latency;
    let percentile = |percent| latency.percentile_ms(percent);
    let (mode, batch) = match template.mode {
        Mode::Binary => ("binary", 1),
        Mode::Structured => ("structured", 1),
        Mode::Batch(size) => ("batch", size),
    };
    let rate_wanted = match plan.pace {
        Pace::Closed => None,
        Pace::Rate(rate) => Some(rate),
    };
    let goal = match plan.goal {
        Goal::Events(events) => json!({"events": events}),
        Goal::Time(time) => json!({"seconds": time.as_secs_f64()}),
    };
    let committed = measured.commits.map(|commits| {
        json!({
            "events": commits.committed,
            "dead": commits.dead,
            "seconds": commits.elapsed.as_secs_f64(),
            "perSecond": rate(commits.committed, commits.elapsed),
        })
    });
    let events = events(measured);
    let host = &measured.host;
    json!({
        "load": {
            "type": template.ty, "function": function, "mode": mode, "batch": batch,
            "connections": plan.connections, "payloadBytes": template.payload.len(),
            "subjects": template.subjects, "rate": rate_wanted, "goal": goal,
        },
        "accepted": {
            "events": outcome.accepted,
            "requests": outcome.requests,
            "seconds": outcome.elapsed.as_secs_f64(),
            "perSecond": rate(outcome.accepted, outcome.elapsed),
            "refused": outcome.refused.values().sum::<u64>(),
            "broken": outcome.broken,
            "unsettled": outcome.unsettled,
        },
        "committed": committed,
        "latencyMs": {
            "to": if template.wait_s.is_some() { "commit" } else { "accept" },
            "requests": latency.count(),
            "p50": percentile(50.0), "p90": percentile(90.0), "p99": percentile(99.0),
            "p999": percentile(99.9), "max": latency.max_ms(),
        },
        "host": {
            "cpuMicrosPerEvent": host.cpu_ms.map(|cpu_ms| cpu_ms * 1e3 / events),
            "syncsPerEvent": host.syncs.map(|syncs| syncs as f64 / events),
            "journalBytesPerEvent": host.journal_bytes.map(|written| written as f64 / events),
            "rssBytes": host.rss_bytes,
        },
        "generatorCpuMicrosPerEvent":
            measured.generator_cpu_ms.map(|cpu_ms| cpu_ms * 1e3 / outcome.accepted.max(1) as f64),
    })
}
