//! What the host tells of itself as events, that functions and sinks can take.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Feed, Host, Request, Setup, Sink, event, until};

fn setup(text: &str) -> (tempfile::TempDir, Setup) {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("triphammer.toml");
    fs::write(&file, text).unwrap();
    let setup = Setup::new().config(file);
    (scratch, setup)
}

/// The payload of the only event of this type, as soon as there is one.
fn told(host: &Host, ty: &str) -> Value {
    let feed = Feed::open(host.address(), &format!("?type={ty}"));
    let pause = || drop(feed.any(std::time::Duration::from_secs(1)));
    let mut events = until(ty, pause, || Some(host.events(ty)).filter(|all| !all.is_empty()));
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[test]
fn a_pause_and_its_end_reach_a_function_that_asks_for_them() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let on = json!({ "on": "triphammer.function.*" });
    host.deploy_with("watch", "relay", json!({ "to": "told.it" }), on);
    host.post("/api/v1/functions/counter/pause", json!({}));
    host.post("/api/v1/functions/counter/pause", json!({}));
    let paused = told(&host, "triphammer.function.paused");
    assert_eq!(paused["source"], "/triphammer/functions/counter");
    assert_eq!(paused["subject"], "counter");
    assert_eq!(paused["data"]["reason"], "paused by an operator");
    host.post("/api/v1/functions/counter/resume", json!({}));
    let resumed = told(&host, "triphammer.function.resumed");
    assert_eq!(resumed["data"]["since"], paused["data"]["since"]);
    host.settled();
    assert_eq!(host.counts("watch")["committed"], 2);
    assert_eq!(host.events("told.it").len(), 2);
}

#[test]
fn little_room_on_the_disk_reaches_a_sink() {
    let sink = Sink::start(&[]);
    let target = sink.target();
    let (_scratch, setup) = setup(&format!(
        "[alerts]\ndisk_free = \"1000000GiB\"\n\
         [http_out]\nallow = [\"{target}\"]\nallow_private = [\"localhost\"]\n"
    ));
    let host = setup.start();
    let low = told(&host, "triphammer.disk.low");
    assert_eq!(low["source"], "/triphammer/host");
    let free = low["data"]["freeBytes"].as_u64().unwrap();
    assert!(free > 0 && free < low["data"]["boundBytes"].as_u64().unwrap());
    // A sink that subscribes once it was told gets it as a replay.
    let body = json!({"sink": sink.url(), "protocol": "HTTP", "types": ["triphammer.disk.*"]});
    host.send(Request::new("PUT", "/subscriptions/ops").json(&body)).expect(201);
    let seq = host.get("/api/v1/events?type=triphammer.disk.low")["events"][0]["seq"].clone();
    let path = format!("/api/v1/events/{}/replay", seq.as_str().unwrap());
    host.post(path, json!({ "function": "ops" }));
    let taken = sink.taken(1);
    let event: Value = serde_json::from_slice(&taken[0].body).unwrap();
    assert_eq!(event["type"], "triphammer.disk.low");
}

#[test]
fn a_function_that_falls_behind_is_told_of_once_and_when_it_is_over() {
    let (_scratch, setup) = setup("[alerts]\nlag = \"100ms\"\n");
    let host = setup.start();
    let manifest = json!({ "on": "misbehave.*", "concurrency": 1, "timeout": "1s",
        "retry": { "attempts": 1 } });
    host.deploy_with("slow", "misbehave", json!({}), manifest);
    for n in 0..6 {
        host.accept(&event("misbehave.sleep").id(&n.to_string()));
    }
    let high = told(&host, "triphammer.lag.high");
    let number = |name: &str| high["data"][name].as_u64().unwrap();
    assert!(number("lagMs") > number("boundMs") && number("boundMs") == 100, "{high}");
    assert_eq!(high["subject"], "slow");
    let over = told(&host, "triphammer.lag.over");
    assert_eq!(over["data"]["since"], high["data"]["since"]);
}
