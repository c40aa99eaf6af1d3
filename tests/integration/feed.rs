//! The live feed: what has happened, in order, once it is on disk.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Feed, Host, event};

/// What is in the feed until nothing more comes.
fn all(feed: &Feed) -> Vec<(String, Value)> {
    std::iter::from_fn(|| feed.any(Duration::from_millis(300))).collect()
}

#[test]
fn everything_that_happens_to_an_event_is_told_in_order() {
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    let feed = Feed::open(host.address(), "");
    let receipt = host.settle(&event("misbehave.flaky").subject("s"));
    let told = all(&feed);
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["accepted", "attempted", "retried", "attempted", "committed"]);
    for (kind, item) in &told {
        assert_eq!(item["kind"], *kind);
        assert_eq!(item["seq"], receipt["seq"]);
        assert!(item["at"].as_str().unwrap().ends_with('Z'), "{item}");
    }
    let accepted = &told[0].1;
    assert_eq!((&accepted["type"], &accepted["subject"]), (&json!("misbehave.flaky"), &json!("s")));
    assert_eq!(accepted["functions"], json!(["misbehave"]));
    assert_eq!(told[2].1["error"]["code"], "invoke.retry");
    assert_eq!((&told[4].1["revision"], &told[4].1["attempt"]), (&json!("r1"), &json!(2)));

    host.settle(&event("misbehave.reject"));
    assert_eq!(feed.next("dead")["error"]["code"], "invoke.rejected");
    host.deploy("counter", "counter");
    assert_eq!(feed.next("deployed")["function"], "counter");
}

#[test]
fn a_feed_is_of_one_type_or_one_function_if_that_is_asked() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.deploy_with("other", "counter", json!({}), json!({"on": ["x.*"], "key": "subject"}));
    let of_type = Feed::open(host.address(), "?type=x.*");
    let of_function = Feed::open(host.address(), "?function=counter");
    host.settle(&event("counter.add").subject("a"));
    let other = host.settle(&event("x.y").subject("a"));
    for (_, item) in all(&of_type) {
        assert_eq!(item["seq"], other["seq"], "{item}");
    }
    let told = all(&of_function);
    assert!(told.iter().any(|(kind, _)| kind == "committed"), "{told:?}");
    for (_, item) in &told {
        assert_ne!(item["seq"], other["seq"], "{item}");
    }
}

#[test]
fn an_attempt_is_told_when_it_begins() {
    let host = Host::start();
    let endless = json!({"on": ["misbehave.spin"], "timeout": "30s", "retry": {"attempts": 1}});
    host.deploy_with("f", "misbehave", json!({}), endless);
    let feed = Feed::open(host.address(), "");
    let receipt = host.accept(&event("misbehave.spin"));
    assert_eq!(feed.next("attempted")["seq"], receipt["seq"]);
    assert_eq!(host.counts("f")["running"], 1, "it still runs");
}
