//! The host about itself.

use serde_json::json;

use super::{DISK, EVENT, FILTER, JSON_BODY, PAGE, QUERY};
use crate::dashboard::{CSS, IMAGE, SCRIPT};
use crate::describe::operation::{Access, OPERATE, Operation, READ, content, header, json_of};
use crate::describe::parameter::{in_path, in_query, paging};
use crate::describe::schemas::Schemas;
use crate::describe::served::Change;
use crate::describe::words::{FunctionName, Time};
use crate::metrics::Format;
use crate::overview::{HistoryView, OverviewView};
use crate::settings::SettingsView;
use crate::views::{EvaluationView, FilterTest, HookView, StatsView};

const TAG: &str = "host";
const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        looked_at("/", "getPage", "The dashboard", "text/html; charset=utf-8", READ),
        asset(),
        looked_at("/healthz", "getHealth", "Whether the process lives", TEXT, Access::Open),
        readiness(),
        scrape(),
        description("/openapi.json", "getOpenApi", "This document"),
        description("/asyncapi.json", "getAsyncApi", "The event types that are known")
            .refuses(&[DISK]),
        stats(schemas),
        overview(schemas),
        overview_stream(schemas),
        history(schemas),
        settings(schemas),
        hooks(schemas),
        audit(schemas),
        filter(schemas),
    ]
}

fn looked_at(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    media_type: &'static str,
    access: Access,
) -> Operation {
    Operation::new(("get", path), id, TAG, access, summary)
        .answers("200", summary, content(media_type, json!({ "type": "string" })))
        .refuses(&[QUERY])
}

/// As OpenMetrics for who accepts it.
fn scrape() -> Operation {
    let text = json!({ "schema": { "type": "string" } });
    let types = [Format::Prometheus.content_type(), Format::OpenMetrics.content_type()];
    let content = json!({ types[0]: text, types[1]: text });
    Operation::new(("get", "/metrics"), "getMetrics", TAG, READ, "For a Prometheus")
        .answers("200", "The metrics.", content)
        .refuses(&[QUERY, DISK])
}

/// Several kinds of files.
fn asset() -> Operation {
    let text = || json!({ "schema": { "type": "string" } });
    let files = json!({ CSS: text(), SCRIPT: text(), IMAGE: text() });
    Operation::new(("get", "/ui/{name}"), "getAsset", TAG, READ, "A file of the dashboard")
        .with([in_path("name", json!({ "type": "string" }), "app.js")])
        .answers("200", "As it was built into the host.", files)
        .answers("304", "The client has it.", json!(null))
        .refuses(&[QUERY, &[(404, "http.not_found")]])
}

fn readiness() -> Operation {
    looked_at("/readyz", "getReadiness", "Whether events are taken in", TEXT, Access::Open)
        .refuses(&[&[(503, "host.not_ready")]])
}

fn description(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(("get", path), id, TAG, READ, summary)
        .answers("200", summary, json_of(json!({ "type": "object" })))
        .refuses(&[QUERY])
}

fn stats(schemas: &mut Schemas) -> Operation {
    Operation::new(("get", "/api/v1/stats"), "getStats", TAG, READ, "The counters")
        .answers("200", "Since the start, and as of now.", json_of(schemas.answer::<StatsView>()))
        .refuses(&[QUERY])
}

fn overview(schemas: &mut Schemas) -> Operation {
    let path = ("get", "/api/v1/stats/overview");
    Operation::new(path, "getOverview", TAG, READ, "The host at a glance")
        .answers("200", "As of now.", json_of(schemas.answer::<OverviewView>()))
        .refuses(&[QUERY])
}

fn overview_stream(schemas: &mut Schemas) -> Operation {
    let item = schemas.answer::<OverviewView>();
    let content = json!({
        "text/event-stream": { "schema": { "type": "string" }, "x-event-data": item },
    });
    let path = ("get", "/api/v1/stats/stream");
    Operation::new(path, "openOverview", TAG, READ, "The host at a glance, every second")
        .about("Server-sent events without end: `event` is `stats`, `data` one line of JSON.")
        .answers("200", "The feed.", content)
        .headers(header("Cache-Control", &json!({ "type": "string", "const": "no-store" })))
        .refuses(&[QUERY])
        .refuses(&[&[(503, "http.streams")]])
}

fn history(schemas: &mut Schemas) -> Operation {
    let path = ("get", "/api/v1/stats/history");
    Operation::new(path, "getHistory", TAG, READ, "The last six hours")
        .about("Kept in memory, since the host started; of the hundred functions that ran last.")
        .with([
            in_query("function", schemas.body::<FunctionName>(), "Of this function, not the host."),
            in_query("from", schemas.body::<Time>(), "At this time or later."),
        ])
        .answers("200", "The oldest first.", json_of(schemas.answer::<HistoryView>()))
        .refuses(&[QUERY])
}

fn settings(schemas: &mut Schemas) -> Operation {
    let path = ("get", "/api/v1/settings");
    Operation::new(path, "getSettings", TAG, OPERATE, "The settings in force")
        .about("Without secrets and without paths.")
        .answers("200", "As the host was started.", json_of(schemas.answer::<SettingsView<'_>>()))
        .refuses(&[QUERY])
}

fn hooks(schemas: &mut Schemas) -> Operation {
    let hooks = schemas.page::<HookView>("hooks");
    Operation::new(("get", "/api/v1/hooks"), "listHooks", TAG, READ, "The webhooks")
        .answers("200", "By name, with what came since the start.", json_of(hooks))
        .refuses(&[QUERY])
}

fn filter(schemas: &mut Schemas) -> Operation {
    let body = json_of(schemas.body::<FilterTest>());
    let path = ("post", "/api/v1/filters/test");
    Operation::new(path, "testFilter", TAG, READ, "What an expression comes to on an event")
        .takes("Both.", &body)
        .answers("200", "Its value, or its error.", json_of(schemas.answer::<EvaluationView>()))
        .refuses(&[QUERY, JSON_BODY, EVENT, FILTER])
}

fn audit(schemas: &mut Schemas) -> Operation {
    let changes = schemas.page::<Change>("entries");
    Operation::new(("get", "/api/v1/audit"), "listChanges", TAG, OPERATE, "Who changed what")
        .with(paging())
        .answers("200", "The newest first.", json_of(changes))
        .refuses(&[QUERY, PAGE])
}
