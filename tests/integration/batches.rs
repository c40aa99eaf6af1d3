//! Functions that take their events by the list: what is in a batch, and what becomes of one that
//! fails.

use serde_json::{Value, json};

use crate::harness::{Event, Feed, Host, Request, committed, event};

fn batched(members: &Value) -> Value {
    let mut manifest = json!({"on": ["tally.*"], "retry": {"attempts": 2, "initial": "1ms"}});
    for (name, member) in members.as_object().unwrap() {
        manifest[name] = member.clone();
    }
    manifest
}

fn deploy(host: &Host, members: &Value) {
    host.deploy_with("tally", "tally", json!({}), batched(members));
}

fn adds(subjects: &[&str]) -> Vec<Event> {
    subjects.iter().map(|subject| event("tally.add").subject(subject)).collect()
}

/// The sizes of the batches that were committed, in their order.
fn sizes(host: &Host) -> Vec<usize> {
    tallied(host).iter().map(|data| data["ids"].as_array().unwrap().len()).collect()
}

/// What the handler emitted, once a batch, in the order of the commits.
fn tallied(host: &Host) -> Vec<Value> {
    host.events("tallied").iter().map(|event| event["data"].clone()).collect()
}

fn delivery(host: &Host, receipt: &Value) -> Value {
    host.story(&receipt["seq"])["deliveries"][0].clone()
}

#[test]
fn a_batch_is_handled_and_committed_as_one() {
    let host = Host::start();
    deploy(&host, &json!({"batch": {"max": 4, "wait": "1h"}}));
    let receipts = host.settle_all(&adds(&["a"; 8]));
    assert_eq!(sizes(&host), [4, 4]);
    for receipt in &receipts {
        let committed = committed(receipt);
        assert_eq!(committed.attempts, 1);
        let ids = committed.reply["data"]["ids"].as_array().unwrap();
        assert!(ids.contains(&receipt["id"]), "the reply is that of its batch: {ids:?}");
    }
    let counts = host.counts("tally");
    assert_eq!((&counts["committed"], &counts["running"]), (&json!(8), &json!(0)));
    assert_eq!(host.state("tally", None)["n"], 8);
    for receipt in &receipts {
        let delivery = delivery(&host, receipt);
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("committed"), &json!(1)));
        assert_eq!(delivery["history"][0]["outcome"], "committed", "{delivery}");
    }
}

#[test]
fn of_a_key_the_order_is_kept_and_nothing_else_is_in_its_batch() {
    let host = Host::start();
    deploy(&host, &json!({"key": "subject", "batch": {"max": 3, "wait": "50ms"}}));
    let receipts = host.settle_all(&adds(&["a", "b", "a", "b", "a", "a", "a", "b"]));
    for subject in ["a", "b"] {
        let sent: Vec<_> = receipts
            .iter()
            .zip(["a", "b", "a", "b", "a", "a", "a", "b"])
            .filter(|(_, of)| *of == subject)
            .map(|(receipt, _)| receipt["id"].clone())
            .collect();
        let batches: Vec<_> =
            tallied(&host).into_iter().filter(|data| data["key"] == subject).collect();
        let handled: Vec<_> =
            batches.iter().flat_map(|data| data["ids"].as_array().unwrap().clone()).collect();
        assert_eq!(handled, sent);
        assert!(batches.iter().all(|data| data["ids"].as_array().unwrap().len() <= 3));
        assert_eq!(host.state("tally", Some(subject))["n"], sent.len());
    }
}

#[test]
fn what_waits_for_its_batch_says_so() {
    let host = Host::start();
    for members in [
        json!({"batch": {"max": 3, "wait": "1h"}}),
        json!({"key": "subject", "batch": {"max": 3, "wait": "1h"}}),
    ] {
        deploy(&host, &members);
        let waiting = host.accept_all(&adds(&["a", "a"]));
        let delivery = delivery(&host, &waiting[0]);
        assert_eq!(delivery["waitingFor"]["kind"], "batch", "{delivery}");
        assert_eq!(delivery["waitingFor"]["limit"], 3);
        assert_eq!(delivery["due"], delivery["waitingFor"]["until"]);
        let reason = delivery["reason"].as_str().unwrap();
        assert!(reason.contains("2 of 3 are there"), "{reason}");
        host.settle(&adds(&["a"])[0]);
        host.settled();
    }
    assert_eq!(sizes(&host), [3, 3]);
}

#[test]
fn a_batch_waits_from_its_first_and_across_a_deploy() {
    let host = Host::start();
    deploy(&host, &json!({"batch": {"max": 100, "wait": "1h"}}));
    let waiting = host.accept_all(&adds(&["a", "a"]));
    assert_eq!(delivery(&host, &waiting[0])["status"], "ready");
    deploy(&host, &json!({"batch": {"max": 100, "wait": "1ms"}}));
    host.settled();
    assert_eq!(sizes(&host), [2]);
}

#[test]
fn of_a_batch_that_fails_only_the_faulty_one_dies() {
    let host = Host::start();
    for (n, fail) in ["retry", "reject", "trap"].iter().enumerate() {
        for key in [Value::Null, json!("subject")] {
            let mut members = json!({"batch": {"max": 4, "wait": "1h"}});
            if !key.is_null() {
                members["key"] = key;
            }
            deploy(&host, &members);
            let mut events = adds(&["a"; 4]);
            events[2] = event("tally.add").subject("a").data(json!({"fail": fail}));
            let receipts = host.settle_all(&events);
            for (index, receipt) in receipts.iter().enumerate() {
                let status = if index == 2 { "dead" } else { "committed" };
                assert_eq!(receipt["results"][0]["status"], status, "{fail} {n} {receipt}");
                let attempts = if index == 2 && *fail != "reject" { 2 } else { 1 };
                assert_eq!(receipt["results"][0]["attempts"], attempts, "{fail}: {receipt}");
            }
            let first = delivery(&host, &receipts[0]);
            let failed = &first["history"][0];
            assert_eq!(failed["outcome"], "retry", "{first}");
            let message = failed["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("in a batch of 4"), "{message}");
            host.send(Request::new("DELETE", "/api/v1/functions/tally?discard=true&state=true"));
        }
    }
    assert!(sizes(&host).iter().all(|size| *size == 1));
}

#[test]
fn only_its_own_attempts_count_for_a_delivery() {
    let host = Host::start();
    deploy(&host, &json!({"batch": {"max": 2, "wait": "1h"}}));
    let once = event("tally.add").subject("a").data(json!({"fail": "retry", "once": true}));
    let receipts = host.settle_all(&[once, event("tally.add").subject("a")]);
    // It fails again by itself: only its own attempts count.
    assert_eq!(receipts[0]["results"][0]["attempts"], 2, "{receipts:?}");
    assert_eq!(receipts[1]["results"][0]["attempts"], 1);
}

#[test]
fn a_running_batch_goes_with_its_function() {
    let host = Host::start();
    deploy(&host, &json!({"timeout": "700ms", "batch": {"max": 2, "wait": "1h"}}));
    let spin = event("tally.add").subject("a").data(json!({"fail": "spin"}));
    let feed = Feed::open(host.address(), "?function=tally");
    let receipts = host.accept_all(&[event("tally.add").subject("a"), spin]);
    feed.next("attempted");
    assert_eq!(host.counts("tally")["running"], 2);
    host.send(Request::new("DELETE", "/api/v1/functions/tally?discard=true"));
    for receipt in &receipts {
        assert_eq!(delivery(&host, receipt)["status"], "dropped");
    }
    // The next of its name is not in the way of what still runs.
    deploy(&host, &json!({"batch": {"max": 2, "wait": "1h"}}));
    host.settle_all(&adds(&["a", "a"]));
    assert_eq!((sizes(&host), host.state("tally", None)["n"].clone()), (vec![2], json!(2)));
}

#[test]
fn batches_survive_kills() {
    let mut host = Host::start();
    deploy(&host, &json!({"key": "subject", "batch": {"max": 10, "wait": "20ms"}}));
    for _ in 0..3 {
        for n in 0..20 {
            host.accept_all(&adds(&[["a", "b", "c"][n % 3]; 5]));
        }
        host = host.crash_and_restart();
    }
    host.settled();
    assert_eq!(host.counts("tally")["committed"], 300);
    let n = |key| host.state("tally", Some(key))["n"].as_u64().unwrap();
    assert_eq!(n("a") + n("b") + n("c"), 300, "each once");
}
