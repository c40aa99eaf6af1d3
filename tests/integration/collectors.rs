//! Collectors as operators have them: behind TLS, with keys in headers, and with batches that follow
//! many traces at once.

use std::fs;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::json;

use crate::harness::{Authority, Sink, committed, event};
use crate::telemetry::{Collector, hex, place, text, value};

#[test]
fn a_collector_behind_tls_gets_what_there_is_if_it_is_trusted() {
    let (authority, scratch) = (Authority::new(), tempfile::tempdir().unwrap());
    let collector = Collector(Sink::start_tls(&authority.sign("collector")));
    // The system's certificates know nothing of this one.
    let host = collector.setup().set("SHUTDOWN_GRACE", "1s").start();
    host.accept(&event("relay.untrusted"));
    let ended = host.terminate();
    assert!(ended.status.success(), "{ended:?}");
    let told = ended.log.lines().find(|line| line.contains("otlp.tls")).unwrap_or_default();
    assert!(told.contains("certificate"), "{}", ended.log);

    let trusted = authority.write(&scratch.path().join("ca.crt"));
    let host = collector.setup().set("OTLP_CERTIFICATES", &trusted).start();
    host.accept(&event("relay.trusted"));
    let span = collector.span("accept relay.trusted");
    assert_eq!(text(value(&span.attributes, "messaging.system")), "triphammer");
    assert!(collector.spans(1).iter().all(|span| span.name != "accept relay.untrusted"));
}

#[test]
fn the_headers_of_the_variable_of_opentelemetry_are_sent_and_nobody_sees_them() {
    let collector = Collector::start();
    let variable = "OTEL_EXPORTER_OTLP_HEADERS";
    let setup = collector.setup().set("LOG_FILTER", "trace");
    let host = setup.env(variable, "Api-Key=s3cret%20value,x-scope=one").start();
    host.accept(&event("relay.order"));
    collector.span("accept relay.order");
    let headers = &collector.0.taken(1)[0].headers;
    assert_eq!((headers["api-key"].as_str(), headers["x-scope"].as_str()), ("s3cret value", "one"));
    let settings = host.get("/api/v1/settings").to_string();
    let ended = host.terminate();
    assert!(!settings.contains("s3cret") && !ended.log.contains("s3cret"), "{}", ended.log);
    // The settings win, as a whole.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[otlp.headers]\napi-key = \"env:KEY\"\n").unwrap();
    let host = ended.setup.env("KEY", "mine").config(file.path()).start();
    let before = collector.0.taken(1).len();
    host.accept(&event("relay.again"));
    collector.span("accept relay.again");
    let headers = &collector.0.taken(before + 1)[before].headers;
    assert_eq!((headers["api-key"].as_str(), headers.get("x-scope")), ("mine", None));
}

#[test]
fn a_batch_is_one_span_below_its_first_event_and_linked_to_the_others() {
    let collector = Collector::start();
    let host = collector.setup().start();
    let manifest = json!({"on": ["tally.*"], "batch": {"max": 4, "wait": "1h"}});
    host.deploy_with("tally", "tally", json!({}), manifest);
    let sender = |n: u8| (format!("{n:032x}"), format!("{n:016x}"));
    let traced = |n| {
        let (trace, span) = sender(n);
        event("tally.add").with("traceparent", format!("00-{trace}-{span}-01"))
    };
    let untraced = event("tally.add").subject("untraced");
    let receipts = host.settle_all(&[traced(1), traced(2), untraced, traced(3)]);
    receipts.iter().for_each(|receipt| drop(committed(receipt)));

    let batch = collector.span("process tally");
    let (trace, span) = sender(1);
    assert_eq!([&place(&batch)[0], &place(&batch)[2]], [&trace, &span]);
    let links: Vec<_> = batch.links.iter().map(|l| (hex(&l.trace_id), hex(&l.span_id))).collect();
    let ids = [sender(2), accepted_untraced(&collector), sender(3)];
    assert_eq!(links, ids);
    let count = value(&batch.attributes, "messaging.batch.message_count");
    assert_eq!(count, &Any::IntValue(4));
    // What it emitted is below it, and in the trace of the first.
    let emitted = &host.events("tallied")[0];
    let expect = format!("00-{trace}-{}-01", hex(&batch.span_id));
    assert_eq!(emitted["traceparent"], json!(expect));
}

/// The place of the only accepted event that no sender has traced.
fn accepted_untraced(collector: &Collector) -> (String, String) {
    let accepted = collector.found(|requests| {
        let spans = collector.spans(requests).into_iter();
        let mut spans = spans.filter(|span| span.name == "accept tally.add");
        spans.find(|span| span.parent_span_id.is_empty())
    });
    (hex(&accepted.trace_id), hex(&accepted.span_id))
}
