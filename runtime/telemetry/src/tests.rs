//! What is sent, read back with the published types by a collector of the tests' own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing_subscriber::layer::SubscriberExt;
use triphammer_model::{LogLevel, TraceContext};

use crate::semconv;
use crate::{ExportCounts, Kind, Options, Record, SignalCounts, Span, Telemetry};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Takes requests, and answers as it is told; then always 200.
struct Collector {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Request<Bytes>>,
}

impl Collector {
    async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answers) = (sender.clone(), Arc::clone(&answers));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (sender, answers) = (sender.clone(), Arc::clone(&answers));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        sender.send(Request::from_parts(head, body)).unwrap();
                        let answer = answers.lock().unwrap().pop_front().unwrap_or("200");
                        Ok::<_, Infallible>(respond(answer))
                    }
                });
                let serving = hyper::server::conn::http1::Builder::new();
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, requests }
    }

    fn telemetry(&self) -> Telemetry {
        telemetry(&format!("http://{}/base/", self.address), 1 << 20)
    }

    async fn request(&mut self) -> Request<Bytes> {
        self.requests.recv().await.unwrap()
    }
}

/// A status, and a number of seconds to wait.
fn respond(answer: &str) -> Response<Full<Bytes>> {
    let (status, after) = answer.split_once(' ').unwrap_or((answer, ""));
    let mut response = Response::builder().status(status);
    if !after.is_empty() {
        response = response.header("retry-after", after);
    }
    response.body(Full::default()).unwrap()
}

fn telemetry(endpoint: &str, queue_bytes_max: usize) -> Telemetry {
    let headers = vec![("api-key".parse().unwrap(), "s3cr3t".parse().unwrap())];
    let (endpoint, timeout) = (endpoint.parse().unwrap(), Duration::from_secs(10));
    Telemetry::new(Options { endpoint, headers, timeout, queue_bytes_max })
}

fn send_span(telemetry: &Telemetry, name: &str) {
    let above = TraceContext::parse(PARENT, Some("a=b")).unwrap();
    let span = Span {
        context: &above.child(b"1"),
        parent: Some(above.span),
        name,
        kind: Kind::Consumer,
        began_ns: 1_000_000_007,
        ended_ns: 1_000_000_009,
        links: &[above.child(b"2")],
        error: Some("it failed"),
    };
    telemetry.span(&span, |attributes| {
        attributes.text(semconv::FAAS_NAME, "pay");
        attributes.number(semconv::ATTEMPT, 3);
        attributes.number("negative", -1);
        attributes.flag("flag", true);
        attributes.text("long", &"ü".repeat(1000));
    });
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> &'a Value {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    found.unwrap_or_else(|| panic!("no {name}")).value.as_ref().unwrap().value.as_ref().unwrap()
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

#[tokio::test]
async fn spans_are_what_a_collector_reads() {
    let mut collector = Collector::start(&[]).await;
    let telemetry = collector.telemetry();
    let exporter = telemetry.start(&[(semconv::SERVICE_NAME, "shop")], None).unwrap();
    send_span(&telemetry, "process pay");
    let request = collector.request().await;
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/base/v1/traces"));
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    assert_eq!(request.headers()["api-key"], "s3cr3t");
    let sent = ExportTraceServiceRequest::decode(request.into_body()).unwrap();
    let of_resource = &sent.resource_spans[0];
    let resource = of_resource.resource.as_ref().unwrap();
    assert_eq!(value(&resource.attributes, "service.name"), &text("shop"));
    assert_eq!(of_resource.schema_url, semconv::SCHEMA_URL);
    let of_scope = &of_resource.scope_spans[0];
    assert_eq!(of_scope.scope.as_ref().unwrap().name, "triphammer");
    let span = &of_scope.spans[0];
    let above = TraceContext::parse(PARENT, Some("a=b")).unwrap();
    let own = above.child(b"1");
    assert_eq!(span.trace_id, above.trace.as_bytes());
    assert_eq!(span.span_id, own.span.as_bytes());
    assert_eq!(span.parent_span_id, above.span.as_bytes());
    assert_eq!((span.trace_state.as_str(), span.flags), ("a=b", 1));
    assert_eq!((span.name.as_str(), span.kind), ("process pay", 5));
    assert_eq!(span.start_time_unix_nano, 1_000_000_007);
    assert_eq!(span.end_time_unix_nano, 1_000_000_009);
    assert_eq!(span.links[0].span_id, above.child(b"2").span.as_bytes());
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.message.as_str(), status.code), ("it failed", 2));
    assert_eq!(value(&span.attributes, "faas.name"), &text("pay"));
    assert_eq!(value(&span.attributes, "triphammer.attempt"), &Value::IntValue(3));
    assert_eq!(value(&span.attributes, "negative"), &Value::IntValue(-1));
    assert_eq!(value(&span.attributes, "flag"), &Value::BoolValue(true));
    assert_eq!(value(&span.attributes, "long"), &text(&"ü".repeat(512)));
    drop(exporter);
}

#[tokio::test]
async fn log_records_are_what_a_collector_reads() {
    let mut collector = Collector::start(&[]).await;
    let telemetry = collector.telemetry();
    let _exporter = telemetry.start(&[], None).unwrap();
    let context = TraceContext::parse(PARENT, None).unwrap();
    let record = Record {
        context: Some(&context),
        at_ns: 5,
        observed_ns: 6,
        level: LogLevel::Warn,
        body: "out of stock",
    };
    telemetry.record(&record, |attributes| attributes.text(semconv::FUNCTION, "pay"));
    let request = collector.request().await;
    assert_eq!(request.uri().path(), "/base/v1/logs");
    let sent = ExportLogsServiceRequest::decode(request.into_body()).unwrap();
    let found = &sent.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!((found.time_unix_nano, found.observed_time_unix_nano), (5, 6));
    assert_eq!((found.severity_number, found.severity_text.as_str()), (13, "WARN"));
    assert_eq!(found.body.as_ref().unwrap().value, Some(text("out of stock")));
    assert_eq!(found.trace_id, context.trace.as_bytes());
    assert_eq!(found.span_id, context.span.as_bytes());
    assert_eq!(value(&found.attributes, "triphammer.function"), &text("pay"));
}

#[tokio::test]
async fn the_hosts_warnings_are_records_with_their_fields() {
    let mut collector = Collector::start(&[]).await;
    let telemetry = collector.telemetry();
    let _exporter = telemetry.start(&[], None).unwrap();
    let subscriber = tracing_subscriber::registry().with(telemetry.host_log(|| 7));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "shop", "not sent");
        tracing::warn!(target: "triphammer_telemetry::export", "not sent either");
        let (event, function) = (12, "pay");
        tracing::error!(target: "shop", event, %function, code = "invoke.trap", trace = PARENT, "it {}", "broke");
    });
    let request = collector.request().await;
    let sent = ExportLogsServiceRequest::decode(request.into_body()).unwrap();
    let records = &sent.resource_logs[0].scope_logs[0].log_records;
    assert_eq!(records.len(), 1);
    let found = &records[0];
    assert_eq!((found.severity_text.as_str(), found.time_unix_nano), ("ERROR", 7));
    assert_eq!(found.body.as_ref().unwrap().value, Some(text("it broke")));
    assert_eq!(value(&found.attributes, "triphammer.seq"), &Value::IntValue(12));
    assert_eq!(value(&found.attributes, "triphammer.function"), &text("pay"));
    assert_eq!(value(&found.attributes, "error.type"), &text("invoke.trap"));
    assert_eq!(found.trace_id, TraceContext::parse(PARENT, None).unwrap().trace.as_bytes());
}

#[tokio::test]
async fn many_spans_are_one_request_and_one_connection() {
    let mut collector = Collector::start(&[]).await;
    let telemetry = collector.telemetry();
    for n in 0..100 {
        send_span(&telemetry, &n.to_string());
    }
    let exporter = telemetry.start(&[], None).unwrap();
    let sent = ExportTraceServiceRequest::decode(collector.request().await.into_body()).unwrap();
    assert_eq!(sent.resource_spans[0].scope_spans[0].spans.len(), 100);
    stop(exporter).await;
    let sent = SignalCounts { sent: 100, dropped: 0, failed: 0 };
    assert_eq!(telemetry.counts(), ExportCounts { spans: sent, logs: SignalCounts::default() });
}

#[tokio::test]
async fn what_may_be_taken_later_is_sent_again_and_nothing_else() {
    let mut collector = Collector::start(&["503 0", "429 0", "200", "400", "200"]).await;
    let telemetry = collector.telemetry();
    let exporter = telemetry.start(&[], None).unwrap();
    send_span(&telemetry, "again");
    let bodies = [collector.request().await, collector.request().await, collector.request().await];
    assert!(bodies.iter().all(|request| request.body() == bodies[0].body()));
    send_span(&telemetry, "refused");
    let refused = collector.request().await;
    send_span(&telemetry, "taken");
    let taken = collector.request().await;
    assert_ne!(taken.body(), refused.body());
    stop(exporter).await;
    assert_eq!(telemetry.counts().spans, SignalCounts { sent: 2, dropped: 0, failed: 1 });
}

#[tokio::test]
async fn a_full_queue_drops_and_nobody_waits() {
    // Nobody listens there.
    let telemetry = telemetry("http://127.0.0.1:1", 10_000);
    for n in 0..100 {
        send_span(&telemetry, &n.to_string());
    }
    let dropped = telemetry.counts().spans.dropped;
    assert!((80..100).contains(&dropped), "{dropped}");
    let exporter = telemetry.start(&[], None).unwrap();
    stop(exporter).await;
    let failed = 100 - dropped;
    assert_eq!(telemetry.counts().spans, SignalCounts { sent: 0, dropped, failed });
}

#[tokio::test]
async fn what_waits_is_sent_at_the_end() {
    let mut collector = Collector::start(&[]).await;
    let telemetry = collector.telemetry();
    let exporter = telemetry.start(&[], None).unwrap();
    send_span(&telemetry, "last");
    stop(exporter).await;
    collector.request().await;
    assert_eq!(telemetry.counts().spans.sent, 1);
}

#[test]
fn secrets_are_shown_by_no_formatter() {
    let telemetry = telemetry("http://127.0.0.1:1", 1000);
    assert!(!format!("{telemetry:?}").contains("s3cr3t"));
}

async fn stop(exporter: crate::Exporter) {
    let stopping = move || exporter.stop(Duration::from_secs(10));
    tokio::task::spawn_blocking(stopping).await.unwrap();
}
