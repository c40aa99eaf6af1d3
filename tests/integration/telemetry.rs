//! Traces and logs, as a collector gets them: one trace from a sender to the last request, whoever began
//! it, and no event that waits for a collector.

use std::collections::HashSet;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};

use crate::harness::{Host, Request, Setup, Sink, committed, dead, event};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ABOVE: &str = "00f067aa0ba902b7";
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{ABOVE}-{flags}")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A collector, and what it got.
pub(crate) struct Collector(pub(crate) Sink);

impl Collector {
    pub(crate) fn start() -> Self {
        Self(Sink::start(&[]))
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup::new().set("OTLP_ENDPOINT", &self.0.target())
    }

    pub(crate) fn spans(&self, requests: usize) -> Vec<Span> {
        let taken = self.0.taken(requests);
        let of_path = taken.iter().filter(|taken| taken.line == "POST /v1/traces");
        let decoded = of_path.map(|taken| ExportTraceServiceRequest::decode(&*taken.body).unwrap());
        let scopes = decoded.flat_map(|sent| sent.resource_spans).flat_map(|of| of.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    fn records(&self, requests: usize) -> Vec<LogRecord> {
        let taken = self.0.taken(requests);
        let of_path = taken.iter().filter(|taken| taken.line == "POST /v1/logs");
        let decoded = of_path.map(|taken| ExportLogsServiceRequest::decode(&*taken.body).unwrap());
        let scopes = decoded.flat_map(|sent| sent.resource_logs).flat_map(|of| of.scope_logs);
        scopes.flat_map(|scope| scope.log_records).collect()
    }

    /// The only span of this name, as soon as it is there.
    pub(crate) fn span(&self, name: &str) -> Span {
        self.found(|requests| {
            let spans = self.spans(requests);
            let mut named = spans.iter().filter(|span| span.name == name);
            let found = named.next().cloned();
            assert!(named.next().is_none(), "more than one {name}");
            found
        })
    }

    /// The first record with this text in it, as soon as it is there.
    fn record(&self, part: &str) -> LogRecord {
        self.found(|requests| {
            let records = self.records(requests);
            records.into_iter().find(|record| text(body(record)).contains(part))
        })
    }

    /// Looks whenever another request has come.
    pub(crate) fn found<T>(&self, find: impl Fn(usize) -> Option<T>) -> T {
        let mut requests = 0;
        loop {
            match find(requests) {
                Some(found) => return found,
                None => requests = self.0.taken(requests + 1).len().max(requests + 1),
            }
        }
    }
}

fn body(record: &LogRecord) -> &Any {
    record.body.as_ref().unwrap().value.as_ref().unwrap()
}

pub(crate) fn text(value: &Any) -> &str {
    match value {
        Any::StringValue(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

#[track_caller]
pub(crate) fn value<'a>(attributes: &'a [KeyValue], name: &str) -> &'a Any {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    found.unwrap_or_else(|| panic!("no {name}")).value.as_ref().unwrap().value.as_ref().unwrap()
}

/// Ids of the trace, of the span, and of what it is below of.
pub(crate) fn place(span: &Span) -> [String; 3] {
    [hex(&span.trace_id), hex(&span.span_id), hex(&span.parent_span_id)]
}

/// A relay whose events make a function send requests to this sink.
fn shop(setup: Setup, sink: &Sink) -> Host {
    let target = sink.target();
    let setup = setup.set("HTTP_OUT_ALLOW", &target).set("HTTP_OUT_ALLOW_PRIVATE", "localhost");
    let host = setup.start();
    host.deploy_with("relay", "relay", json!({"to": "fetch.run"}), json!({}));
    let http = json!({"allow": [target], "timeout": "20s"});
    let manifest = json!({"on": ["fetch.run"], "http": http, "timeout": "20s"});
    host.deploy_with("pay", "fetch", json!({}), manifest);
    host
}

/// What makes the function send one request, and log that another may not be sent.
fn order(sink: &Sink) -> Value {
    let step = |method: &str, url: String| json!({"method": method, "url": url});
    let requests = [step("POST", sink.url()), step("GET", "http://elsewhere.example/".to_owned())];
    json!({ "requests": requests })
}

#[test]
fn one_trace_leads_from_the_sender_to_the_last_request() {
    let (collector, sink) = (Collector::start(), Sink::start(&[]));
    let host = shop(collector.setup().set("OTLP_SERVICE", "shop"), &sink);
    let sent = event("relay.order").with("datacontenttype", "application/json");
    let sent = sent.subject("o-1").data(order(&sink)).request().wait(60);
    let sent = sent.header("traceparent", parent("01")).header("tracestate", "a=b");
    let receipt = host.send(sent).expect(200)["events"][0].clone();
    let request = &sink.taken(1)[0];

    let accepted = collector.span("accept relay.order");
    let relayed = collector.span("process relay");
    let paid = collector.span("process pay");
    let posted = collector.span("POST");
    assert_eq!(place(&accepted)[0], TRACE);
    assert_eq!(place(&accepted)[2], ABOVE);
    assert_eq!(place(&relayed)[2], ABOVE);
    assert_eq!(paid.parent_span_id, relayed.span_id);
    assert_eq!(posted.parent_span_id, paid.span_id);
    for span in [&relayed, &paid, &posted] {
        assert_eq!((hex(&span.trace_id).as_str(), span.trace_state.as_str()), (TRACE, "a=b"));
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }
    assert_eq!([accepted.kind, relayed.kind, posted.kind], [4, 5, 3]);
    let sent_on = format!("00-{TRACE}-{}-01", hex(&posted.span_id));
    assert_eq!(request.headers["traceparent"], sent_on);
    assert_eq!(request.headers["tracestate"], "a=b");

    assert_eq!(text(value(&relayed.attributes, "messaging.system")), "triphammer");
    assert_eq!(text(value(&relayed.attributes, "faas.name")), "relay");
    assert_eq!(text(value(&relayed.attributes, "faas.trigger")), "pubsub");
    assert_eq!(text(value(&relayed.attributes, "cloudevents.event_type")), "relay.order");
    assert_eq!(text(value(&relayed.attributes, "triphammer.outcome")), "committed");
    let seq = receipt["seq"].as_str().unwrap();
    assert_eq!(text(value(&relayed.attributes, "triphammer.seq")), seq);
    assert_eq!(value(&relayed.attributes, "triphammer.attempt"), &Any::IntValue(1));
    assert_eq!(value(&posted.attributes, "http.response.status_code"), &Any::IntValue(200));
    assert_eq!(text(value(&posted.attributes, "server.address")), "localhost");

    let denied = collector.span("GET");
    assert_eq!(text(value(&denied.attributes, "error.type")), "outbound.manifest");
    assert_eq!(denied.status.unwrap().code, 2);
    let logged = collector.record("(outbound.manifest)");
    assert_eq!(logged.span_id, paid.span_id);
    assert_eq!(logged.severity_text, "WARN");
    assert_eq!(text(value(&logged.attributes, "triphammer.function")), "pay");

    // What the story tells of the emitted event.
    let emitted = &host.events("fetch.run")[0];
    let expect = format!("00-{TRACE}-{}-01", hex(&relayed.span_id));
    assert_eq!((&emitted["traceparent"], &emitted["tracestate"]), (&json!(expect), &json!("a=b")));
    let first = &host.story(&receipt["seq"])["event"];
    assert_eq!(first["traceparent"], json!(parent("01")));
}

#[test]
fn a_trace_that_nobody_began_begins_with_its_event() {
    let collector = Collector::start();
    let host = collector.setup().start();
    host.deploy_with("relay", "relay", json!({"to": "on.its.way"}), json!({}));
    committed(&host.settle(&event("relay.order")));
    let (accepted, relayed) =
        (collector.span("accept relay.order"), collector.span("process relay"));
    assert!(accepted.parent_span_id.is_empty());
    assert_eq!(relayed.parent_span_id, accepted.span_id);
    assert_eq!(relayed.trace_id, accepted.trace_id);
    let emitted = &host.events("on.its.way")[0];
    let [trace, span, _] = place(&relayed);
    assert_eq!(emitted["traceparent"], json!(format!("00-{trace}-{span}-01")));
}

#[test]
fn what_is_not_sampled_is_not_sent_and_goes_on_unsampled() {
    let collector = Collector::start();
    let host = collector.setup().set("OTLP_RATIO", "0").start();
    host.deploy_with("relay", "relay", json!({"to": "on.its.way"}), json!({}));
    committed(&host.settle(&event("relay.unsampled").with("traceparent", parent("00"))));
    committed(&host.settle(&event("relay.untraced")));
    committed(&host.settle(&event("relay.sampled").with("traceparent", parent("01"))));
    let emitted = host.events("on.its.way");
    let flags = |event: &Value| event["traceparent"].as_str().map(|text| text[53..].to_owned());
    let flags: Vec<_> = emitted.iter().map(flags).collect();
    assert_eq!(flags, [Some("00".to_owned()), None, Some("01".to_owned())]);
    let ended = host.terminate();
    assert!(ended.status.success(), "{ended:?}");
    let mut names: Vec<_> = collector.spans(1).into_iter().map(|span| span.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept relay.sampled", "process relay"]);
}

#[test]
fn a_busy_host_records_a_share_of_its_traces_and_each_of_them_whole() {
    let collector = Collector::start();
    let host = collector.setup().set("OTLP_TRACES_PER_SECOND", "10").start();
    host.deploy_with("relay", "relay", json!({"to": "on.its.way"}), json!({}));
    // Nothing of it runs before all of it is there, so attempts come long after the share is another.
    host.post("/api/v1/functions/relay/pause", json!({}));
    for _ in 0..4 {
        host.accept_all(&(0..500).map(|_| event("relay.order")).collect::<Vec<_>>());
    }
    let metrics = host.send(Request::get("/metrics")).text();
    let ratio = metrics.lines().find_map(|line| line.strip_prefix("triphammer_otlp_traces_ratio "));
    assert!(ratio.unwrap().parse::<f64>().unwrap() < 0.5, "{metrics}");
    host.post("/api/v1/functions/relay/resume", json!({}));
    host.settled();
    host.terminate();
    let spans = collector.spans(1);
    let named = |name| spans.iter().filter(move |span| span.name == name);
    let accepted: HashSet<_> = named("accept relay.order").map(|span| &span.span_id).collect();
    let above: Vec<_> = named("process relay").map(|span| &span.parent_span_id).collect();
    assert!((500..1000).contains(&accepted.len()), "{}", accepted.len());
    assert_eq!(above.len(), accepted.len());
    assert!(above.iter().all(|above| accepted.contains(above)), "an attempt without its event");
}

#[test]
fn a_failed_attempt_is_an_error_with_its_code_and_a_dead_letter_is_told_in_the_trace() {
    let collector = Collector::start();
    let host = collector.setup().start();
    host.deploy("script", "script");
    let rejected = event("script.run").data(json!({"steps": [], "reject": true}));
    let (code, _) = dead(&host.settle(&rejected.with("traceparent", parent("01"))));
    let failed = collector.span("process script");
    assert_eq!(text(value(&failed.attributes, "error.type")), code);
    assert_eq!(text(value(&failed.attributes, "triphammer.outcome")), "dead");
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    let line = collector.record("a delivery is a dead letter");
    assert_eq!(line.span_id, failed.span_id);
    assert_eq!(text(value(&line.attributes, "error.type")), code);
    let notice = &host.events("triphammer.delivery.dead")[0];
    let expect = format!("00-{TRACE}-{}-01", hex(&failed.span_id));
    assert_eq!(notice["traceparent"], json!(expect));
}

#[test]
fn a_sender_that_traces_is_followed_without_a_collector() {
    let host = Host::start();
    host.deploy_with("relay", "relay", json!({"to": "on.its.way"}), json!({}));
    let post = Request::post("/events/relay.plain").body("text/plain", "x").wait(60);
    host.send(post.header("traceparent", parent("00"))).expect(200);
    host.send(event("relay.none").request().wait(60)).expect(200);
    host.send(event("relay.odd").request().wait(60).header("traceparent", "x")).expect(200);
    let emitted = host.events("on.its.way");
    let trace = emitted[0]["traceparent"].as_str().unwrap();
    assert!(trace.starts_with(&format!("00-{TRACE}-")) && !trace.contains(ABOVE), "{trace}");
    assert!(emitted[1..].iter().all(|event| event.get("traceparent").is_none()), "{emitted:?}");
}

#[test]
fn no_event_waits_for_a_collector_that_is_not_there() {
    let host = Setup::new().set("OTLP_ENDPOINT", NOWHERE).set("OTLP_QUEUE", "1KiB").start();
    host.deploy_with("relay", "relay", json!({"to": "on.its.way"}), json!({}));
    let events: Vec<_> = (0..200).map(|_| event("relay.order")).collect();
    let receipts = host.settle_all(&events);
    receipts.iter().for_each(|receipt| drop(committed(receipt)));
    assert_eq!(host.events("on.its.way").len(), 200);
    let ended = host.terminate();
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn log_lines_are_objects_that_say_whom_they_are_about() {
    let host = Setup::new().set("LOG_FORMAT", "json").start();
    host.deploy("script", "script");
    let receipt = host.settle(&event("script.run").data(json!({"steps": [], "reject": true})));
    let (code, message) = dead(&receipt);
    let ended = host.terminate();
    // The others are those of standard output.
    let lines = ended.log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()));
    assert!(lines.iter().any(|line| line["message"] == "stopping"), "{}", ended.log);
    let about = lines.iter().find(|line| line["message"] == "a delivery is a dead letter").unwrap();
    assert_eq!(about["event"], receipt["seq"]);
    assert_eq!((&about["function"], &about["revision"]), (&json!("script"), &json!("r1")));
    assert_eq!((&about["attempt"], &about["code"]), (&json!(1), &json!(code)));
    assert_eq!((&about["level"], &about["error"]), (&json!("WARN"), &json!(message)));
}

#[test]
fn the_variables_of_opentelemetry_do_as_well_and_a_wrong_one_is_named() {
    let collector = Collector::start();
    let setup = Setup::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.0.target());
    let host = setup.env("OTEL_SERVICE_NAME", "shop").start();
    host.accept(&event("relay.order"));
    collector.span("accept relay.order");
    let sent = &collector.0.taken(1)[0];
    let sent = ExportTraceServiceRequest::decode(&*sent.body).unwrap();
    let resource = sent.resource_spans[0].resource.as_ref().unwrap();
    assert_eq!(text(value(&resource.attributes, "service.name")), "shop");
    let wrong = Setup::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317").try_start();
    let log = wrong.err().map(|ended| ended.log).unwrap_or_default();
    assert!(
        log.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && log.contains("config.environment"),
        "{log}"
    );
}
