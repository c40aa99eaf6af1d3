//! Webhooks through the front door: proven, taken in once, and refused without a trace.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde_json::json;

use crate::harness::{Host, Request, Setup};

const SETTINGS: &str = r#"
[hooks.github]
provider = "github"
secrets = ["env:TRIPHAMMER_TEST_OLD", "env:TRIPHAMMER_TEST_NEW"]

[hooks.slack]
provider = "slack"
secrets = ["env:TRIPHAMMER_TEST_NEW"]

[hooks.keyed]
provider = "api-key"
secrets = ["env:TRIPHAMMER_TEST_NEW"]
body_limit = "1KiB"
"#;

fn host() -> Host {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("triphammer.toml");
    std::fs::write(&file, SETTINGS).unwrap();
    Setup::new().config(file).set("TEST_OLD", "old secret\n").set("TEST_NEW", "new secret").start()
}

fn signed(secret: &str, text: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::sign(&key, text).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn github(secret: &str, body: &str, id: &str) -> Request {
    Request::post("/hooks/github")
        .header("X-HUB-signature-256", format!("sha256={}", signed(secret, body.as_bytes())))
        .header("x-github-event", "pull_request")
        .header("x-github-delivery", id)
        .body("application/json", body)
}

#[expect(clippy::disallowed_methods, reason = "the host compares with the time that it is")]
fn slack(body: &str) -> Request {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let text = format!("v0:{now}:{body}");
    Request::post("/hooks/slack")
        .header("x-slack-request-timestamp", now)
        .header("x-slack-signature", format!("v0={}", signed("new secret", text.as_bytes())))
        .body("application/json", body)
}

#[test]
fn a_webhook_is_an_event_once_whichever_secret_signed_it() {
    let host = host();
    let body = r#"{"action":"opened", "repository":{"full_name":"a/b"}, "é": 1.0}"#;
    let receipt = host.send(github("old secret", body, "d-1")).expect(202);
    let again = host.send(github("new secret", body, "d-1")).expect(202);
    assert_eq!(receipt["events"][0]["duplicate"], false);
    assert_eq!(again["events"][0]["duplicate"], true);
    let seq = receipt["events"][0]["seq"].as_str().unwrap();
    let event = &host.story(&json!(seq))["event"];
    assert_eq!(event["type"], "github.pull_request.opened");
    assert_eq!((&event["id"], &event["source"]), (&json!("d-1"), &json!("/hooks/github")));
    assert_eq!(event["subject"], "a/b");
    assert_eq!(event["hdrxgithubevent"], "pull_request");
    assert!(!event.to_string().contains("sha256="), "the signature is not kept");
    // The same id through another entrance is another event.
    let other = json!({"specversion": "1.0", "id": "d-1", "source": "/hooks/github", "type": "a"});
    let sent = Request::post("/events").body("application/cloudevents+json", other.to_string());
    assert_eq!(host.send(sent).expect(202)["events"][0]["duplicate"], false);
}

#[test]
fn what_is_not_proven_leaves_no_trace() {
    let host = host();
    let body = r#"{"action":"opened"}"#;
    host.send(github("another", body, "d-1")).problem(401, "hook.signature_wrong");
    let unsigned = Request::post("/hooks/github").body("application/json", body);
    let refused = host.send(unsigned);
    refused.problem(401, "hook.signature_missing");
    assert!(refused.header("www-authenticate").is_some());
    let twice = github("old secret", body, "d-1").header("X-Hub-Signature-256", "sha256=00");
    host.send(twice).problem(400, "hook.header_twice");
    let bearer = Request::post("/hooks/github")
        .header("authorization", "Bearer new secret")
        .body("application/json", body);
    host.send(bearer).problem(401, "hook.signature_missing");
    host.send(Request::post("/hooks/none")).problem(404, "hook.unknown");
    let wrong = host.send(Request::get("/hooks/github"));
    wrong.problem(405, "hook.method");
    assert_eq!(wrong.header("allow"), Some("POST"));
    let large = Request::post("/hooks/keyed").body("text/plain", vec![b'a'; 1025]);
    host.send(large).problem(413, "hook.too_large");
    assert_eq!(host.get("/api/v1/events")["events"], json!([]));
    let hooks = host.get("/api/v1/hooks");
    assert_eq!(hooks["hooks"][0]["name"], "github");
    assert_eq!(
        (&hooks["hooks"][0]["refused"], &hooks["hooks"][0]["accepted"]),
        (&json!(5), &json!(0))
    );
}

#[test]
fn a_challenge_is_answered_and_is_no_event() {
    let host = host();
    let answer = host.send(slack(r#"{"type":"url_verification","challenge":"3eZ"}"#));
    assert_eq!((answer.status, answer.text().contains("3eZ")), (200, true));
    let event =
        slack(r#"{"type":"event_callback","event_id":"E1","event":{"type":"app_mention"}}"#);
    let answer = host.send(event);
    assert_eq!((answer.status, answer.text().as_str()), (200, ""), "as Slack wants it");
    let events = host.get("/api/v1/events");
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
    assert_eq!(events["events"][0]["type"], "slack.app_mention");
    let metrics = host.send(Request::get("/metrics")).text();
    for (outcome, count) in [("accepted", 1), ("answered", 1), ("refused", 0)] {
        let line = format!(
            "triphammer_hook_requests_total{{hook=\"slack\",outcome=\"{outcome}\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[test]
fn wrong_hooks_stop_the_start_and_say_which() {
    for (settings, named) in [
        ("[hooks.a]\nprovider = \"nobody\"\nsecrets = [\"env:X\"]", "provider"),
        ("[hooks.a]\nprovider = \"github\"\nsecrets = [\"env:TRIPHAMMER_NOT_SET\"]", "secret"),
        ("[hooks.a]\nprovider = \"github\"\nsecrets = [\"in the open\"]", "secret"),
        ("[hooks.a]\nprovider = \"github\"\nsecrets = []", "secret"),
        ("[hooks.a]\nprovder = \"github\"", "provder"),
        ("public_url = \"example.com\"", "public_url"),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("triphammer.toml");
        std::fs::write(&file, settings).unwrap();
        let ended = Setup::new().config(file).try_start().unwrap_err();
        assert!(ended.log.contains(named), "{settings}: {}", ended.log);
        assert!(!ended.log.contains("in the open"), "{}", ended.log);
    }
}

#[test]
fn senders_that_ask_first_are_answered() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("triphammer.toml");
    let settings =
        "[handshake]\norigins = [\"a.example.com\"]\nrate = 60\nretired_hooks = [\"old\"]";
    std::fs::write(&file, settings).unwrap();
    let host = Setup::new().config(file).start();
    let ask = |path: &str, origin: &str| {
        let request = Request::new("OPTIONS", path).header("WebHook-Request-Origin", origin);
        host.send(request.header("webhook-request-rate", "120"))
    };
    for path in ["/events", "/events/order.paid", "/hooks/any"] {
        let answer = ask(path, "A.example.com");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("webhook-allowed-origin"), Some("A.example.com"));
        assert_eq!(answer.header("webhook-allowed-rate"), Some("60"));
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
        ask(path, "b.example.com").problem(403, "http.webhook_origin");
    }
    let plain = host.send(Request::new("OPTIONS", "/events"));
    assert_eq!((plain.status, plain.header("webhook-allowed-origin")), (200, None));
    ask("/api/v1/events", "a.example.com").problem(405, "http.method");
    host.send(Request::post("/hooks/old")).problem(410, "hook.gone");
}
