//! Circuit breakers: a function that keeps failing stands still, is probed, and goes on; what is open
//! stays open over a kill, and says why.

use serde_json::{Value, json};

use crate::harness::{Event, Feed, Host, Request, event, trip, until};

const RESUME: &str = "/api/v1/functions/f/resume";

/// Deploys `f`, which fails as it is told to. Its breaker opens after three failures.
fn deploy(host: &Host, probe: &str, more: Value) {
    let mut manifest = json!({"on": ["misbehave.*"], "retry": {"attempts": 9, "initial": "1ms"},
        "breaker": {"failures": 3, "probe": probe}});
    manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    host.deploy_with("f", "misbehave", json!({}), manifest);
}

/// Its first `failures` attempts fail, and the one after them is committed.
fn flaky(failures: u32) -> Event {
    event("misbehave.flaky").data(json!({"n": failures}))
}

/// Sends what opens the breaker for an hour, and waits until it has. The receipt.
fn open_for_an_hour(host: &Host) -> Value {
    deploy(host, "1h", json!({}));
    let feed = Feed::open(host.address(), "?type=triphammer.breaker.*");
    let receipt = host.accept(&flaky(3));
    feed.next("accepted");
    receipt
}

fn breaker(host: &Host) -> Value {
    host.function("f")["breaker"].clone()
}

fn metric(host: &Host, line: &str) -> bool {
    let metrics = host.send(Request::get("/metrics")).text();
    metrics.lines().any(|found| found == line)
}

/// The members of each event about a breaker that say what happened.
fn told(host: &Host) -> Vec<Value> {
    let all = host.events("triphammer.breaker.*");
    let step = |event: &Value| {
        let ty = event["type"].as_str().unwrap().rsplit('.').next().unwrap();
        let data = &event["data"];
        json!([ty, data["failures"], data["reason"]])
    };
    all.iter().map(step).collect()
}

#[test]
fn a_breaker_opens_is_probed_and_closes_and_functions_hear_of_it() {
    let host = Host::start();
    let on = json!({"on": ["triphammer.breaker.*"]});
    host.deploy_with("listener", "relay", json!({"to": "heard.it"}), on);
    deploy(&host, "300ms", json!({}));
    assert_eq!(breaker(&host)["state"], "closed");
    assert!(metric(&host, "triphammer_breaker_open{function=\"f\"} 0"));
    // Three failures, a probe that fails, and one that does not.
    let receipt = host.settle(&flaky(4));
    assert_eq!(receipt["results"][0]["status"], "committed", "{receipt}");
    assert_eq!(receipt["results"][0]["attempts"], 5);
    let history = host.story(&receipt["seq"])["deliveries"][0]["history"].clone();
    let waited = |from: usize| {
        let ms = |at: &Value| super::flow::ms(at);
        ms(&history[from]["started"]) - ms(&history[from - 1]["ended"])
    };
    assert!(waited(3) >= 300 && waited(4) >= 300, "{history}");
    host.settled();
    let probe = "a delivery is tried";
    let expect = json!([
        ["opened", 3, "3 attempts failed in a row"],
        ["probing", 3, probe],
        ["opened", 4, "the probe failed"],
        ["probing", 4, probe],
        ["closed", 4, "the probe was committed"]
    ]);
    assert_eq!(json!(told(&host)), expect);
    assert_eq!(host.events("heard.it").len(), 5, "a function has handled each");
    let opened = &host.events("triphammer.breaker.opened")[0];
    let data = &opened["data"];
    assert_eq!((&opened["subject"], &data["function"]), (&json!("f"), &json!("f")));
    assert_eq!((&data["revision"], &data["error"]["code"]), (&json!("r1"), &json!("invoke.retry")));
    assert!(data["until"].is_string() && data["since"].is_string(), "{data}");
    let closed = breaker(&host);
    let none = json!({"state": "closed", "failures": 0, "since": null, "until": null,
        "error": null});
    assert_eq!(closed, none);
    for line in ["opened_total 2", "probed_total 2", "closed_total 1"] {
        assert!(metric(&host, &format!("triphammer_breakers_{line}")), "{line}");
    }
}

#[test]
fn an_open_breaker_holds_everything_and_says_why_through_a_kill() {
    let host = Host::start();
    let receipt = open_for_an_hour(&host);
    let behind = host.accept(&flaky(0));
    let shown = breaker(&host);
    assert_eq!((&shown["state"], &shown["failures"]), (&json!("open"), &json!(3)), "{shown}");
    assert_eq!(shown["error"]["code"], "invoke.retry", "{shown}");
    assert!(metric(&host, "triphammer_breaker_open{function=\"f\"} 1"));
    let host = host.crash_and_restart();
    assert_eq!(breaker(&host), shown, "until the same moment, for the same reason");
    assert!(metric(&host, "triphammer_breaker_open{function=\"f\"} 1"));
    let again = flaky(0);
    for receipt in [receipt, behind, host.accept(&again)] {
        let pause = || std::thread::yield_now();
        let delivery = until("it to be ready", pause, || {
            let delivery = host.story(&receipt["seq"])["deliveries"][0].clone();
            (delivery["status"] == "ready").then_some(delivery)
        });
        let until = shown["until"].as_str().unwrap();
        let reason = delivery["reason"].as_str().unwrap();
        let expect = format!("open until {until}, after 3 failures in a row: invoke.retry");
        assert!(reason.contains(&expect), "{reason}");
        let waiting_for = &delivery["waitingFor"];
        assert_eq!(
            (&waiting_for["kind"], &waiting_for["until"]),
            (&json!("breaker"), &json!(until))
        );
        assert_eq!(delivery["due"], until);
    }
    // The revision that mends it begins with a closed one.
    deploy(&host, "1h", json!({"timeout": "2s"}));
    host.settled();
    assert_eq!(
        (&breaker(&host)["state"], &host.counts("f")["committed"]),
        (&json!("closed"), &json!(3))
    );
    let last = told(&host).pop();
    assert_eq!(last, Some(json!(["closed", 3, "r2 was given everything"])));
}

#[test]
fn a_breaker_is_probed_at_its_time_by_the_host_that_comes_after_a_kill() {
    let host = Host::start();
    deploy(&host, "1s", json!({}));
    let feed = Feed::open(host.address(), "?type=triphammer.breaker.opened");
    let receipt = host.accept(&flaky(3));
    feed.next("accepted");
    drop(feed);
    let host = host.crash_and_restart();
    host.settled();
    let delivery = host.story(&receipt["seq"])["deliveries"][0].clone();
    assert_eq!(delivery["status"], "committed");
    let history = delivery["history"].as_array().unwrap();
    let ms = |at: &Value| super::flow::ms(at);
    let waited = ms(&history[3]["started"]) - ms(&history[2]["ended"]);
    assert!(history.len() == 4 && waited >= 1000, "{delivery}");
    let last = told(&host).pop();
    assert_eq!(last, Some(json!(["closed", 3, "the probe was committed"])));
}

#[test]
fn an_operator_closes_a_breaker_by_resuming_and_a_pause_is_another_thing() {
    let host = Host::start();
    open_for_an_hour(&host);
    let said = trip(&host, &["function", "f"]).expect(0).stdout;
    assert!(said.contains("breaker open · 3 failures in a row · invoke.retry"), "{said}");
    let listed = trip(&host, &["functions"]).expect(0).stdout;
    assert!(listed.contains("r1 (breaker open)"), "{listed}");
    // A pause leaves it open, and is not lifted when it closes.
    let paused = host.post("/api/v1/functions/f/pause", json!({}));
    assert_eq!((&paused["breaker"]["state"], paused["paused"].is_object()), (&json!("open"), true));
    deploy(&host, "1h", json!({"timeout": "2s"}));
    let host = host.crash_and_restart();
    let shown = host.function("f");
    assert_eq!((&shown["breaker"]["state"], shown["paused"].is_object()), (&json!("closed"), true));
    assert_eq!(host.post(RESUME, json!({}))["paused"], Value::Null);
    host.settled();
    // Without a pause, resuming closes it.
    let feed = Feed::open(host.address(), "?type=triphammer.breaker.opened");
    host.accept(&flaky(3));
    feed.next("accepted");
    assert_eq!(host.post(RESUME, json!({}))["breaker"]["state"], "closed");
    host.settled();
    assert_eq!(host.counts("f")["committed"], 2);
    let last = told(&host).pop();
    assert_eq!(last, Some(json!(["closed", 3, "an operator resumed the function"])));
    let host = host.crash_and_restart();
    assert_eq!(breaker(&host)["state"], "closed");
}

#[test]
fn rejections_are_failures() {
    let host = Host::start();
    deploy(&host, "1h", json!({"concurrency": 1}));
    let feed = Feed::open(host.address(), "?type=triphammer.breaker.opened");
    host.accept_all(&(0..9).map(|_| event("misbehave.reject")).collect::<Vec<_>>());
    feed.next("accepted");
    let counts = host.counts("f");
    assert_eq!((&counts["dead"], &counts["ready"]), (&json!(3), &json!(6)), "{counts}");
    assert_eq!(breaker(&host)["error"]["code"], "invoke.rejected");
}
