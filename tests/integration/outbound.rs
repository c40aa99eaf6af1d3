//! HTTP requests of functions, to a server of the test's own: which go out, what they have with them, and
//! what is told of them. The server is on a loopback address, so what may go there is allowed by name.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Host, Request, Setup, committed, dead, event, until};

const SECRET: &str = "correct-horse-battery-staple";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Answers by path, and keeps what it was sent.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(stream, port, &kept));
            }
        });
        Self { port, requests }
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A header of each request; empty where it is missing.
    fn headers(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}: ");
        let requests = self.requests();
        let of = |request: &String| {
            let mut lines = request.lines();
            lines.find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
        };
        requests.iter().map(of).collect()
    }

    /// A host that allows requests to this server, by its name.
    fn host(&self) -> Setup {
        let allow = format!("{},{}", self.url("localhost", ""), self.url("127.0.0.1", ""));
        Setup::new().set("HTTP_OUT_ALLOW", &allow).set("HTTP_OUT_ALLOW_PRIVATE", "localhost")
    }

    /// A manifest with rules for requests to it, and these members besides.
    fn manifest(&self, http: Value) -> Value {
        let mut rules = json!({"allow": [self.url("localhost", ""), self.url("127.0.0.1", "")]});
        for (name, value) in http.as_object().unwrap() {
            rules[name] = value.clone();
        }
        json!({
            "on": ["fetch.run"], "http": rules, "timeout": "20s",
            "retry": {"attempts": 3, "initial": "5ms", "max": "5ms"},
        })
    }

    fn deploy(&self, host: &Host, http: Value) -> Value {
        host.deploy_with("pay", "fetch", json!({"key": "secret:KEY"}), self.manifest(http))
    }
}

fn serve(mut stream: TcpStream, port: u16, kept: &Mutex<Vec<String>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&bytes) {
        match stream.read(&mut buffer) {
            Ok(len @ 1..) => bytes.extend_from_slice(&buffer[..len]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    kept.lock().unwrap().push(text);
    let (status, body) = match path.as_str() {
        "/moved" => (format!("302 Found\r\nlocation: http://127.0.0.1:{port}/"), String::new()),
        "/large" => ("200 OK".to_owned(), "x".repeat(64 << 10)),
        // Until the host gives up, which closes the connection.
        "/slow" => return drop(stream.read(&mut buffer)),
        _ => ("200 OK".to_owned(), "hello".to_owned()),
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // Who has gone away in the meantime wants no answer.
    let _ = stream.write_all(answer.as_bytes());
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= len.map_or(0, |len| len.parse().unwrap())
}

fn step(method: &str, url: &str) -> Value {
    json!({"method": method, "url": url})
}

/// What came of the requests of one event.
#[track_caller]
fn run(host: &Host, requests: &[Value]) -> Vec<(String, String)> {
    let receipt = host.settle(&event("fetch.run").data(json!({"requests": requests})));
    let reply = committed(&receipt).reply;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let came = reply["data"].as_array().unwrap_or_else(|| panic!("no list: {receipt}"));
    came.iter().map(|came| (text(&came["outcome"]), text(&came["body"]))).collect()
}

#[track_caller]
fn outcome(host: &Host, request: Value) -> String {
    run(host, &[request])[0].0.clone()
}

/// The log lines of the newest event's attempts.
fn logs(host: &Host) -> String {
    let events = host.get("/api/v1/events?type=fetch.run&limit=1");
    host.story(&events["events"][0]["seq"]).to_string()
}

fn counted(host: &Host, outcome: &str) -> u64 {
    let metrics = host.send(Request::get("/metrics")).text();
    let prefix = format!("triphammer_http_out_requests_total{{outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().parse().unwrap()
}

#[test]
fn what_the_manifest_and_the_operator_allow_goes_out() {
    let server = Server::start();
    let host = server.host().start();
    server.deploy(&host, json!({}));
    let mut post = step("POST", &server.url("localhost", "/a?b=c"));
    post["body"] = "order".into();
    post["headers"] = json!([["x-own", "1"]]);
    assert_eq!(run(&host, &[post]), [("200".to_owned(), "hello".to_owned())]);
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\norder"), "{request}");
    assert_eq!(server.headers("host"), [format!("localhost:{}", server.port)]);
    assert_eq!(server.headers("x-own"), ["1"]);
    assert_eq!(counted(&host, "answered"), 1);
}

#[test]
fn what_one_of_the_two_does_not_allow_is_denied() {
    let server = Server::start();
    let url = server.url("localhost", "/");
    let nothing_allowed = Host::start();
    let deployed = server.deploy(&nothing_allowed, json!({}));
    assert!(deployed["warnings"].to_string().contains("http_out.allow"), "{deployed}");
    assert_eq!(outcome(&nothing_allowed, step("GET", &url)), "http.denied");
    assert!(logs(&nothing_allowed).contains("(outbound.operator)"));
    assert_eq!(counted(&nothing_allowed, "denied"), 1);

    let host = server.host().start();
    server.deploy(&host, json!({"allow": ["api.example.com"]}));
    assert_eq!(outcome(&host, step("GET", &url)), "http.denied");
    assert!(logs(&host).contains("(outbound.manifest)"));

    // A component that can make requests, with a manifest that says nothing of them.
    let manifest = json!({"on": ["fetch.run"]});
    let deployed = host.deploy_with("pay", "fetch", json!({}), manifest);
    assert!(deployed["warnings"].to_string().contains("has no `http`"), "{deployed}");
    assert_eq!(outcome(&host, step("GET", &url)), "http.denied");
    assert!(logs(&host).contains("(outbound.undeclared)"));
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn private_addresses_are_denied_once_the_name_is_known_to_be_one() {
    let server = Server::start();
    let allow = format!("{},**", server.url("127.0.0.1", ""));
    let host = Setup::new().set("HTTP_OUT_ALLOW", &allow).start();
    server.deploy(&host, json!({}));
    for name in ["localhost", "127.0.0.1"] {
        assert_eq!(outcome(&host, step("GET", &server.url(name, "/"))), "http.denied");
        let logs = logs(&host);
        assert!(logs.contains("is a loopback address") && logs.contains("(outbound.address)"));
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn redirects_are_not_followed_and_their_targets_are_checked_like_any() {
    let server = Server::start();
    let host = server.host().start();
    server.deploy(&host, json!({}));
    let there = server.url("127.0.0.1", "/");
    let came = run(&host, &[step("GET", &server.url("localhost", "/moved")), step("GET", &there)]);
    assert_eq!((came[0].0.as_str(), came[1].0.as_str()), ("302", "http.denied"));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn requests_are_bounded_in_number_size_and_time() {
    let server = Server::start();
    let host = server.host().start();
    server.deploy(&host, json!({"requests": 2, "bytes": "32KiB", "timeout": "200ms"}));
    let get = |path: &str| step("GET", &server.url("localhost", path));
    let came = run(&host, &[get("/"), get("/"), get("/")]);
    assert_eq!(came[2].0, "http.denied");
    assert!(logs(&host).contains("(outbound.requests)"));
    assert_eq!(server.requests().len(), 2);
    assert_eq!(outcome(&host, get("/large")), "http.too_large");
    let mut post = step("POST", &server.url("localhost", "/"));
    post["body"] = "x".repeat(40 << 10).into();
    assert_eq!(outcome(&host, post), "http.too_large");
    assert_eq!(outcome(&host, get("/slow")), "http.timeout");
    assert!(logs(&host).contains("(outbound.timeout)"));
    let refused = json!({"allow": "a", "requests": 101});
    let manifest = json!({"on": ["fetch.run"], "http": refused}).to_string();
    let upload = crate::harness::upload("big", crate::harness::component("fetch"));
    let answer = host.send(upload.header("triphammer-manifest", manifest));
    assert!(answer.problem(422, "manifest.invalid").contains("http.requests"));
}

#[test]
fn an_attempts_own_time_counts_while_it_waits_for_an_answer() {
    let server = Server::start();
    let host = server.host().start();
    let mut manifest = server.manifest(json!({"timeout": "10m"}));
    manifest["timeout"] = "300ms".into();
    manifest["retry"]["attempts"] = 1.into();
    host.deploy_with("pay", "fetch", json!({}), manifest);
    let began = Instant::now();
    let slow = json!({"requests": [step("GET", &server.url("localhost", "/slow"))]});
    let (code, _) = dead(&host.settle(&event("fetch.run").data(slow)));
    assert_eq!(code, "invoke.deadline");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // It is counted when it is dropped, which the answer does not wait for.
    let is_counted = || (counted(&host, "abandoned") == 1).then_some(());
    until("the request is counted", thread::yield_now, is_counted);
}

#[test]
fn every_attempt_sends_the_same_idempotency_key_and_a_trace_goes_on() {
    let server = Server::start();
    let host = server.host().start();
    server.deploy(&host, json!({}));
    let requests = ["POST", "GET", "PUT"].map(|method| step(method, &server.url("localhost", "/")));
    let sent = event("fetch.run").with("traceparent", PARENT).with("tracestate", "a=b");
    let receipt = host.settle(&sent.data(json!({"requests": requests, "retries": 1})));
    assert_eq!(committed(&receipt).attempts, 2);
    let keys = server.headers("idempotency-key");
    assert_eq!(keys.len(), 6);
    assert_eq!(keys[..3], keys[3..]);
    assert!(keys[0].ends_with("-1") && keys[1].is_empty() && keys[2].ends_with("-2"), "{keys:?}");
    let mut parents = server.headers("traceparent");
    assert!(parents.iter().all(|parent| parent.starts_with(&PARENT[..36])), "{parents:?}");
    parents.sort_unstable();
    parents.dedup();
    assert_eq!(parents.len(), 6, "{parents:?}");
    assert_eq!(server.headers("tracestate")[0], "a=b");
    // Another event has another key, and one that nobody traces begins no trace.
    run(&host, &[step("POST", &server.url("localhost", "/"))]);
    assert_ne!(server.headers("idempotency-key")[6], keys[0]);
    assert_eq!(server.headers("traceparent")[6], "");
}

#[test]
fn a_dry_run_makes_no_requests() {
    let server = Server::start();
    let host = server.host().start();
    server.deploy(&host, json!({}));
    let data = json!({"requests": [step("POST", &server.url("localhost", "/"))]});
    let request = Request::post("/api/v1/functions/pay/test")
        .body("application/cloudevents+json", event("fetch.run").data(data).json().to_string());
    let answer = host.send(request).expect(200).to_string();
    assert!(answer.contains("(outbound.dry_run)"), "{answer}");
    assert_eq!(server.requests().len(), 0);
}

/// Whether a file below has this text.
fn on_disk(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        // The standard library's search is compiled with optimisations, whatever the tests are.
        let has = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(text);
        if path.is_dir() { on_disk(&path, text) } else { has(&fs::read(&path).unwrap()) }
    })
}

#[test]
fn a_secret_goes_to_its_hosts_and_is_seen_nowhere_else() {
    let server = Server::start();
    let config = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[secrets.KEY]\nenv = \"PAYMENT_KEY\"\nhosts = [{:?}]\nfunctions = [\"pay\"]\n",
        server.url("localhost", "")
    );
    fs::write(config.path(), text).unwrap();
    let setup = server.host().set("HTTP_OUT_ALLOW_PRIVATE", "localhost,127.0.0.1");
    let setup = setup.env("PAYMENT_KEY", SECRET).env("TRIPHAMMER_LOG", "trace");
    let host = setup.config(config.path()).start();
    server.deploy(&host, json!({}));
    let with = |host: &str, value: &str| {
        let mut step = step("GET", &server.url(host, "/"));
        step["headers"] = json!([["authorization", value]]);
        step
    };
    let written = "Bearer {{secret:KEY}}";
    let came = run(&host, &[with("localhost", written), with("localhost", "config:key")]);
    assert_eq!((came[0].0.as_str(), came[1].0.as_str()), ("200", "200"));
    assert_eq!(server.headers("authorization"), [format!("Bearer {SECRET}"), SECRET.to_owned()]);
    assert_eq!(outcome(&host, with("127.0.0.1", written)), "http.denied");
    let denied = logs(&host);
    assert!(denied.contains("(outbound.secret)") && !denied.contains(SECRET), "{denied}");
    // Another function may not use it, and is told so when it is deployed.
    let manifest = server.manifest(json!({}));
    let other = host.deploy_with("other", "fetch", json!({"key": "secret:KEY"}), manifest);
    assert!(other["warnings"].to_string().contains("is not for the function `other`"), "{other}");
    assert_eq!(server.requests().len(), 2);

    let lists = ["/api/v1/functions", "/api/v1/functions/pay", "/api/v1/events", "/metrics"];
    for path in lists {
        assert!(!host.send(Request::get(path)).text().contains(SECRET), "{path}");
    }
    let ended = host.terminate();
    assert!(!ended.log.contains(SECRET), "{}", ended.log);
    let data = ended.setup.data_dir();
    assert!(!on_disk(data, SECRET), "the secret is on disk");
    assert!(on_disk(data, "secret:KEY"), "its name is");
}
