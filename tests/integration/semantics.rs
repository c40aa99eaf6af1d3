//! What `docs/delivery.md` promises of retries, dead letters, lanes and priorities, and what a
//! delivery says of why it waits.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Event, Feed, Host, Request, committed, dead, event, trip, until};

/// The manifest of a function with lanes by subject, with these members besides.
fn keyed(on: &str, more: Value) -> Value {
    let mut manifest = json!({"on": [on], "key": "subject"});
    for (name, value) in more.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    manifest
}

/// The only delivery of an event, as it is now.
#[track_caller]
fn delivery(host: &Host, receipt: &Value) -> Value {
    host.story(&receipt["seq"])["deliveries"][0].clone()
}

fn id(receipt: &Value, function: &str) -> String {
    format!("{}/{function}", receipt["seq"].as_str().unwrap())
}

/// Asks until the counts of a function are these.
#[track_caller]
fn until_counts(host: &Host, function: &str, expect: &[(&str, u64)]) {
    let feed = Feed::open(host.address(), "");
    let pause = || drop(feed.any(Duration::from_millis(20)));
    until(&format!("{function} to have {expect:?}"), pause, || {
        let counts = host.counts(function);
        expect.iter().all(|(name, count)| counts[*name] == *count).then_some(())
    });
}

/// The ids of the events that the counter has counted, in the order of the commits.
fn counted(host: &Host) -> Vec<String> {
    let events = host.events("counter.counted");
    events.iter().map(|event| event["data"]["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn another_function_handles_a_dead_letter() {
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    let on_dead = keyed("triphammer.delivery.dead", json!({}));
    host.deploy_with("morgue", "counter", json!({}), on_dead);
    let deaf = json!({"on": ["misbehave.*", "*.delivery.*"], "key": "source"});
    host.deploy_with("deaf", "counter", json!({}), deaf);
    let receipt = host.settle(&event("misbehave.reject").subject("s").id("e-1").source("/shop"));
    host.settled();
    let letter = format!("{}/misbehave", receipt["seq"].as_str().unwrap());
    assert_eq!(host.state("morgue", Some(&letter))["n"], 1);
    let told = host.events("triphammer.delivery.dead");
    let [told] = told.as_slice() else { panic!("one, not {told:?}") };
    assert_eq!(
        (&told["source"], &told["subject"], &told["causationid"]),
        (&json!("/triphammer/functions/misbehave"), &json!(letter), &json!("e-1"))
    );
    assert_eq!(
        told["data"],
        json!({
            "delivery": letter, "function": "misbehave", "revision": "r1", "key": null, "attempts": 1,
            "error": {"code": "invoke.rejected", "message": "it will not pass"},
            "event": {"seq": receipt["seq"], "id": "e-1", "source": "/shop",
                "type": "misbehave.reject", "subject": "s"},
        })
    );
    assert_eq!(host.state("deaf", Some("/shop"))["n"], 1, "it gets the event itself");
    assert_eq!(host.state("deaf", Some("/triphammer/functions/misbehave")).len(), 0);
}

#[test]
fn a_function_that_dies_of_dead_letters_raises_no_more() {
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    host.deploy_with("morgue", "misbehave", json!({}), json!({"on": ["triphammer.**"]}));
    host.settle(&event("misbehave.reject"));
    host.settled();
    assert_eq!(host.dead_letters("morgue").len(), 1, "it knows no way to be dead");
    assert_eq!(host.events("triphammer.delivery.dead").len(), 1);
}

#[test]
fn a_halted_lane_stands_until_its_dead_letter_is_redriven() {
    let host = Host::start();
    let halts = keyed("misbehave.*", json!({"deadLetter": {"lane": "halt"}}));
    host.deploy_with("f", "misbehave", json!({}), halts.clone());
    let ways = [("reject", "a"), ("ok", "a"), ("ok", "a")];
    let receipts =
        ways.map(|(way, key)| host.accept(&event(&format!("misbehave.{way}")).subject(key)));
    committed(&host.settle(&event("misbehave.ok").subject("b")));
    until_counts(&host, "f", &[("dead", 1), ("blocked", 2), ("ready", 0), ("running", 0)]);

    let host = host.crash_and_restart();
    until_counts(&host, "f", &[("dead", 1), ("blocked", 2), ("ready", 0), ("running", 0)]);
    let last = delivery(&host, &receipts[2]);
    let letter = id(&receipts[0], "f");
    assert_eq!(last["status"], "blocked");
    assert_eq!(last["waitingFor"], json!({"kind": "halted", "delivery": letter, "ahead": 2}));
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.contains(&letter) && reason.contains("redriven"), "{reason}");

    // Another revision mends it, and the lane goes on from where it stood.
    host.deploy_with("f", "counter", json!({}), halts);
    until_counts(&host, "f", &[("dead", 1), ("blocked", 2)]);
    let redriven = host.post("/api/v1/deliveries/redrive", json!({"ids": [letter]}));
    assert_eq!(redriven["count"], 1);
    host.settled();
    let ids = receipts.map(|receipt| receipt["id"].as_str().unwrap().to_owned());
    assert_eq!(counted(&host), ids);
    assert_eq!(host.get("/api/v1/stats")["redriven"], 1);
}

#[test]
fn a_halted_lane_goes_on_when_its_dead_letter_is_dropped() {
    let host = Host::start();
    let halts = keyed("misbehave.*", json!({"deadLetter": {"lane": "halt"}}));
    host.deploy_with("f", "misbehave", json!({}), halts);
    let first = host.accept(&event("misbehave.reject").subject("a"));
    let second = host.accept(&event("misbehave.ok").subject("a"));
    until_counts(&host, "f", &[("dead", 1), ("blocked", 1)]);
    let ids = json!({"ids": [id(&first, "f")]});
    assert_eq!(host.post("/api/v1/deliveries/drop", ids)["count"], 1);
    host.settled();
    assert_eq!(delivery(&host, &first)["status"], "dropped");
    assert_eq!(delivery(&host, &second)["status"], "committed");
}

#[test]
fn a_poison_event_blocks_only_its_lane() {
    let host = Host::start();
    host.deploy_with("f", "misbehave", json!({}), keyed("misbehave.*", json!({})));
    let hour = json!({"after_ms": 3_600_000});
    let poison = host.accept(&event("misbehave.retry-after").subject("a").data(hour));
    let behind: Vec<Value> =
        (0..3).map(|_| host.accept(&event("misbehave.ok").subject("a"))).collect();
    for _ in 0..3 {
        committed(&host.settle(&event("misbehave.ok").subject("b")));
    }
    until_counts(&host, "f", &[("waiting", 1), ("blocked", 3), ("committed", 3)]);
    let waits = delivery(&host, &poison);
    assert_eq!(waits["waitingFor"], json!({"kind": "retry", "until": waits["due"]}));
    let blocked = delivery(&host, &behind[2]);
    let head = id(&poison, "f");
    assert_eq!(blocked["waitingFor"], json!({"kind": "lane", "delivery": head, "ahead": 3}));
    let reason = blocked["reason"].as_str().unwrap();
    assert_eq!(reason, format!("behind delivery {head} of its lane, 3 ahead of it"));
}

#[test]
fn the_urgent_come_first() {
    let host = Host::start();
    let manifest = keyed("counter.add", json!({"concurrency": 1}));
    host.deploy_with("f", "counter", json!({}), manifest);
    host.post("/api/v1/functions/f/pause", json!({}));
    let add = |n: u32, priority: u32| {
        event("counter.add").subject(&n.to_string()).with("priority", priority)
    };
    let low: Vec<Event> = (0..5).map(|n| add(n, 0)).collect();
    let high: Vec<Event> = (5..10).map(|n| add(n, 9)).collect();
    let receipts = host.accept_all(&[low.clone(), high.clone()].concat());
    let waits = delivery(&host, &receipts[0]);
    assert_eq!(waits["waitingFor"], json!({"kind": "paused", "ahead": 5}));
    assert_eq!(delivery(&host, &receipts[5])["waitingFor"]["ahead"], 0);
    host.post("/api/v1/functions/f/resume", json!({}));
    host.settled();
    let expect: Vec<&str> = high.iter().chain(&low).map(|event| event.get("id")).collect();
    assert_eq!(counted(&host), expect);
}

#[test]
fn the_less_urgent_get_their_share() {
    let host = Host::start();
    let manifest = keyed("counter.add", json!({"concurrency": 1}));
    host.deploy_with("f", "counter", json!({}), manifest);
    host.post("/api/v1/functions/f/pause", json!({}));
    let add = |n: u32| {
        let priority = if n < 20 { 6 } else { 5 };
        event("counter.add").subject(&n.to_string()).id(&n.to_string()).with("priority", priority)
    };
    host.accept_all(&(0..30).map(add).collect::<Vec<_>>());
    host.post("/api/v1/functions/f/resume", json!({}));
    host.settled();
    let order: Vec<u32> = counted(&host).iter().map(|id| id.parse().unwrap()).collect();
    for part in order.chunks(3) {
        let less = part.iter().filter(|n| **n >= 20).count();
        assert_eq!(less, 1, "one turn in three: {order:?}");
    }
}

#[test]
fn a_delivery_that_is_too_old_is_not_tried_again() {
    let host = Host::start();
    let retry = json!({"attempts": 1000, "age": "2s"});
    let manifest = json!({"on": ["misbehave.retry-after"], "retry": retry});
    host.deploy_with("f", "misbehave", json!({}), manifest);
    let wait = json!({"after_ms": 1200});
    let receipt = host.settle(&event("misbehave.retry-after").data(wait));
    assert_eq!(dead(&receipt).0, "invoke.retry");
    let attempts = receipt["results"][0]["attempts"].as_u64().unwrap();
    assert!((1..=2).contains(&attempts), "a third would begin after 2.4 s: {attempts}");
}

#[test]
fn a_dead_letter_is_kept_as_long_as_its_manifest_says() {
    let host = Host::start();
    let manifest = json!({"on": ["misbehave.*"], "deadLetter": {"keep": "1s"}});
    host.deploy_with("f", "misbehave", json!({}), manifest);
    let receipt = host.settle(&event("misbehave.reject"));
    until_counts(&host, "f", &[("dead", 0), ("dropped", 1)]);
    let expired = delivery(&host, &receipt);
    assert_eq!(expired["status"], "expired");
    assert_eq!(expired["history"][0]["error"]["code"], "invoke.rejected");
    let host = host.crash_and_restart();
    assert_eq!(host.dead_letters("f").len(), 0);
    assert_eq!(delivery(&host, &receipt)["status"], "expired");
}

#[test]
fn so_many_of_a_key_run_at_a_time() {
    let host = Host::start();
    let more = json!({"keyConcurrency": 2, "timeout": "5m"});
    host.deploy_with("f", "misbehave", json!({}), keyed("misbehave.*", more));
    let receipts: Vec<Value> =
        (0..3).map(|_| host.accept(&event("misbehave.sleep").subject("a"))).collect();
    until_counts(&host, "f", &[("running", 2), ("blocked", 1)]);
    let third = delivery(&host, &receipts[2])["waitingFor"].clone();
    assert_eq!((&third["kind"], &third["limit"]), (&json!("lane"), &json!(2)));
    assert_eq!((&third["delivery"], &third["ahead"]), (&json!(id(&receipts[1], "f")), &json!(2)));
}

#[test]
fn each_delivery_says_what_it_waits_for() {
    let host = Host::start();
    let manifest = json!({"on": ["misbehave.*"], "concurrency": 1, "timeout": "5m"});
    host.deploy_with("f", "misbehave", json!({}), manifest);
    let runs = host.accept(&event("misbehave.sleep"));
    until_counts(&host, "f", &[("running", 1)]);
    let ready: Vec<Value> = (0..3).map(|_| host.accept(&event("misbehave.ok"))).collect();
    let later = host.accept(&event("misbehave.ok").with("delay", "1h"));

    let listed = host.pages("/api/v1/deliveries?function=f", "deliveries");
    let of = |receipt: &Value| {
        let found = listed.iter().find(|delivery| delivery["seq"] == receipt["seq"]);
        found.unwrap_or_else(|| panic!("{receipt} is not in {listed:?}")).clone()
    };
    assert_eq!(of(&runs)["waitingFor"], Value::Null);
    for (ahead, receipt) in ready.iter().enumerate() {
        let expect = json!({"kind": "concurrency", "limit": 1, "ahead": ahead});
        assert_eq!(of(receipt)["waitingFor"], expect);
        assert_eq!(delivery(&host, receipt)["waitingFor"], expect, "the story says the same");
    }
    assert_eq!(
        of(&ready[2])["reason"],
        "its function runs 1 at a time, 2 of its function ahead of it"
    );
    assert_eq!(of(&later)["waitingFor"], json!({"kind": "time", "until": of(&later)["due"]}));
    let waiting = host.pages("/api/v1/deliveries?status=waiting", "deliveries");
    assert_eq!(waiting, [of(&later)]);
}

#[test]
fn a_listing_is_read_page_by_page() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.post("/api/v1/functions/counter/pause", json!({}));
    let events: Vec<Event> =
        (0..250).map(|n| event("counter.add").subject(&(n % 7).to_string())).collect();
    let receipts = host.accept_all(&events);
    let mut seqs = Vec::new();
    let mut path = "/api/v1/deliveries?limit=100".to_owned();
    loop {
        let page = host.get(path);
        let listed = page["deliveries"].as_array().unwrap();
        seqs.extend(listed.iter().map(|delivery| delivery["seq"].clone()));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/api/v1/deliveries?limit=100&cursor={cursor}");
    }
    let expect: Vec<Value> = receipts.iter().map(|receipt| receipt["seq"].clone()).collect();
    assert_eq!(seqs, expect, "each once, in order");
    let blocked = host.pages("/api/v1/deliveries?status=blocked", "deliveries");
    assert_eq!(blocked.len(), 243);
}

#[test]
fn dead_letters_are_found_by_what_they_have_in_common() {
    let host = Host::start();
    host.deploy("f", "misbehave");
    let ways = ["misbehave.reject", "misbehave.retry"];
    // One after the other, so that it is known which died first.
    for way in ways {
        host.settle(&event(way).subject("s"));
    }
    let first = host.dead_letters("f")[0].clone();
    let died = first["died"].as_str().unwrap();
    let find = |query: &str| host.pages(&format!("/api/v1/deliveries?{query}"), "deliveries").len();
    assert_eq!(find("code=invoke.retry"), 1);
    assert_eq!(find(&format!("diedAfter={died}")), 2);
    assert_eq!(find(&format!("diedBefore={died}")), 0);
    assert_eq!(find(&format!("diedAfter={died}&code=invoke.rejected")), 1);
    host.send(Request::get("/api/v1/deliveries?diedAfter=soon")).problem(400, "http.query");

    let shown = trip(&host, &["dead", "show", first["id"].as_str().unwrap()]).expect(0).stdout;
    assert!(shown.contains("invoke.rejected") && shown.contains("it will not pass"), "{shown}");
    let none = trip(&host, &["dead", "list", "--before", "1h"]).expect(0).stdout;
    assert!(none.contains("no dead letters"), "{none}");

    // Whoever mends one error redrives what died of it, with the revision that is active then.
    host.deploy_with("f", "counter", json!({}), json!({"on": ["misbehave.*"]}));
    let redrive = ["dead", "redrive", "--function", "f", "--code", "invoke.retry", "--json"];
    assert_eq!(trip(&host, &redrive).json()["count"], 1);
    host.settled();
    assert_eq!(host.dead_letters("f").len(), 1);
    assert_eq!(host.counts("f")["committed"], 1);
    let drop = json!({"function": "f", "diedAfter": died});
    assert_eq!(host.post("/api/v1/deliveries/drop", drop)["count"], 1);
}
