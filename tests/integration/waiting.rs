//! Senders that wait for what comes of their events, generation by generation.

use serde_json::{Value, json};

use crate::harness::{Event, Host, Response, event};

/// `relay.go` → `counter.add` → `counter.counted`, which nobody asks for.
fn host_with_chain(config: Value) -> Host {
    let host = Host::start();
    host.deploy_with("relay", "relay", config, json!({}));
    host.deploy("counter", "counter");
    host
}

fn send(host: &Host, event: &Event, prefer: &str) -> Response {
    host.send(event.request().header("prefer", prefer))
}

/// The results of the only event.
#[track_caller]
fn results(host: &Host, event: &Event, prefer: &str) -> Value {
    send(host, event, prefer).expect(200)["events"][0]["results"].clone()
}

fn go(id: &str) -> Event {
    event("relay.go").subject("a").id(id)
}

#[test]
fn what_was_emitted_is_waited_for_as_deep_as_is_asked() {
    let host = host_with_chain(json!({"to": "counter.add"}));
    let flat = results(&host, &go("0"), "wait=60");
    assert_eq!(flat[0].get("emitted"), None, "{flat}");
    let answer = send(&host, &go("1"), "wait=60; depth=1");
    assert_eq!(answer.header("preference-applied"), Some("wait=60; depth=1"));
    let one = answer.expect(200)["events"][0]["results"].clone();
    let child = &one[0]["emitted"][0];
    assert_eq!(child["type"], "counter.add", "{one}");
    assert_eq!(child["results"][0]["function"], "counter");
    assert_eq!(child["results"][0].get("emitted"), None, "{one}");
    let two = results(&host, &go("2"), "wait=60; depth=2");
    let child = &two[0]["emitted"][0];
    assert_eq!(child["results"][0]["reply"]["data"]["n"], 3);
    let grandchild = &child["results"][0]["emitted"][0];
    assert_eq!(
        (&grandchild["type"], &grandchild["results"]),
        (&json!("counter.counted"), &json!([]))
    );
    assert_eq!(host.story(&child["seq"])["event"]["id"], child["id"]);
}

#[test]
fn a_duplicate_has_all_the_results_of_the_first() {
    let host = host_with_chain(json!({"to": "counter.add"}));
    let first = results(&host, &go("1"), "wait=60; depth=3");
    assert_eq!(results(&host, &go("1"), "wait=60; depth=3"), first);
    let host = host.crash_and_restart();
    assert_eq!(results(&host, &go("1"), "wait=60; depth=3"), first);
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
}

#[test]
fn a_duplicate_waits_for_what_the_first_still_does() {
    let host = host_with_chain(json!({"to": "counter.add"}));
    host.post("/api/v1/functions/counter/pause", json!({}));
    results(&host, &go("1"), "wait=60");
    send(&host, &go("1"), "wait=1; depth=1").expect(202);
    let resumed = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| results(&host, &go("1"), "wait=60; depth=1"));
        host.post("/api/v1/functions/counter/resume", json!({}));
        waiting.join().unwrap()
    });
    let child = &resumed[0]["emitted"][0];
    assert_eq!(child["results"][0]["status"], "committed", "{resumed}");
}

#[test]
fn dead_letters_of_the_chain_are_told() {
    let host = host_with_chain(json!({"to": "misbehave.reject"}));
    host.deploy("misbehave", "misbehave");
    let told = results(&host, &go("1"), "wait=60; depth=2");
    let dead = &told[0]["emitted"][0]["results"][0];
    assert_eq!(
        (&dead["status"], &dead["error"]["code"]),
        (&"dead".into(), &"invoke.rejected".into())
    );
    assert_eq!(dead.get("emitted"), None, "{told}");
    // One that is dead from the beginning, for lack of its key.
    host.deploy_with("relay", "relay", json!({"to": "counter.add"}), json!({}));
    let told = results(&host, &event("relay.go"), "wait=60; depth=2");
    let dead = &told[0]["emitted"][0]["results"][0];
    assert_eq!(dead["error"]["code"], "route.key_missing", "{told}");
}

#[test]
fn what_is_delayed_has_not_settled() {
    let host = host_with_chain(json!({"to": "counter.add", "delay-ms": "600000"}));
    results(&host, &go("1"), "wait=60");
    let answer = send(&host, &go("2"), "wait=1; depth=1").expect(202);
    assert_eq!(answer["events"][0].get("results"), None);
}

#[test]
fn a_loop_is_waited_for_until_the_depth() {
    let host = host_with_chain(json!({"to": "relay.go"}));
    let told = results(&host, &go("1"), "wait=60; depth=16");
    let mut level = &told[0];
    let mut depth = 0;
    while let Some(next) = level["emitted"].get(0) {
        (level, depth) = (&next["results"][0], depth + 1);
    }
    assert_eq!(depth, 16);
    send(&host, &go("2"), "wait=1; depth=17").problem(400, "http.prefer");
}
