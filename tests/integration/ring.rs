//! Once round the ring: emitted events, their attributes, order, un-keyed state, delays.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Event, Host, committed, event};

/// A chain of relays: `chain.0` → `chain.1` → … → `chain.N`.
fn deploy_chain(host: &Host, links: usize) {
    for link in 0..links {
        let (name, to) = (format!("link-{link}"), format!("chain.{}", link + 1));
        let on = json!({"on": [format!("chain.{link}")]});
        host.deploy_with(&name, "relay", json!({"to": to}), on);
    }
}

#[test]
fn emitted_events_go_round_with_correlation_and_causation() {
    let host = Host::start();
    deploy_chain(&host, 3);
    let first = event("chain.0").id("first").subject("s").data(json!({"n": 1}));
    let first = first.with("datacontenttype", "application/json");
    let mut seq = host.settle(&first)["seq"].clone();
    host.settled();
    let mut cause = "first".to_owned();
    for link in 1..=3 {
        let story = host.story(&seq);
        let children = story["children"].as_array().unwrap();
        assert_eq!(children.len(), 1, "{story}");
        let parent = format!("{}/link-{}", seq.as_str().unwrap(), link - 1);
        seq = children[0]["seq"].clone();
        assert_eq!(story["deliveries"][0]["history"][0]["emitted"], json!([seq]));

        let story = host.story(&seq);
        let event = &story["event"];
        assert_eq!(event["type"], format!("chain.{link}"));
        assert_eq!(event["source"], format!("/functions/link-{}", link - 1));
        assert_eq!(event["correlationid"], "first");
        assert_eq!(event["causationid"], cause);
        assert_eq!((&event["subject"], &event["data"]), (&json!("s"), &json!({"n": 1})));
        assert_eq!(story["parent"], parent);
        assert_eq!(story["hops"], link);
        assert_eq!(story["entrance"], format!("function:link-{}", link - 1));
        cause = event["id"].as_str().unwrap().to_owned();
    }
    assert_eq!(host.story(&seq)["children"], json!([]));
}

#[test]
fn a_loop_ends_at_the_hop_limit() {
    let host = Host::start();
    host.deploy_with("relay", "relay", json!({"to": "relay.round"}), json!({}));
    host.accept(&event("relay.round"));
    host.settled();
    let dead = host.dead_letters("relay");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["error"]["code"], "limit.hops");
    assert_eq!(host.story(&dead[0]["seq"])["hops"], 32);
    assert_eq!(host.events("relay.round").len(), 33);
    assert_eq!(host.counts("relay")["committed"], 32);
}

#[test]
fn each_key_has_its_own_order_and_state() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let subjects = ["a", "b", "c"];
    let events: Vec<Event> =
        (0..300).map(|n| event("counter.add").subject(subjects[n % 3])).collect();
    for part in events.chunks(30) {
        host.accept_all(part);
    }
    host.settled();
    let all_counted = host.events("counter.counted");
    for subject in subjects {
        let of_subject = events.iter().filter(|event| event.get("subject") == subject);
        let sent: Vec<&str> = of_subject.map(|event| event.get("id")).collect();
        let counted: Vec<&Value> = all_counted.iter().filter(|e| e["subject"] == subject).collect();
        let order: Vec<&str> =
            counted.iter().map(|e| e["data"]["event"].as_str().unwrap()).collect();
        assert_eq!(order, sent, "in the order of acceptance");
        let numbers: Vec<u64> = counted.iter().map(|e| e["data"]["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=100).collect::<Vec<u64>>());
        assert_eq!(host.state("counter", Some(subject))["n"], 100);
    }
}

#[test]
fn a_function_without_a_key_loses_no_update() {
    const SENDERS: usize = 4;
    const EACH: usize = 25;
    let host = Host::start();
    let patient = json!({"on": ["misbehave.count"], "timeout": "30s"});
    host.deploy_with("count", "misbehave", json!({}), patient);
    let replies: Vec<u64> = thread::scope(|scope| {
        let send = || {
            // Longer than a turn, so that attempts overlap.
            let slow = || event("misbehave.count").data(json!({"n": 4_000_000}));
            let events: Vec<Event> = (0..EACH).map(|_| slow()).collect();
            let receipts = host.settle_all(&events);
            receipts.iter().map(|r| committed(r).reply["data"].as_u64().unwrap()).collect()
        };
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(send)).collect();
        senders.into_iter().flat_map(|sender| -> Vec<u64> { sender.join().unwrap() }).collect()
    });
    let distinct: BTreeSet<u64> = replies.iter().copied().collect();
    assert_eq!(distinct, (1..=(SENDERS * EACH) as u64).collect(), "each count was given once");
    assert_eq!(host.state("count", None)["count"], SENDERS * EACH);
    assert_ne!(host.get("/api/v1/stats")["conflicts"], 0, "the attempts did overlap");
    assert_eq!(host.counts("count")["retried"], 0, "a conflict is no failed attempt");
}

fn deploy_late(host: &Host, delay_ms: u64) {
    let config = json!({"to": "counter.add", "delay-ms": delay_ms.to_string()});
    host.deploy_with("late", "relay", config, json!({}));
    host.deploy("counter", "counter");
}

#[test]
fn a_delayed_event_waits_for_its_time() {
    let host = Host::start();
    deploy_late(&host, 700);
    let receipt = host.settle(&event("relay.late").subject("a"));
    let child = host.story(&receipt["seq"])["children"][0]["seq"].clone();
    let waiting = host.story(&child)["deliveries"][0].clone();
    assert_eq!(waiting["status"], "waiting", "{waiting}");
    let due = waiting["due"].as_str().unwrap().to_owned();
    host.settled();
    let story = host.story(&child);
    let attempt = &story["deliveries"][0]["history"][0];
    assert_eq!(attempt["outcome"], "committed", "{story}");
    assert!(due.as_str() > story["accepted"].as_str().unwrap());
    assert!(attempt["started"].as_str().unwrap() >= due.as_str(), "{due}: {attempt}");
}

#[test]
fn a_delayed_event_survives_a_crash() {
    let host = Host::start();
    deploy_late(&host, 1000);
    host.settle(&event("relay.late").subject("a"));
    let host = host.crash_and_restart();
    host.settled();
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
}

#[test]
fn ids_that_a_function_gives_are_its_own() {
    let host = Host::start();
    let config = json!({"to": "shop.paid", "id": "p-1", "source": "/bank"});
    host.deploy_with("relay", "relay", config, json!({}));
    host.settle(&event("relay.go"));
    host.settle(&event("relay.go"));
    assert_eq!(host.events("shop.paid").len(), 1, "the second was a duplicate of the first");
    let from_outside = host.accept(&event("shop.paid").id("p-1").source("/bank"));
    assert_eq!(from_outside["duplicate"], false, "a function can't shadow a sender's event");
}

#[test]
fn what_was_committed_is_all_there_after_a_crash() {
    let host = Host::start();
    deploy_chain(&host, 2);
    host.deploy_with("counter", "counter", json!({}), json!({"on": ["chain.2"], "key": "subject"}));
    let receipts = host.settle_all(&vec![event("chain.0").subject("a"); 1]);
    host.settled();
    let before = host.story(&receipts[0]["seq"]);
    let host = host.crash_and_restart();
    assert_eq!(host.story(&receipts[0]["seq"]), before);
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
    host.accept(&event("chain.0").subject("a"));
    host.settled();
    assert_eq!(host.state("counter", Some("a"))["n"], 2);
}
