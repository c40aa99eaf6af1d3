//! Flow control: how much of a function runs, when, and what is left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Feed, Host, Request, committed, event};

/// Milliseconds since the month began, of a time as the host writes it.
pub(super) fn ms(time: &Value) -> u64 {
    let text = time.as_str().unwrap();
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().unwrap();
    let hours = number(8, 10) * 24 + number(11, 13);
    ((hours * 60 + number(14, 16)) * 60 + number(17, 19)) * 1000 + number(20, 23)
}

/// When the attempts at these events began, in order.
fn starts(host: &Host, receipts: &[Value]) -> Vec<u64> {
    let mut starts: Vec<u64> = Vec::new();
    for receipt in receipts {
        let story = host.story(&receipt["seq"]);
        let history = story["deliveries"][0]["history"].as_array().unwrap();
        starts.extend(history.iter().map(|attempt| ms(&attempt["started"])));
    }
    starts.sort_unstable();
    starts
}

#[track_caller]
fn at_most(limit: usize, period_ms: u64, starts: &[u64]) {
    for window in starts.windows(limit + 1) {
        assert!(window[limit] - window[0] >= period_ms, "{window:?} of {starts:?}");
    }
}

fn delivery(host: &Host, receipt: &Value) -> Value {
    host.story(&receipt["seq"])["deliveries"][0].clone()
}

#[test]
fn a_throttle_spreads_the_starts_of_attempts_retries_included() {
    let host = Host::start();
    let manifest = json!({"on": ["misbehave.*"], "retry": {"attempts": 3, "initial": "1ms"},
        "throttle": {"limit": 3, "period": "250ms"}});
    host.deploy_with("f", "misbehave", json!({}), manifest);
    let events: Vec<_> = (0..5).map(|_| event("misbehave.flaky")).collect();
    let receipts = host.settle_all(&events);
    for receipt in &receipts {
        assert_eq!(committed(receipt).attempts, 2);
    }
    let starts = starts(&host, &receipts);
    assert_eq!(starts.len(), 10);
    at_most(3, 250, &starts);
    assert!(starts[9] - starts[0] < 30_000, "it goes on: {starts:?}");
}

#[test]
fn a_throttled_delivery_says_until_when_it_waits_and_another_rule_frees_it() {
    let host = Host::start();
    let throttled = json!({"on": ["counter.add"], "throttle": {"limit": 1, "period": "1h"}});
    host.deploy_with("f", "counter", json!({}), throttled);
    committed(&host.settle(&event("counter.add").subject("a")));
    let receipt = host.accept(&event("counter.add").subject("b"));
    let waits = |host: &Host| {
        let delivery = delivery(host, &receipt);
        assert_eq!(delivery["status"], "ready", "{delivery}");
        let reason = delivery["reason"].as_str().unwrap();
        let due = delivery["due"].as_str().unwrap();
        assert!(reason.contains("throttle, 1 attempts in 1h"), "{reason}");
        assert!(reason.contains(due), "{reason}: {due}");
        due.to_owned()
    };
    let until = waits(&host);
    // What began before it was killed is not known to the next: it may have been the limit.
    let host = host.crash_and_restart();
    assert!(waits(&host) >= until);
    host.deploy_with("f", "counter", json!({}), json!({"on": ["counter.add"]}));
    host.settled();
    assert_eq!(delivery(&host, &receipt)["status"], "committed");
}

#[test]
fn a_throttle_holds_across_kills() {
    let mut host = Host::start();
    let manifest = json!({"on": ["counter.add"], "key": "subject",
        "throttle": {"limit": 2, "period": "600ms"}});
    host.deploy_with("f", "counter", json!({}), manifest);
    let events: Vec<_> = (0..8).map(|n| event("counter.add").subject(&format!("s{n}"))).collect();
    let receipts = host.accept_all(&events);
    for _ in 0..3 {
        let feed = Feed::open(host.address(), "?function=f");
        if host.counts("f")["committed"] != 8 {
            feed.next("committed");
        }
        host = host.crash_and_restart();
    }
    host.settled();
    let starts = starts(&host, &receipts);
    assert_eq!(starts.len(), 8, "each has one attempt on record");
    at_most(2, 600, &starts);
}

#[test]
fn so_many_attempts_of_a_function_and_of_a_key_run_at_once() {
    let host = Host::start();
    let sleepy = |concurrency: u32, key: u32| {
        json!({"on": ["misbehave.sleep"], "key": "subject", "timeout": "300ms",
            "concurrency": concurrency, "keyConcurrency": key, "retry": {"attempts": 1}})
    };
    let run = |name: &str, concurrency: u32, key: u32| {
        host.deploy_with(name, "misbehave", json!({}), sleepy(concurrency, key));
        let events: Vec<_> = (0..8)
            .map(|n| event("misbehave.sleep").subject(if n % 2 == 0 { "a" } else { "b" }))
            .collect();
        let receipts = host.settle_all(&events);
        host.send(Request::new("DELETE", format!("/api/v1/functions/{name}")));
        overlaps(&host, &receipts)
    };
    // By the function's limit, then by the key's.
    assert_eq!(run("f", 3, 4).0, 3);
    let (all, of_a_key) = run("g", 16, 2);
    assert_eq!((all, of_a_key), (4, 2));
}

/// How many attempts ran at the same time, and how many of one key.
fn overlaps(host: &Host, receipts: &[Value]) -> (usize, usize) {
    let mut spans: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for receipt in receipts {
        let story = host.story(&receipt["seq"]);
        let key = story["deliveries"][0]["key"].as_str().unwrap().to_owned();
        let attempt = &story["deliveries"][0]["history"][0];
        spans.entry(key).or_default().push((ms(&attempt["started"]), ms(&attempt["ended"])));
    }
    let most = |spans: &[(u64, u64)]| {
        let at = |begin: u64| spans.iter().filter(|(b, e)| *b <= begin && begin < *e).count();
        spans.iter().map(|(begin, _)| at(*begin)).max().unwrap_or(0)
    };
    let of_a_key = spans.values().map(|spans| most(spans)).max().unwrap_or(0);
    (most(&spans.into_values().flatten().collect::<Vec<_>>()), of_a_key)
}

/// The status and the error's code of the only result.
fn outcome(receipt: &Value) -> (&str, &str) {
    let result = &receipt["results"][0];
    let code = result["error"]["code"].as_str().unwrap_or("-");
    (result["status"].as_str().unwrap(), code)
}

#[test]
fn what_is_past_a_rate_limit_is_dropped_and_says_so() {
    let host = Host::start();
    let limited = json!({"on": ["counter.add"], "key": "subject",
        "rateLimit": {"limit": 2, "period": "1h"}});
    host.deploy_with("f", "counter", json!({}), limited);
    host.deploy_with("g", "counter", json!({}), json!({"on": ["counter.other"]}));
    let events: Vec<_> = (0..5).map(|_| event("counter.add").subject("a")).collect();
    let receipts = host.settle_all(&events);
    let outcomes: Vec<_> = receipts.iter().map(outcome).collect();
    let (run, dropped) = (("committed", "-"), ("dropped", "drop.rate_limited"));
    assert_eq!(outcomes, [run, run, dropped, dropped, dropped]);
    assert_eq!(outcome(&host.settle(&event("counter.other").subject("a"))), run);
    let is_told = |host: &Host| {
        let delivery = delivery(host, &receipts[4]);
        assert_eq!((&delivery["status"], &delivery["history"]), (&json!("dropped"), &json!([])));
        assert_eq!(delivery["error"]["code"], "drop.rate_limited");
        let counts = host.counts("f");
        assert_eq!((&counts["committed"], &counts["dropped"]), (&json!(2), &json!(3)));
        assert_eq!(host.state("f", Some("a"))["n"], 2);
    };
    is_told(&host);
    // What was acknowledged as dropped stays so. The next host counts from nothing.
    let host = host.crash_and_restart();
    is_told(&host);
    assert_eq!(outcome(&host.settle(&event("counter.add").subject("a"))), run);
}

#[test]
fn emitted_events_are_limited_as_well() {
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    let limited = json!({"on": ["misbehaved.emitted"], "rateLimit": {"limit": 3, "period": "1h"}});
    host.deploy_with("f", "counter", json!({}), limited);
    let emit = |n: u32| event("misbehave.many-emits").data(json!({"n": n}));
    committed(&host.settle(&emit(10)));
    host.settled();
    let counts = host.counts("f");
    assert_eq!((&counts["committed"], &counts["dropped"]), (&json!(3), &json!(7)));
}

#[test]
fn of_what_is_debounced_the_last_runs() {
    let host = Host::start();
    let debounced = json!({"on": ["counter.add"], "key": "subject",
        "debounce": {"period": "700ms"}});
    host.deploy_with("f", "counter", json!({}), debounced);
    let events: Vec<_> =
        (0..6).map(|n| event("counter.add").subject(if n % 2 == 0 { "a" } else { "b" })).collect();
    let first = host.accept(&event("counter.add").subject("a"));
    let waiting = delivery(&host, &first);
    assert_eq!(waiting["status"], "waiting");
    assert!(waiting["reason"].as_str().unwrap().contains("debounced"), "{waiting}");
    let receipts = host.settle_all(&events);
    let outcomes: Vec<_> = receipts.iter().map(outcome).collect();
    let (run, dropped) = (("committed", "-"), ("dropped", "drop.debounced"));
    assert_eq!(outcomes, [dropped, dropped, dropped, dropped, run, run]);
    assert_eq!(delivery(&host, &first)["error"]["code"], "drop.debounced");
    let story = host.story(&receipts[5]["seq"]);
    let started = ms(&story["deliveries"][0]["history"][0]["started"]);
    assert!(started - ms(&story["accepted"]) >= 700, "{story}");
    let counts = host.counts("f");
    assert_eq!((&counts["committed"], &counts["dropped"]), (&json!(2), &json!(5)));
    // What comes later is not one of them.
    assert_eq!(outcome(&host.settle(&event("counter.add").subject("a"))), run);
    assert_eq!(host.state("f", Some("a"))["n"], 2);
}

#[test]
fn a_debounced_wait_goes_on_after_a_kill_and_is_bounded() {
    let host = Host::start();
    let debounced = json!({"on": ["counter.add"], "debounce": {"period": "900ms", "max": "2s"}});
    host.deploy_with("f", "counter", json!({}), debounced);
    let send = |host: &Host| host.accept(&event("counter.add").subject("a"));
    let mut receipts = vec![send(&host)];
    let mut host = host.crash_and_restart();
    // One after the other, each before the time of the one before, until one has run.
    while host.counts("f")["committed"] == 0 {
        receipts.push(send(&host));
        if receipts.len() == 3 {
            host = host.crash_and_restart();
        }
    }
    host.settled();
    let mut waits = Vec::new();
    let begin = ms(&host.story(&receipts[0]["seq"])["accepted"]);
    for receipt in &receipts {
        let story = host.story(&receipt["seq"]);
        let delivery = &story["deliveries"][0];
        match delivery["status"].as_str().unwrap() {
            "committed" => waits.push(ms(&delivery["history"][0]["started"]) - begin),
            status => assert_eq!((status, &delivery["history"]), ("dropped", &json!([]))),
        }
    }
    assert!(waits.len() <= 2 && waits[0] >= 2000, "the first of all bounds the wait: {waits:?}");
    let error = &delivery(&host, &receipts[0])["error"];
    assert_eq!(error["code"], "drop.debounced");
}
