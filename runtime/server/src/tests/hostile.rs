//! Clients that are wrong, too large, too slow, too many, or somebody else's page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;

use super::client::{connect, parse, read_all, read_until};
use super::*;

const STRUCTURED: &str = "application/cloudevents+json";

#[tokio::test]
async fn malformed_events_are_refused_and_the_host_stays() {
    let host = Host::start("[events]\nbatch_events_max = 3").await;
    let batch = "application/cloudevents-batch+json";
    let reserved = event("1").replace("\"t\"", "\"triphammer.delivery.dead\"");
    let many = format!("[{}]", vec![event("1"); 4].join(","));
    for (content_type, body, status, code) in [
        (STRUCTURED, "", 400, "event.malformed"),
        (STRUCTURED, "{", 400, "event.malformed"),
        (STRUCTURED, "[]", 400, "event.malformed"),
        (STRUCTURED, "{}", 400, "event.malformed"),
        (STRUCTURED, &event("1").replace("1.0\"", "0.3\""), 400, "event.specversion"),
        (STRUCTURED, &event(""), 400, "event.malformed"),
        (STRUCTURED, &reserved, 403, "event.reserved_type"),
        (batch, &format!("[{},{reserved}]", event("1")), 403, "event.reserved_type"),
        (batch, &format!("[{},7]", event("1")), 400, "event.malformed"),
        (batch, &many, 413, "event.batch_too_long"),
        ("application/json", "{}", 415, "event.unsupported_format"),
        ("application/cloudevents+avro", "x", 415, "event.unsupported_format"),
        ("application/cloudevents+json; charset=latin1", "{}", 415, "event.unsupported_format"),
    ] {
        host.post("/events", content_type, body).await.is_problem(status, code);
    }
    host.ask("POST /events", &["ce-id: 1"], "x").await.is_problem(400, "event.malformed");
    let answer = host.ask("POST /events", &["prefer: wait=x"], "x").await;
    answer.is_problem(400, "http.prefer");
    // Nothing of a refused batch was taken in.
    assert_eq!(host.get("/api/v1/events").await.json()["events"], serde_json::json!([]));
    assert_eq!(host.send(&event("1")).await.status, 202);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn bodies_are_bounded() {
    let host = Host::start("[events]\nbytes_max = \"64KiB\"\nbatch_bytes_max = \"128KiB\"").await;
    let large = |bytes| event("1").replace("1.0}", &format!("\"{}\"}}", "x".repeat(bytes)));
    assert_eq!(host.send(&large(60 << 10)).await.status, 202);
    host.send(&large(70 << 10)).await.is_problem(413, "event.too_large");
    // A client that goes on writing still gets to read the answer.
    host.send(&large(8 << 20)).await.is_problem(413, "event.too_large");
    let batch = format!("[{}]", large(130 << 10));
    let answer = host.post("/events", "application/cloudevents-batch+json", &batch).await;
    answer.is_problem(413, "event.batch_too_large");
    let batch = format!("[{}]", large(100 << 10));
    let answer = host.post("/events", "application/cloudevents-batch+json", &batch).await;
    answer.is_problem(413, "event.too_large");

    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let chunked = format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: {STRUCTURED}\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(3)
    );
    exchange(&host.address, chunked.as_bytes()).await.is_problem(413, "event.too_large");
    // It asks first, and is told no without sending anything.
    let mut stream = connect(&host.address).await;
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: {STRUCTURED}\r\n\
         expect: 100-continue\r\ncontent-length: 999999999\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    parse(&read_all(&mut stream).await).is_problem(413, "event.too_large");
    let answer = host.post("/api/v1/replay", "application/json", &"x".repeat(300 << 10)).await;
    answer.is_problem(413, "http.body_too_large");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn slow_clients_time_out() {
    let host = Host::start("[http]\nheader_timeout = \"200ms\"\nbody_timeout = \"200ms\"").await;
    // Says nothing at all, or half a head.
    for text in ["", "POST /events HTTP/1.1\r\nhost: local"] {
        let mut stream = connect(&host.address).await;
        stream.write_all(text.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(answer.is_empty() || parse(&answer).status == 408, "{answer}");
    }
    let mut stream = connect(&host.address).await;
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: {STRUCTURED}\r\n\
         content-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    parse(&read_all(&mut stream).await).is_problem(408, "http.timeout");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn bodies_together_are_bounded_in_memory() {
    let settings = "[http]\nbody_timeout = \"500ms\"\nbody_memory = \"1MiB\"\n\
        component_bytes_max = \"1MiB\"\n[events]\nbytes_max = \"1MiB\"\nbatch_bytes_max = \"1MiB\"";
    let host = Host::start(settings).await;
    // One body takes all the memory there is, and does not come.
    let mut slow = connect(&host.address).await;
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: {STRUCTURED}\r\n\
         content-length: 1048576\r\nexpect: 100-continue\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut slow, "100 Continue").await;
    // Small ones are not counted; a large one waits until the slow one is given up.
    assert_eq!(host.send(&event("1")).await.status, 202);
    let large = event("2").replace("1.0}", &format!("\"{}\"}}", "x".repeat(100 << 10)));
    drop(slow);
    assert_eq!(host.send(&large).await.status, 202);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn connections_and_feeds_are_bounded() {
    let host = Host::start("[http]\nconnections_max = 2\nstreams_max = 1").await;
    let request = "GET /api/v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut feed = connect(&host.address).await;
    feed.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut feed, ": ok\n\n").await;
    let mut second = connect(&host.address).await;
    second.write_all(request.as_bytes()).await.unwrap();
    let refused = read_until(&mut second, "\"http.streams\"").await;
    assert!(parse(&refused).head.contains("retry-after: 5"), "{refused}");
    let mut third = connect(&host.address).await;
    let answer = parse(&read_all(&mut third).await);
    answer.is_problem(503, "http.connections");
    assert_eq!(answer.header("retry-after"), Some("1"));
    // A connection that ends makes room for another.
    drop(feed);
    drop(second);
    loop {
        let mut next = connect(&host.address).await;
        let head = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let _ = next.write_all(head.as_bytes()).await;
        let text = read_all(&mut next).await;
        if text.starts_with("HTTP/1.1 200") {
            break;
        }
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn other_peoples_pages_are_refused_everywhere() {
    let host = Host::start("").await;
    for line in ["GET /", "GET /healthz", "POST /events", "PUT /api/v1/functions/a", "GET /nothing"]
    {
        host.ask(line, &["host: evil.example"], "x").await.is_problem(403, "http.host");
        let answer = host.ask(line, &["origin: https://evil.example"], "x").await;
        answer.is_problem(403, "http.origin");
    }
    let no_host = "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n";
    exchange(&host.address, no_host.as_bytes()).await.is_problem(403, "http.host");
    let origin = format!("origin: http://{}", host.address);
    assert_eq!(host.ask("GET /healthz", &[&origin], "").await.status, 200);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let host = Host::start("token = \"s3cret\"").await;
    assert_eq!(host.get("/healthz").await.status, 200);
    assert_eq!(host.get("/readyz").await.status, 200);
    for path in ["/", "/metrics", "/api/v1/functions", "/nothing"] {
        let answer = host.get(path).await;
        answer.is_problem(401, "http.unauthorized");
        assert_eq!(answer.header("www-authenticate"), Some("bearer realm=\"triphammer\""));
    }
    host.send(&event("1")).await.is_problem(401, "http.unauthorized");
    let headers = ["content-type: application/cloudevents+json", "authorization: Bearer s3cret"];
    assert_eq!(host.ask("POST /events", &headers, &event("1")).await.status, 202);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let host = Host::start("[http]\ncomponent_bytes_max = \"1KiB\"").await;
    let core = "\0asm\u{1}\0\0\0";
    let cut_component = "\0asm\r\0\u{1}\0\u{7}";
    let too_large = "x".repeat(2000);
    for (body, status, code) in [
        ("", 422, "module.malformed"),
        ("not a module", 422, "module.malformed"),
        (cut_component, 422, "module.malformed"),
        (core, 422, "module.core"),
        (too_large.as_str(), 413, "module.too_large"),
    ] {
        host.ask("PUT /api/v1/functions/a", &[], body).await.is_problem(status, code);
    }
    let dry = format!("triphammer-event: {}", STANDARD.encode(event("1")));
    host.ask("POST /api/v1/test", &[&dry], core).await.is_problem(422, "module.core");
    let none = r#"{"functions":[],"cursor":null}"#;
    assert_eq!(host.get("/api/v1/functions").await.body, none);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_a_bare_status() {
    let host = Host::start("[http]\nheader_timeout = \"100ms\"").await;
    let head = |path: &str, headers: &str| {
        format!("GET /{path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
    };
    for (request, status) in [
        ("GET\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        (head("", "a header without a colon\r\n"), 400),
        (head("", &"x: y\r\n".repeat(101)), 431),
    ] {
        // An answer that is due before it is not lost with it.
        let text = head("healthz", "") + &request;
        let both = exchange(&host.address, text.as_bytes()).await;
        assert!(both.body.starts_with("ok\n") && both.body.contains(&status.to_string()));
        let answer = exchange(&host.address, request.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{}", answer.head);
        assert_eq!(answer.header("content-length"), Some("0"));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let large = head("healthz", &format!("x: {}\r\nconnection: close\r\n", "y".repeat(60 << 10)));
    assert_eq!(exchange(&host.address, large.as_bytes()).await.status, 200);
    for unanswered in [&b"GET / HTTP/1.1\r\nhost: loc"[..], b"", b"G"] {
        let mut stream = connect(&host.address).await;
        stream.write_all(unanswered).await.unwrap();
        assert_eq!(read_all(&mut stream).await, "");
    }
    // Frames of HTTP/2, and then the end.
    let mut stream = connect(&host.address).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(!read_all(&mut stream).await.contains("HTTP"));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn noise_does_no_harm() {
    let host = Host::start("").await;
    let long_header =
        format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let many_headers =
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(1000));
    for noise in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"PRI * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        long_header.as_bytes(),
        many_headers.as_bytes(),
    ] {
        let mut stream = connect(&host.address).await;
        let _ = stream.write_all(noise).await;
        let _ = stream.shutdown().await;
        let answer = read_all(&mut stream).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    assert_eq!(host.get("/healthz").await.status, 200);
    host.stop().await.unwrap();
}
