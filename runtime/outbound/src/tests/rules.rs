//! Where requests go, and what they have with them.

use std::sync::Arc;

use triphammer_model::HttpRules;

use super::server::Server;
use super::{Attempt, SECRET, get, options, post, rules};
use crate::{Caller, Options};

#[track_caller]
fn line<'a>(request: &'a str, name: &str) -> &'a str {
    let mut lines = request.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

#[tokio::test]
async fn what_both_allow_is_sent_and_answered() {
    let server = Server::answering("201 Created", "made").await;
    let mut attempt = Attempt::new(options(), rules());
    assert_eq!(attempt.send(post(server.url("api.local"), "order")).await.unwrap(), "201 made");
    let requests = server.requests();
    let request = &requests[0];
    assert!(request.starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\norder"), "{request}");
    assert_eq!(line(request, "host"), format!("api.local:{}", server.address.port()));
    assert_eq!(line(request, "idempotency-key"), "host-7-pay-1");
    assert!(line(request, "traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert_eq!(line(request, "user-agent"), "triphammer");
    assert!(attempt.told().is_empty());
    attempt.counted(1, 0, 0);
}

#[tokio::test]
async fn idempotency_keys_count_what_writes_and_are_the_same_again() {
    let server = Server::answering("200 OK", "").await;
    let url = server.url("api.local");
    for attempt in [1, 2] {
        let mut attempt = Attempt::of(options(), |caller| caller.attempt = attempt);
        for request in [post(&url, "a"), get(&url), post(&url, "b")] {
            attempt.send(request).await.unwrap();
        }
    }
    let requests = server.requests();
    let keys: Vec<_> = requests.iter().map(|text| line(text, "idempotency-key")).collect();
    let each = ["host-7-pay-1", "", "host-7-pay-2"];
    assert_eq!(keys, [each, each].concat());
    let mut parents: Vec<_> = requests.iter().map(|text| line(text, "traceparent")).collect();
    parents.sort_unstable();
    parents.dedup();
    assert_eq!(parents.len(), 6, "each request has its own place in the trace");
}

#[tokio::test]
async fn a_batch_has_no_key_and_an_untraced_event_no_parent() {
    let server = Server::answering("200 OK", "").await;
    let change = |caller: &mut Caller| (caller.idempotency_key, caller.trace) = (None, None);
    Attempt::of(options(), change).send(post(server.url("api.local"), "a")).await.unwrap();
    let request = &server.requests()[0];
    assert!(!request.contains("idempotency-key") && !request.contains("traceparent"), "{request}");
}

#[track_caller]
fn denied(attempt: &Attempt, sent: Result<String, crate::Error>, code: &str, says: &str) {
    let error = sent.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(says), "{error}");
    let told = attempt.told();
    assert!(told[told.len() - 1].contains(code), "{told:?}");
    attempt.counted(0, told.len() as u64, 0);
}

#[tokio::test]
async fn what_one_of_them_does_not_allow_is_denied() {
    let server = Server::answering("200 OK", "").await;
    let url = server.url("api.local");
    let mut nothing = Attempt::new(Options::default(), rules());
    let sent = nothing.send(get(&url)).await;
    denied(&nothing, sent, "outbound.operator", "does not name http://api.local:");
    let other = HttpRules { allow: vec!["api.local".parse().unwrap()], ..rules() };
    let mut other = Attempt::new(options(), other);
    let sent = other.send(get(&url)).await;
    denied(&other, sent, "outbound.manifest", "does not name http://api.local:");
    let mut none = Attempt::of(options(), |caller| caller.rules = None);
    let sent = none.send(get(&url)).await;
    denied(&none, sent, "outbound.undeclared", "no `http`");
    let mut dry = Attempt::of(options(), |caller| caller.dry_run = true);
    let sent = dry.send(get(&url)).await;
    denied(&dry, sent, "outbound.dry_run", "dry run");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn addresses_that_are_not_public_are_denied_after_the_lookup() {
    let server = Server::answering("200 OK", "").await;
    for (host, what) in [
        ("rebound.example", "a loopback address"),
        ("both.example", "a loopback address"),
        ("metadata.example", "a metadata address"),
    ] {
        let mut attempt = Attempt::new(options(), rules());
        let sent = attempt.send(get(server.url(host))).await;
        denied(&attempt, sent, "outbound.address", what);
    }
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let url = server.url(host);
        let allow = vec![format!("http://{host}:{}", server.address.port()).parse().unwrap()];
        let opened = Options { allow: allow.clone(), ..options() };
        let mut attempt = Attempt::new(opened, HttpRules { allow, ..rules() });
        let sent = attempt.send(get(url)).await;
        denied(&attempt, sent, "outbound.address", "a loopback address");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn redirects_are_the_guests_to_follow_by_the_same_rules() {
    let target = Server::answering("200 OK", "private").await;
    let head = format!("302 Found\r\nlocation: {}", target.url("rebound.example"));
    let server = Server::answering(&head, "").await;
    let mut attempt = Attempt::new(options(), rules());
    assert_eq!(attempt.send(get(server.url("api.local"))).await.unwrap(), "302 ");
    let followed = attempt.send(get(target.url("rebound.example"))).await.unwrap_err();
    assert_eq!(followed.code(), "outbound.address");
    assert_eq!(target.requests().len(), 0);
}

#[tokio::test]
async fn what_is_no_request_is_denied() {
    let mut attempt = Attempt::new(options(), rules());
    for (url, code) in [
        ("http://user@api.local/", "outbound.target"),
        ("http://127.1/", "outbound.target"),
        ("http://0x7f000001/", "outbound.target"),
        ("http://api.local:0/", "outbound.target"),
    ] {
        assert_eq!(attempt.send(get(url)).await.unwrap_err().code(), code, "{url}");
    }
    for method in ["CONNECT", "TRACE"] {
        let mut request = get("http://api.local/");
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(attempt.send(request).await.unwrap_err().code(), "outbound.method");
    }
    attempt.counted(0, 6, 0);
}

#[tokio::test]
async fn secrets_are_filled_in_for_their_hosts_and_told_to_no_one() {
    let server = Server::answering("200 OK", "").await;
    let with = |host: &str| {
        let mut request = get(server.url(host));
        request.headers_mut().insert("authorization", "Bearer {{secret:KEY}}".parse().unwrap());
        request
    };
    let port = server.address.port();
    let secret = crate::Secret::new(
        SECRET,
        vec![format!("http://api.local:{port}").parse().unwrap()],
        vec!["pay".parse().unwrap()],
    );
    let secrets = crate::Secrets::new([("KEY".parse().unwrap(), secret.unwrap())].into());
    let options = || Options { secrets: Arc::new(crate::Secrets::default()), ..options() };
    let mut attempt = Attempt::new(Options { secrets: Arc::new(secrets), ..options() }, rules());
    attempt.send(with("api.local")).await.unwrap();
    assert_eq!(line(&server.requests()[0], "authorization"), format!("Bearer {SECRET}"));
    let other = attempt.send(with("other.local")).await.unwrap_err();
    assert_eq!(other.code(), "outbound.secret");
    assert_eq!(server.requests().len(), 1);
    assert!(!format!("{:?} {other:?}", attempt.told()).contains(SECRET));
    attempt.counted(1, 1, 0);
}
