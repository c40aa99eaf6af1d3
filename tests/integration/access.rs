//! Who may do what, through the real binary: tokens that come and go while the host runs, what each
//! is good for and how fast, TLS, and the log of who changed what.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Authority, Event, Host, Ran, Request, Response, Setup, component, event, trip, trip_in, until,
    upload,
};

/// A host, with what is needed to make tokens for it.
struct Guarded(Host);

impl Guarded {
    /// Asks for tokens from the first moment, and has none.
    fn start() -> Self {
        Self(Setup::new().set("ACCESS_REQUIRED", "true").start())
    }

    /// `trip token`, on the data directory of the host.
    fn token(&self, args: &[&str]) -> Ran {
        let data = self.0.data_dir().to_str().unwrap();
        trip_in(Path::new("/"), &[&["token"], args, &["--data", data]].concat())
    }

    /// A new token, as soon as the host knows of it.
    #[track_caller]
    fn create(&self, name: &str, args: &[&str]) -> String {
        let token = text(self.token(&[&["create", name], args].concat()));
        self.until_known(&token, true);
        token
    }

    fn until_known(&self, token: &str, known: bool) {
        until("the host to look at its tokens", pause, || {
            let answer = self.with(token, Request::get("/nothing"));
            ((answer.status != 401) == known).then_some(())
        });
    }

    #[track_caller]
    fn with(&self, token: &str, request: Request) -> Response {
        self.0.send(request.header("authorization", format!("Bearer {token}")))
    }

    #[track_caller]
    fn get(&self, token: &str, path: &str) -> Response {
        self.with(token, Request::get(path))
    }

    /// `trip`, with this token.
    fn trip(&self, token: &str, args: &[&str]) -> Ran {
        trip(&self.0, &[args, &["--token", token]].concat())
    }

    /// The entries of the audit log, the newest first.
    #[track_caller]
    fn audit(&self, token: &str) -> Vec<Value> {
        let log = self.get(token, "/api/v1/audit?limit=1000").expect(200);
        log["entries"].as_array().unwrap().clone()
    }
}

fn pause() {
    sleep(Duration::from_millis(20));
}

/// The token that a command has shown.
#[track_caller]
fn text(ran: Ran) -> String {
    let ran = ran.expect(0);
    let token = ran.stdout.trim_end().to_owned();
    assert!(token.starts_with("trip_") && !token.contains(char::is_whitespace), "{token}");
    assert!(ran.stderr.contains("this once") && !ran.stderr.contains(&token), "{}", ran.stderr);
    token
}

fn send(ty: &str) -> Request {
    event(ty).request()
}

#[test]
fn tokens_are_made_renewed_and_taken_away_while_the_host_runs() {
    let host = Guarded(Host::start());
    host.0.accept(&event("a.b"));
    let first = text(host.token(&["create", "ci", "--scope", "send,read", "--expires", "90d"]));
    until("the host to ask for tokens", pause, || {
        (host.0.send(send("a.b")).status == 401).then_some(())
    });
    host.with(&first, send("a.b")).expect(202);
    host.trip(&first, &["functions"]).expect(0);
    assert!(trip(&host.0, &["functions"]).expect(1).stderr.contains("--token"));
    assert_eq!(host.token(&["create", "ci", "--scope", "read"]).status, 1, "there is one");

    let second = text(host.token(&["rotate", "ci"]));
    host.until_known(&second, true);
    host.get(&first, "/api/v1/stats").expect(200);
    let third = text(host.token(&["rotate", "ci", "--grace", "0s"]));
    host.until_known(&third, true);
    for old in [&first, &second] {
        host.get(old, "/api/v1/stats").problem(401, "http.unauthorized");
    }
    let listed = host.token(&["list", "--json"]).json();
    assert_eq!(listed["tokens"][0]["scopes"], json!(["send", "read"]));
    assert!(host.token(&["list"]).expect(0).stdout.contains("ci"));
    host.token(&["revoke", "ci"]).expect(0);
    host.until_known(&third, false);
    assert_eq!(host.token(&["revoke", "ci"]).status, 1);
    // There are none left, and they are asked for all the same: after a restart, too.
    let host = Guarded(host.0.crash_and_restart());
    host.0.send(Request::get("/api/v1/stats")).problem(401, "http.unauthorized");
    assert_eq!(host.0.send(Request::get("/readyz")).status, 200);
    let mut kept = host.0.log() + &listed.to_string();
    for file in fs::read_dir(host.0.data_dir().join("access")).unwrap() {
        kept += &fs::read_to_string(file.unwrap().path()).unwrap();
    }
    for token in [&first, &second, &third] {
        assert!(!kept.contains(&token[18..]), "a secret was kept: {kept}");
    }
}

#[test]
fn a_token_is_good_for_its_scopes_and_patterns() {
    let host = Guarded::start();
    let shop = host.create("shop", &["--scope", "send", "--type", "order.*,user.created"]);
    let ci = host.create("ci", &["--scope", "deploy,read", "--function", "billing-*"]);
    let reader = host.create("reader", &["--scope", "read"]);
    host.with(&shop, send("order.placed")).expect(202);
    host.with(&shop, send("user.deleted")).problem(403, "access.type");
    let refused = host.get(&shop, "/api/v1/functions");
    refused.problem(403, "access.scope");
    assert!(refused.header("www-authenticate").unwrap().contains("scope=\"read\""));
    let deploy = |token: &str, name: &str| host.with(token, upload(name, component("counter")));
    deploy(&ci, "billing-eu").expect(201);
    deploy(&ci, "orders").problem(403, "access.function");
    deploy(&reader, "billing-eu").problem(403, "access.scope");
    host.get(&ci, "/api/v1/functions/billing-eu").expect(200);
    host.get(&ci, "/api/v1/events").problem(403, "access.function");
    let pause = |token: &str| host.with(token, Request::post("/api/v1/functions/billing-eu/pause"));
    pause(&ci).problem(403, "access.scope");
    let events = host.get(&reader, "/api/v1/events").expect(200);
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "nothing of what was refused");
    let denied = host.trip(&reader, &["send", "order.placed"]).expect(1).stderr;
    assert!(denied.contains("access.scope"), "{denied}");
    // As the webhooks of CloudEvents have it, and only where they come in.
    let in_query = event("order.placed").request_to(format!("/events?access_token={shop}"));
    host.0.send(in_query).expect(202);
    let in_query = Request::get(format!("/api/v1/functions?access_token={reader}"));
    host.0.send(in_query).problem(401, "http.unauthorized");
    host.with(&shop, event("order.placed").request_to(format!("/events?access_token={shop}")))
        .problem(400, "access.credentials");
}

#[test]
fn what_means_nothing_is_wrong_usage() {
    let host = Guarded::start();
    for args in [
        &["create", "x"][..],
        &["create", "x", "--scope", "root"],
        &["create", "x", "--scope", "read", "--type", "a.*"],
        &["create", "x", "--scope", "send,deploy", "--type", "a.*"],
        &["create", "x", "--scope", "send", "--function", "f"],
        &["create", "x", "--scope", "send", "--rate", "fast"],
        &["create", "x", "--scope", "send", "--expires", "soon"],
        &["create", "No Name", "--scope", "send"],
    ] {
        assert_eq!(host.token(args).status, 2, "{args:?}");
    }
    assert_eq!(host.token(&["list", "--json"]).json(), json!({"tokens": []}));
}

#[test]
fn a_limited_token_is_told_how_it_stands() {
    let host = Guarded::start();
    let token = host.create("slow", &["--scope", "send,read", "--rate", "6/d"]);
    // What asked whether the token is known was one.
    let answer = host.with(&token, send("a.b"));
    answer.expect(202);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"token\";q=6;w=86400"));
    assert!(answer.header("ratelimit").unwrap().starts_with("\"token\";r=4;t="));
    let batch: Vec<Event> = (0..5).map(|_| event("a.b")).collect();
    let refused = host.with(&token, crate::harness::batch(&batch));
    refused.problem(429, "access.rate");
    for _ in 0..4 {
        host.get(&token, "/api/v1/stats").expect(200);
    }
    let refused = host.get(&token, "/api/v1/stats");
    refused.problem(429, "access.rate");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_400 / 6).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").unwrap().starts_with("\"token\";r=0;"));
    assert_eq!(host.0.send(Request::get("/healthz")).header("ratelimit"), None);
}

#[test]
fn every_change_is_written_down_with_who_made_it() {
    let host = Guarded::start();
    let ci = host.create("ci", &["--scope", "deploy"]);
    let boss = host.create("boss", &["--scope", "operate,read"]);
    host.with(&ci, upload("counter", component("counter"))).expect(201);
    host.with(&ci, upload("other", b"no component".to_vec())).problem(422, "module.malformed");
    host.trip(&boss, &["pause", "counter"]).expect(0);
    host.with(&ci, Request::new("DELETE", "/api/v1/functions/counter"))
        .problem(403, "access.scope");
    host.get(&ci, "/api/v1/audit").problem(403, "access.scope");
    let host = Guarded(host.0.terminate().setup.start());
    let log = host.audit(&boss);
    // Who may not try leaves no line: nobody can fill the log who can change nothing.
    let changes: Vec<_> = log
        .iter()
        .rev()
        .filter(|entry| entry["actor"]["kind"] == "token")
        .map(|entry| {
            (&entry["actor"]["name"], &entry["action"], &entry["target"], &entry["status"])
        })
        .collect();
    let expect = [
        ("ci", "deploy", "counter", 201),
        ("ci", "deploy", "other", 422),
        ("boss", "pause", "counter", 200),
    ];
    let expect = expect.map(|(name, action, target, status)| {
        (json!(name), json!(action), json!(target), json!(status))
    });
    let expect: Vec<_> = expect.iter().map(|(a, b, c, d)| (a, b, c, d)).collect();
    assert_eq!(changes, expect);
    let deploy = log.iter().find(|entry| entry["status"] == 201).unwrap();
    assert_eq!(deploy["detail"]["revision"], "r1");
    assert!(deploy["remote"].as_str().unwrap().starts_with("127.0.0.1:"));
    let own = |action: &str| log.iter().filter(|entry| entry["action"] == action).count();
    assert_eq!(own("host-start"), 2);
    assert!(own("tokens") >= 2, "{log:?}");
    let numbers: Vec<_> = log.iter().map(|entry| entry["n"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] == pair[1] + 1), "{numbers:?}");
    let shown = host.trip(&boss, &["audit"]).expect(0).stdout;
    assert!(shown.contains("deploy") && shown.contains("boss"), "{shown}");
    let secret = [&ci[18..], &boss[18..]];
    assert!(!secret.iter().any(|secret| json!(log).to_string().contains(secret)));
}

#[test]
fn tls_is_spoken_and_new_certificates_are_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (Authority::new(), Authority::new());
    let [cert, key] = one.sign("host").write(dir.path(), "host");
    let setup = Setup::new().set("TLS_CERT", &cert).set("TLS_KEY", &key);
    let host = setup.start();
    assert!(host.url().starts_with("https://"), "{}", host.url());
    let trusted = one.write(&dir.path().join("one.pem"));
    let ask = |ca: &str| trip(&host, &["functions", "--ca", ca]);
    ask(&trusted).expect(0);
    trip(&host, &["send", "a.b", "--ca", &trusted, "--wait", "5"]).expect(0);
    let bench = ["bench", "--accept-only", "--count", "300", "--connections", "3", "--batch", "10"];
    trip(&host, &[&bench[..], &["--ca", &trusted]].concat()).expect(0);
    let stranger = other.write(&dir.path().join("other.pem"));
    assert!(ask(&stranger).expect(1).stderr.contains("--ca"));
    host.send(Request::get("/healthz")).problem(400, "tls.required");
    // Half of a renewal changes nothing; the whole of it does, for connections to come.
    let renewed = other.sign("host");
    fs::write(&cert, &renewed.cert).unwrap();
    until("the mismatch to be noticed", pause, || {
        ask(&trusted).expect(0);
        host.log().contains("the certificates stay as they were").then_some(())
    });
    renewed.write(dir.path(), "host");
    until("the new certificate", pause, || (ask(&stranger).status == 0).then_some(()));
    assert_eq!(ask(&trusted).status, 1);
    let audit = trip(&host, &["audit", "--json", "--ca", &stranger]).json();
    assert!(audit["entries"].as_array().unwrap().iter().any(|e| e["action"] == "certificates"));
}

#[test]
fn clients_prove_themselves_by_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let ca = authority.write(&dir.path().join("ca.pem"));
    let [cert, key] = authority.sign("host").write(dir.path(), "host");
    let setup = Setup::new().set("TLS_CERT", &cert).set("TLS_KEY", &key);
    let host = setup.set("TLS_CLIENT_CA", &ca).listen("0.0.0.0:0").start();
    let url = host.url().replace("0.0.0.0", "127.0.0.1");
    let ask =
        |more: &[&str]| trip(&host, &[&["functions", "--url", &url, "--ca", &ca], more].concat());
    let [good, good_key] = authority.sign("operator").write(dir.path(), "good");
    let [bad, bad_key] = other.sign("operator").write(dir.path(), "bad");
    ask(&["--client-cert", &good, "--client-key", &good_key]).expect(0);
    ask(&[]).expect(1);
    ask(&["--client-cert", &bad, "--client-key", &bad_key]).expect(1);
    ask(&["--client-cert", &good]).expect(2);
    let wasm = dir.path().join("counter.wasm");
    fs::write(&wasm, component("counter")).unwrap();
    let with = ["--url", &url, "--ca", &ca, "--client-cert", &good, "--client-key", &good_key];
    let run = |args: &[&str]| trip(&host, &[args, &with].concat());
    run(&["deploy", wasm.to_str().unwrap()]).expect(0);
    let log = run(&["audit", "--json"]).json();
    let actor = &log["entries"][0]["actor"];
    assert_eq!(actor["kind"], "certificate");
    assert!(actor["certificate"].as_str().unwrap().contains("CN=operator"), "{actor}");
}

#[test]
fn load_is_made_with_a_token_too() {
    let host = Guarded::start();
    let token = host.create("bench", &["--scope", "send,read"]);
    let bench = ["bench", "--accept-only", "--count", "200", "--connections", "2", "--json"];
    host.trip(&token, &bench).expect(0);
    assert!(trip(&host.0, &bench).expect(1).stderr.contains("http.unauthorized"));
    let stats = host.get(&token, "/api/v1/stats").expect(200);
    assert_eq!(stats["accepted"], 200, "{stats}");
}
