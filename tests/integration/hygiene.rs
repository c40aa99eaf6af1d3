//! Requests that are wrong, hostile, slow or too large: each gets one clear answer, and the host
//! goes on.

use std::io::ErrorKind;

use serde_json::json;

use crate::harness::{
    Connection, DEADLINE, Event, Host, Request, Response, Setup, batch, event, until,
};

/// Writes these bytes and reads the answer.
#[track_caller]
fn raw(host: &Host, bytes: &[u8]) -> Response {
    let mut open = Connection::open(host.address()).unwrap();
    open.write(bytes).unwrap();
    open.read().unwrap_or_else(|error| panic!("no answer: {error}"))
}

#[track_caller]
fn still_serves(host: &Host) {
    host.accept(&event("a.b"));
}

#[test]
fn a_body_of_another_format_is_415() {
    let host = Host::start();
    let events = |content_type: &str| Request::post("/events").body(content_type, "{}");
    for content_type in [
        "application/json",
        "text/plain",
        "application/cloudevents+xml",
        "application/cloudevents",
        "application/cloudevents+json; charset=latin1",
    ] {
        host.send(events(content_type)).problem(415, "event.unsupported_format");
    }
    host.send(Request::post("/events")).problem(415, "event.unsupported_format");
    still_serves(&host);
}

#[test]
fn what_is_too_large_is_413() {
    let setup = Setup::new();
    let setup = setup.set("EVENTS_BYTES_MAX", "4KiB").set("EVENTS_BATCH_BYTES_MAX", "16KiB");
    let host = setup.set("EVENTS_BATCH_EVENTS_MAX", "5").start();
    let large = |bytes: usize| event("a.b").data(json!("x".repeat(bytes)));
    host.accept(&large(3 << 10));
    host.send(large(4 << 10).request()).problem(413, "event.too_large");
    let binary = Request::post("/events").header("ce-specversion", "1.0").header("ce-id", "1");
    let binary = binary.header("ce-source", "/s").header("ce-type", "a.b");
    host.send(binary.body("text/plain", vec![b'x'; 5 << 10])).problem(413, "event.too_large");

    let four = vec![large(3 << 10); 4];
    host.send(batch(&four)).expect(202);
    let six: Vec<Event> = (0..6).map(|_| large(3 << 10)).collect();
    host.send(batch(&six)).problem(413, "event.batch_too_large");
    let many: Vec<Event> = (0..6).map(|_| event("a.b")).collect();
    host.send(batch(&many)).problem(413, "event.batch_too_long");
    let json = vec![b' '; 300 << 10];
    let redrive = Request::post("/api/v1/deliveries/redrive").body("application/json", json);
    host.send(redrive).problem(413, "http.body_too_large");
    still_serves(&host);
}

#[test]
fn a_body_of_no_declared_length_is_bounded_too() {
    let host = Setup::new().set("EVENTS_BYTES_MAX", "4KiB").start();
    let mut open = Connection::open(host.address()).unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\
         content-type: application/cloudevents+json\r\n\r\n",
        host.address()
    );
    open.write(head.as_bytes()).unwrap();
    for _ in 0..8 {
        let chunk = format!("400\r\n{}\r\n", " ".repeat(1 << 10));
        open.write(chunk.as_bytes()).unwrap();
    }
    open.write(b"0\r\n\r\n").unwrap();
    open.read().unwrap().problem(413, "event.too_large");
    still_serves(&host);
}

#[test]
fn a_component_that_is_too_large_is_413() {
    let host = Setup::new().set("HTTP_COMPONENT_BYTES_MAX", "8MiB").start();
    host.upload("f", vec![0; (8 << 20) + 1]).problem(413, "module.too_large");
    still_serves(&host);
}

#[test]
fn another_hosts_name_is_refused() {
    let host = Host::start();
    let port = host.address().port();
    let named = |name: &str| host.send(Request::get("/api/v1/functions").header("host", name));
    for name in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1.evil.example", ""] {
        named(name).problem(403, "http.host");
    }
    for name in ["localhost", &format!("LOCALHOST:{port}"), &format!("127.0.0.1:{port}")] {
        named(name).expect(200);
    }
    let two = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n";
    raw(&host, two.as_bytes()).problem(403, "http.host");
    let none = raw(&host, b"GET /healthz HTTP/1.1\r\n\r\n");
    assert!(matches!(none.status, 400 | 403), "{}", none.status);

    let setup = Setup::new().set("ALLOWED_HOSTS", "events.example.com,other.example.com");
    let host = setup.start();
    let request = Request::get("/healthz").header("host", "events.example.com");
    assert_eq!(host.send(request).status, 200);
}

#[test]
fn pages_of_other_origins_are_refused() {
    let host = Host::start();
    let from = |origin: &str| host.send(event("a.b").request().header("origin", origin));
    let own = host.url();
    for origin in ["https://evil.example", "null", "http://localhost:1", &format!("{own}.evil")] {
        from(origin).problem(403, "http.origin");
        let read = Request::get("/api/v1/functions").header("origin", origin);
        host.send(read).problem(403, "http.origin");
    }
    from(&own).expect(202);
    let preflight = Request::new("OPTIONS", "/api/v1/functions/f")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "PUT");
    let refused = host.send(preflight);
    refused.problem(403, "http.origin");
    assert_eq!(refused.header("access-control-allow-origin"), None);
}

#[test]
fn paths_and_methods_that_are_not_there_are_said_not_to_be() {
    let host = Host::start();
    for path in ["/nothing", "/api", "/api/v1", "/api/v2/functions", "/api/v1/functions/a/b/c"] {
        host.send(Request::get(path)).problem(404, "http.not_found");
    }
    let cases = [
        ("GET", "/events", "POST"),
        ("PUT", "/api/v1/functions", "GET, HEAD"),
        ("PATCH", "/api/v1/functions/f", "GET, HEAD, PUT, DELETE"),
        ("GET", "/api/v1/functions/f/pause", "POST"),
        ("DELETE", "/api/v1/events/1", "GET, HEAD"),
        ("GET", "/api/v1/deliveries/drop", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ];
    for (method, path, allow) in cases {
        let answer = host.send(Request::new(method, path));
        answer.problem(405, "http.method");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[test]
fn parameters_that_nobody_knows_are_refused_by_name() {
    let host = Host::start();
    let unknown = |path: &str| host.send(Request::get(path)).problem(400, "http.query");
    for path in ["/api/v1/functions?x=1", "/api/v1/events?typ=a", "/api/v1/deliveries?limit=0"] {
        unknown(path);
    }
    assert!(unknown("/api/v1/events?colour=red").contains("colour"));
    for path in [
        "/api/v1/events?limit=1001",
        "/api/v1/events?limit=x",
        "/api/v1/events?after=yesterday",
        "/api/v1/events?type=a..b",
        "/api/v1/events?type=a&type=b",
        "/api/v1/events?subject=%zz",
    ] {
        unknown(path);
    }
    let events = Request::post("/events?wait=5").body("application/cloudevents+json", "{}");
    host.send(events).problem(400, "http.query");
    for cursor in ["x", "-1", "%00"] {
        let path = format!("/api/v1/events?cursor={cursor}");
        let answer = host.send(Request::get(path));
        assert_eq!(answer.expect(400)["status"], 400, "{cursor}");
    }
    host.send(Request::get("/api/v1/deliveries?status=gone")).problem(400, "delivery.status");
}

#[test]
fn bodies_of_the_admin_api_are_checked() {
    let host = Host::start();
    let redrive = |body: &str| {
        let request = Request::post("/api/v1/deliveries/redrive");
        host.send(request.body("application/json", body))
    };
    for body in ["", "{", "[]", "null", r#"{"idz": []}"#, r#"{"ids": "1/a"}"#] {
        redrive(body).problem(400, "http.body_malformed");
    }
    redrive(r#"{"ids": ["1"]}"#).problem(400, "http.name");
    redrive(r#"{"ids": [], "status": "dead"}"#).problem(400, "delivery.selection");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    redrive(&deep).problem(400, "http.body_malformed");
}

#[test]
fn preferences_that_make_no_sense_are_refused() {
    let host = Host::start();
    for prefer in ["wait=x", "wait=-1", "wait=1, wait=2"] {
        let request = event("a.b").request().header("prefer", prefer);
        host.send(request).problem(400, "http.prefer");
    }
    host.send(event("a.b").request().header("prefer", "respond-async")).expect(202);
}

#[test]
fn hostile_headers_do_no_harm() {
    let host = Host::start();
    let request = |extra: &str| {
        let head = format!("GET /api/v1/functions HTTP/1.1\r\nhost: localhost\r\n{extra}\r\n");
        let mut open = Connection::open(host.address()).unwrap();
        open.write(head.as_bytes()).unwrap();
        open.read()
    };
    let many: String = (0..1000).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(1 << 20));
    let smuggled = "content-length: 5\r\ntransfer-encoding: chunked\r\n";
    for extra in [&many, &long, "bad header\r\n", "a b: c\r\n", "content-length: x\r\n", smuggled] {
        match request(extra) {
            Ok(answer) => {
                let refused = (400..500).contains(&answer.status);
                let shown: String = extra.chars().take(40).collect();
                assert!(refused || extra == smuggled, "{shown}: {}", answer.status);
            }
            // The connection was closed while the rest was still on its way.
            Err(error) => assert!(is_closed(error.kind()), "{error}"),
        }
    }
    let twice = event("a.b").request().header("content-type", "text/plain");
    host.send(twice).problem(400, "event.malformed");
    let control = Request::post("/events").header("ce-specversion", "1.0").header("ce-id", "%00");
    let control = control.header("ce-source", "/s").header("ce-type", "a.b");
    host.send(control.body("text/plain", "x")).problem(400, "event.malformed");
    still_serves(&host);
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

#[test]
fn what_is_no_http_does_no_harm() {
    let host = Host::start();
    let tls_hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for bytes in [&b"hello\r\n\r\n"[..], &tls_hello, b"\0\0\0\0\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let mut open = Connection::open(host.address()).unwrap();
        open.write(bytes).unwrap();
        match open.read() {
            Ok(answer) => assert_eq!(answer.status, 400),
            Err(error) => assert!(is_closed(error.kind()), "{error}"),
        }
    }
    still_serves(&host);
}

#[test]
fn slow_clients_are_not_waited_for() {
    let setup = Setup::new().set("HTTP_HEADER_TIMEOUT", "300ms");
    let host = setup.set("HTTP_BODY_TIMEOUT", "300ms").start();
    let mut slow_head = Connection::open(host.address()).unwrap();
    slow_head.write(b"POST /events HTTP/1.1\r\nhost: localhost\r\n").unwrap();
    let mut slow_body = Connection::open(host.address()).unwrap();
    let head = "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\
                content-type: application/cloudevents+json\r\n\r\n{";
    slow_body.write(head.as_bytes()).unwrap();
    slow_body.read().unwrap().problem(408, "http.timeout");
    // Whether it is told or not, it does not keep its connection.
    let closed = match slow_head.read() {
        Ok(answer) => (400..500).contains(&answer.status),
        Err(error) => is_closed(error.kind()),
    };
    assert!(closed, "a head that never ends must not be waited for {DEADLINE:?}");
    still_serves(&host);
}

#[test]
fn a_client_that_hangs_up_in_the_middle_leaves_nothing() {
    let host = Host::start();
    let bytes = event("a.b").request().bytes("localhost");
    for cut in [bytes.len() - 1, bytes.len() / 2, 20] {
        let mut open = Connection::open(host.address()).unwrap();
        open.write(&bytes[..cut]).unwrap();
        drop(open);
    }
    still_serves(&host);
    assert_eq!(host.get("/api/v1/events")["events"].as_array().unwrap().len(), 1);
}

#[test]
fn connections_beyond_the_limit_are_turned_away() {
    let host = Setup::new().set("HTTP_CONNECTIONS_MAX", "4").start();
    // The harness's own connection may not be seen to be closed yet.
    let mut open: Vec<Connection> = Vec::new();
    until("four connections to be served", std::thread::yield_now, || {
        let mut connection = Connection::open(host.address()).unwrap();
        let answer = connection.send(&Request::get("/healthz"));
        if answer.is_ok_and(|answer| answer.status == 200) {
            open.push(connection);
        }
        (open.len() == 4).then_some(())
    });
    let mut fifth = Connection::open(host.address()).unwrap();
    let refused = fifth.read().unwrap();
    refused.problem(503, "http.connections");
    assert!(refused.header("retry-after").is_some());
    open.pop();
    until("a connection that was given back", std::thread::yield_now, || {
        let mut connection = Connection::open(host.address()).unwrap();
        let answer = connection.send(&Request::get("/healthz"));
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    });
}

#[test]
fn a_token_is_asked_of_everything_but_health() {
    let host = Setup::new().set("TOKEN", "s3cret-token").start();
    for open in ["/healthz", "/readyz"] {
        assert_eq!(host.send(Request::get(open)).status, 200);
    }
    for path in ["/api/v1/functions", "/metrics", "/", "/nothing"] {
        let refused = host.send(Request::get(path));
        refused.problem(401, "http.unauthorized");
        assert!(refused.header("www-authenticate").is_some_and(|h| h.contains("Bearer")));
    }
    host.send(event("a.b").request()).problem(401, "http.unauthorized");
    let with = |value: &str| host.send(event("a.b").request().header("authorization", value));
    for wrong in ["Bearer wrong", "Bearer s3cret-toke", "s3cret-token", "Basic x", "Bearer "] {
        with(wrong).problem(401, "http.unauthorized");
    }
    with("Bearer s3cret-token").expect(202);
}

#[test]
fn an_address_that_others_reach_needs_tokens_and_tls() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let ended = Setup::new().listen(address).try_start().unwrap_err();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        for part in ["token", "tls.cert", "--insecure-listen", "config.exposed"] {
            assert!(ended.log.contains(part), "{part}: {}", ended.log);
        }
        assert!(ended.log.lines().count() <= 2, "one clear error: {}", ended.log);
    }
    // Once is not enough, whichever it is.
    let open = || Setup::new().listen("0.0.0.0:0").set("TOKEN", "s3cret");
    for once in
        [open(), open().argument("--insecure-listen"), open().set("ACCESS_INSECURE", "true")]
    {
        let ended = once.try_start().unwrap_err();
        assert!(ended.log.contains("config.exposed"), "{}", ended.log);
    }
    let host = open().argument("--insecure-listen").set("ACCESS_INSECURE", "true").start();
    host.send(Request::get("/api/v1/functions")).problem(401, "http.unauthorized");
}

#[test]
fn health_readiness_metrics_and_page_are_served() {
    let host = Host::start();
    host.accept(&event("a.b"));
    for path in ["/healthz", "/readyz", "/"] {
        assert_eq!(host.send(Request::get(path)).status, 200, "{path}");
    }
    let metrics = host.send(Request::get("/metrics"));
    assert!(metrics.header("content-type").is_some_and(|t| t.starts_with("text/plain")));
    let text = metrics.text();
    assert!(text.contains("# TYPE triphammer_"), "{text}");
    let stats = host.get("/api/v1/stats");
    assert_eq!(stats["accepted"], 1);
    if cfg!(target_os = "linux") {
        assert!(text.contains("\nprocess_cpu_seconds_total "), "{text}");
        assert!(stats["cpuMs"].is_u64(), "{stats}");
        assert!(stats["rssBytes"].as_u64().unwrap() > 1 << 20, "{stats}");
    }
}
