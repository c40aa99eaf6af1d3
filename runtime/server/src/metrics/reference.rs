//! The reference of the metrics, `docs/reference/metrics.md`, written from the text that they are
//! served as. Knows no metric by name.

use std::fmt::Write;

/// Every family with a sample of each kind: another test holds it against what is served.
const SERVED: &str = include_str!("metrics.golden");

const HEAD: &str = "# Metrics

`GET /metrics` answers all of them, as OpenMetrics where the client asks for it, else as Prometheus' text. It needs the scope `read` on
a host with tokens. This page is written from that answer. `deploy/prometheus` has rules for alerts, `deploy/grafana` a dashboard.

A counter begins at nothing with each start of the host, and its name ends in `_total`. A histogram has `_bucket`, `_sum` and `_count`.
";

#[derive(Default)]
struct Family {
    name: String,
    help: String,
    kind: String,
    /// Each with the values that there are of it.
    labels: Vec<(String, Vec<String>)>,
}

fn families() -> Vec<Family> {
    let mut found: Vec<Family> = Vec::new();
    for line in SERVED.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            found.push(Family { name: name.into(), help: help.into(), ..Family::default() });
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            found.last_mut().unwrap().kind = kind.split_once(' ').unwrap().1.to_owned();
        } else if let Some(labels) = line.split(['{', '}']).nth(1) {
            note(found.last_mut().unwrap(), labels);
        }
    }
    found
}

/// Notes the labels of a sample; no value has a comma in it.
fn note(family: &mut Family, labels: &str) {
    for (name, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
        // The bounds of a histogram.
        if name == "le" {
            continue;
        }
        let value = value.trim_matches('"').to_owned();
        match family.labels.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => family.labels.push((name.to_owned(), vec![value])),
        }
    }
}

fn document() -> String {
    let families = families();
    let mut out = HEAD.to_owned();
    let is_of_function =
        |family: &&Family| family.labels.iter().any(|(name, _)| name == "function");
    out.push_str("\n## Of the host\n\n");
    write_table(&mut out, families.iter().filter(|family| !is_of_function(family)));
    out.push_str("\n## Of each function\n\nEach has the label `function`, too.\n\n");
    write_table(&mut out, families.iter().filter(is_of_function));
    out
}

fn write_table<'a>(out: &mut String, families: impl Iterator<Item = &'a Family>) {
    out.push_str("| metric | kind | labels | is |\n|---|---|---|---|\n");
    for family in families {
        let suffix = if family.kind == "counter" { "_total" } else { "" };
        let labels = family.labels.iter().filter(|(name, _)| name != "function");
        let labels: Vec<String> = labels.map(label).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join("; ") };
        let Family { name, kind, help, .. } = family;
        writeln!(out, "| `{name}{suffix}` | {kind} | {labels} | {help} |").unwrap();
    }
}

/// What has one value there is somebody's own name.
fn label((name, values): &(String, Vec<String>)) -> String {
    if values.len() == 1 {
        return format!("`{name}`");
    }
    let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    format!("`{name}`: {}", values.join(", "))
}

#[test]
fn the_reference_is_that_of_the_metrics() {
    crate::page::agrees("docs/reference/metrics.md", &document());
}
