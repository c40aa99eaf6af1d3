//! The archive: replays that go on by themselves, are cancelled, and survive a crash; and how
//! long history is kept.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Event, Feed, Host, Request, Setup, event, trip, until};

fn adds(count: usize, subject: &str) -> Vec<Event> {
    (0..count).map(|_| event("counter.add").subject(subject)).collect()
}

fn start(host: &Host, body: Value) -> Value {
    host.send(Request::post("/api/v1/replay").json(&body)).expect(202)["replay"].clone()
}

fn show(host: &Host, replay: &Value) -> Value {
    let path = format!("/api/v1/replays/{}", replay["id"].as_str().unwrap());
    host.get(path)["replay"].clone()
}

fn cancel(host: &Host, replay: &Value) -> Value {
    let path = format!("/api/v1/replays/{}", replay["id"].as_str().unwrap());
    host.send(Request::new("DELETE", path)).expect(200)["replay"].clone()
}

/// What `ask` finds in a replay, as soon as it is there.
#[track_caller]
fn seen(host: &Host, replay: &Value, ask: impl Fn(&Value) -> bool) -> Value {
    let feed = Feed::open(host.address(), "");
    let pause = || drop(feed.any(std::time::Duration::from_millis(50)));
    until("the replay", pause, || Some(show(host, replay)).filter(&ask))
}

#[track_caller]
pub(crate) fn ended(host: &Host, replay: &Value) -> Value {
    seen(host, replay, |replay| replay["state"] != "running")
}

/// The numbers of the events that were replayed, by what they say themselves: in their new order.
fn replayed(host: &Host, ty: &str) -> Vec<u64> {
    let events = host.events(ty);
    let of = |event: &Value| event["replayof"].as_str().map(|seq| seq.parse().unwrap());
    events.iter().filter_map(of).collect()
}

fn numbers(receipts: &[Value]) -> Vec<u64> {
    receipts.iter().map(|receipt| receipt["seq"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_past_is_replayed_in_its_order_to_one_function() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let elsewhere = json!({"on": ["nowhere"], "key": "subject"});
    host.deploy_with("second", "counter", json!({}), elsewhere);
    let before = numbers(&host.accept_all(&adds(150, "a")));
    host.accept_all(&adds(20, "b"));
    let replay = start(&host, json!({"function": "second", "type": "counter.*", "subject": "a"}));
    assert_eq!((&replay["state"], &replay["function"]), (&"running".into(), &"second".into()));
    let replay = ended(&host, &replay);
    assert_eq!(replay["state"], "done", "{replay}");
    host.settled();
    // What the first 150 emitted may have been there when it began.
    let done = replay["done"].as_u64().unwrap();
    assert_eq!((&replay["events"], &replay["deliveries"]), (&replay["done"], &replay["done"]));
    assert_eq!(host.state("second", Some("a"))["n"], done);
    assert_eq!(host.state("counter", Some("a"))["n"], 150, "only one function got them");
    assert_eq!(replayed(&host, "counter.add"), before);
}

#[test]
fn without_a_function_whoever_asks_gets_them() {
    let host = Host::start();
    host.accept_all(&adds(10, "a"));
    host.accept(&event("nobody.asks"));
    host.deploy("counter", "counter");
    let second = json!({"on": ["counter.add"], "key": "subject"});
    host.deploy_with("second", "counter", json!({}), second);
    let replay = ended(&host, &start(&host, json!({"source": "/tests"})));
    assert_eq!((&replay["done"], &replay["deliveries"]), (&json!(11), &json!(20)), "{replay}");
    host.settled();
    for name in ["counter", "second"] {
        assert_eq!(host.state(name, Some("a"))["n"], 10);
    }
    assert_eq!(replayed(&host, "nobody.asks").len(), 1);
}

#[test]
fn a_replay_has_a_rate_and_can_be_cancelled() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle_all(&adds(300, "a"));
    let replay = start(&host, json!({"function": "counter", "type": "counter.add", "rate": 20}));
    let before = seen(&host, &replay, |replay| replay["done"].as_u64().unwrap() >= 3);
    assert_eq!((&before["events"], &before["state"]), (&json!(300), &json!("running")));
    let cancelled = cancel(&host, &replay);
    assert_eq!(cancelled["state"], "cancelled");
    let done = cancelled["done"].as_u64().unwrap();
    assert!((3..300).contains(&done), "{cancelled}");
    assert_eq!(cancel(&host, &replay), cancelled, "it has ended already");
    let host = host.crash_and_restart();
    host.settled();
    assert_eq!(show(&host, &replay), cancelled);
    assert_eq!(host.state("counter", Some("a"))["n"], 300 + done);
}

#[test]
fn a_replay_goes_on_after_a_kill_where_it_was() {
    let setup = Setup::new().set("JOURNAL_CHECKPOINT_BYTES", "64KiB");
    let mut host = setup.start();
    host.deploy("counter", "counter");
    let before = numbers(&host.settle_all(&adds(600, "a")));
    let replay = start(&host, json!({"function": "counter", "type": "counter.add", "rate": 300}));
    for part in [100, 250, 400] {
        seen(&host, &replay, |replay| replay["done"].as_u64().unwrap() >= part);
        host = host.crash_and_restart();
    }
    let replay = ended(&host, &replay);
    assert_eq!((&replay["state"], &replay["done"]), (&json!("done"), &json!(600)), "{replay}");
    host.settled();
    assert_eq!(replayed(&host, "counter.add"), before, "each once, in order");
    assert_eq!(host.state("counter", Some("a"))["n"], 1200);
    let distinct: BTreeSet<u64> = before.into_iter().collect();
    assert_eq!(distinct.len(), 600);
}

#[test]
fn what_comes_in_later_is_not_replayed() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle_all(&adds(30, "a"));
    let replay = start(&host, json!({"function": "counter", "type": "counter.add", "rate": 30}));
    host.settle_all(&adds(30, "a"));
    assert_eq!(ended(&host, &replay)["done"], 30);
    // A replay of nothing is soon done.
    let none = start(&host, json!({"function": "counter", "before": "2020-01-01T00:00:00Z"}));
    assert_eq!(ended(&host, &none)["done"], 0);
    let listed = host.get("/api/v1/replays")["replays"].clone();
    let ids: Vec<&str> =
        listed.as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["2", "1"], "newest first");
}

#[test]
fn replays_go_behind_unless_the_event_is_urgent() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.post("/api/v1/functions/counter/pause", json!({}));
    let plain = host.accept(&event("counter.add").subject("a"));
    let urgent = host.accept(&event("counter.add").subject("b").with("priority", 7));
    ended(&host, &start(&host, json!({"function": "counter", "type": "counter.add"})));
    let listed = host.get("/api/v1/deliveries?function=counter")["deliveries"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 4, "{listed}");
    let newest = host.events("counter.add");
    assert_eq!(newest[2]["replayof"], plain["seq"]);
    assert_eq!((&newest[3]["replayof"], &newest[3]["priority"]), (&urgent["seq"], &json!(7)));
}

#[test]
fn a_replay_whose_function_is_removed_fails_and_says_so() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle_all(&adds(100, "a"));
    let replay = start(&host, json!({"function": "counter", "type": "counter.add", "rate": 20}));
    let path = "/api/v1/functions/counter?discard=true";
    host.send(Request::new("DELETE", path)).expect(200);
    let replay = ended(&host, &replay);
    assert_eq!(
        (&replay["state"], &replay["error"]["code"]),
        (&"failed".into(), &"function.not_found".into())
    );
}

#[test]
fn wrong_replays_are_refused() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.accept_all(&adds(50, "a"));
    let post = |body: Value| host.send(Request::post("/api/v1/replay").json(&body));
    for rate in [0, 100_001] {
        post(json!({"function": "counter", "rate": rate})).problem(400, "replay.rate");
    }
    post(json!({"function": "counter", "typ": "a"})).problem(400, "http.body_malformed");
    host.send(Request::get("/api/v1/replays/7")).problem(404, "replay.not_found");
    host.send(Request::get("/api/v1/replays/x")).problem(400, "http.name");
    host.send(Request::new("DELETE", "/api/v1/replays/7")).problem(404, "replay.not_found");
    let slow = || post(json!({"function": "counter", "rate": 1}));
    for _ in 0..16 {
        slow().expect(202);
    }
    slow().problem(409, "replay.too_many");
}

#[test]
fn the_command_line_replays_and_cancels() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle_all(&adds(40, "a"));
    let args = ["replay", "--function", "counter", "--type", "counter.add"];
    let done = trip(&host, &[&args[..], &["--wait"]].concat()).expect(0).stdout;
    assert!(done.contains("40 of 40"), "{done}");
    let json = trip(&host, &[&args[..], &["--wait", "--json"]].concat()).json();
    assert_eq!(json["replay"]["state"], "done");
    let slow = trip(&host, &["replay", "--all", "--type", "counter.add", "--rate", "1", "--json"]);
    let id = slow.json()["replay"]["id"].as_str().unwrap().to_owned();
    let listed = trip(&host, &["replays"]).expect(0).stdout;
    assert!(listed.contains("running") && listed.contains("type=counter.add"), "{listed}");
    let cancelled = trip(&host, &["replays", "cancel", &id]).expect(0).stdout;
    assert!(cancelled.contains("cancelled"), "{cancelled}");
    assert_eq!(trip(&host, &["replays", "--json"]).json()["replays"].as_array().unwrap().len(), 3);
    trip(&host, &["replay", "--type", "counter.add"]).expect(2);
}

/// Sends events until the first one is kept no longer.
fn is_forgotten(setting: &str, value: &str) {
    let setup = Setup::new().set("JOURNAL_CHECKPOINT_BYTES", "64KiB").set(setting, value);
    let host = setup.start();
    host.deploy("counter", "counter");
    host.post("/api/v1/functions/counter/pause", json!({}));
    let waits = host.accept(&event("counter.add").subject("a"));
    let first = host.accept(&event("a.b"));
    // The next batch proves that it is on disk. Without one a start copies it into its own segment.
    host.accept(&event("a.b"));
    // A start begins a new segment: only whole ones are dropped.
    let host = host.crash_and_restart();
    let path = format!("/api/v1/events/{}", first["seq"].as_str().unwrap());
    let pause = || drop(host.accept_all(&(0..100).map(|_| event("a.b")).collect::<Vec<_>>()));
    until("the event to be dropped", pause, || {
        (host.send(Request::get(&path)).status == 404).then_some(())
    });
    // What waits is kept however old it is.
    host.post("/api/v1/functions/counter/resume", json!({}));
    host.settled();
    assert_eq!(host.state("counter", Some("a"))["n"], 1, "{waits}");
}

#[test]
fn history_is_kept_for_its_time() {
    is_forgotten("RETENTION_AGE", "1s");
}

#[test]
fn history_is_kept_up_to_its_size() {
    is_forgotten("RETENTION_BYTES", "64KiB");
}
