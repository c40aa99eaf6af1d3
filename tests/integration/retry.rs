//! Attempts that fail: tried again, given up, looked at, redriven, dropped, replayed.

use serde_json::{Value, json};

use crate::harness::{Feed, Host, Request, committed, dead, event, until};

fn host_with_misbehave() -> Host {
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    host
}

fn codes(history: &Value) -> Vec<(u64, &str, &str)> {
    let attempts = history.as_array().unwrap().iter();
    let entry = |a: &'_ Value| a["attempt"].as_u64().unwrap();
    attempts
        .map(|a| {
            let code = a["error"]["code"].as_str().unwrap_or("-");
            (entry(a), a["outcome"].as_str().unwrap(), code)
        })
        .collect()
}

#[test]
fn an_attempt_that_fails_is_tried_again() {
    let host = host_with_misbehave();
    let receipt = host.settle(&event("misbehave.flaky"));
    assert_eq!(committed(&receipt).attempts, 2);
    let story = host.story(&receipt["seq"]);
    let history = &story["deliveries"][0]["history"];
    assert_eq!(codes(history), [(1, "retry", "invoke.retry"), (2, "committed", "-")]);
    assert_eq!(history[0]["error"]["message"], "attempt 1 fails");
    assert_eq!(history[0]["state"], json!([]));
    assert_eq!(history[1]["state"][0]["name"], "ok");
    assert_eq!(host.counts("misbehave")["retried"], 1);
}

#[test]
fn after_the_last_attempt_comes_the_dead_letter() {
    let host = host_with_misbehave();
    let receipt = host.settle(&event("misbehave.retry"));
    assert_eq!(dead(&receipt), ("invoke.retry".into(), "it may pass".into()));
    assert_eq!(receipt["results"][0]["attempts"], 2);
    let story = host.story(&receipt["seq"]);
    let history = &story["deliveries"][0]["history"];
    assert_eq!(codes(history), [(1, "retry", "invoke.retry"), (2, "dead", "invoke.retry")]);
    let letters = host.dead_letters("misbehave");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["attempts"], 2);
    assert_eq!(letters[0]["error"]["code"], "invoke.retry");
    assert!(letters[0]["reason"].as_str().unwrap().contains("invoke.retry"), "{letters:?}");
}

#[test]
fn a_rejected_event_is_not_tried_again() {
    let host = host_with_misbehave();
    let receipt = host.settle(&event("misbehave.reject"));
    assert_eq!(dead(&receipt).0, "invoke.rejected");
    let story = host.story(&receipt["seq"]);
    let history = &story["deliveries"][0]["history"];
    assert_eq!(codes(history), [(1, "dead", "invoke.rejected")]);
}

#[test]
fn a_payload_that_does_not_parse_is_rejected() {
    let host = Host::start();
    host.deploy("devices", "devices");
    let reading = event("device.reading").subject("a").data(json!({"value": "warm"}));
    let (code, message) = dead(&host.settle(&reading));
    assert_eq!(code, "invoke.rejected");
    assert!(message.contains("warm"), "{message}");
}

#[test]
fn a_time_that_the_function_asks_for_is_kept() {
    let host = host_with_misbehave();
    let feed = Feed::open(host.address(), "?function=misbehave");
    let wait = json!({"after_ms": 600});
    let receipt = host.accept(&event("misbehave.retry-after").data(wait));
    feed.next("retried");
    let waiting = &host.story(&receipt["seq"])["deliveries"][0];
    assert_eq!(waiting["status"], "waiting", "{waiting}");
    assert!(waiting["reason"].as_str().unwrap().contains("again"), "{waiting}");
    let due = waiting["due"].as_str().unwrap().to_owned();
    host.settled();
    let story = host.story(&receipt["seq"]);
    let history = &story["deliveries"][0]["history"];
    assert!(history[1]["started"].as_str().unwrap() >= due.as_str(), "{due}: {history}");
}

#[test]
fn a_retry_runs_on_the_revision_that_mends_it() {
    let host = Host::start();
    let slow = json!({"on": ["misbehave.retry"], "key": "subject",
        "retry": {"attempts": 1000, "initial": "400ms", "max": "400ms"}});
    host.deploy_with("f", "misbehave", json!({}), slow.clone());
    let feed = Feed::open(host.address(), "?function=f");
    let receipt = host.accept(&event("misbehave.retry").subject("s"));
    feed.next("retried");
    host.deploy_with("f", "counter", json!({}), slow);
    host.settled();
    let story = host.story(&receipt["seq"]);
    let history = story["deliveries"][0]["history"].as_array().unwrap();
    let last = history.last().unwrap();
    assert_eq!((&history[0]["revision"], &history[0]["outcome"]), (&json!("r1"), &json!("retry")));
    assert_eq!((&last["revision"], &last["outcome"]), (&json!("r2"), &json!("committed")));
}

#[test]
fn a_dead_letter_blocks_nobody() {
    let host = Host::start();
    let keyed = json!({"on": ["misbehave.*"], "key": "subject",
        "retry": {"attempts": 2, "initial": "10ms"}});
    host.deploy_with("f", "misbehave", json!({}), keyed);
    let ways = ["ok", "reject", "ok", "retry", "ok"];
    let events = ways.map(|way| event(&format!("misbehave.{way}")).subject("same"));
    let receipts = host.settle_all(&events);
    let statuses: Vec<&str> =
        receipts.iter().map(|r| r["results"][0]["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["committed", "dead", "committed", "dead", "committed"]);
}

#[test]
fn a_redrive_reopens_the_same_delivery_under_the_same_idempotency_key() {
    let host = host_with_misbehave();
    let receipt = host.settle(&event("misbehave.who"));
    let (_, key) = dead(&receipt);
    let id = format!("{}/misbehave", receipt["seq"].as_str().unwrap());
    let answer = host.post("/api/v1/deliveries/redrive", json!({"ids": [id]}));
    assert_eq!(answer["count"], 1);
    host.settled();
    let letters = host.dead_letters("misbehave");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["id"], id);
    assert_eq!(letters[0]["error"]["message"], key);
    let story = host.story(&receipt["seq"]);
    assert_eq!(story["deliveries"].as_array().unwrap().len(), 1, "it is no new delivery");
    assert_eq!(story["deliveries"][0]["history"].as_array().unwrap().len(), 2, "{story}");
}

#[test]
fn the_idempotency_key_is_the_deliverys_own_for_good() {
    let host = host_with_misbehave();
    let receipt = host.settle(&event("misbehave.who-again"));
    dead(&receipt);
    let host = host.crash_and_restart();
    let filter = json!({"function": "misbehave", "status": "dead"});
    assert_eq!(host.post("/api/v1/deliveries/redrive", filter)["count"], 1);
    host.settled();
    let keys = |seq: &Value| -> Vec<String> {
        let story = host.story(seq);
        let attempts = story["deliveries"][0]["history"].as_array().unwrap().clone();
        let key = |attempt: &Value| attempt["error"]["message"].as_str().unwrap().to_owned();
        attempts.iter().map(key).collect()
    };
    let of_first = keys(&receipt["seq"]);
    assert_eq!(of_first.len(), 4, "two attempts before the crash and the redrive, two after");
    assert!(of_first.iter().all(|key| *key == of_first[0]), "{of_first:?}");
    let path = format!("/api/v1/events/{}/replay", receipt["seq"].as_str().unwrap());
    host.post(&path, json!({"function": "misbehave"}));
    host.settled();
    let newest = &host.get("/api/v1/events?type=misbehave.*&limit=1")["events"][0]["seq"];
    assert_ne!(*newest, receipt["seq"]);
    assert_ne!(keys(newest)[0], of_first[0], "a replay is a delivery of its own");
}

#[test]
fn a_redriven_delivery_commits_once_it_is_mended() {
    let host = host_with_misbehave();
    let receipt = host.settle(&event("misbehave.retry").subject("s"));
    dead(&receipt);
    let on = json!({"on": ["misbehave.retry"]});
    host.deploy_with("misbehave", "counter", json!({}), on);
    let filter = json!({"function": "misbehave", "code": "invoke.retry"});
    assert_eq!(host.post("/api/v1/deliveries/redrive", filter)["count"], 1);
    host.settled();
    let delivery = &host.story(&receipt["seq"])["deliveries"][0];
    assert_eq!(delivery["status"], "committed");
    assert_eq!(host.dead_letters("misbehave").len(), 0);
    assert_eq!(host.counts("misbehave")["dead"], 0);
    assert_eq!(host.events("counter.counted").len(), 1);
}

#[test]
fn dropped_dead_letters_are_gone_and_counted() {
    let host = host_with_misbehave();
    let receipts = host.settle_all(&[event("misbehave.reject"), event("misbehave.retry")]);
    let filter = json!({"function": "misbehave", "status": "dead", "code": "invoke.rejected"});
    assert_eq!(host.post("/api/v1/deliveries/drop", filter)["count"], 1);
    let statuses: Vec<Value> = receipts
        .iter()
        .map(|receipt| host.story(&receipt["seq"])["deliveries"][0]["status"].clone())
        .collect();
    assert_eq!(statuses, ["dropped", "dead"]);
    assert_eq!(host.counts("misbehave")["dropped"], 1);
    let host = host.crash_and_restart();
    assert_eq!(host.dead_letters("misbehave").len(), 1);
    assert_eq!(host.counts("misbehave")["dropped"], 1);
}

#[test]
fn a_selection_that_selects_nothing_in_particular_is_refused() {
    let host = host_with_misbehave();
    host.settle(&event("misbehave.reject"));
    for what in ["redrive", "drop"] {
        let request = Request::post(format!("/api/v1/deliveries/{what}")).json(&json!({}));
        host.send(request).problem(400, "delivery.no_selection");
    }
    assert_eq!(host.dead_letters("misbehave").len(), 1);
}

#[test]
fn dead_letters_survive_a_crash() {
    let host = host_with_misbehave();
    let receipt = host.settle(&event("misbehave.retry"));
    let before = host.dead_letters("misbehave");
    let host = host.crash_and_restart();
    assert_eq!(host.dead_letters("misbehave"), before);
    assert_eq!(host.story(&receipt["seq"])["deliveries"][0]["attempts"], 2);
}

#[test]
fn a_retry_that_waits_survives_a_crash_with_its_attempts() {
    let host = Host::start();
    let slow = json!({"on": ["misbehave.flaky"],
        "retry": {"attempts": 3, "initial": "600ms", "factor": 1.0, "max": "600ms"}});
    host.deploy_with("f", "misbehave", json!({}), slow);
    let feed = Feed::open(host.address(), "?function=f");
    let receipt = host.accept(&event("misbehave.flaky"));
    feed.next("retried");
    let host = host.crash_and_restart();
    host.settled();
    let delivery = host.story(&receipt["seq"])["deliveries"][0].clone();
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("committed"), &json!(2)));
}

#[test]
fn an_event_that_ends_the_host_again_and_again_is_given_up() {
    let mut host = Host::start();
    host.deploy("counter", "counter");
    let endless = json!({"on": ["misbehave.spin"], "timeout": "15m"});
    host.deploy_with("f", "misbehave", json!({}), endless);
    let receipt = host.accept(&event("misbehave.spin"));
    let mut lives = 1;
    loop {
        // What is durable after the start of an attempt proves that the start is durable.
        let busy = || (host.counts("f")["ready"] == 0).then_some(());
        until("the attempt to begin", std::thread::yield_now, busy);
        committed(&host.settle(&event("counter.add").subject("a")));
        if host.counts("f")["dead"] == 1 {
            break;
        }
        lives += 1;
        assert!(lives < 8, "it goes on for ever");
        host = host.crash_and_restart();
    }
    assert!(lives > 3, "three starts are allowed for, not {}", lives - 1);
    let letter = &host.dead_letters("f")[0];
    assert_eq!(letter["error"]["code"], "invoke.crashed");
    assert_eq!(letter["seq"], receipt["seq"]);
    assert_eq!(host.state("counter", Some("a"))["n"], lives);
}

#[test]
fn a_replay_makes_new_deliveries_whose_effects_happen_again() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let receipt = host.settle(&event("counter.add").subject("a"));
    let seq = receipt["seq"].as_str().unwrap();
    let path = format!("/api/v1/events/{seq}/replay");
    assert_eq!(host.post(path, json!({"function": "counter"}))["events"], 1);
    host.settled();
    assert_eq!(host.state("counter", Some("a"))["n"], 2);
    assert_eq!(host.counts("counter")["committed"], 2);
}
